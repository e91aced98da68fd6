//go:build !linux

package ops

import "errors"

func allowedCPUs() ([]int, error) { return nil, errors.ErrUnsupported }

func bindThread([]int) error { return errors.ErrUnsupported }
