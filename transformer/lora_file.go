package transformer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// The layout of Hugging Face PEFT: the names of its files and how it begins
// the names of tensors.
const (
	peftConfigName  = "adapter_config.json"
	peftWeightsName = "adapter_model.safetensors"
	peftPrefix      = "base_model.model."
)

// peftConfig is the part of PEFT's adapter_config.json that describes a LoRA.
type peftConfig struct {
	PeftType      string   `json:"peft_type"`
	TaskType      *string  `json:"task_type"`
	BaseModel     string   `json:"base_model_name_or_path"`
	Rank          int      `json:"r"`
	Alpha         float64  `json:"lora_alpha"`
	Dropout       float32  `json:"lora_dropout"`
	Targets       []string `json:"target_modules"`
	Bias          string   `json:"bias"`
	FanInFanOut   bool     `json:"fan_in_fan_out"`
	InferenceMode bool     `json:"inference_mode"`
	UseRSLoRA     bool     `json:"use_rslora"`
	UseDoRA       bool     `json:"use_dora"`
}

// Write writes l to the folder dir as Hugging Face PEFT does:
// adapter_config.json and adapter_model.safetensors. base names the model in
// the former. The files must not exist.
func (l *LoRA) Write(b ops.Backend, dir, base string) error {
	config, err := json.MarshalIndent(peftConfig{
		PeftType: "LORA", BaseModel: base, Rank: l.Config.Rank, Alpha: l.Config.Alpha, Dropout: l.Config.Dropout,
		Targets: l.Config.Targets, Bias: "none", InferenceMode: true,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("lora: %w", err)
	}
	var entries []safetensors.Entry
	for _, p := range l.pairs {
		for _, param := range []*ops.Param{p.a, p.b} {
			t := tensor.New(tensor.F32, param.Value.Shape()...)
			if err := b.Download(t.Bytes(), param.Value); err != nil {
				return fmt.Errorf("lora: %s: %w", param.Name, err)
			}
			if param == p.b && p.layer.RowHeads > 0 {
				t = halveRows(t, p.layer.RowHeads, p.layer.RopeDim)
			}
			entries = append(entries, safetensors.EntryOf(peftPrefix+param.Name, t))
		}
	}
	if err := safetensors.Write(filepath.Join(dir, peftWeightsName), map[string]string{"format": "pt"}, entries); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, peftConfigName), append(config, '\n'))
}

func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// ReadLoRA reads the adapter in the folder dir, in the layout of Hugging Face
// PEFT, for body. It fails, naming the file and the tensor, if the adapter is of
// another kind, if a layer is missing in one of both, or if a shape differs.
func ReadLoRA(b ops.Backend, body Adaptable, dir string) (*LoRA, error) {
	path := filepath.Join(dir, peftConfigName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	var f peftConfig
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("lora: %s: %w", path, err)
	}
	switch {
	case f.PeftType != "LORA":
		return nil, fmt.Errorf("lora: %s: peft_type %q, known: LORA", path, f.PeftType)
	case f.Bias != "none" && f.Bias != "", f.FanInFanOut, f.UseRSLoRA, f.UseDoRA:
		return nil, fmt.Errorf("lora: %s: biases, fan_in_fan_out, rank-stabilised and weight-decomposed adapters are not supported", path)
	}
	l, err := NewLoRA(b, body, LoRAConfig{Rank: f.Rank, Alpha: f.Alpha, Dropout: f.Dropout, Targets: f.Targets}, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file, err := safetensors.Open(filepath.Join(dir, peftWeightsName))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	used := 0
	for _, p := range l.pairs {
		for _, param := range []*ops.Param{p.a, p.b} {
			t, err := file.Tensor(peftPrefix + param.Name)
			if err != nil {
				return nil, fmt.Errorf("lora: %w", err)
			}
			if !t.DType().IsFloat() || !slices.Equal(t.Shape(), param.Value.Shape()) {
				return nil, fmt.Errorf("lora: %s: tensor %q: %v, want %v", file.Path(), peftPrefix+param.Name, t, param.Value)
			}
			t = toFloat32(t)
			if param == p.b && p.layer.RowHeads > 0 {
				t = interleaveRows(t, p.layer.RowHeads, p.layer.RopeDim)
			}
			b.Upload(param.Value, t.Bytes())
			used++
		}
	}
	if n := len(file.Names()); n != used {
		return nil, fmt.Errorf("lora: %s: %d tensors, the adapted layers have %d", file.Path(), n, used)
	}
	return l, nil
}
