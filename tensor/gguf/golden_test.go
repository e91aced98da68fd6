package gguf

// Files made by others: llama.cpp's own, and models converted independently.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// ggufs returns all GGUF files below the folders.
func ggufs(t *testing.T, dirs ...string) []string {
	t.Helper()
	var paths []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".gguf") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// All files open and all their tensors of known types can be had; a file with
// no other types is written again byte for byte.
func TestGoldenFiles(t *testing.T) {
	cases := 0
	for _, path := range ggufs(t, golden.Spec(t, "llama_golden"), golden.Data(t, "models")) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			useAll(t, f)
			cases++
			known := true
			for _, info := range f.Tensors() {
				if info.DType == tensor.Invalid {
					known = false
					_, err := f.Tensor(info.Name)
					says(t, err, path, info.Name, info.Type.String())
					if !errors.Is(err, errors.ErrUnsupported) {
						t.Errorf("%s: got %v, want ErrUnsupported", info.Name, err)
					}
				}
			}
			if !known {
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := rewrite(f)
			if err != nil {
				t.Fatal(err)
			}
			// Without tensors the end need not be padded.
			if extra := len(got) - len(want); len(f.Names()) == 0 && extra > 0 && extra < 32 {
				want = append(want, make([]byte, extra)...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("written again: got %d other bytes, want the same %d", len(got), len(want))
			}
			cases++
		})
	}
	golden.Cases(t, cases)
}

