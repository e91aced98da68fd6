// How gradients are compared with central differences.

package opstest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// A Model is a computation whose gradients [CheckGradients] compares with
// central differences.
type Model struct {
	// Params are the shapes of the parameters; their values are normally
	// distributed.
	Params [][]int

	// Result computes with the parameters p, as often as it is called the
	// same. It may have any shape: what is differentiated is its product
	// with fixed random numbers, or itself if it has one element.
	Result func(c *ops.Context, p []tensor.Tensor) tensor.Tensor
}

const (
	differenceStep      = 1e-5
	differenceTolerance = 1e-7 // of the tape in float64
	gradientTolerance   = 2e-5 // of the tape in float32
	// Where a backend may round activations, they are wrong by half a percent
	// of their deviation, and so is what gradients are made of.
	roundedTolerance = 2e-2
	// Where it may round to f16, both factors are by at most a thousandth.
	halfTolerance = 2e-3
)

// CheckGradients checks the gradients that the tape finds for m on b: in
// float64, on [Reference], against central differences, and on b against those
// of the reference. It checks, too, that two passes add up, and that a
// parameter that is not watched gets no gradient; and all of it once more with
// results in the place of the parameters. All temporary memory holds NaN at the
// start. A difference is measured against the largest gradient of the
// parameter, or 1.
func CheckGradients(t testing.TB, b ops.Backend, m Model) {
	t.Helper()
	if err := newGradientCase("", m).check(b); err != nil {
		t.Error(err)
	}
}

// gradientCase is a model with what the reference finds for it.
type gradientCase struct {
	name   string
	frozen tensor.DType // of the weight, for layers by frozen weights
	// forms are the model itself, and with results for parameters, whose
	// gradients are in temporary memory.
	forms [2]Model
	want  func() expectation
}

// expectation are the gradients by the reference's tape, for both forms, and by
// differences.
type expectation struct {
	tape        [2]passes
	differences [][]float64
}

// passes are the gradients after one backward pass, and after another one.
type passes [2][][]float64

func newGradientCase(name string, m Model) *gradientCase {
	g := &gradientCase{name: name, forms: [2]Model{m, m}}
	g.forms[1].Result = func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
		results := make([]tensor.Tensor, len(p))
		for i := range p {
			results[i] = ops.LeakyReLU(c, p[i], 1)
		}
		return m.Result(c, results)
	}
	g.want = sync.OnceValue(g.compute)
	return g
}

// compute asks the reference. It panics if an operation breaks a rule there.
func (g *gradientCase) compute() (want expectation) {
	ref := NewReference()
	c := context(ref)
	for i := range g.forms {
		var err error
		if want.tape[i], err = g.forms[i].backward(c, everyParam); err != nil {
			panic(err) // the reference has no errors
		}
	}
	c.Tape = nil
	want.differences = g.forms[0].differences(c, ref)
	return want
}

func (g *gradientCase) check(b ops.Backend) error {
	want, tolerance := g.want(), gradientTolerance
	if ops.RoundsToHalf(b, g.frozen) {
		tolerance = halfTolerance
	}
	if ops.RoundsActivations(b, g.frozen) {
		tolerance = roundedTolerance
	}
	c := context(b)
	defer c.Arena.Free()
	var errs []error
	for i, m := range g.forms {
		what := [2]string{"", ", of results"}[i]
		errs = append(errs, compareGradients("float64 tape against central differences"+what, want.tape[i][0], want.differences, differenceTolerance))
		got, err := m.backward(c, everyParam)
		if err != nil {
			return err
		}
		for pass, name := range [2]string{"gradient", "gradient after two passes"} {
			errs = append(errs, compareGradients(name+what, got[pass], want.tape[i][pass], tolerance))
		}
		for watched := range m.Params {
			if len(m.Params) == 1 {
				break
			}
			got, err := m.backward(c, 1<<watched)
			if err != nil {
				return err
			}
			alone := make([][]float64, len(m.Params))
			for p, w := range want.tape[i][0] {
				if alone[p] = w; p != watched {
					alone[p] = make([]float64, len(w)) // it stays as it was
				}
			}
			name := fmt.Sprintf("gradient%s, parameter %d alone watched", what, watched)
			errs = append(errs, compareGradients(name, got[0], alone, tolerance))
		}
	}
	return errors.Join(errs...)
}

