// What the tape records, and what follows from it.

package opstest

import (
	"math"
	"slices"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// tape checks what is recorded, what a second loss does, where random masks
// come from, and how a damaged result is found.
func tape(t *testing.T, b ops.Backend) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, c *ops.Context)
	}{
		{"records", tapeRecords},
		{"frozen", tapeFrozen},
		{"losses", tapeLosses},
		{"panics", tapePanics},
		{"zero grad", tapeZeroGrad},
		{"dropout", tapeDropout},
		{"first non-finite", tapeFirstNonFinite},
		{"clip", tapeClip},
	} {
		t.Run(part.name, func(t *testing.T) {
			c := context(b)
			defer c.Arena.Free()
			c.Tape = ops.NewTape()
			part.run(t, c)
		})
	}
}

// param returns a parameter that counts from first.
func param(b ops.Backend, first float32, shape ...int) *ops.Param {
	p := ops.NewParam(b, "p", shape...)
	b.Upload(p.Value, floatBytes(counting(first, p.Value.Len())...))
	return p
}

func tapeRecords(t *testing.T, c *ops.Context) {
	w, v := param(c.Backend, 1, 3, 2), param(c.Backend, -3, 3, 2)
	network := func() tensor.Tensor {
		x := c.Float32s(counting(0, 8), 4, 2)
		x = ops.LeakyReLU(c, x, 0.5)                    // depends on no parameter
		y := ops.Add(c, x, ops.Mul(c, x, x))            // nor does this
		h := ops.Linear(c, y, w.Value)                  // on w
		return ops.MSE(c, h, ops.Linear(c, y, v.Value)) // on both
	}
	for _, test := range []struct {
		name  string
		watch []*ops.Param
		want  int
	}{{"nothing watched", nil, 0}, {"one watched", []*ops.Param{w}, 2}, {"both watched", []*ops.Param{w, v}, 3}} {
		c.Reset()
		c.Tape.Watch(test.watch...)
		network()
		if got := c.Tape.Len(); got != test.want {
			t.Errorf("%s: got %d records, want %d", test.name, got, test.want)
		}
	}
	c.Reset()
	if got := c.Tape.Len(); got != 0 {
		t.Errorf("after Reset: got %d records, want 0", got)
	}
	network() // Watch holds until Reset
	if got := c.Tape.Len(); got != 0 {
		t.Errorf("watched before Reset: got %d records, want 0", got)
	}
	tape := c.Tape
	c.Tape = nil
	network()
	if got := tape.Len(); got != 0 {
		t.Errorf("without a tape: got %d records, want 0", got)
	}
}

// tapeFrozen: no memory is spent on gradients that nothing asks for.
func tapeFrozen(t *testing.T, c *ops.Context) {
	w := param(c.Backend, 1, 3, 2)
	frozen := c.Backend.Alloc(4 * 6)
	c.Backend.Upload(tensor.Of(frozen, tensor.F32, 6), floatBytes(counting(1, 6)...))
	c.Tape.Watch(w)
	x := c.Float32s(counting(1, 4), 2, 2)
	loss := ops.MSE(c, ops.Linear(c, x, w.Value), ops.Linear(c, x, tensor.Of(frozen, tensor.F32, 3, 2)))
	c.Tape.Backward(c, loss)
	got, err := floats(c, w.Grad)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, make([]float64, 6)) { // both layers are the same
		t.Errorf("gradient of equal layers: got %v, want zeros", got)
	}
	wantFloats(t, c.Backend, "frozen weight", tensor.Of(frozen, tensor.F32, 6), counting(1, 6)...)
}

// tapeLosses: two losses on one tape give the sum of their gradients.
func tapeLosses(t *testing.T, c *ops.Context) {
	p := param(c.Backend, 1, 4)
	c.Tape.Watch(p)
	y := ops.Mul(c, p.Value, p.Value)
	first := ops.MSE(c, y, c.Float32s(make([]float32, 4), 4)) // d = p³
	second := ops.MSE(c, ops.Add(c, y, y), c.Float32s(make([]float32, 4), 4))
	c.Tape.Backward(c, first)
	wantFloats(t, c.Backend, "first loss", p.Grad, 1, 8, 27, 64)
	c.Tape.Backward(c, second)
	wantFloats(t, c.Backend, "both losses", p.Grad, 5, 40, 135, 320)
}

func tapePanics(t *testing.T, c *ops.Context) {
	p := param(c.Backend, 1, 4)
	c.Tape.Watch(p)
	x := c.Float32s(counting(1, 4), 4)
	free := ops.MSE(c, x, x)
	wantPanic(t, "Backward of what depends on nothing", func() { c.Tape.Backward(c, free) }, "F32[1]")
	y := ops.Mul(c, p.Value, x)
	wantPanic(t, "Backward of a vector", func() { c.Tape.Backward(c, y) }, "F32[4]")
	view := &ops.Param{Name: "part", Value: p.Value.Slice(0, 1, 3), Grad: p.Grad.Slice(0, 1, 3)}
	wantPanic(t, "Watch of a view", func() { c.Tape.Watch(view) }, `"part"`)
	loss := project(c, ops.Contiguous(c, p.Value.Windows(2)))
	wantPanic(t, "gradient of overlapping windows", func() { c.Tape.Backward(c, loss) }, "F32[3x2]", "overlaps")
}

