package gguf

import (
	"fmt"
	"testing"

	"netllm/tensor"
)

// The block types that package tensor has: their numbers, and files that are bad
// in a tensor of each.
func TestBlockTypes(t *testing.T) {
	types := map[tensor.DType]uint32{
		tensor.Q4_0: 2, tensor.Q4_1: 3, tensor.Q5_0: 6, tensor.Q5_1: 7, tensor.Q8_0: 8, tensor.Q4_K: 12, tensor.Q5_K: 13, tensor.Q6_K: 14,
		tensor.Q2_K: 10, tensor.Q3_K: 11, tensor.IQ4_NL: 20, tensor.IQ4_XS: 23,
	}
	for dtype := tensor.Q8_0; dtype <= tensor.IQ4_XS; dtype++ {
		t.Run(dtype.String(), func(t *testing.T) {
			number, name := types[dtype], dtype.String()
			n, size := uint64(dtype.BlockLen()), dtype.BlockBytes()
			content := make([]byte, 6*size) // 3 rows of 2 blocks
			for i := range content {
				content[i] = byte(i * 7)
			}
			build := func(content []byte, dims ...uint64) []byte {
				return file(head(3, 1, 0), info("a", number, 0, dims...), pad, content)
			}

			f, err := Parse("x.gguf", build(content, 2*n, 3))
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := f.Info("a"); !ok || got.DType != dtype || got.Bytes != int64(len(content)) || got.Type.String() != name {
				t.Errorf("got %+v, want %d bytes of %v", got, len(content), dtype)
			}
			x, err := f.Tensor("a")
			if err != nil || x.DType() != dtype || x.Dim(0) != 3 || x.Dim(1) != int(2*n) || string(x.Bytes()) != string(content) {
				t.Errorf("got %v, %v", x, err)
			}

			for _, bad := range []struct {
				name string
				data []byte
				want []string
			}{
				{"half a block", build(content, n/2, 12), []string{"offset", name, fmt.Sprintf("rows of %d elements", n/2), fmt.Sprintf("not a multiple of %d", n)}},
				{"a block and a half", build(content, n+n/2, 4), []string{"offset", name, fmt.Sprintf("not a multiple of %d", n)}},
				{"scalar", build(content), []string{"offset", name, "rows of 1 elements"}},
				{"a byte short", build(content[:len(content)-1], 2*n, 3), []string{"past the end"}},
				{"a row more", build(content, 2*n, 4), []string{"past the end"}},
				{"blocks that overflow", build(content, n, 1<<60), []string{"overflow"}},
			} {
				g, err := Parse("bad.gguf", bad.data)
				if g != nil {
					t.Errorf("%s: got a file", bad.name)
				}
				says(t, err, append(bad.want, "bad.gguf", `"a"`)...)
			}
		})
	}
}
