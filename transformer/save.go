package transformer

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
)

// WriteGGUF writes m to a GGUF file: matrices as dtype, norm weights as F32,
// the model's shape as llama.* keys, and values, such as a vocabulary, beside
// them. An old file is replaced only if replace is set. The same model gives
// the same bytes.
func (m *Llama) WriteGGUF(b ops.Backend, path string, dtype tensor.DType, values []gguf.KeyValue, replace bool) error {
	f := &m.Config
	head := []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.context_length", Value: uint32(f.MaxPositions)},
		{Key: "llama.embedding_length", Value: uint32(f.Width)},
		{Key: "llama.block_count", Value: uint32(f.Layers)},
		{Key: "llama.feed_forward_length", Value: uint32(f.FFN)},
		{Key: "llama.rope.dimension_count", Value: uint32(f.RopeDim)},
		{Key: "llama.rope.freq_base", Value: float32(f.RopeTheta)},
		{Key: "llama.attention.head_count", Value: uint32(f.Heads)},
		{Key: "llama.attention.head_count_kv", Value: uint32(f.KVHeads)},
		{Key: "llama.attention.key_length", Value: uint32(f.HeadDim)},
		{Key: "llama.attention.value_length", Value: uint32(f.HeadDim)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: f.NormEps},
		{Key: "llama.vocab_size", Value: uint32(f.Vocab)},
	}
	var entries []gguf.Entry
	for _, w := range m.weights() {
		kind, shape := dtype, w.shape(f)
		if len(shape) == 1 {
			kind = tensor.F32
		}
		entries = append(entries, gguf.Entry{Name: w.gguf + ".weight", DType: kind, Shape: shape, Load: func() (tensor.Tensor, error) {
			return m.export(b, w, kind)
		}})
	}
	write := gguf.Write
	if replace {
		write = gguf.Replace
	}
	return write(path, append(head, values...), entries)
}

// export returns a weight in host memory, as GGUF has it: of another type, and
// with the rows of Q and K in the order of ops.RoPEInterleaved.
func (m *Llama) export(b ops.Backend, w weight, dtype tensor.DType) (tensor.Tensor, error) {
	raw := tensor.New(w.tensor.DType(), w.tensor.Shape()...)
	if err := b.Download(raw.Bytes(), *w.tensor); err != nil {
		return tensor.Tensor{}, fmt.Errorf("transformer: %s: %w", w.hf, err)
	}
	values := tensor.New(tensor.F32, raw.Shape()...)
	tensor.Dequantize(raw.DType(), values.Float32s(), raw.Bytes())
	if m.Style == ops.RoPEHalves && w.linear != nil {
		if heads := m.rowHeads(w.linear); heads > 0 {
			values = interleaveRows(values, heads, m.Config.RopeDim)
		}
	}
	out := tensor.New(dtype, raw.Shape()...)
	tensor.Quantize(dtype, out.Bytes(), values.Float32s())
	return out, nil
}

// rowHeads returns the number of heads if l's rows are rotated by position.
func (m *Llama) rowHeads(l *Linear) int {
	for i := range m.Blocks {
		switch l {
		case &m.Blocks[i].Q:
			return m.Config.Heads
		case &m.Blocks[i].K:
			return m.Config.KVHeads
		}
	}
	return 0
}

// interleaveRows returns a matrix with the rows of each head moved from the
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
	rows, columns := w.Dim(0), w.Dim(1)
	headDim := rows / heads
	out := tensor.New(tensor.F32, rows, columns)
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
