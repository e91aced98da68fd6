// Image encoders in Hugging Face folders.

package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// ViTConfig is the shape of a [ViT].
type ViTConfig struct {
	Width, FFN, Heads, Layers int
	Image, Patch, Channels    int // pixels of a side of an image and of a square; colours
	NormEps                   float32
	QKVBias                   bool
}

// Patches is the number of squares of an image.
func (f ViTConfig) Patches() int { return (f.Image / f.Patch) * (f.Image / f.Patch) }

// ViTB16 is the shape of google/vit-base-patch16-224-in21k.
func ViTB16() ViTConfig {
	return ViTConfig{Width: 768, FFN: 3072, Heads: 12, Layers: 12, Image: 224, Patch: 16, Channels: 3, NormEps: 1e-12, QKVBias: true}
}

// parseViTConfig reads a config.json. What it does not say is as Hugging Face's class takes it.
func parseViTConfig(data []byte) (ViTConfig, error) {
	b := ViTB16()
	h := struct {
		ModelType string  `json:"model_type"`
		Act       string  `json:"hidden_act"`
		Width     int     `json:"hidden_size"`
		FFN       int     `json:"intermediate_size"`
		Heads     int     `json:"num_attention_heads"`
		Layers    int     `json:"num_hidden_layers"`
		Image     int     `json:"image_size"`
		Patch     int     `json:"patch_size"`
		Channels  int     `json:"num_channels"`
		NormEps   float64 `json:"layer_norm_eps"`
		QKVBias   bool    `json:"qkv_bias"`
	}{"", "gelu", b.Width, b.FFN, b.Heads, b.Layers, b.Image, b.Patch, b.Channels, float64(b.NormEps), b.QKVBias}
	if err := json.Unmarshal(data, &h); err != nil {
		return ViTConfig{}, err
	}
	if h.ModelType != "vit" {
		return ViTConfig{}, fmt.Errorf("model_type %q, want \"vit\"", h.ModelType)
	}
	if h.Act != "gelu" {
		return ViTConfig{}, fmt.Errorf("hidden_act %q, known: \"gelu\"", h.Act)
	}
	f := ViTConfig{Width: h.Width, FFN: h.FFN, Heads: h.Heads, Layers: h.Layers, Image: h.Image, Patch: h.Patch, Channels: h.Channels,
		NormEps: float32(h.NormEps), QKVBias: h.QKVBias}
	return f, f.Validate()
}

// LoadViT reads an image encoder from a Hugging Face folder, such as that of
// google/vit-base-patch16-224-in21k: config.json and safetensors. A pooler and a classifier behind
// the encoder are left out; every other tensor must be one of its weights.
func LoadViT(b ops.Backend, dir string) (*ViT, error) {
	path := filepath.Join(dir, "config.json")
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("transformer: %s: %d bytes, at most %d", path, info.Size(), maxConfig)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	config, err := parseViTConfig(data)
	if err != nil {
		return nil, fmt.Errorf("transformer: %s: %w", path, err)
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	m, err := loadViT(b, f, config)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return m, nil
}

// loadViT reads all weights from f, which the encoder's Close, or an error, closes.
func loadViT(b ops.Backend, f *safetensors.File, config ViTConfig) (_ *ViT, err error) {
	var prepared []*tensor.Storage
	m := &ViT{Config: config}
	m.close = func() error {
		for _, store := range prepared {
			b.Free(store)
		}
		prepared = nil
		return f.Close()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	files := map[string]string{}
	for _, name := range f.Names() {
		part := vitPart(name)
		if unusedByViT(part) {
			continue
		}
		if other, twice := files[part]; twice {
			return nil, fmt.Errorf("%s: tensors %q and %q are the same weight", f.Path(), other, name)
		}
		files[part] = name
	}
	if config.Layers > len(files) { // before memory is taken for that many
		return nil, fmt.Errorf("%s: %d layers but only %d tensors", f.Path(), config.Layers, len(files))
	}
	m.blocks = make([]vitBlock, config.Layers)
	for _, w := range m.weights() {
		name, ok := files[w.name]
		if !ok {
			return nil, fmt.Errorf("%s: no tensor %q", f.Path(), w.name)
		}
		delete(files, w.name)
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(t.Shape(), w.file) || !t.DType().IsFloat() {
			return nil, fmt.Errorf("%s: tensor %q: %v, want floating-point numbers %v", f.Path(), name, t, w.file)
		}
		t = t.Reshape(w.shape...)
		if len(w.shape) == 1 {
			t = toFloat32(t) // small: the operations take F32
		}
		if w.tensor == &m.class || w.tensor == &m.positions { // added, not multiplied by
			*w.tensor = tensor.Of(b.Alloc(4*t.Len()), tensor.F32, w.shape...)
			b.Upload(*w.tensor, toFloat32(t).Bytes())
			prepared = append(prepared, w.tensor.Storage())
			continue
		}
		if *w.tensor, err = b.Prepare(t); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", f.Path(), name, err)
		}
		if store := w.tensor.Storage(); store != t.Storage() {
			prepared = append(prepared, store)
			f.Discard(name)
		}
	}
	for _, name := range f.Names() {
		if files[vitPart(name)] != "" {
			return nil, fmt.Errorf("%s: tensor %q belongs to no part of a ViT", f.Path(), name)
		}
	}
	return m, nil
}
