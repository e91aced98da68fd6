package transformer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/ops"
	"netllm/tensor"
)

// NewLlama returns a model with random F32 weights drawn from seed, as GPT-2
// and Llama are initialised: normal with deviation 0.02, the two matrices of a
// block that write to the residual stream divided by sqrt(2*layers), norm
// weights one.
func NewLlama(b ops.Backend, config Config, seed uint64) (*Llama, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	m := &Llama{Config: config, Style: ops.RoPEHalves}
	m.Blocks = make([]LlamaBlock, config.Layers)
	rng := rand.New(rand.NewPCG(seed, 0x4c6c616d61)) // the stream is Llama's own
	for _, w := range m.weights() {
		shape := w.shape(&config)
		values := make([]float32, count(shape))
		switch {
		case len(shape) == 1:
			for i := range values {
				values[i] = 1
			}
		default:
			deviation := 0.02
			if w.residual {
				deviation /= math.Sqrt(2 * float64(config.Layers))
			}
			for i := range values {
				values[i] = float32(rng.NormFloat64() * deviation)
			}
		}
		*w.tensor = tensor.Of(b.Alloc(4*len(values)), tensor.F32, shape...)
		b.Upload(*w.tensor, floatBytes(values))
		if w.linear != nil {
			w.linear.Name = w.hf
		}
	}
	if config.Tied {
		m.Output = m.Embed
	}
	m.rope = ropeTable(b, config.MaxPositions, config.RopeDim, config.RopeTheta)
	return m, nil
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Trainable turns every weight into a parameter with a gradient and returns
// them, to train the whole model. The weights must be F32 and the model's own,
// as [NewLlama] makes them; a tied output is one parameter with the embedding.
func (m *Llama) Trainable(b ops.Backend) ([]*ops.Param, error) {
	var params []*ops.Param
	for _, w := range m.weights() {
		if !w.tensor.IsWhole() || w.tensor.DType() != tensor.F32 || m.close != nil {
			return nil, fmt.Errorf("transformer: %s %v cannot be trained in place", w.hf, *w.tensor)
		}
		grad := w.tensor.With(b.Alloc(w.tensor.Storage().Size()))
		params = append(params, &ops.Param{Name: w.hf + ".weight", Value: *w.tensor, Grad: grad})
	}
	return params, nil
}

// Hash implements [Adaptable].
func (m *Llama) Hash(b ops.Backend) (string, error) {
	h := sha256.New()
	for _, w := range m.weights() {
		buf := make([]byte, w.tensor.DType().Bytes(w.tensor.Len()))
		if err := b.Download(buf, *w.tensor); err != nil {
			return "", fmt.Errorf("transformer: hash %s: %w", w.hf, err)
		}
		fmt.Fprintf(h, "%s %v\n", w.hf, *w.tensor)
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
