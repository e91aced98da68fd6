package transformer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

// ConfigFromGGUF reads the shape of the model in a GGUF file from its keys
// (docs/gguf.md of the ggml project) and tensors. A key of the architecture that
// is not understood is an error: it could change what is computed.
func ConfigFromGGUF(f *gguf.File) (Config, error) {
	c, err := configFromGGUF(f)
	if err != nil {
		return Config{}, fmt.Errorf("transformer: %w", err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("transformer: %s: %w", f.Path(), err)
	}
	return c, nil
}

func configFromGGUF(f *gguf.File) (Config, error) {
	arch, err := f.String("general.architecture")
	if err != nil {
		return Config{}, err
	}
	fam, err := familyOf(arch)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", f.Path(), err)
	}
	r := &ggufReader{file: f, prefix: arch + ".", asked: map[string]bool{}}
	c := Config{
		Arch:         arch,
		Layers:       r.integer("block_count", 0),
		Width:        r.integer("embedding_length", 0),
		FFN:          r.integer("feed_forward_length", 0),
		Heads:        r.integer("attention.head_count", 0),
		MaxPositions: r.integer("context_length", 0),
		Tied:         !r.tensor("output.weight"),
		FFNBias:      r.tensor("blk.0.ffn_up.bias"),
		OutBias:      r.tensor("blk.0.attn_output.bias"),
		QKVBias:      r.tensor("blk.0.attn_q.bias") || r.tensor("blk.0.attn_qkv.bias"),
	}
	c.KVHeads = r.integer("attention.head_count_kv", c.Heads)
	if c.Heads > 0 {
		c.HeadDim = c.Width / c.Heads
	}
	c.Vocab, _ = r.matrix("token_embd.weight")
	fam.fromGGUF(r, &c)
	r.neutral()
	return c, errors.Join(r.errs...)
}

// ggufReader reads the keys of one architecture and remembers them.
type ggufReader struct {
	file   *gguf.File
	prefix string
	asked  map[string]bool
	errs   []error
}

// has reports whether the file has the key, without its architecture.
func (r *ggufReader) has(key string) bool {
	r.asked[r.prefix+key] = true
	return r.file.Has(r.prefix + key)
}

// ggufValue returns the value of a key, or missing, if that is not zero and the
// file lacks the key.
func ggufValue[T comparable](r *ggufReader, key string, missing T, get func(string) (T, error)) T {
	var zero T
	if !r.has(key) && missing != zero {
		return missing
	}
	v, err := get(r.prefix + key)
	if err != nil {
		r.errs = append(r.errs, err)
	}
	return v
}

func (r *ggufReader) integer(key string, missing int) int {
	return ggufValue(r, key, missing, r.file.Int)
}

func (r *ggufReader) float(key string, missing float64) float64 {
	return ggufValue(r, key, missing, r.file.Float)
}

func (r *ggufReader) text(key, missing string) string {
	return ggufValue(r, key, missing, r.file.String)
}

func (r *ggufReader) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", r.file.Path(), fmt.Sprintf(format, args...)))
}

func (r *ggufReader) tensor(name string) bool {
	_, ok := r.file.Info(name)
	return ok
}

// matrix returns the sizes of a tensor that must be a matrix.
func (r *ggufReader) matrix(name string) (rows, columns int) {
	info, ok := r.file.Info(name)
	if !ok || len(info.Shape) != 2 {
		r.fail("tensor %q: missing or no matrix", name)
		return 0, 0
	}
	return info.Shape[0], info.Shape[1]
}

// neutral refuses all keys of the architecture that nobody asked for, except
// those that change nothing.
func (r *ggufReader) neutral() {
	for _, key := range r.file.Keys() {
		name, ours := strings.CutPrefix(key, r.prefix)
		if !ours || r.asked[key] {
			continue
		}
		switch name {
		case "vocab_size", // the embedding's rows
			"tensor_data_layout", "rope.scaling.finetuned":
			continue
		case "expert_count", "expert_used_count", "leading_dense_block_count", "nextn_predict_layers":
			if n, err := r.file.Int(key); err == nil && n == 0 {
				continue
			}
		case "attention.causal":
			if v, err := r.file.Bool(key); err == nil && v {
				continue
			}
		}
		r.fail("key %q: models that use it are not supported", key)
	}
}

