package convert

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// content is a tensor with its bytes.
type content struct {
	DType tensor.DType
	Shape []int
	Bytes []byte
}

// read returns the tensors of a file or folder.
func read(t *testing.T, path string) map[string]content {
	t.Helper()
	list := map[string]content{}
	if strings.HasSuffix(path, ".gguf") {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, x := range f.Tensors() {
			b, err := f.Bytes(x.Name)
			if err != nil {
				t.Fatal(err)
			}
			list[x.Name] = content{x.DType, x.Shape, bytes.Clone(b)}
		}
		return list
	}
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, x := range f.Tensors() {
		b, err := f.Bytes(x.Name)
		if err != nil {
			t.Fatal(err)
		}
		list[x.Name] = content{x.DType, x.Shape, bytes.Clone(b)}
	}
	return list
}

// same fails unless two models have the same tensors.
func same(t *testing.T, got, want map[string]content) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("names: -want +got:\n%s", diff)
	}
	for name, w := range want {
		g, ok := got[name]
		if ok && (g.DType != w.DType || !slices.Equal(g.Shape, w.Shape)) {
			t.Errorf("%s: got %v%v, want %v%v", name, g.DType, g.Shape, w.DType, w.Shape)
		} else if ok && !bytes.Equal(g.Bytes, w.Bytes) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

func mustRun(t *testing.T, in, out string, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), in, out, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keysOf(t *testing.T, path string) map[string]any {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.KeyValues()
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{}
	for _, kv := range list {
		keys[kv.Key] = kv.Value
	}
	return keys
}

// The golden files of the tiny model were written by another program.
func TestGoldenTiny(t *testing.T) {
	dir := golden.Spec(t, "llama_golden/tiny")
	types := []string{"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"}
	for _, name := range types {
		out := filepath.Join(t.TempDir(), name+".gguf")
		r := mustRun(t, dir, out, Options{Type: name})
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "no vocabulary") {
			t.Errorf("%s: warnings %q, want that there is no vocabulary", name, r.Warnings)
		}
		want := filepath.Join(dir, "tiny-"+name+".gguf")
		same(t, read(t, out), read(t, want))
		got, wantKeys := keysOf(t, out), keysOf(t, want)
		for key, v := range wantKeys {
			if strings.HasPrefix(key, "llama.") || key == "general.architecture" {
				if diff := cmp.Diff(v, got[key]); diff != "" {
					t.Errorf("%s: key %s: -want +got:\n%s", name, key, diff)
				}
			}
		}
		if kind, _ := fileTypeOf(name); got[keyType] != kind.number {
			t.Errorf("%s: %s is %v, want %d", name, keyType, got[keyType], kind.number)
		}
		if got[keyVersion] != uint32(2) {
			t.Errorf("%s: %s is %v, want 2", name, keyVersion, got[keyVersion])
		}
	}
	golden.Cases(t, len(types))
}

