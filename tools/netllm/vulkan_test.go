package main

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"netllm/gpu"
	"netllm/gpu/gputest"
)

// The commands that compute with a model give on a GPU what they give on the CPU.
func TestVulkanCommands(t *testing.T) {
	list, err := gpu.Devices()
	if err != nil || len(list) == 0 {
		gputest.Missing(t, errors.Join(gpu.ErrNoDevice, err))
	}
	both := func(args ...string) (onCPU, onGPU string) {
		t.Helper()
		onCPU, _ = succeed(t, append(args, "--device", "cpu")...)
		onGPU, stderr := succeed(t, append(args, "--device", "vulkan")...)
		if !strings.Contains(stderr, "device: vulkan:") {
			t.Errorf("%v: the device is not named: %s", args, stderr)
		}
		return onCPU, onGPU
	}

	a, b := both("logits", "--tokens", "1,17,80,3", "--top", "5", "--json", "-")
	var want, got logitsResult
	decode(t, a, &want)
	decode(t, b, &got)
	for i, p := range want.Positions {
		for j, top := range p.Top { // of two close ones either may be first
			if d := math.Abs(float64(top.Logit - got.Positions[i].Top[j].Logit)); !(d <= 1e-2) {
				t.Errorf("logits: position %d: place %d: got %+v, on the CPU %+v", i, j, got.Positions[i].Top[j], top)
			}
		}
	}

	a, b = both("generate", "--tokens", "1", "-n", "12", "--json", "-")
	var wantText, gotText generateResult
	decode(t, a, &wantText)
	decode(t, b, &gotText)
	if wantText.Device != "cpu" || !strings.HasPrefix(gotText.Device, "vulkan:") {
		t.Errorf("generate: devices %q and %q", wantText.Device, gotText.Device)
	}
	if formatTokens(gotText.Generated) != formatTokens(wantText.Generated) {
		t.Errorf("generate: got %v, on the CPU %v", gotText.Generated, wantText.Generated)
	}

	dir := t.TempDir()
	pool := filepath.Join(dir, "pool")
	synth := []string{"--video", "synth1", "--traces", "synth:n=1,T=60", "--seed", "1"}
	succeed(t, append([]string{"collect", "abr", "--policy", "bba", "--episodes", "1", "--out", pool}, synth...)...)
	adapter := filepath.Join(dir, "adapter")
	_, stderr := succeed(t, "adapt", "abr", "--pool", pool, "--recipe", "offline", "--epochs", "1", "--out", adapter, "--device", "vulkan")
	if !strings.Contains(stderr, "device: vulkan:") {
		t.Errorf("adapt: the device is not named: %s", stderr)
	}
	a, b = both(append([]string{"eval", "abr", "--policy", "netllm", "--adapter", adapter, "--json", "-"}, synth...)...)
	var wantEval, gotEval evalResult
	decode(t, a, &wantEval)
	decode(t, b, &gotEval)
	if !strings.HasPrefix(gotEval.Device, "vulkan:") {
		t.Errorf("eval: device %q", gotEval.Device)
	}
	if len(gotEval.Results) != 1 || math.Abs(gotEval.Results[0].Mean-wantEval.Results[0].Mean) > 0.2 {
		t.Errorf("eval: got %+v, on the CPU %+v", gotEval.Results, wantEval.Results)
	}

	// Scheduling: graphs of any size go through the GPU.
	cluster := []string{"--data", clusterData(t), "--jobs", "3", "--executors", "3", "--sequences", "1"}
	jobs, scheduler, model := filepath.Join(dir, "jobs"), filepath.Join(dir, "scheduler"), byteModel(t)
	succeed(t, append([]string{"collect", "cjs", "--policy", "target", "--out", jobs}, cluster...)...)
	succeed(t, append([]string{"adapt", "cjs", "--model", model, "--pool", jobs, "--windows", "64", "--rounds", "0", "--gradient-iterations", "0", "--out", scheduler, "--device", "vulkan"}, cluster...)...)
	a, b = both(append([]string{"eval", "cjs", "--policy", "netllm", "--model", model, "--adapter", scheduler, "--json", "-"}, cluster...)...)
	decode(t, a, &wantEval)
	decode(t, b, &gotEval)
	if math.Abs(gotEval.Results[0].Mean-wantEval.Results[0].Mean) > 0.1*wantEval.Results[0].Mean { // one close call changes what follows
		t.Errorf("eval cjs: got %+v, on the CPU %+v", gotEval.Results, wantEval.Results)
	}
}
