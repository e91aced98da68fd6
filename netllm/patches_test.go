package netllm

import (
	"math/rand/v2"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// spots draws pictures with a bright spot each, and the displacements from the middle to it, from -1
// to 1, that a viewer drawn to it would make.
func spots(rng *rand.Rand, f PatchConfig, n int) (pixels, moves []float32) {
	for range n {
		x, y := rng.IntN(f.Side), rng.IntN(f.Side)
		for range f.Channels {
			for row := range f.Side {
				for column := range f.Side {
					v := 0.2 * rng.Float32()
					if d := (row-y)*(row-y) + (column-x)*(column-x); d <= 9 {
						v = 1
					}
					pixels = append(pixels, v)
				}
			}
		}
		moves = append(moves, 2*float32(x)/float32(f.Side)-1, 2*float32(y)/float32(f.Side)-1)
	}
	return pixels, moves
}

// patchError trains on pictures that are never seen twice and returns the mean squared error of
// others. shuffled gives every picture the displacement of another.
func patchError(t *testing.T, shuffled bool) float64 {
	t.Helper()
	b := ops.NewCPU(1)
	defer b.Close()
	f := PatchConfig{Channels: 1, Side: 32, Patch: 8, Width: 32, Out: 2}
	rng := rand.New(rand.NewPCG(3, 4))
	e := NewPatchEncoder(b, "patches", f, rng)
	trainer := NewTrainer(b, e.Params(), 3e-3, 1)
	const batch = 32
	loss := func(c *ops.Context) tensor.Tensor {
		pixels, moves := spots(rng, f, batch)
		if shuffled {
			rng.Shuffle(batch, func(i, j int) {
				moves[2*i], moves[2*j] = moves[2*j], moves[2*i]
				moves[2*i+1], moves[2*j+1] = moves[2*j+1], moves[2*i+1]
			})
		}
		return ops.MSE(c, e.Forward(c, pixels), c.Float32s(moves, batch, f.Out))
	}
	for range 300 {
		if _, err := trainer.Accumulate(1, loss); err != nil {
			t.Fatal(err)
		}
		if err := trainer.Step(1); err != nil {
			t.Fatal(err)
		}
	}
	c := ops.NewContext(b)
	var sum float64
	const times = 10
	for range times {
		c.Reset()
		v, err := c.ReadScalar(loss(c))
		if err != nil {
			t.Fatal(err)
		}
		sum += float64(v) / times
	}
	return sum
}

// The encoder learns what pictures say, and nothing where they say nothing: places drawn evenly
// have a variance of 1/3.
func TestPatchEncoderLearns(t *testing.T) {
	if got := patchError(t, false); got > 0.05 {
		t.Errorf("got an error of %.3f", got)
	}
	if got := patchError(t, true); got < 0.3 {
		t.Errorf("pictures of others: got an error of %.3f, no less than 1/3 can be known", got)
	}
}

func TestPatchConfig(t *testing.T) {
	if err := DefaultPatches().Validate(); err != nil {
		t.Error(err)
	}
	for want, f := range map[string]PatchConfig{
		"each must be 1 or more":          {},
		"no whole number of squares of 7": {Channels: 3, Side: 64, Patch: 7, Width: 4, Out: 4},
	} {
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want ... %s", f, err, want)
		}
	}
}
