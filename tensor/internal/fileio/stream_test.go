package fileio

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"netllm/tensor"
)

func TestWrite(t *testing.T) {
	broken := errors.New("broken")
	pieces := func(sizes ...int) func(io.Writer) error {
		return func(w io.Writer) error {
			for _, n := range sizes {
				if _, err := w.Write(make([]byte, n)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	load := func() (tensor.Tensor, error) { return tensor.New(tensor.Q8_0, 2, 32), nil }
	for _, c := range []struct {
		name   string
		load   func() (tensor.Tensor, error)
		stream func(io.Writer) error
		want   string // of the error
	}{
		{name: "load", load: load},
		{name: "stream", stream: pieces(68)},
		{name: "pieces", stream: pieces(1, 0, 60, 7)},
		{name: "too few", stream: pieces(60, 7), want: "1 bytes of Q8_0[2 32] were not written"},
		{name: "none", stream: pieces(), want: "68 bytes of Q8_0[2 32] were not written"},
		{name: "too many", stream: pieces(60, 9), want: "1 bytes more than the tensor has"},
		{name: "both", load: load, stream: pieces(68), want: "want one of Load and Stream"},
		{name: "neither", want: "want one of Load and Stream"},
		{name: "failing", stream: func(io.Writer) error { return broken }, want: "broken"},
		{name: "failing load", load: func() (tensor.Tensor, error) { return tensor.Tensor{}, broken }, want: "broken"},
		{name: "other", load: func() (tensor.Tensor, error) { return tensor.New(tensor.F32, 2, 32), nil }, want: "got F32[2x32], want Q8_0[2 32]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Write(&b, tensor.Q8_0, []int{2, 32}, c.load, c.stream)
			if c.want == "" {
				if err != nil || b.Len() != 68 {
					t.Errorf("got %d bytes, %v, want 68", b.Len(), err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
