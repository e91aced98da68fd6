package fileio

import (
	"errors"
	"fmt"
	"io"

	"netllm/tensor"
)

// Write puts a tensor's bytes out: those that load returns, or those that stream
// writes, whichever is not nil. It fails unless there is exactly one of the two,
// and unless the bytes are those of a tensor of the type and shape.
func Write(w io.Writer, dtype tensor.DType, shape []int, load func() (tensor.Tensor, error), stream func(io.Writer) error) error {
	switch {
	case (load == nil) == (stream == nil):
		return errors.New("want one of Load and Stream")
	case stream != nil:
		n := int64(1)
		for _, d := range shape {
			n *= int64(d)
		}
		c := counter{w: w, left: n / int64(dtype.BlockLen()) * int64(dtype.BlockBytes())}
		if err := stream(&c); err != nil {
			return err
		}
		if c.left != 0 {
			return fmt.Errorf("%d bytes of %v%v were not written", c.left, dtype, shape)
		}
		return nil
	}
	t, err := load()
	if err != nil {
		return err
	}
	b, err := Content(t, dtype, shape)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// counter lets no more than left bytes through.
type counter struct {
	w    io.Writer
	left int64
}

func (c *counter) Write(b []byte) (int, error) {
	if int64(len(b)) > c.left {
		return 0, fmt.Errorf("%d bytes more than the tensor has", int64(len(b))-c.left)
	}
	n, err := c.w.Write(b)
	c.left -= int64(n)
	return n, err
}