func tapeZeroGrad(t *testing.T, c *ops.Context) {
	p := param(c.Backend, 1, 3)
	c.Tape.Watch(p)
	c.Tape.Backward(c, ops.MSE(c, p.Value, c.Float32s(make([]float32, 3), 3)))
	ops.ZeroGrad(c, []*ops.Param{p})
	wantFloats(t, c.Backend, "gradient", p.Grad, 0, 0, 0)
	wantFloats(t, c.Backend, "value", p.Value, 1, 2, 3)
}

// tapeDropout: masks follow from seed, step and call alone.
func tapeDropout(t *testing.T, c *ops.Context) {
	const n = 97
	c.RNG = ops.RNG{Seed: 1<<40 + 5, Step: 1<<33 + 1}
	mask := func() tensor.Tensor {
		return ops.Dropout(c, c.Float32s(slices.Repeat([]float32{2}, n), n), 0.5)
	}
	wantMask := func(what string, x tensor.Tensor, step, call uint64) {
		t.Helper()
		want := make([]float32, n)
		for i := range want {
			if ops.DropoutKeeps(0.5, c.RNG.Seed, step, call, i) {
				want[i] = 4
			}
		}
		wantFloats(t, c.Backend, what, x, want...)
	}
	step := c.RNG.Step
	wantMask("first call", mask(), step, 0)
	wantMask("second call", mask(), step, 1)
	c.Reset()
	wantMask("first call after Reset", mask(), step, 0)
	c.RNG.Step++
	c.Reset()
	wantMask("first call of the next step", mask(), step+1, 0)
	c.Training = false
	x := c.New(tensor.F32, 4)
	if y := ops.Dropout(c, x, 0.5); y != x {
		t.Errorf("outside of training: got %v, want the input itself", y)
	}
}

func tapeFirstNonFinite(t *testing.T, c *ops.Context) {
	p, damaged := param(c.Backend, 1, 2, 2), param(c.Backend, 1, 2, 2)
	inf := float32(math.Inf(1))
	c.Backend.Upload(damaged.Value, floatBytes(1, -inf, 2, 3))
	for _, test := range []struct {
		name, want string
		damage     func(x tensor.Tensor) tensor.Tensor
	}{
		{"nothing", "", func(x tensor.Tensor) tensor.Tensor { return x }},
		{"a product", "Mul of layer 3", func(x tensor.Tensor) tensor.Tensor {
			return ops.Mul(c, x, c.Float32s([]float32{1, inf, 1, 1}, 2, 2))
		}},
		{"a layer", "Linear of layer 3", func(x tensor.Tensor) tensor.Tensor {
			return ops.Linear(c, x, c.Float32s([]float32{1, 1, 1, float32(nan)}, 2, 2))
		}},
		{"a low-rank update", "Linear of layer 3 or LinearAdd of update", func(x tensor.Tensor) tensor.Tensor {
			y := ops.Linear(c, x, c.Float32s([]float32{1, 1, 1, 1}, 2, 2))
			c.Label("update")
			ops.LinearAdd(c, y, x, damaged.Value, 1)
			return y
		}},
		{"a joined part", "CopyInto of layer 3", func(x tensor.Tensor) tensor.Tensor {
			joined := c.New(tensor.F32, 2, 4)
			ops.CopyInto(c, joined.Slice(1, 0, 2), x)
			ops.CopyInto(c, joined.Slice(1, 2, 4), damaged.Value)
			return joined
		}},
	} {
		c.Reset()
		c.Tape.Watch(p, damaged)
		c.Label("layer 2")
		x := ops.Add(c, p.Value, p.Value)
		c.Label("layer 3")
		y := test.damage(x)
		c.Label("")
		ops.Mul(c, y, y)
		got, err := c.Tape.FirstNonFinite(c)
		if err != nil {
			t.Fatal(err)
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// tapeClip: the factor follows from all gradients together.
func tapeClip(t *testing.T, c *ops.Context) {
	p, q := param(c.Backend, 0, 1), param(c.Backend, 0, 2)
	set := func() {
		c.Backend.Upload(p.Grad, floatBytes(2))
		c.Backend.Upload(q.Grad, floatBytes(4, 4))
	}
	set()
	wantFloats(t, c.Backend, "square of the norm", ops.GradNormSquared(c, []*ops.Param{p, q}), 36)
	ops.ClipGradNorm(c, []*ops.Param{p, q}, 100)
	wantFloats(t, c.Backend, "a gradient that is small enough", q.Grad, 4, 4)
	ops.ClipGradNorm(c, []*ops.Param{p, q}, 3)
	for _, g := range []struct {
		x    tensor.Tensor
		want float64
	}{{p.Grad, 1}, {q.Grad, 2}} {
		got, err := floats(c, g.x)
		if err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(got[0] - g.want); !(d < 1e-6) {
			t.Errorf("clipped gradient: got %v, want %v", got[0], g.want)
		}
	}
	wantFloats(t, c.Backend, "square of the norm of nothing", ops.GradNormSquared(c, nil), 0)
}
