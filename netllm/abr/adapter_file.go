// How a trained policy is kept: a folder of four files.

package abr

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"netllm/internal/atomicfile"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
	"netllm/transformer"
)

// Beside the LoRA part in the layout of Hugging Face PEFT (adapter_config.json,
// adapter_model.safetensors) an adapter's folder has the encoder and the head
// as safetensors, and what the policy has to know as JSON.
const (
	modulesName     = "netllm_modules.safetensors"
	descriptionName = "netllm_adapter.json"
	adapterVersion  = 1
)

// description is netllm_adapter.json.
type description struct {
	Version      int          `json:"version"`
	Task         string       `json:"task"`
	Base         string       `json:"base"`        // name of the model
	BaseSHA256   string       `json:"base_sha256"` // of its weights
	Recipe       Recipe       `json:"recipe"`
	Conditioning Conditioning `json:"conditioning"`
}

// Write writes the adapter to the folder dir. body is the model that it was
// trained around, called base. An old folder is replaced only if replace is
// set; on failure it is as it was.
func (a *Adapter) Write(b ops.Backend, dir string, body transformer.Adaptable, base string, replace bool) error {
	hash, err := body.Hash(b)
	if err != nil {
		return fmt.Errorf("abr: adapter %s: %w", dir, err)
	}
	text, err := json.MarshalIndent(description{
		Version: adapterVersion, Task: "abr", Base: base, BaseSHA256: hash, Recipe: a.Recipe, Conditioning: a.Cond,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("abr: adapter %s: %w", dir, err)
	}
	var entries []safetensors.Entry
	for _, p := range a.Network.Params() {
		t := tensor.New(tensor.F32, p.Value.Shape()...)
		if err := b.Download(t.Bytes(), p.Value); err != nil {
			return fmt.Errorf("abr: adapter %s: %s: %w", dir, p.Name, err)
		}
		entries = append(entries, safetensors.EntryOf(p.Name, t))
	}
	err = atomicfile.WriteDir(dir, replace, func(tmp string) error {
		return errors.Join(
			a.LoRA.Write(b, tmp, base),
			safetensors.Write(filepath.Join(tmp, modulesName), nil, entries),
			os.WriteFile(filepath.Join(tmp, descriptionName), append(text, '\n'), 0o666),
		)
	})
	if err != nil {
		return fmt.Errorf("abr: adapter: %w", err)
	}
	return nil
}

// LoadAdapter reads the adapter in the folder dir for body, which must have the
// weights that it was trained around.
func LoadAdapter(b ops.Backend, body transformer.Adaptable, dir string) (*Adapter, error) {
	path := filepath.Join(dir, descriptionName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("abr: adapter: %w", err)
	}
	var d description
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("abr: adapter: %s: %w", path, err)
	}
	if d.Version != adapterVersion || d.Task != "abr" {
		return nil, fmt.Errorf("abr: adapter: %s: version %d for task %q, known: version %d for %q", path, d.Version, d.Task, adapterVersion, "abr")
	}
	if err := d.Recipe.Validate(); err != nil {
		return nil, fmt.Errorf("abr: adapter: %s: %w", path, err)
	}
	if f := d.Conditioning; !(f.Scale > 0) || !(f.Gamma > 0) || !(f.MaxReward >= f.MinReward) {
		return nil, fmt.Errorf("abr: adapter: %s: conditioning %+v", path, f)
	}
	if hash, err := body.Hash(b); err != nil {
		return nil, fmt.Errorf("abr: adapter: %w", err)
	} else if hash != d.BaseSHA256 {
		return nil, fmt.Errorf("abr: adapter: %s: trained around %q with weights %.12s, the model has %.12s", path, d.Base, d.BaseSHA256, hash)
	}
	lora, err := transformer.ReadLoRA(b, body, dir)
	if err != nil {
		return nil, fmt.Errorf("abr: adapter: %w", err)
	}
	adapted, err := body.WithLoRA(lora)
	if err != nil {
		return nil, fmt.Errorf("abr: adapter: %s: %w", dir, err)
	}
	network, err := NewNetwork(b, adapted, d.Recipe.Network, d.Recipe.Seed)
	if err != nil {
		return nil, fmt.Errorf("abr: adapter: %s: %w", path, err)
	}
	if err := readModules(b, filepath.Join(dir, modulesName), network); err != nil {
		return nil, fmt.Errorf("abr: adapter: %w", err)
	}
	return &Adapter{Recipe: d.Recipe, Cond: d.Conditioning, Network: network, LoRA: lora}, nil
}

// readModules reads the parameters of encoder and head.
func readModules(b ops.Backend, path string, network *Network) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	params := network.Params()
	for _, p := range params {
		t, err := f.Tensor(p.Name)
		if err != nil {
			return err
		}
		if t.DType() != tensor.F32 || !slices.Equal(t.Shape(), p.Value.Shape()) {
			return fmt.Errorf("%s: tensor %q: %v, want %v", path, p.Name, t, p.Value)
		}
		b.Upload(p.Value, t.Bytes())
	}
	if n := len(f.Names()); n != len(params) {
		return fmt.Errorf("%s: %d tensors, encoder and head have %d", path, n, len(params))
	}
	return nil
}
