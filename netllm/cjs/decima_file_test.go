// What is refused as Decima's weights.

package cjs

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// decimaTensors returns copies of the published tensors by name.
func decimaTensors(t testing.TB) map[string]tensor.Tensor {
	t.Helper()
	f, err := safetensors.Open(golden.Data(t, "cjs/decima.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]tensor.Tensor{}
	for _, name := range f.Names() {
		v, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = tensor.FromFloat32(slices.Clone(v.Float32s()), v.Shape()...)
	}
	return all
}

func writeDecima(t testing.TB, all map[string]tensor.Tensor) string {
	t.Helper()
	var entries []safetensors.Entry
	for name, v := range all {
		entries = append(entries, safetensors.EntryOf(name, v))
	}
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := safetensors.Write(path, nil, entries); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadDecimaRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(all map[string]tensor.Tensor)
		want   string
	}{
		{"missing", func(all map[string]tensor.Tensor) { delete(all, "dag.1.bias") }, "tensor dag.1.bias is missing"},
		{"unknown", func(all map[string]tensor.Tensor) {
			all["dag.3.bias"], all["dag.4.bias"] = all["dag.2.bias"], all["dag.2.bias"]
		}, "tensor dag.3.bias is not one"},
		{"transposed", func(all map[string]tensor.Tensor) { all["node.msg.0.weight"] = tensor.New(tensor.F32, 16, 32) }, "tensor node.msg.0.weight: F32 [16 32], want F32 [32 16]"},
		{"other rank", func(all map[string]tensor.Tensor) { all["stage_score.2.bias"] = tensor.New(tensor.F32, 1, 1) }, "tensor stage_score.2.bias: F32 [1 1], want F32 [1]"},
		{"six features", func(all map[string]tensor.Tensor) { all["node.prep.0.weight"] = tensor.New(tensor.F32, 32, 6) }, "tensor node.prep.0.weight: F32 [32 6], want F32 [32 5]"},
		{"other type", func(all map[string]tensor.Tensor) { all["glob.0.bias"] = tensor.New(tensor.F16, 32) }, "tensor glob.0.bias: F16 [32], want F32 [32]"},
		{"not a number", func(all map[string]tensor.Tensor) {
			all["exec_score.1.bias"].Float32s()[7] = float32(math.NaN())
		}, "tensor exec_score.1.bias: element 7 is NaN"},
		{"infinite", func(all map[string]tensor.Tensor) {
			all["exec_score.2.weight"].Float32s()[0] = float32(math.Inf(-1))
		}, "tensor exec_score.2.weight: element 0 is -Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := decimaTensors(t)
			c.change(all)
			path := writeDecima(t, all)
			_, err := ReadDecima(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one with %q and %q", err, path, c.want)
			}
		})
	}
	data, err := os.ReadFile(golden.Data(t, "cjs/decima.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "short.safetensors")
	if err := os.WriteFile(path, data[:len(data)-1], 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, filepath.Join(t.TempDir(), "none.safetensors")} {
		if _, err := ReadDecima(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one with %q", err, path)
		}
	}
}

// TestDecimaUsesAllTensors changes tensor after tensor and looks for what that changes.
func TestDecimaUsesAllTensors(t *testing.T) {
	o := decimaVectors(t)[2].observation()
	outputs := func(d *Decima) []float32 {
		var e Embedding
		d.Embed(&e, o)
		stages := slices.Clone(d.StageScores(&e, o))
		return append(stages, d.ExecutorScores(&e, o, 2)...)
	}
	want := outputs(decimaNetwork(t))
	for name := range decimaTensors(t) {
		all := decimaTensors(t)
		for i, v := range all[name].Float32s() {
			all[name].Float32s()[i] = v + 0.01
		}
		d, err := ReadDecima(writeDecima(t, all))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(outputs(d), want) {
			t.Errorf("tensor %s has no effect", name)
		}
	}
}
