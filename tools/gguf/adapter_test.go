package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
	"netllm/transformer/convert"
)

// adapted goes to a folder with a model, f32.gguf, and an adapter of rank 2 for its
// query matrices, the folder peft.
func adapted(t *testing.T) {
	t.Helper()
	whole(t)
	if err := os.Mkdir("peft", 0o777); err != nil {
		t.Fatal(err)
	}
	var list []safetensors.Entry
	for i := range 2 {
		for part, shape := range map[string][]int{"A": {2, 256}, "B": {256, 2}} {
			x := tensor.New(tensor.F32, shape...)
			for j := range x.Float32s() {
				x.Float32s()[j] = float32(math.Sin(float64(i+j*j))) * 0.2
			}
			list = append(list, safetensors.EntryOf(fmt.Sprintf("base_model.model.model.layers.%d.self_attn.q_proj.lora_%s.weight", i, part), x))
		}
	}
	if err := safetensors.Write(filepath.Join("peft", "adapter_model.safetensors"), nil, list); err != nil {
		t.Fatal(err)
	}
	text := `{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}`
	if err := os.WriteFile(filepath.Join("peft", "adapter_config.json"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// An adapter goes to GGUF and back, and into its model.
func TestAdapterCommands(t *testing.T) {
	adapted(t)
	out := succeed(t, "convert", "--in", "peft", "--base", "f32.gguf", "--out", "a.gguf")
	if !strings.Contains(out, "blk.1.attn_q.weight.lora_b") || !strings.Contains(out, "wrote a.gguf: GGUF, 4 tensors") {
		t.Errorf("got\n%s", out)
	}
	succeed(t, "verify", "a.gguf")
	succeed(t, "convert", "--in", "a.gguf", "--base", "f32.gguf", "--out", "back")
	for _, name := range []string{"adapter_config.json", "adapter_model.safetensors"} {
		got, want := read(t, filepath.Join("back", name)), read(t, filepath.Join("peft", name))
		if name == "adapter_config.json" && !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	succeed(t, "diff", filepath.Join("peft", "adapter_model.safetensors"), filepath.Join("back", "adapter_model.safetensors"))

	var r convert.Result
	decode(t, succeed(t, "merge-lora", "f32.gguf", "a.gguf", "--out", "m.gguf", "--json"), &r)
	changed := 0
	for _, x := range r.Tensors {
		if x.Note == "rank 2 added" && strings.HasSuffix(x.Name, "attn_q.weight") {
			changed++
		}
	}
	if changed != 2 || len(r.Tensors) != 21 || r.Type != "auto" {
		t.Errorf("%d changed tensors: got %+v", changed, r)
	}
	succeed(t, "merge-lora", "f32.gguf", "peft", "--out", "n.gguf", "--threads", "3")
	if !bytes.Equal(read(t, "m.gguf"), read(t, "n.gguf")) {
		t.Error("the adapter's format or the number of threads changes the merged file")
	}
	fail(t, 1, []string{"diff", "f32.gguf", "m.gguf"}, "")
	succeed(t, "merge-lora", "f32.gguf", "peft", "--out", "n.gguf", "--force", "--scale", "-0.5", "--type", "q8_0")
	f, err := gguf.Open("n.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, _ := f.Info("blk.0.attn_q.weight"); info.DType != tensor.Q8_0 {
		t.Errorf("type: got %v, want Q8_0", info.DType)
	}
	succeed(t, "merge-lora", "m.gguf", "peft", "--out", "u.gguf", "--scale", "-1") // takes it out again
	succeed(t, "diff", "--tolerance", "1e-6", "f32.gguf", "u.gguf")
}

func TestAdapterUsage(t *testing.T) {
	adapted(t)
	before := len(entries(t))
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no base", []string{"convert", "--in", "peft", "--out", "a.gguf"}, 2, "--base MODEL is needed"},
		{"base of a model", []string{"convert", "--in", "f32.gguf", "--base", "f32.gguf", "--out", "x.gguf"}, 2, "is no adapter"},
		{"vocabulary", []string{"convert", "--in", "peft", "--base", "f32.gguf", "--out", "a.gguf", "--vocab-only"}, 2, "no vocabulary"},
		{"type", []string{"convert", "--in", "peft", "--base", "f32.gguf", "--out", "a.gguf", "--type", "f16"}, 2, "keep their types"},
		{"base missing", []string{"convert", "--in", "peft", "--base", "none", "--out", "a.gguf"}, 1, "none"},
		{"same format", []string{"convert", "--in", "peft", "--base", "f32.gguf", "--out", "a"}, 2, "of that format already"},
		{"merge one", []string{"merge-lora", "f32.gguf", "--out", "x.gguf"}, 2, "got 1 arguments"},
		{"merge nowhere", []string{"merge-lora", "f32.gguf", "peft"}, 2, "--out"},
		{"merge to a folder", []string{"merge-lora", "f32.gguf", "peft", "--out", "x"}, 2, "ends in .gguf"},
		{"merge over file", []string{"merge-lora", "f32.gguf", "peft", "--out", "f32.gguf"}, 1, "--force"},
		{"merge the wrong way round", []string{"merge-lora", "peft", "f32.gguf", "--out", "x.gguf"}, 2, "the model comes first"},
		{"merge two models", []string{"merge-lora", "f32.gguf", "f32.gguf", "--out", "x.gguf"}, 2, "is no adapter"},
		{"merge type", []string{"merge-lora", "f32.gguf", "peft", "--out", "x.gguf", "--type", "q9"}, 2, "known: auto"},
		{"merge scale", []string{"merge-lora", "f32.gguf", "peft", "--out", "x.gguf", "--scale", "NaN"}, 2, "scale NaN"},
		{"merge missing", []string{"merge-lora", "f32.gguf", "none", "--out", "x.gguf"}, 1, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if stdout := fail(t, c.code, c.args, c.want); stdout != "" {
				t.Errorf("stdout: got %q, want nothing", stdout)
			}
			if got := entries(t); len(got) != before {
				t.Errorf("got files %q, want no new ones", got)
			}
		})
	}
}