// What llama.cpp's vocabulary files say, as a check on reading values.
func TestGoldenVocabularies(t *testing.T) {
	tests := []struct {
		file, model       string
		tokens, bos       int
		name, first, last string
	}{
		{"ggml-vocab-llama-spm.gguf", "llama", 32000, 1, "llama-spm", "<unk>", "给"},
		{"ggml-vocab-gpt-2.gguf", "gpt2", 50257, 50256, "gpt-2", "!", "<|endoftext|>"},
	}
	for _, c := range tests {
		t.Run(c.file, func(t *testing.T) {
			f, err := Open(golden.Data(t, "models/vocab-only-gguf/"+c.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			name, err := f.String("general.name")
			if err != nil || name != c.name {
				t.Errorf("name: got %q, %v, want %q", name, err, c.name)
			}
			model, err := f.String("tokenizer.ggml.model")
			if err != nil || model != c.model {
				t.Errorf("model: got %q, %v, want %q", model, err, c.model)
			}
			bos, err := f.Int("tokenizer.ggml.bos_token_id")
			if err != nil || bos != c.bos {
				t.Errorf("bos: got %d, %v, want %d", bos, err, c.bos)
			}
			tokens, err := f.Strings("tokenizer.ggml.tokens")
			if err != nil || len(tokens) != c.tokens || tokens[0] != c.first || tokens[c.tokens-1] != c.last {
				t.Errorf("got %d tokens, %v, want %d from %q to %q", len(tokens), err, c.tokens, c.first, c.last)
			}
			if len(f.Names()) != 0 {
				t.Errorf("got tensors %v, want none", f.Names())
			}
		})
	}
}

// hfNames are the names of Hugging Face's Llama by those of GGUF; %d has been
// taken out of both.
var hfNames = map[string]string{
	"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight",
	"attn_q.weight": "self_attn.q_proj.weight", "attn_k.weight": "self_attn.k_proj.weight", "attn_v.weight": "self_attn.v_proj.weight",
	"attn_output.weight": "self_attn.o_proj.weight", "attn_norm.weight": "input_layernorm.weight", "ffn_norm.weight": "post_attention_layernorm.weight",
	"ffn_gate.weight": "mlp.gate_proj.weight", "ffn_up.weight": "mlp.up_proj.weight", "ffn_down.weight": "mlp.down_proj.weight",
}

// hfName translates a GGUF name.
func hfName(name string) string {
	if rest, ok := strings.CutPrefix(name, "blk."); ok {
		layer, rest, _ := strings.Cut(rest, ".")
		return "model.layers." + layer + "." + hfNames[rest]
	}
	return hfNames[name]
}

// toPairs brings the rows of a q or k matrix from Hugging Face's order into
// GGUF's: inside each head, row j goes to 2j and row j + half to 2j+1.
func toPairs(x []float32, columns, headDim int) []float32 {
	out := make([]float32, 0, len(x))
	for head := 0; head < len(x)/columns; head += headDim {
		for j := range headDim {
			row := head + j/2 + j%2*headDim/2
			out = append(out, x[row*columns:(row+1)*columns]...)
		}
	}
	return out
}

// The F32 weights of a model, converted with [tensor.Quantize] to the types in
// the model's GGUF files, are those files' bytes.
func TestGoldenConversion(t *testing.T) {
	tests := []struct {
		weights, ggufs string
		tiesToEven     bool // how the converter of these files rounded in Q8_0
	}{
		{golden.Spec(t, "llama_golden/tiny/model.safetensors"), golden.Spec(t, "llama_golden/tiny"), false},
		{golden.Data(t, "models/stories260k/model.safetensors"), golden.Data(t, "models/stories260k"), false},
		{golden.Data(t, "models/tinystories656k/model.safetensors"), golden.Data(t, "models/tinystories656k"), true},
	}
	cases := 0
	for _, c := range tests {
		weights, err := safetensors.Open(c.weights)
		if err != nil {
			t.Fatal(err)
		}
		defer weights.Close()
		for _, path := range ggufs(t, c.ggufs) {
			t.Run(filepath.Base(path), func(t *testing.T) { cases += compareModel(t, weights, path, c.tiesToEven) })
		}
	}
	golden.Cases(t, cases)
}

func compareModel(t *testing.T, weights *safetensors.File, path string, tiesToEven bool) (cases int) {
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	width, err := f.Int("llama.embedding_length")
	if err != nil {
		t.Fatal(err)
	}
	heads, err := f.Int("llama.attention.head_count")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range f.Tensors() {
		if info.DType == tensor.Invalid {
			continue
		}
		name := hfName(info.Name)
		if _, ok := weights.Info(name); !ok && (info.Name == "token_embd.weight" || info.Name == "output.weight") {
			// Tied: one matrix under the other's name.
			name = map[string]string{"model.embed_tokens.weight": "lm_head.weight", "lm_head.weight": "model.embed_tokens.weight"}[name]
		}
		w, err := weights.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		x := w.Float32s()
		if strings.Contains(info.Name, "attn_q.") || strings.Contains(info.Name, "attn_k.") {
			x = toPairs(x, w.Dim(1), width/heads)
		}
		want, err := f.Tensor(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !want.SameShape(w) {
			t.Errorf("%s: got %v, want the shape of %v", info.Name, want, w)
		}
		got := make([]byte, info.DType.Bytes(len(x)))
		tensor.Quantize(info.DType, got, x)
		if tiesToEven && info.DType == tensor.Q8_0 {
			roundTiesToEven(got, x)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: %v differs from the file's bytes", info.Name, info.DType)
		}
		cases++
	}
	return cases
}

// The F32 weights of the K-quantised files are not there, but those of the Q8_0
// file are near them: rounded to each K type they are as far from what was rounded
// as the files are, within two percent. What the rounding to Q8_0 adds to the
// files' distance is that of even rounding errors, d²/12 for each element.
func TestGoldenKQuants(t *testing.T) {
	dir := golden.Spec(t, "llama_golden/tinyk")
	open := func(name string) *File {
		f, err := Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	q8 := open("tinyk-q8_0.gguf")
	cases := 0
	for _, name := range []string{"tinyk-q4_k.gguf", "tinyk-q5_k.gguf", "tinyk-q6_k.gguf"} {
		t.Run(name, func(t *testing.T) {
			f := open(name)
			var own, files, even float64 // sums of squares
			var quantised tensor.DType
			for _, info := range f.Tensors() {
				if !info.DType.IsBlock() {
					continue
				}
				quantised = info.DType
				x, noise := floats(t, q8, info.Name)
				even += noise
				y, _ := floats(t, f, info.Name)
				files += distance(x, y)
				b := make([]byte, info.DType.Bytes(len(x)))
				tensor.Quantize(info.DType, b, x)
				tensor.Dequantize(info.DType, y, b)
				own += distance(x, y)
				cases++
			}
			ratio := math.Sqrt(own / (files - even))
			t.Logf("%v: error %.4f of the file's", quantised, ratio)
			if !(ratio < 1.02 && ratio > 0.8) {
				t.Errorf("%v: got an error of %.4f times the file's, want at most 1.02 times, and not so much less that the comparison is wrong", quantised, ratio)
			}
		})
	}
	golden.Cases(t, cases)
}

// floats returns a tensor's elements, and for Q8_0 the sum of squares of even
// rounding errors.
func floats(t *testing.T, f *File, name string) (x []float32, noise float64) {
	t.Helper()
	w, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	x = make([]float32, w.Len())
	tensor.Dequantize(w.DType(), x, w.Bytes())
	if b := w.Bytes(); w.DType() == tensor.Q8_0 {
		for ; len(b) > 0; b = b[34:] {
			d := float64(tensor.F16ToFloat32(binary.LittleEndian.Uint16(b)))
			noise += 32 * d * d / 12
		}
	}
	return x, noise
}

// distance is the sum of squared differences.
func distance(x, y []float32) (sum float64) {
	for i := range x {
		e := float64(x[i]) - float64(y[i])
		sum += e * e
	}
	return sum
}

// roundTiesToEven changes the Q8_0 blocks q of x where x is just between two
// steps: ggml rounds away from zero, numpy to the even one.
func roundTiesToEven(q []byte, x []float32) {
	for ; len(x) > 0; q, x = q[34:], x[32:] {
		var largest float32
		for _, v := range x[:32] {
			largest = max(largest, v, -v)
		}
		inv := 1 / (largest / 127)
		for i, v := range x[:32] {
			q[2+i] = byte(int8(math.RoundToEven(float64(v * inv))))
		}
	}
}
