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
		values = interleaveRows(values, s.RowHeads, s.RopeDim)
	}
	out := tensor.New(dtype, raw.Shape()...)
	tensor.Quantize(dtype, out.Bytes(), values.Float32s())
	return out, nil
}

// interleaveRows returns a matrix, or a vector of one number per row, with the rows of each head moved from the
// order of ops.RoPEHalves to that of ops.RoPEInterleaved: row j to 2j, row
// j+dim/2 to 2j+1, of the first dim rows of the head.
func interleaveRows(w tensor.Tensor, heads, dim int) tensor.Tensor {
	return moveRows(w, heads, dim, func(j int) (from, to int) { return j%2*(dim/2) + j/2, j })
}

// halveRows undoes interleaveRows.
func halveRows(w tensor.Tensor, heads, dim int) tensor.Tensor {
	return moveRows(w, heads, dim, func(j int) (from, to int) { return j, j%2*(dim/2) + j/2 })
}

func moveRows(w tensor.Tensor, heads, dim int, move func(j int) (from, to int)) tensor.Tensor {
	rows := w.Dim(0)
	columns, headDim := w.Len()/rows, rows/heads
	out := tensor.New(tensor.F32, w.Shape()...)
	src, dst := w.Float32s(), out.Float32s()
	for h := range heads {
		for j := range headDim {
			from, to := j, j
			if j < dim {
				from, to = move(j)
			}
			from, to = (h*headDim+from)*columns, (h*headDim+to)*columns
			copy(dst[to:to+columns], src[from:from+columns])
		}
	}
	return out
}
