package netllm

import (
	"math"
	"math/rand/v2"

	"netllm/ops"
	"netllm/tensor"
)

// LSTM is a trained recurrent layer, a long short-term memory (Hochreiter & Schmidhuber 1997, with
// forget gates: Gers et al. 2000), with PyTorch's names and order of weights: gates in, forget, cell,
// out.
type LSTM struct {
	InputWeight, HiddenWeight *ops.Param // [4*width, in], [4*width, width]
	InputBias, HiddenBias     *ops.Param // [4*width]
}

// NewLSTM returns a layer with all weights uniform in +-1/sqrt(width), as PyTorch initialises one.
func NewLSTM(b ops.Backend, name string, width, in int, rng *rand.Rand) *LSTM {
	bound := 1 / math.Sqrt(float64(width))
	return &LSTM{
		InputWeight:  uniform(b, name+".weight_ih_l0", bound, rng, 4*width, in),
		HiddenWeight: uniform(b, name+".weight_hh_l0", bound, rng, 4*width, width),
		InputBias:    uniform(b, name+".bias_ih_l0", bound, rng, 4*width),
		HiddenBias:   uniform(b, name+".bias_hh_l0", bound, rng, 4*width),
	}
}

// Width is how many numbers the layer gives, and how many cells it has.
func (l *LSTM) Width() int { return l.HiddenWeight.Value.Dim(1) }

// Params returns the four tensors, in PyTorch's order.
func (l *LSTM) Params() []*ops.Param {
	return []*ops.Param{l.InputWeight, l.HiddenWeight, l.InputBias, l.HiddenBias}
}

// Bias returns what the gates are without input and state, [1, 4*width].
func (l *LSTM) Bias(c *ops.Context) tensor.Tensor {
	return ops.Add(c, l.InputBias.Value, l.HiddenBias.Value).Reshape(1, 4*l.Width())
}

// Input returns what x [n, in] adds to the gates, biases included, [n, 4*width]: of all steps of a
// sequence at once, where they are known.
func (l *LSTM) Input(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	c.Label(l.InputWeight.Name)
	return ops.AddRow(c, ops.Linear(c, x, l.InputWeight.Value), l.Bias(c).Reshape(4*l.Width()))
}

// Recurrent returns what the hidden values of state [n, 2*width] add to the gates.
func (l *LSTM) Recurrent(c *ops.Context, state tensor.Tensor) tensor.Tensor {
	c.Label(l.HiddenWeight.Name)
	return ops.Linear(c, l.Hidden(c, state), l.HiddenWeight.Value)
}

// Step returns the state after a step with the given input to the gates, see Input; a zero state
// stands for zeros.
func (l *LSTM) Step(c *ops.Context, input, state tensor.Tensor) tensor.Tensor {
	if state.IsZero() {
		return ops.LSTM(c, input, c.Float32s(make([]float32, input.Dim(0)*2*l.Width()), input.Dim(0), 2*l.Width()))
	}
	return ops.LSTM(c, ops.Add(c, input, l.Recurrent(c, state)), state)
}

// Hidden returns the hidden values of state [n, 2*width], which are the layer's result: [n,
// width].
func (l *LSTM) Hidden(c *ops.Context, state tensor.Tensor) tensor.Tensor {
	return ops.Contiguous(c, state.Slice(1, 0, l.Width()))
}
