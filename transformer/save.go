package transformer

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
)

// WriteGGUF implements [Model].
func (m *decoder) WriteGGUF(b ops.Backend, path string, dtype tensor.DType, values []gguf.KeyValue, replace bool) error {
	var entries []gguf.Entry
	for _, s := range slots(m.net) {
		if s.Tied {
			continue
		}
		kind := dtype
		if len(s.Shape) == 1 {
			kind = tensor.F32
		}
		entries = append(entries, gguf.Entry{Name: s.GGUF, DType: kind, Shape: s.Shape, Load: func() (tensor.Tensor, error) {
			return m.export(b, &s, kind)
		}})
	}
	write := gguf.Write
	if replace {
		write = gguf.Replace
	}
	return write(path, append(m.Shape().KeyValues(), values...), entries)
}

// export returns a weight in host memory, as GGUF has it: of another type, and
// with rotated rows in the order of ops.RoPEInterleaved.
func (m *decoder) export(b ops.Backend, s *slot, dtype tensor.DType) (tensor.Tensor, error) {
	if s.host {
		return *s.tensor, nil
	}
	raw := tensor.New(s.tensor.DType(), s.tensor.Shape()...)
	if err := b.Download(raw.Bytes(), *s.tensor); err != nil {
		return tensor.Tensor{}, fmt.Errorf("transformer: %s: %w", s.name(), err)
	}
	values := toFloat32(raw)
	if m.net.base().style == ops.RoPEHalves && s.RowHeads > 0 {
		values = reorderRows(values, s.RowHeads, s.RopeDim, true)
	}
	out := tensor.New(dtype, raw.Shape()...)
	tensor.Quantize(dtype, out.Bytes(), values.Float32s())
	return out, nil
}

// reorderRows returns a copy of a matrix of any type, or of a vector of one number
// for each row, with the first dim rows of each head in the order of
// ops.RoPEInterleaved if interleave is set (row j of ops.RoPEHalves is row 2j, row
// j+dim/2 is row 2j+1), else in that of ops.RoPEHalves, coming from the other one.
func reorderRows(w tensor.Tensor, heads, dim int, interleave bool) tensor.Tensor {
	out := tensor.New(w.DType(), w.Shape()...)
	src, dst := w.Bytes(), out.Bytes()
	rows := w.Dim(0)
	size, headDim := len(src)/rows, rows/heads
	for i := range rows {
		from, to, j := i, i, i%headDim
		if j < dim {
			other := i - j + j%2*(dim/2) + j/2 // j counts pairs
			if interleave {
				from = other
			} else {
				to = other
			}
		}
		copy(dst[to*size:(to+1)*size], src[from*size:])
	}
	return out
}