// compareGradients checks the gradients of all parameters.
func compareGradients(what string, got, want [][]float64, tol float64) error {
	for p := range want {
		largest := 1.0
		for _, w := range want[p] {
			largest = math.Max(largest, math.Abs(w))
		}
		for i, w := range want[p] {
			if d := math.Abs(got[p][i] - w); !(d <= tol*largest) {
				return fmt.Errorf("%s: parameter %d, element %d: got %v, want %v, largest %.3g", what, p, i, got[p][i], w, largest)
			}
		}
	}
	return nil
}

// params makes the parameters on a backend; the values are the same on all.
func (m *Model) params(b ops.Backend) []*ops.Param {
	rng := rand.New(rand.NewPCG(1, 2))
	params := make([]*ops.Param, len(m.Params))
	for i, shape := range m.Params {
		params[i] = ops.NewParam(b, fmt.Sprint("p", i), shape...)
		values := make([]float32, params[i].Value.Len())
		for j := range values {
			values[j] = float32(rng.NormFloat64())
		}
		b.Upload(params[i].Value, floatBytes(values...))
	}
	return params
}

// context returns a context whose arena holds NaN.
func context(b ops.Backend) *ops.Context {
	c := ops.NewContext(b)
	c.Training = true
	poison(c)
	return c
}

// poison fills the beginning of the arena, more than these cases need, with NaN.
func poison(c *ops.Context) {
	c.Reset()
	x := c.New(tensor.F32, 1<<15)
	c.Backend.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{float32(nan)}})
	c.Reset()
}

// loss is the scalar that is differentiated.
func (m *Model) loss(c *ops.Context, params []*ops.Param) tensor.Tensor {
	values := make([]tensor.Tensor, len(params))
	for i, p := range params {
		values[i] = p.Value
	}
	return project(c, m.Result(c, values))
}

// project returns the product of x with fixed random numbers.
func project(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	n := x.Len()
	if n == 1 {
		return x
	}
	rng := rand.New(rand.NewPCG(3, 4))
	numbers := make([]float32, n)
	for i := range numbers {
		numbers[i] = float32(rng.NormFloat64())
	}
	return ops.MatMul(c, ops.Contiguous(c, x).Reshape(1, n), c.Float32s(numbers, n, 1))
}

// everyParam is the set of all parameters.
const everyParam = ^uint64(0)

// backward returns the gradients by the tape, after one step and after another
// one that adds to it; only the parameters in the bit set are watched.
func (m *Model) backward(c *ops.Context, watched uint64) (grads passes, err error) {
	c.Tape = ops.NewTape()
	params := m.params(c.Backend)
	for pass := range grads {
		poison(c)
		for i, p := range params {
			if watched>>i&1 != 0 {
				c.Tape.Watch(p)
			}
		}
		c.Tape.Backward(c, m.loss(c, params))
		grads[pass] = make([][]float64, len(params))
		for i, p := range params {
			if grads[pass][i], err = floats(c, p.Grad); err != nil {
				return grads, err
			}
		}
	}
	return grads, nil
}

// floats reads a tensor with all digits that the backend has.
func floats(c *ops.Context, x tensor.Tensor) ([]float64, error) {
	if r, ok := c.Backend.(*Reference); ok {
		return r.Float64s(x), nil
	}
	values, err := c.Floats(x)
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide, err
}

// differences returns the gradients by central differences.
func (m *Model) differences(c *ops.Context, ref *Reference) [][]float64 {
	params := m.params(ref)
	at := func(p *ops.Param, i int, x float64) float64 {
		ref.SetFloat64(p.Value, i, x)
		c.Reset()
		return ref.Float64s(m.loss(c, params))[0]
	}
	var grads [][]float64
	for _, p := range params {
		g := make([]float64, p.Value.Len())
		for i, x := range ref.Float64s(p.Value) {
			g[i] = (at(p, i, x+differenceStep) - at(p, i, x-differenceStep)) / (2 * differenceStep)
			ref.SetFloat64(p.Value, i, x)
		}
		grads = append(grads, g)
	}
	return grads
}

// gradients checks every operation that has a backward pass.
func gradients(t *testing.T, b ops.Backend) {
	for _, g := range models() {
		t.Run(g.name, func(t *testing.T) {
			var err error
			if p := guard(func() { err = g.check(b) }); p != nil {
				err = p
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
