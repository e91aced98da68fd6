package transformer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"netllm/tensor"
)

// hfHead is what the config.json of every family begins with.
type hfHead struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`
	DType         string   `json:"torch_dtype,omitempty"`
}

// maxConfig bounds a config.json: real ones have a few kilobytes.
const maxConfig = 16 << 20

// ConfigFromHF reads the shape of the model in a Hugging Face folder from its
// config.json. What the file does not say is as Hugging Face's own classes take
// it. Fields that would change what is computed, and that no family here has,
// are errors.
func ConfigFromHF(dir string) (Config, error) {
	path := filepath.Join(dir, "config.json")
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("transformer: %w", err)
	}
	if info.Size() > maxConfig {
		return Config{}, fmt.Errorf("transformer: %s: %d bytes, at most %d", path, info.Size(), maxConfig)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("transformer: %w", err)
	}
	f, err := configFromHF(data)
	if err == nil {
		err = f.Validate()
	}
	if err != nil {
		return Config{}, fmt.Errorf("transformer: %s: %w", path, err)
	}
	return f, nil
}

func configFromHF(data []byte) (f Config, err error) {
	var h struct {
		Architectures json.RawMessage `json:"architectures"`
		ModelType     string          `json:"model_type"`
		Text          json.RawMessage `json:"text_config"`
		Quantization  *struct {
			Method string `json:"quant_method"`
		} `json:"quantization_config"`
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return f, err
	}
	if h.Quantization != nil {
		return f, fmt.Errorf("quantization_config: weights quantised by %.60q are not supported", h.Quantization.Method)
	}
	var classes []string
	if len(h.Architectures) > 0 && len(h.Architectures) < 1<<10 {
		if err := json.Unmarshal(h.Architectures, &classes); err != nil {
			return f, fmt.Errorf("architectures: %w", err)
		}
	}
	fam, modelType, err := familyOfHF(h.ModelType, classes)
	if err != nil {
		return f, err
	}
	f.Arch = fam.arch
	switch modelType {
	case "llava", "llava_llama", "llava_next":
		f.Vision = true
		if len(h.Text) > 0 && string(h.Text) != "null" { // else the language part's fields stand among the others
			return textConfig(h.Text)
		}
	case fam.arch:
	default:
		f.ModelType = modelType
	}
	return f, fam.fromHF(data, &f)
}

// textConfig reads the language part of a model that sees.
func textConfig(data []byte) (f Config, err error) {
	var h struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return f, fmt.Errorf("text_config: %w", err)
	}
	f = Config{Arch: "llama", Vision: true}
	switch h.ModelType {
	case "llama", "":
	case "mistral":
		f.ModelType = h.ModelType
	default:
		return f, fmt.Errorf("text_config: model_type %.60q, known: llama, mistral", h.ModelType)
	}
	if err := llamaFromHF(data, &f); err != nil {
		return f, fmt.Errorf("text_config: %w", err)
	}
	return f, nil
}

// HF returns a config.json from which [ConfigFromHF] reads f, for weights of the
// given type. It fails for shapes that Hugging Face's file has no fields for.
func (f Config) HF(dtype tensor.DType) ([]byte, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	fam, err := familyOf(f.Arch)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	head := hfHead{ModelType: f.ModelType}
	if head.ModelType == "" {
		head.ModelType = f.Arch
	}
	for i, name := range fam.hf {
		if name == head.ModelType {
			head.Architectures = []string{fam.classes[i]}
		}
	}
	switch dtype {
	case tensor.F32:
		head.DType = "float32"
	case tensor.F16:
		head.DType = "float16"
	case tensor.BF16:
		head.DType = "bfloat16"
	default:
		return nil, fmt.Errorf("transformer: config.json: Hugging Face has no weights of type %v", dtype)
	}
	h, err := fam.toHF(&f, head)
	if err != nil {
		return nil, fmt.Errorf("transformer: config.json: %w", err)
	}
	data, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("transformer: config.json: %w", err)
	}
	return append(data, '\n'), nil
}

// decimal returns the float64 of v's shortest decimal form: 1e-5, not
// 9.999999747378752e-06.
func decimal(v float32) float64 {
	d, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return d
}
