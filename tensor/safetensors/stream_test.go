package safetensors

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/tensor"
)

// A file of streamed tensors is the file of the same tensors in memory.
func TestStream(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, streamed bool) []byte {
		var list []Entry
		for _, x := range []tensor.Tensor{ramp(tensor.U8, 3), ramp(tensor.F16, 7), ramp(tensor.F32, 0, 4), ramp(tensor.F32, 5, 3)} {
			e := EntryOf(x.String(), x)
			if streamed {
				e.Load, e.Stream = nil, func(w io.Writer) error {
					for b := x.Bytes(); len(b) > 0; b = b[min(5, len(b)):] {
						if _, err := w.Write(b[:min(5, len(b))]); err != nil {
							return err
						}
					}
					return nil
				}
			}
			list = append(list, e)
		}
		path := filepath.Join(dir, name)
		if err := Write(path, map[string]string{"k": "v"}, list); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(write("streamed", true), write("loaded", false)) {
		t.Error("streamed and loaded tensors give different files")
	}

	short := Entry{Name: "x", DType: tensor.F32, Shape: []int{2}, Stream: func(w io.Writer) error {
		_, err := w.Write(make([]byte, 4))
		return err
	}}
	path := filepath.Join(dir, "short")
	if err := Write(path, nil, []Entry{short}); err == nil || !strings.Contains(err.Error(), `tensor "x": 4 bytes`) {
		t.Errorf("got %v, want the tensor and what is missing", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file with half a tensor was left")
	}
}
