package transformer

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// TestLoRAGolden trains the adapter of lora_golden for three steps.
func TestLoRAGolden(t *testing.T) {
	dir := golden.Spec(t, "lora_golden")
	var want struct {
		LoRA struct {
			R       int
			Alpha   float64
			Targets []string
		}
		Outputs   int
		Losses    []float64 `json:"loss_before_step_1_2_3_and_after_3_f32"`
		Optimizer struct {
			LR          float32
			Betas       [2]float32
			Eps         float32
			WeightDecay float32 `json:"weight_decay"`
		}
	}
	readJSON(t, filepath.Join(dir, "golden.json"), &want)
	open := func(name string) *safetensors.File {
		f, err := safetensors.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	initial, inputs, forward, grads := open("init.safetensors"), open("inputs.safetensors"), open("forward.safetensors"), open("grads_step1.safetensors")

	eachBackend(t, func(t *testing.T, b ops.Backend) {
		base, err := Load(b, filepath.Join(dir, "base"))
		if err != nil {
			t.Fatal(err)
		}
		defer base.Close()
		hash, err := base.Hash(b)
		if err != nil {
			t.Fatal(err)
		}
		lora, err := NewLoRA(b, base, LoRAConfig{Rank: want.LoRA.R, Alpha: want.LoRA.Alpha, Targets: want.LoRA.Targets}, 1)
		if err != nil {
			t.Fatal(err)
		}
		body, err := base.WithLoRA(lora)
		if err != nil {
			t.Fatal(err)
		}
		head := []*ops.Param{ops.NewParam(b, "head.weight", want.Outputs, base.Width()), ops.NewParam(b, "head.bias", want.Outputs)}
		params := append(lora.Params(), head...)
		name := func(p *ops.Param) string {
			if !strings.Contains(p.Name, ".lora_") {
				return p.Name
			}
			return "base_model.model." + p.Name
		}
		for _, p := range params {
			b.Upload(p.Value, host(t, initial, name(p)).Bytes())
		}
		x := host(t, inputs, "inputs_embeds")
		embeds := ops.NewParam(b, "inputs_embeds", x.Shape()...)
		b.Upload(embeds.Value, x.Bytes())
		target := host(t, inputs, "target")

		c := ops.NewContext(b)
		c.Tape, c.Training = ops.NewTape(), true
		optimizer := ops.NewAdamW(b, params, want.Optimizer.LR)
		optimizer.Beta1, optimizer.Beta2 = want.Optimizer.Betas[0], want.Optimizer.Betas[1]
		optimizer.Eps, optimizer.WeightDecay = want.Optimizer.Eps, want.Optimizer.WeightDecay
		compared := 0
		for step, wantLoss := range want.Losses {
			c.Reset()
			c.Tape.Watch(params...)
			c.Tape.Watch(embeds)
			hidden := body.Forward(c, embeds.Value, nil)
			pred := ops.AddRow(c, ops.Linear(c, hidden, head[0].Value), head[1].Value)
			loss := ops.MSE(c, pred, c.Float32s(target.Float32s(), target.Shape()...))
			got, err := c.ReadScalar(loss)
			if err != nil {
				t.Fatal(err)
			}
			if d := math.Abs(float64(got) - wantLoss); !(d <= 1e-5*wantLoss) {
				t.Errorf("loss %d: got %v, want %v", step, got, wantLoss)
			}
			compared++
			if step == len(want.Losses)-1 {
				break
			}
			c.Tape.Backward(c, loss)
			if step == 0 {
				near(t, c, "hidden", hidden, host(t, forward, "hidden"), 2e-5, 1e-4)
				near(t, c, "pred", pred, host(t, forward, "pred"), 2e-5, 1e-4)
				for _, p := range append(params, embeds) {
					near(t, c, "gradient of "+p.Name, p.Grad, host(t, grads, name(p)), 2e-5, 1e-4)
					compared++
				}
			}
			optimizer.Step(c, 1)
			ops.ZeroGrad(c, append(params, embeds))
			after := open("params_after_step" + string(rune('1'+step)) + ".safetensors")
			for _, p := range params {
				near(t, c, p.Name, p.Value, host(t, after, name(p)), 2e-5, 0)
				compared++
			}
		}
		if after, err := base.Hash(b); err != nil || after != hash {
			t.Errorf("hash of the frozen weights: got %s (%v), want %s", after, err, hash)
		}
		golden.Cases(t, compared)
	})
}

func host(t *testing.T, f *safetensors.File, name string) tensor.Tensor {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// near compares a result with a host tensor: |got-want| <= absolute + relative*|want|.
func near(t *testing.T, c *ops.Context, what string, got, want tensor.Tensor, absolute, relative float64) {
	t.Helper()
	values, err := c.Floats(got)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want.Float32s() {
		if d := math.Abs(float64(values[i]) - float64(w)); !(d <= absolute+relative*math.Abs(float64(w))) {
			t.Errorf("%s: element %d: got %v, want %v", what, i, values[i], w)
			return
		}
	}
}
