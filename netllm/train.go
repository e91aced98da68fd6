package netllm

import (
	"fmt"
	"math"

	"netllm/ops"
	"netllm/tensor"
)

// Trainer runs optimiser steps over a fixed set of parameters. Everything else
// that the loss reads stays frozen.
type Trainer struct {
	Context   *ops.Context
	Optimizer *ops.AdamW

	// MaxNorm bounds the norm of all gradients together, 0 for no bound. They
	// are scaled once per step, or, with ClipEach, after every Accumulate.
	MaxNorm  float32
	ClipEach bool

	// Clipped are the parameters whose gradients MaxNorm bounds and scales; nil is all.
	Clipped []*ops.Param

	params []*ops.Param
	steps  int
}

// NewTrainer returns a trainer for params, with a context of its own in b's
// memory whose dropout masks are drawn from seed.
func NewTrainer(b ops.Backend, params []*ops.Param, learningRate float32, seed uint64) *Trainer {
	c := ops.NewContext(b)
	c.Tape, c.Training, c.RNG.Seed = ops.NewTape(), true, seed
	return &Trainer{Context: c, Optimizer: ops.NewAdamW(b, params, learningRate), params: params}
}

// Free gives the context's memory and the optimiser's moments back. The parameters stay; the trainer cannot be used any
// more.
func (t *Trainer) Free() {
	t.Context.Arena.Free()
	t.Optimizer.Free(t.Context.Backend)
}

// Accumulate computes loss, which returns a scalar, and adds its gradients
// times weight to the parameters'. It returns the loss, and an error that
// names the first operation that went wrong if the loss is not a finite number;
// then no gradient was added.
func (t *Trainer) Accumulate(weight float32, loss func(c *ops.Context) tensor.Tensor) (float64, error) {
	c := t.Context
	defer c.Reset()
	c.RNG.Step++
	c.Tape.Watch(t.params...)
	l := loss(c)
	value, err := c.ReadScalar(l)
	if err != nil {
		return 0, err
	}
	if f := float64(value); math.IsNaN(f) || math.IsInf(f, 0) {
		return f, t.notFinite("loss", f)
	}
	if weight != 1 {
		l = ops.Mul(c, l, c.Float32s([]float32{weight}, 1))
	}
	c.Tape.Backward(c, l)
	if t.ClipEach {
		t.clip()
	}
	return float64(value), nil
}

// notFinite describes a step that cannot be used.
func (t *Trainer) notFinite(what string, value float64) error {
	first, err := t.Context.Tape.FirstNonFinite(t.Context)
	if err != nil {
		return err
	}
	if first == "" {
		return fmt.Errorf("netllm: step %d: %s is %v", t.steps+1, what, value)
	}
	return fmt.Errorf("netllm: step %d: %s is %v; the first result that is not finite: %s", t.steps+1, what, value, first)
}

// clip scales the accumulated gradients to MaxNorm if they exceed it.
func (t *Trainer) clip() {
	if t.MaxNorm <= 0 {
		return
	}
	params := t.Clipped
	if params == nil {
		params = t.params
	}
	ops.ClipGradNorm(t.Context, params, t.MaxNorm)
}

// Step changes the parameters by the accumulated gradients, at the learning
// rate times scale, and sets the gradients to zero. It fails, and changes
// nothing, if the gradients are not finite.
func (t *Trainer) Step(scale float32) error {
	c := t.Context
	defer c.Reset()
	norm, err := t.GradNorm()
	if err != nil {
		return err
	}
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		for _, p := range t.params {
			values, err := c.Floats(p.Grad)
			if err != nil {
				return err
			}
			for _, v := range values {
				if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
					return fmt.Errorf("netllm: step %d: gradient of %q is %v", t.steps+1, p.Name, f)
				}
			}
		}
		return fmt.Errorf("netllm: step %d: gradients overflow", t.steps+1)
	}
	if !t.ClipEach {
		t.clip() // after the check: clipping would spread a NaN to all gradients
	}
	t.Optimizer.Step(c, scale)
	ops.ZeroGrad(c, t.params)
	t.steps++
	return nil
}

// GradNorm returns the norm of all accumulated gradients together.
func (t *Trainer) GradNorm() (float64, error) {
	squared, err := t.Context.ReadScalar(ops.GradNormSquared(t.Context, t.params))
	return math.Sqrt(float64(squared)), err
}

// Steps returns how many optimiser steps were done.
func (t *Trainer) Steps() int { return t.steps }
