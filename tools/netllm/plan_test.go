package main

import (
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// A plan is what the job then takes.
func TestPlan(t *testing.T) {
	for _, checkpoint := range []bool{false, true} {
		args := []string{"plan", "--tokens", "96", "--batch", "2", "--rank", "8", "--json"}
		if checkpoint {
			args = append(args, "--checkpoint")
		}
		var plan planResult
		stdout, stderr := succeed(t, args...)
		decode(t, stdout, &plan)
		if !strings.Contains(stderr, "total") || !strings.Contains(stderr, "MiB") {
			t.Errorf("printed %q, want a table", stderr)
		}

		b := ops.NewCPU(1)
		defer b.Close()
		m, err := (&modelFlags{}).load(b)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		cache := m.NewCache(b, 2, 96)
		c := ops.NewContext(b)
		for _, n := range []int{95, 1} {
			x := m.Forward(c, m.EmbedTokens(c, c.Int32s(make([]int32, 2*n), 2, n)), cache)
			m.Logits(c, ops.Contiguous(c, x.Slice(1, n-1, n)))
			c.Reset()
		}
		if got, want := plan.Generate.Activations, c.Arena.Bytes(); got != want {
			t.Errorf("generating: got %d bytes of activations, want %d", got, want)
		}
		f := m.Shape()
		if got, want := plan.Generate.Cache, 2*4*2*96*f.Layers*f.KVHeads*f.HeadDim; got != want {
			t.Errorf("got a cache of %d bytes, want %d", got, want)
		}

		lora, err := transformer.NewLoRA(b, m, transformer.LoRAConfig{Rank: 8, Alpha: 8, Targets: transformer.QueryValue(m)}, 1)
		if err != nil {
			t.Fatal(err)
		}
		body, err := m.WithLoRA(lora)
		if err != nil {
			t.Fatal(err)
		}
		values := 0
		for _, p := range lora.Params() {
			values += 4 * p.Value.Len()
		}
		if p := plan.Train; p.LoRA != values || p.Gradients != values || p.Moments != 2*values {
			t.Errorf("got %+v, want matrices of %d bytes", p, values)
		}
		step := ops.NewContext(b)
		step.Tape, step.Training, step.Checkpointing = ops.NewTape(), true, checkpoint
		input := ops.NewParam(b, "input", 2, 96, m.Width())
		step.Tape.Watch(append(lora.Params(), input)...)
		y := body.Forward(step, input.Value, nil)
		step.Tape.Backward(step, ops.MSE(step, y, step.New(tensor.F32, y.Shape()...)))
		if got, want := plan.Train.Activations, step.Arena.Bytes()+2*4*input.Value.Len(); got != want {
			t.Errorf("training, checkpoints %v: got %d bytes of activations, want %d", checkpoint, got, want)
		}
		total := plan.File + plan.Weights + plan.Tables
		if plan.Train.Total != total+4*values+plan.Train.Activations || plan.Generate.Total != total+plan.Generate.Cache+plan.Generate.Activations {
			t.Errorf("got totals %d and %d", plan.Generate.Total, plan.Train.Total)
		}
	}
}

func TestPlanWithoutRepacking(t *testing.T) {
	var repacked, mapped planResult
	stdout, _ := succeed(t, "plan", "--json")
	decode(t, stdout, &repacked)
	stdout, _ = succeed(t, "plan", "--no-repack", "--json")
	decode(t, stdout, &mapped)
	if mapped.Weights != 0 || mapped.File <= repacked.File || 10*mapped.File < 9*repacked.Weights || repacked.Weights == 0 || repacked.Train != nil || repacked.Tokens != repacked.Positions {
		t.Errorf("got %+v and, as mapped, %+v", repacked, mapped)
	}
}