func TestLlama2C(t *testing.T) {
	dir := golden.Data(t, "models/stories260k")
	out := filepath.Join(t.TempDir(), "out.gguf")
	r := mustRun(t, filepath.Join(dir, "stories260K.bin"), out, Options{})
	want := read(t, filepath.Join(dir, "stories260k-f32.gguf"))
	delete(want, outputName) // the same bytes as the embedding
	same(t, read(t, out), want)
	if r.Tokens != 512 || r.From != Llama2C || keysOf(t, out)["general.name"] != "stories260K" {
		t.Errorf("got %d tokens, from %s, name %v", r.Tokens, r.From, keysOf(t, out)["general.name"])
	}
	hf := filepath.Join(t.TempDir(), "hf")
	mustRun(t, filepath.Join(dir, "stories260K.bin"), hf, Options{})
	same(t, read(t, hf), read(t, dir))

	baby := golden.Data(t, "models/babyllama105")
	hf = filepath.Join(t.TempDir(), "hf")
	mustRun(t, filepath.Join(baby, "model5000.bin"), hf, Options{})
	same(t, read(t, hf), read(t, baby))
	golden.Cases(t, 3)

	// A negative vocabulary: the output matrix stands at the end.
	data, err := os.ReadFile(filepath.Join(dir, "stories260K.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range []byte{0x00, 0xfe, 0xff, 0xff} { // -512
		data[5*4+i] = b
	}
	own := quantized(tensor.F32, numbers(512*64))
	bin := filepath.Join(t.TempDir(), "untied.bin")
	if err := os.WriteFile(bin, append(data, own...), 0o666); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(t.TempDir(), "out.gguf")
	r = mustRun(t, bin, out, Options{Vocab: filepath.Join(dir, "tok512.bin")})
	want[outputName] = content{tensor.F32, []int{512, 64}, own}
	same(t, read(t, out), want)
	if r.Tokens != 512 {
		t.Errorf("got %d tokens, want 512", r.Tokens)
	}
}

var texts = []string{"Once upon a time, there was a little girl.", "", " ", "Hello  world\n\tüñ 你好 🙂", "don't <s> </s> 123456"}

// A folder comes back from GGUF as it was: tensors, types, shape, vocabulary.
func TestRoundTrip(t *testing.T) {
	cases := 0
	for _, dir := range []string{
		golden.Data(t, "models/stories260k"), golden.Data(t, "models/tinystories656k"), golden.Data(t, "models/babyllama105"),
		golden.Data(t, "models/tinystories3m-chat-gpt2"), golden.Spec(t, "llama_golden/tiny"),
	} {
		for _, kind := range []string{"f32", "f16", "bf16"} {
			t.Run(filepath.Base(dir)+" "+kind, func(t *testing.T) {
				in := dir
				if kind != "f32" {
					in = filepath.Join(t.TempDir(), "in")
					mustRun(t, dir, in, Options{Type: kind})
				}
				file, back := filepath.Join(t.TempDir(), "a.gguf"), filepath.Join(t.TempDir(), "back")
				mustRun(t, filepath.Join(in, "model.safetensors"), file, Options{})
				mustRun(t, file, back, Options{})
				want := read(t, in)
				if lone, ok := want["lm_head.weight"]; ok && want["model.embed_tokens.weight"].Bytes == nil {
					delete(want, "lm_head.weight") // of tied matrices the embedding is kept
					want["model.embed_tokens.weight"] = lone
				}
				same(t, read(t, back), want)
				a, err := transformer.ConfigFromHF(in)
				if err != nil {
					t.Fatal(err)
				}
				b, err := transformer.ConfigFromHF(back)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(a, b); diff != "" {
					t.Errorf("shape: -want +got:\n%s", diff)
				}
				sameFields(t, in, back, kind)
				sameVocab(t, in, back)
				cases++
			})
		}
	}
	golden.Cases(t, cases)
}

// sameFields compares the fields of config.json that both files have.
func sameFields(t *testing.T, a, b, kind string) {
	t.Helper()
	fields := func(dir string) map[string]any {
		text, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	want, got := fields(a), fields(b)
	for key, v := range got {
		if w, ok := want[key]; ok && !cmp.Equal(v, w) {
			t.Errorf("config.json: %s: got %v, want %v", key, v, w)
		}
	}
	if dtype := map[string]string{"f32": "float32", "f16": "float16", "bf16": "bfloat16"}[kind]; got["torch_dtype"] != dtype {
		t.Errorf("torch_dtype is %v, want %s", got["torch_dtype"], dtype)
	}
}

// sameVocab compares how two folders encode.
func sameVocab(t *testing.T, a, b string) {
	t.Helper()
	want, err := folderVocab(a)
	if err != nil {
		if _, err := folderVocab(b); err == nil {
			t.Error("a vocabulary came from nowhere")
		}
		return
	}
	got, err := folderVocab(b)
	if err != nil {
		t.Fatal(err)
	}
	x, err := tokenizer.New(want)
	if err != nil {
		t.Fatal(err)
	}
	y, err := tokenizer.New(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if diff := cmp.Diff(x.EncodePrompt(text, false), y.EncodePrompt(text, false)); diff != "" {
			t.Errorf("%q: -want +got:\n%s", text, diff)
		}
	}
}

// families are shapes of every family, with what each alone has.
func families() map[string]transformer.Config {
	llama := transformer.Config{Arch: "llama", Layers: 2, Width: 64, FFN: 96, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 50,
		MaxPositions: 64, NormEps: 1e-5, RopeTheta: 10000, RopeDim: 16}
	mistral := llama
	mistral.ModelType, mistral.Window = "mistral", 8
	llama3 := llama
	llama3.Tied = true
	llama3.Scaling = transformer.RopeScaling{Type: transformer.ScalingLlama3, Factor: 8, Slow: 1, Fast: 4, Original: 32}
	biases := llama
	biases.QKVBias, biases.OutBias, biases.FFNBias = true, true, true
	qwen2 := llama
	qwen2.Arch, qwen2.QKVBias = "qwen2", true
	gpt2 := transformer.Config{Arch: "gpt2", Layers: 2, Width: 64, FFN: 96, Heads: 4, KVHeads: 4, HeadDim: 16, Vocab: 50, MaxPositions: 32,
		PositionRows: 32, NormEps: 1e-5, Tied: true, QKVBias: true, OutBias: true, FFNBias: true}
	opt := gpt2
	opt.Arch, opt.PositionRows = "opt", 34
	narrow := opt
	narrow.EmbedWidth, narrow.PostNorm, narrow.NoFinalNorm = 32, true, true
	return map[string]transformer.Config{"llama": llama, "mistral": mistral, "llama3": llama3, "biases": biases, "qwen2": qwen2,
		"gpt2": gpt2, "opt": opt, "opt-350m": narrow}
}

// random writes a model with random weights, also of what training begins with
// zeros and ones: a wrong order or name would not show in those.
func random(t *testing.T, path string, config transformer.Config, dtype tensor.DType) {
	t.Helper()
	var list []gguf.Entry
	for i, w := range config.Weights() {
		if w.Tied {
			continue
		}
		kind := dtype
		if len(w.Shape) == 1 {
			kind = tensor.F32
		}
		n := 1
		for _, d := range w.Shape {
			n *= d
		}
		x := tensor.New(kind, w.Shape...)
		v := numbers(n + i)[i:]
		if w.GGUF == "rope_freqs.weight" {
			d, err := config.RopeDivisors()
			if err != nil {
				t.Fatal(err)
			}
			v = d
		}
		tensor.Quantize(kind, x.Bytes(), v)
		list = append(list, gguf.EntryOf(w.GGUF, x))
	}
	if err := gguf.Write(path, config.KeyValues(), list); err != nil {
		t.Fatal(err)
	}
}

// Every family goes from GGUF to a folder and back, and both compute the same.
func TestFamilies(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	logits := func(path string) []float32 {
		t.Helper()
		m, err := transformer.Load(b, path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c := ops.NewContext(b)
		defer c.Arena.Free()
		x, err := transformer.TokenLogits(c, m, []int32{1, 7, 3, 40, 41, 42, 7, 7, 9, 11, 12})
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.Floats(x)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(v)
	}
	for name, config := range families() {
		for _, dtype := range []tensor.DType{tensor.F32, tensor.Q8_0} {
			t.Run(name+" "+dtype.String(), func(t *testing.T) {
				dir := t.TempDir()
				file, hf, back := filepath.Join(dir, "a.gguf"), filepath.Join(dir, "hf"), filepath.Join(dir, "b.gguf")
				random(t, file, config, dtype)
				kind := "f32" // keeps what the blocks say
				mustRun(t, file, hf, Options{Type: kind, MaxShard: 20000})
				if _, err := os.Stat(filepath.Join(hf, "model.safetensors.index.json")); err != nil {
					t.Error(err)
				}
				mustRun(t, hf, back, Options{Type: dtype.String()})
				want := read(t, file)
				if name := "position_embd.weight"; want[name].DType == tensor.Q8_0 { // stays F32
					x := make([]float32, config.PositionRows*config.Width)
					tensor.Dequantize(tensor.Q8_0, x, want[name].Bytes)
					want[name] = content{tensor.F32, want[name].Shape, quantized(tensor.F32, x)}
				}
				if dtype == tensor.F32 {
					same(t, read(t, back), want)
				}
				if dtype == tensor.F32 { // rotated heads add up in another order
					a, b := logits(hf), logits(file)
					for i := range b {
						if !(math.Abs(float64(a[i]-b[i])) < 1e-4*max(1, math.Abs(float64(b[i])))) {
							t.Fatalf("logit %d: got %v from the folder, want %v", i, a[i], b[i])
						}
					}
				}
				got, err := transformer.ConfigFromHF(hf)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(config, got); diff != "" {
					t.Errorf("shape: -want +got:\n%s", diff)
				}
				keys, wantKeys := keysOf(t, back), keysOf(t, file)
				for key, v := range wantKeys {
					if diff := cmp.Diff(v, keys[key]); diff != "" {
						t.Errorf("key %s: -want +got:\n%s", key, diff)
					}
				}
			})
		}
	}
}
