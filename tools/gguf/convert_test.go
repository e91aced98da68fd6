package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
	"netllm/transformer/convert"
)

// whole goes to a folder with a whole small model, f32.gguf.
func whole(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 2, Width: 256, FFN: 512, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 40,
		MaxPositions: 64, NormEps: 1e-5, RopeTheta: 10000, RopeDim: 64}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	name := gguf.KeyValue{Key: "general.name", Value: "small"}
	if err := m.WriteGGUF(b, "f32.gguf", tensor.F32, []gguf.KeyValue{name}, false); err != nil {
		t.Fatal(err)
	}
}

// The three commands, one after the other, as a user would have them.
func TestConvertCommands(t *testing.T) {
	whole(t)
	out := succeed(t, "convert", "--in", "f32.gguf", "--out", "hf", "--type", "BF16", "--max-shard-size", "500K")
	if !strings.Contains(out, "model.layers.1.mlp.down_proj.weight") || !strings.Contains(out, "wrote hf: Hugging Face, 21 tensors") {
		t.Errorf("got\n%s", out)
	}
	if _, err := os.Stat(filepath.Join("hf", "model.safetensors.index.json")); err != nil {
		t.Error(err)
	}
	succeed(t, "convert", "--in", "hf", "--out", "bf16.gguf")
	succeed(t, "diff", "--tolerance", "0.01", "f32.gguf", "bf16.gguf")

	var r convert.Result
	decode(t, succeed(t, "quantize", "--dry-run", "--json", "bf16.gguf", "q.gguf", "Q4_K_M"), &r)
	if _, err := os.Stat("q.gguf"); err == nil || !r.DryRun || len(r.Tensors) != 21 || r.Type != "q4_k_m" || r.From != convert.GGUF {
		t.Errorf("dry run: got %+v, file: %v", r, err)
	}
	types := map[string]string{}
	for _, x := range r.Tensors {
		types[x.Name] = x.To
	}
	for name, want := range map[string]string{"token_embd.weight": "Q4_K", "output.weight": "Q6_K", "blk.0.attn_norm.weight": "F32", "blk.1.attn_v.weight": "Q6_K"} {
		if types[name] != want {
			t.Errorf("%s: got %s, want %s", name, types[name], want)
		}
	}
	succeed(t, "quantize", "bf16.gguf", "q.gguf", "q4_k_m")
	succeed(t, "quantize", "--in", "bf16.gguf", "--out", "p.gguf", "--type", "q4_k", "--threads", "3")
	if !bytes.Equal(read(t, "q.gguf"), read(t, "p.gguf")) {
		t.Error("q4_k and q4_k_m, with other flags and threads, are not the same file")
	}
	if info, err := os.Stat("q.gguf"); err != nil || info.Size() < r.Bytes || info.Size() > r.Bytes+4096 {
		t.Errorf("%d bytes of tensors were foreseen, the file has %v", r.Bytes, info.Size())
	}
	succeed(t, "quantize", "--leave-output-tensor", "--token-embedding-type", "q8_0", "--force", "bf16.gguf", "q.gguf", "q2_k")
	f, err := gguf.Open("q.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range map[string]tensor.DType{"token_embd.weight": tensor.Q8_0, "output.weight": tensor.BF16, "blk.0.ffn_up.weight": tensor.Q2_K} {
		if info, _ := f.Info(name); info.DType != want {
			t.Errorf("%s: got %v, want %v", name, info.DType, want)
		}
	}
	succeed(t, "dequantize", "q.gguf", "d.gguf")
	succeed(t, "diff", "--tolerance", "0", "q.gguf", "d.gguf")
	succeed(t, "verify", "d.gguf")
}

func TestConvertUsage(t *testing.T) {
	small(t)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"convert nothing", []string{"convert"}, 2, "--in and --out"},
		{"convert argument", []string{"convert", "small.gguf"}, 2, "unexpected argument"},
		{"convert missing", []string{"convert", "--in", "none", "--out", "x.gguf"}, 1, "none"},
		{"convert type", []string{"convert", "--in", "small.gguf", "--out", "x.gguf", "--type", "q3"}, 2, `type "q3", known: auto, f32`},
		{"convert over file", []string{"convert", "--in", "small.gguf", "--out", "small.gguf"}, 1, "--force"},
		{"convert to blocks", []string{"convert", "--in", "small.gguf", "--out", "x", "--type", "q8_0"}, 2, "no type q8_0"},
		{"convert shards", []string{"convert", "--in", "small.gguf", "--out", "x", "--max-shard-size", "many"}, 2, `--max-shard-size "many"`},
		{"convert threads", []string{"convert", "--in", "small.gguf", "--out", "x", "--threads", "-1"}, 2, "--threads -1"},
		{"convert half a model", []string{"convert", "--in", "small.gguf", "--out", "x"}, 1, `"blk.0.attn_k.weight"`},
		{"convert requantise", []string{"convert", "--in", "small.gguf", "--out", "x.gguf", "--type", "q5_0"}, 1, "--allow-requantize"},
		{"quantize nothing", []string{"quantize", "small.gguf"}, 2, "names"},
		{"quantize without type", []string{"quantize", "small.gguf", "x.gguf"}, 2, "a type is needed"},
		{"quantize four", []string{"quantize", "a", "b", "c", "d"}, 2, `unexpected argument "d"`},
		{"quantize both ways", []string{"quantize", "--type", "q4_0", "a", "b.gguf", "q8_0"}, 2, `unexpected argument "q8_0"`},
		{"quantize to folder", []string{"quantize", "small.gguf", "x", "q8_0"}, 2, "ends in .gguf"},
		{"quantize output", []string{"quantize", "--output-tensor-type", "q4_k_m", "small.gguf", "x.gguf", "q8_0"}, 2, "--output-tensor-type"},
		{"quantize embedding", []string{"quantize", "--token-embedding-type", "x", "small.gguf", "x.gguf", "q8_0"}, 2, "--token-embedding-type"},
		{"dequantize to blocks", []string{"dequantize", "small.gguf", "x.gguf", "q8_0"}, 2, "known: f32, f16, bf16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if stdout := fail(t, c.code, c.args, c.want); stdout != "" {
				t.Errorf("stdout: got %q, want nothing", stdout)
			}
			if got := entries(t); len(got) != 1 {
				t.Errorf("got files %q, want none but the model", got)
			}
		})
	}
}
