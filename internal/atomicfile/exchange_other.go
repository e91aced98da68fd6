//go:build !linux

package atomicfile

import "errors"

// exchange fails: only Linux lets two names swap what they are of.
func exchange(_, _ string) error { return errors.ErrUnsupported }
