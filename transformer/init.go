package transformer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

// New returns a model with random F32 weights drawn from seed, as GPT-2 and
// Llama are initialised: normal with deviation 0.02, the two matrices of a block
// that write to the residual stream divided by sqrt(2*layers), norm weights one,
// biases zero.
func New(b ops.Backend, config Config, seed uint64) (Model, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	m := &decoder{net: newNetwork(config)}
	m.net.base().style = ops.RoPEHalves
	rng := rand.New(rand.NewPCG(seed, 0x4c6c616d61)) // the stream is this function's own
	for _, s := range m.weights() {
		values := make([]float32, count(s.Shape))
		switch {
		case len(s.Shape) > 1:
			deviation := 0.02
			if s.residual {
				deviation /= math.Sqrt(2 * float64(config.Layers))
			}
			for i := range values {
				values[i] = float32(rng.NormFloat64() * deviation)
			}
		case !strings.HasSuffix(s.GGUF, ".bias"):
			for i := range values {
				values[i] = 1
			}
		}
		*s.tensor = tensor.Of(b.Alloc(4*len(values)), tensor.F32, s.Shape...)
		b.Upload(*s.tensor, floatBytes(values))
	}
	if err := m.finish(b); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return m, nil
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
