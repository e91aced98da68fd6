package ops

import (
	"math"
	"slices"

	"netllm/tensor"
)

// AdamW is Adam with decoupled weight decay (Loshchilov & Hutter 2019) over a
// fixed list of parameters.
type AdamW struct {
	LearningRate, Beta1, Beta2, Eps, WeightDecay float32

	// Undecayed are parameters that WeightDecay leaves alone.
	Undecayed []*Param

	params []*Param
	m, v   []tensor.Tensor // moments, as the parameters
	step   int
}

// NewAdamW returns an optimiser with betas 0.9 and 0.999, eps 1e-8 and no
// decay.
func NewAdamW(b Backend, params []*Param, learningRate float32) *AdamW {
	o := &AdamW{LearningRate: learningRate, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, params: params}
	for _, p := range params {
		like := func() tensor.Tensor { return p.Value.With(b.Alloc(p.Value.Storage().Size())) }
		o.m, o.v = append(o.m, like()), append(o.v, like())
	}
	return o
}

// Free gives the moments back to b, which they were made in. The optimiser cannot be used any more.
func (o *AdamW) Free(b Backend) {
	for i := range o.m {
		b.Free(o.m[i].Storage())
		b.Free(o.v[i].Storage())
	}
	o.m, o.v, o.params = nil, nil, nil
}

// Steps returns how many steps were done.
func (o *AdamW) Steps() int { return o.step }

// Params returns the parameters that the optimiser changes.
func (o *AdamW) Params() []*Param { return o.params }

// Moments returns the state of parameter i, the running means of its gradient
// and of the gradient's square, for checkpoints.
func (o *AdamW) Moments(i int) (m, v tensor.Tensor) { return o.m[i], o.v[i] }

// SetSteps sets the count of steps when a checkpoint is loaded.
func (o *AdamW) SetSteps(n int) { o.step = n }

// Step changes the parameters by their gradients, at the learning rate times
// scale (1, or a schedule's factor). It leaves the gradients as they are.
func (o *AdamW) Step(c *Context, scale float32) {
	o.step++
	t := float64(o.step)
	for i, p := range o.params {
		decay := o.WeightDecay
		if slices.Contains(o.Undecayed, p) {
			decay = 0
		}
		c.args.T = [9]tensor.Tensor{p.Value, o.m[i], o.v[i], p.Grad}
		c.args.F = [8]float32{o.LearningRate * scale, o.Beta1, o.Beta2, o.Eps, decay,
			float32(1 - math.Pow(float64(o.Beta1), t)), float32(1 - math.Pow(float64(o.Beta2), t))}
		c.run(OpAdamW)
	}
}

// GradNormSquared returns a tensor of one element, in the arena, with the sum of
// the squares of all gradients.
func GradNormSquared(c *Context, params []*Param) tensor.Tensor {
	squared := c.New(tensor.F32, 1)
	fill(c, squared, 0)
	for _, p := range params {
		c.args.T[0], c.args.T[1] = squared, p.Grad
		c.args.Acc = 1
		c.run(OpSumSquares)
	}
	return squared
}

// ClipGradNorm scales the gradients of params so that the norm of all of them
// together is at most maxNorm. Nothing is read back: the factor
// min(1, maxNorm/(norm+1e-6)) is computed where the gradients are.
func ClipGradNorm(c *Context, params []*Param, maxNorm float32) {
	squared, factor := GradNormSquared(c, params), c.New(tensor.F32, 1)
	c.args.T[0], c.args.T[1] = factor, squared
	c.args.F[0] = maxNorm
	c.run(OpClipFactor)
	for _, p := range params {
		c.args.T[0], c.args.T[1] = p.Grad, factor
		c.run(OpScale)
	}
}
