package transformer

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/ops/dry"
	"netllm/tensor"
)

// features of a few made-up token vectors.
func featuresOf(t *testing.T, b ops.Backend, m Body) []float32 {
	t.Helper()
	const seq = 9
	x := make([]float32, seq*m.Width())
	for i := range x {
		x[i] = float32(math.Cos(float64(i * i)))
	}
	c := ops.NewContext(b)
	y, err := c.Floats(m.Forward(c, c.Float32s(x, 1, seq, m.Width()), nil))
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// A copy of a model from a file, whatever its family and types, computes the same, and can be trained without the
// model that it was made of.
func TestCopy(t *testing.T) {
	for name, config := range familyConfigs {
		for _, dtype := range []tensor.DType{tensor.F32, tensor.F16} {
			t.Run(name+" "+dtype.String(), func(t *testing.T) {
				b := ops.NewCPU(1)
				defer b.Close()
				path := filepath.Join(t.TempDir(), "m.gguf")
				if err := newFamily(t, b, config).WriteGGUF(b, path, dtype, nil, false); err != nil {
					t.Fatal(err)
				}
				m, err := Load(b, path)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				before := featuresOf(t, b, m)
				twin, err := m.Copy(b)
				if err != nil {
					t.Fatal(err)
				}
				if d := largest(featuresOf(t, b, twin), before); d > 2e-5 {
					t.Errorf("the copy's features differ by %g", d)
				}
				if _, err := m.TrainableBody(b); err == nil {
					t.Error("a model in a mapped file was made trainable")
				}
				params, err := twin.TrainableBody(b)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range params {
					if strings.Contains(p.Name, "embed_tokens") || strings.Contains(p.Name, "wte") || strings.Contains(p.Name, "lm_head") {
						t.Errorf("%s is a table of tokens", p.Name)
					}
					for i := range p.Value.Float32s() {
						p.Value.Float32s()[i] += 0.1
					}
				}
				if all := len(m.(*decoder).weights()); len(params) < all-2 || len(params) >= all {
					t.Errorf("got %d parameters of %d weights", len(params), all)
				}
				if d := largest(featuresOf(t, b, m), before); d != 0 {
					t.Errorf("the model changed with its copy, by %g", d)
				}
				if d := largest(featuresOf(t, b, twin), before); d < 1e-3 {
					t.Errorf("the copy did not change with its parameters: %g", d)
				}
			})
		}
	}
}

// An outline has the shape of a model, and its training can be counted.
func TestOutline(t *testing.T) {
	config := familyConfigs["qwen2"]
	b := dry.New(nil)
	m, err := Outline(b, config, func(shape ...int) tensor.Tensor { return b.Weight(tensor.F32, shape...) })
	if err != nil {
		t.Fatal(err)
	}
	if m.Shape() != config {
		t.Errorf("got shape %+v, want %+v", m.Shape(), config)
	}
	numbers := 0
	for _, w := range config.Weights() {
		if n := 1; !w.Tied {
			for _, d := range w.Shape {
				n *= d
			}
			numbers += n
		}
	}
	if b.Weights() != 4*numbers {
		t.Errorf("got %d bytes of weights, want %d", b.Weights(), 4*numbers)
	}
	config.Heads = 0
	if _, err := Outline(b, config, nil); err == nil {
		t.Error("a shape without heads has an outline")
	}
}
