package abr

import (
	"math"
	"math/rand/v2"
	"testing"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// The gradients of a network that is shown states alone, with a longer history, are those of its loss.
func TestAloneGradients(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	body := transformer.NoBody{Size: 8, Positions: 16}
	n, err := NewNetwork(b, body, NetworkConfig{Features: 4, Window: 1, Timesteps: Decisions + 1, History: 9, Alone: true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = rng.Float32()
		}
		return v
	}
	const batch = 3
	steps := Steps{Batch: batch, States: random(batch * Features * History), Earlier: random(batch * 2 * 3), Returns: make([]float32, batch), Actions: make([]int32, batch), Timesteps: []int32{0, 7, 46}}
	want := random(batch * Qualities)
	loss := func(c *ops.Context) tensor.Tensor {
		return ops.MSE(c, n.Logits(c, steps), c.Float32s(want, batch, Qualities))
	}
	value := func() float64 {
		c := ops.NewContext(b)
		defer c.Arena.Free()
		v, err := c.ReadScalar(loss(c))
		if err != nil {
			t.Fatal(err)
		}
		return float64(v)
	}
	trainer := netllm.NewTrainer(b, n.Params(), 1e-3, 1)
	defer trainer.Context.Arena.Free()
	if _, err := trainer.Accumulate(1, loss); err != nil {
		t.Fatal(err)
	}
	for _, p := range n.Params() {
		got, err := trainer.Context.Floats(p.Grad)
		if err != nil {
			t.Fatal(err)
		}
		values := p.Value.Float32s()
		for range 3 {
			i := rng.IntN(len(values))
			was := values[i]
			const by = 1e-2
			values[i] = was + by
			up := value()
			values[i] = was - by
			slope := (up - value()) / (2 * by)
			values[i] = was
			if math.Abs(slope-float64(got[i])) > 0.25*math.Abs(slope)+3e-3 { // steps may cross a kink
				t.Errorf("%s[%d]: got %v, want %v", p.Name, i, got[i], slope)
			}
		}
	}
}
