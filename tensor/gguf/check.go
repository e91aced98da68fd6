package gguf

// Reading files that may be bad: all that is wrong with one, as opposed to the
// first thing.

import (
	"errors"
	"fmt"
)

// maxFaults is how many faults are worth listing.
const maxFaults = 1000

// faults collects what is wrong with the files of a model but does not keep the
// rest from being read.
type faults struct{ list []error }

var errTooManyFaults = errors.New("too many faults, the rest is not looked at")

// add notes a fault. It returns an error if there are too many.
func (f *faults) add(err error) error {
	f.list = append(f.list, err)
	if len(f.list) == maxFaults {
		return errTooManyFaults
	}
	return nil
}

// Check opens a file, or all files of a split model, like [Open], and returns
// all faults that Open would stop at the first of: none means that Open
// succeeds. The file has what is sound: tensors that lie outside of it are
// missing. It is nil if the rest could not be read for a fault, which is the
// last.
func Check(path string) (*File, []error) {
	var all faults
	f, err := open(path, &all)
	if err != nil {
		all.list = append(all.list, err)
	}
	return f, all.list
}

// fault returns err, if the first fault is to end the reading, or notes it.
func (s *shard) fault(err error) error {
	if s.faults == nil {
		return err // whoever called parse adds the name of the file
	}
	return s.faults.add(fmt.Errorf("gguf: %s: %w", s.path, err))
}
