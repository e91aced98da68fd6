package netllm

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// TestTrainerFits a line and checks that gradients accumulate: two halves of a
// batch give the step of the whole.
func TestTrainerFits(t *testing.T) {
	b := ops.NewCPU(1)
	train := func(halves int) []float32 {
		layer := NewDense(b, "line", 1, 1, rand.New(rand.NewPCG(1, 1)))
		trainer := NewTrainer(b, layer.Params(), 0.05, 1)
		xs, ys := []float32{-1, 0, 1, 2}, []float32{-1, 1, 3, 5} // y = 2x + 1
		for range 400 {
			n := len(xs) / halves
			for h := range halves {
				if _, err := trainer.Accumulate(1/float32(halves), func(c *ops.Context) tensor.Tensor {
					x, y := c.Float32s(xs[h*n:(h+1)*n], n, 1), c.Float32s(ys[h*n:(h+1)*n], n, 1)
					return ops.MSE(c, layer.Forward(c, x), y)
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := trainer.Step(1); err != nil {
				t.Fatal(err)
			}
		}
		return []float32{layer.Weight.Value.At(0, 0), layer.Bias.Value.At(0)}
	}
	whole, halves := train(1), train(2)
	for i, want := range []float64{2, 1} {
		if d := math.Abs(float64(whole[i]) - want); d > 1e-2 {
			t.Errorf("parameter %d: got %v, want %v", i, whole[i], want)
		}
		if d := math.Abs(float64(whole[i] - halves[i])); d > 1e-4 {
			t.Errorf("parameter %d: in halves got %v, want %v", i, halves[i], whole[i])
		}
	}
}

func TestTrainerStopsAtNaN(t *testing.T) {
	b := ops.NewCPU(1)
	layer := NewDense(b, "line", 1, 1, rand.New(rand.NewPCG(1, 1)))
	trainer := NewTrainer(b, layer.Params(), 0.1, 1)
	loss := func(x float32) error {
		_, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
			return ops.MSE(c, layer.Forward(c, c.Float32s([]float32{x}, 1, 1)), c.Float32s([]float32{0}, 1, 1))
		})
		return err
	}
	if err := loss(1); err != nil {
		t.Fatal(err)
	}
	if err := trainer.Step(1); err != nil {
		t.Fatal(err)
	}
	before := layer.Weight.Value.At(0, 0)
	err := loss(float32(math.NaN()))
	for _, want := range []string{"step 2", "loss is NaN", "Linear", "line.weight"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	trainer.MaxNorm = 1
	layer.Bias.Grad.Float32s()[0] = float32(math.NaN())
	err = trainer.Step(1)
	if err == nil || !strings.Contains(err.Error(), `gradient of "line.bias"`) {
		t.Errorf("got %v, want an error that names the gradient", err)
	}
	if after := layer.Weight.Value.At(0, 0); after != before {
		t.Errorf("weight after the refused step: got %v, want %v", after, before)
	}
}

// TestTrainerClips compares one step at a large gradient with the same step at
// the gradient that clipping leaves, once per step and after each part.
func TestTrainerClips(t *testing.T) {
	b := ops.NewCPU(1)
	for _, each := range []bool{false, true} {
		layer := NewDense(b, "line", 1, 1, rand.New(rand.NewPCG(1, 1)))
		trainer := NewTrainer(b, layer.Params(), 0.1, 1)
		trainer.MaxNorm, trainer.ClipEach = 0.5, each
		for part := range 2 {
			if _, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
				return ops.MSE(c, layer.Forward(c, c.Float32s([]float32{100}, 1, 1)), c.Float32s([]float32{0}, 1, 1))
			}); err != nil {
				t.Fatal(err)
			}
			norm, err := trainer.GradNorm()
			if err != nil {
				t.Fatal(err)
			}
			if clipped := norm <= 0.5001; clipped != each {
				t.Errorf("clip each %v: norm after part %d: got %v", each, part, norm)
			}
		}
		before := layer.Weight.Value.At(0, 0)
		if err := trainer.Step(1); err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(float64(layer.Weight.Value.At(0, 0) - before)); math.Abs(d-0.1) > 1e-3 { // Adam's first step
			t.Errorf("clip each %v: step: got %v, want 0.1", each, d)
		}
	}
}
