// AdamW and clipping against float64.

package ops_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// adam is AdamW in float64 on one parameter.
type adam struct {
	rate, beta1, beta2, eps, decay float64
	step                           int
	p, m, v                        []float64
}

func (a *adam) update(g []float64, scale float64) {
	a.step++
	rate := a.rate * scale
	for i, gi := range g {
		a.m[i] = a.beta1*a.m[i] + (1-a.beta1)*gi
		a.v[i] = a.beta2*a.v[i] + (1-a.beta2)*gi*gi
		mhat := a.m[i] / (1 - math.Pow(a.beta1, float64(a.step)))
		vhat := a.v[i] / (1 - math.Pow(a.beta2, float64(a.step)))
		a.p[i] -= rate*mhat/(math.Sqrt(vhat)+a.eps) + rate*a.decay*a.p[i]
	}
}

// clip scales gradients to a norm of at most most.
func clip(grads [][]float64, most float64) {
	var squared float64
	for _, g := range grads {
		for _, x := range g {
			squared += x * x
		}
	}
	factor := math.Min(1, most/(math.Sqrt(squared)+1e-6))
	for _, g := range grads {
		for i := range g {
			g[i] *= factor
		}
	}
}

func TestAdamWWithClippingAgainstFloat64(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	c := ops.NewContext(b)
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(n int, size float64) (wide []float64, narrow []float32) {
		for range n {
			x := float32(size * rng.NormFloat64())
			wide, narrow = append(wide, float64(x)), append(narrow, x)
		}
		return wide, narrow
	}
	var params []*ops.Param
	var want []*adam
	for i, n := range []int{1, 17, 40000} {
		p := ops.NewParam(b, string(rune('a'+i)), n)
		wide, narrow := normal(n, 1)
		upload(b, p.Value, narrow)
		params = append(params, p)
		want = append(want, &adam{rate: 3e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.1, p: wide, m: make([]float64, n), v: make([]float64, n)})
	}
	o := ops.NewAdamW(b, params, 3e-3)
	o.Beta2, o.WeightDecay = 0.95, 0.1
	for step := range 12 {
		c.Reset()
		size, scale := 1e-4, 1.0 // gradients that are small enough
		if step%2 == 1 {
			size, scale = 5, 0.5 // and ones that are clipped, at another rate
		}
		var grads [][]float64
		for _, p := range params {
			wide, narrow := normal(p.Value.Len(), size)
			upload(b, p.Grad, narrow)
			grads = append(grads, wide)
		}
		clip(grads, 1)
		ops.ClipGradNorm(c, params, 1)
		o.Step(c, float32(scale))
		for i := range want {
			want[i].update(grads[i], scale)
		}
		if step == 5 { // as a checkpoint does: a new optimiser with the old state
			next := ops.NewAdamW(b, params, 3e-3)
			next.Beta2, next.WeightDecay = 0.95, 0.1
			next.SetSteps(o.Steps())
			for i := range params {
				m, v := o.Moments(i)
				nextM, nextV := next.Moments(i)
				ops.CopyInto(c, nextM, m)
				ops.CopyInto(c, nextV, v)
			}
			o = next
		}
	}
	if got := o.Steps(); got != 12 {
		t.Errorf("Steps: got %d, want 12", got)
	}
	for i, p := range params {
		m, v := o.Moments(i)
		for _, x := range []struct {
			name string
			got  tensor.Tensor
			want []float64
			tol  float64
		}{{"value", p.Value, want[i].p, 2e-6}, {"first moment", m, want[i].m, 1e-6}, {"second moment", v, want[i].v, 1e-6}} {
			got, err := c.Floats(x.got)
			if err != nil {
				t.Fatal(err)
			}
			for j, w := range x.want {
				if d := math.Abs(float64(got[j]) - w); !(d <= x.tol*math.Max(1, math.Abs(w))) {
					t.Fatalf("parameter %s, %s %d: got %v, want %v", p.Name, x.name, j, got[j], w)
				}
			}
		}
	}
}

func TestAdamWKeepsGradients(t *testing.T) {
	b := ops.NewCPU(1)
	c := ops.NewContext(b)
	p := ops.NewParam(b, "p", 2)
	upload(b, p.Grad, []float32{1, -2})
	o := ops.NewAdamW(b, []*ops.Param{p}, 0.5)
	o.Step(c, 1)
	if g := p.Grad.Float32s(); g[0] != 1 || g[1] != -2 {
		t.Errorf("gradients after Step: got %v, want [1 -2]", g)
	}
	// The first step of Adam is the learning rate, whatever the gradient's size.
	if v := p.Value.Float32s(); math.Abs(float64(v[0])+0.5) > 1e-6 || math.Abs(float64(v[1])-0.5) > 1e-6 {
		t.Errorf("values after the first step: got %v, want [-0.5 0.5]", v)
	}
}
