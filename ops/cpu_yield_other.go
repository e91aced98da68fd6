//go:build !linux

package ops

import "runtime"

// yield offers the processor to another goroutine.
func yield() { runtime.Gosched() }
