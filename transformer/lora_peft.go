// Adapters in folders of Hugging Face's PEFT.

package transformer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netllm/internal/atomicfile"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// The layout of PEFT: the names of its files and of tensors.
const (
	peftConfigName  = "adapter_config.json"
	peftWeightsName = "adapter_model.safetensors"
	peftPrefix      = "base_model.model."
	loraA           = ".lora_A.weight"
	loraB           = ".lora_B.weight"
)

// peftNames returns what PEFT calls A and B of a layer.
func peftNames(layer string) (a, b string) {
	return peftPrefix + layer + loraA, peftPrefix + layer + loraB
}

func openPEFT(dir string, layers []LinearInfo, shape *Config) (*Adapter, error) {
	path := filepath.Join(dir, peftConfigName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("lora: %s: %d bytes, at most %d", path, info.Size(), maxConfig)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	config, err := parsePEFTConfig(text)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", path, err)
	}
	chosen, err := config.choose(layers)
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", path, err)
	}
	file, err := safetensors.Open(filepath.Join(dir, peftWeightsName))
	if err != nil {
		if _, pickled := os.Stat(filepath.Join(dir, "adapter_model.bin")); pickled == nil && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("lora: %s: pickled Python objects are not read: save the adapter as safetensors", filepath.Join(dir, "adapter_model.bin"))
		}
		return nil, err
	}
	a := &Adapter{Config: config.summary(chosen), Base: config.base, text: text, close: file.Close}
	if err := a.place(file, chosen, shape); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return a, nil
}

// place finds the tensors of the chosen layers in the file.
func (a *Adapter) place(file *safetensors.File, chosen []choice, shape *Config) error {
	found := map[[2]string]string{} // layer, and A or B: the tensor's name
	bad := misfits{tensors: 2 * len(chosen)}
	names := file.Names()
	for _, name := range names {
		layer, part := parsePEFTName(name, shape)
		if other := found[[2]string{layer, part}]; other != "" {
			return fmt.Errorf("lora: %s: tensors %q and %q are the same matrix", file.Path(), other, name)
		}
		found[[2]string{layer, part}] = name
	}
	used := map[string]bool{}
	get := func(layer, part string, want ...int) (tensor.Tensor, string) {
		name := found[[2]string{layer, part}]
		if name == "" {
			name = peftPrefix + layer + ".lora_" + part + ".weight"
			bad.missing = append(bad.missing, fmt.Sprintf("%q %v", name, want))
			return tensor.Tensor{}, name
		}
		used[name] = true
		info, _ := file.Info(name)
		switch {
		case !slices.Equal(info.Shape, want):
			bad.wrong = append(bad.wrong, fmt.Sprintf("%q is %v, want %v", name, info.Shape, want))
		case info.DType != tensor.F32 && info.DType != tensor.F16 && info.DType != tensor.BF16:
			bad.wrong = append(bad.wrong, fmt.Sprintf("%q is of type %s, want F32, F16 or BF16", name, info.Type))
		default:
			t, err := file.Tensor(name)
			if err != nil {
				bad.wrong = append(bad.wrong, err.Error())
			}
			return t, name
		}
		return tensor.Tensor{}, name
	}
	for _, c := range chosen {
		p := AdapterPair{Layer: c.layer, Scale: c.scale}
		p.A, p.NameA = get(c.layer.Name, "A", c.rank, c.layer.In)
		p.B, p.NameB = get(c.layer.Name, "B", c.layer.Out, c.rank)
		a.Pairs = append(a.Pairs, p)
	}
	for _, name := range names {
		if !used[name] {
			bad.extra = append(bad.extra, fmt.Sprintf("%.120q", name))
		}
	}
	return bad.err(file.Path())
}

// parsePEFTName takes "base_model.model.LAYER.lora_A.weight" apart, between whose
// last parts the adapter's name may stand. part is "A", "B", or, for another
// tensor, the whole name.
func parsePEFTName(name string, shape *Config) (layer, part string) {
	rest, ok := strings.CutPrefix(name, peftPrefix)
	at := strings.LastIndex(rest, ".lora_")
	if !ok || at < 0 {
		return "", name
	}
	layer, end := rest[:at], rest[at+len(".lora_"):]
	part, end, _ = strings.Cut(end, ".")
	if adapter, weight, named := strings.Cut(end, "."); named && adapter != "" {
		end = weight
	}
	if end != "weight" || part != "A" && part != "B" {
		return "", name
	}
	if shape != nil { // prefixes differ from one class of model to the next
		if own, used := shape.HFName(layer + ".weight"); used {
			layer = strings.TrimSuffix(own, ".weight")
		}
	}
	return layer, part
}

// peftText is the adapter_config.json that is written.
type peftText struct {
	PeftType      string             `json:"peft_type"`
	TaskType      *string            `json:"task_type"`
	BaseModel     string             `json:"base_model_name_or_path"`
	Rank          int                `json:"r"`
	Alpha         float64            `json:"lora_alpha"`
	Dropout       float32            `json:"lora_dropout"`
	Targets       []string           `json:"target_modules"`
	Bias          string             `json:"bias"`
	FanInFanOut   bool               `json:"fan_in_fan_out"`
	InferenceMode bool               `json:"inference_mode"`
	UseRSLoRA     bool               `json:"use_rslora"`
	UseDoRA       bool               `json:"use_dora"`
	RankPattern   map[string]int     `json:"rank_pattern,omitempty"`
	AlphaPattern  map[string]float64 `json:"alpha_pattern,omitempty"`
}

// configText returns the adapter_config.json: as it was, if it is known.
func (a *Adapter) configText() ([]byte, error) {
	if a.text != nil {
		return a.text, nil
	}
	f := a.Config
	text, err := json.MarshalIndent(peftText{
		PeftType: "LORA", BaseModel: a.Base, Rank: f.Rank, Alpha: f.Alpha, Dropout: f.Dropout, Targets: f.Targets, Bias: "none",
		FanInFanOut: a.arch == "gpt2", InferenceMode: true, UseRSLoRA: f.RankStabilized, RankPattern: f.Ranks, AlphaPattern: f.Alphas,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("lora: %s: %w", peftConfigName, err)
	}
	return append(text, '\n'), nil
}

// WritePEFT writes a to the existing folder dir: adapter_config.json and
// adapter_model.safetensors, which must not exist. Matrices in blocks, which PEFT
// does not have, become F32.
func (a *Adapter) WritePEFT(dir string) error {
	text, err := a.configText()
	if err != nil {
		return err
	}
	var entries []safetensors.Entry
	for i := range a.Pairs {
		p := &a.Pairs[i]
		for name, t := range map[string]tensor.Tensor{p.NameA: p.A, p.NameB: a.b(p, false)} {
			if t.DType().IsBlock() {
				t = toFloat32(t)
			}
			entries = append(entries, safetensors.EntryOf(name, t))
		}
	}
	if err := safetensors.Write(filepath.Join(dir, peftWeightsName), map[string]string{"format": "pt"}, entries); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, peftConfigName), false, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
