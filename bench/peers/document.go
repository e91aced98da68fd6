// How ratios are written.

package main

import "fmt"

func ratio(c comparison) string {
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", c.ratio, c.low, c.high)
}