// KeyValues returns general.architecture and the keys of the architecture, as
// [ConfigFromGGUF] reads them.
func (f Config) KeyValues() []gguf.KeyValue {
	fam, err := familyOf(f.Arch)
	if err != nil {
		panic("transformer: KeyValues: " + err.Error())
	}
	list := []gguf.KeyValue{{Key: "general.architecture", Value: f.Arch}}
	put := func(key string, value any) {
		if n, ok := value.(int); ok {
			value = uint32(n)
		}
		list = append(list, gguf.KeyValue{Key: f.Arch + "." + key, Value: value})
	}
	put("context_length", f.MaxPositions)
	put("embedding_length", f.Width)
	put("block_count", f.Layers)
	put("feed_forward_length", f.FFN)
	fam.toGGUF(&f, put)
	put("vocab_size", f.Vocab)
	return append(list, ownKeys(&f)...)
}

// ownKeys are what Hugging Face's config.json says and GGUF has no key for, so
// that a folder converted there and back is the same.
func ownKeys(f *Config) []gguf.KeyValue {
	var list []gguf.KeyValue
	if f.ModelType != "" {
		list = append(list, gguf.KeyValue{Key: keyModelType, Value: f.ModelType})
	}
	if s := f.Scaling; s.Type == ScalingLlama3 && s.known() {
		list = append(list, gguf.KeyValue{Key: keyLlama3, Value: []float64{s.Factor, s.Slow, s.Fast, float64(s.Original)}})
	}
	return list
}

const (
	keyModelType = "netllm.hf.model_type"
	keyLlama3    = "netllm.hf.rope_scaling.llama3" // factor, slow, fast, original positions
)

// readOwn reads what ownKeys writes.
func (r *ggufReader) readOwn(f *Config) {
	if r.file.Has(keyModelType) {
		name, err := r.file.String(keyModelType)
		if err != nil {
			r.errs = append(r.errs, err)
		} else if fam, _, err := familyOfHF(name, nil); err != nil || fam.arch != f.Arch {
			r.fail("key %q: model type %q of a %s", keyModelType, name, f.Arch)
		}
		f.ModelType = name
	}
	if f.Scaling.Type != ScalingLlama3 {
		return
	}
	if !r.file.Has(keyLlama3) {
		f.Scaling = r.findLlama3(f)
		return
	}
	v, err := r.file.Value(keyLlama3)
	list, ok := v.([]float64)
	if err != nil || !ok || len(list) != 4 || slices.ContainsFunc(list, func(x float64) bool { return !(x > 0 && x <= maxPositions) }) {
		r.fail("key %q: not four numbers above 0", keyLlama3)
		return
	}
	f.Scaling.Factor, f.Scaling.Slow, f.Scaling.Fast, f.Scaling.Original = list[0], list[1], list[2], int(list[3])
}

// llama3Scalings are those of the models that Meta published.
var llama3Scalings = []RopeScaling{
	{Type: ScalingLlama3, Factor: 8, Slow: 1, Fast: 4, Original: 8192},  // 3.1
	{Type: ScalingLlama3, Factor: 32, Slow: 1, Fast: 4, Original: 8192}, // 3.2
}

// findLlama3 returns the scaling whose divisors the file has, without its numbers
// if they are not known.
func (r *ggufReader) findLlama3(f *Config) RopeScaling {
	t, err := r.file.Tensor("rope_freqs.weight")
	if err != nil || t.DType() != tensor.F32 || t.Len() != f.RopeDim/2 {
		return f.Scaling // loading says what is wrong with it
	}
	for _, s := range llama3Scalings {
		want := s.divisors(f.RopeDim, f.RopeTheta)
		if slices.EqualFunc(t.Float32s(), want, func(a, b float32) bool { return math.Abs(float64(a-b)) <= 1e-5*float64(b) }) {
			return s
		}
	}
	return f.Scaling
}
