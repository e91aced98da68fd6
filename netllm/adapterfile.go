// How what a task has learned is kept: a folder beside the frozen model.

package netllm

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
// adapter_model.safetensors) an adapter's folder has the task's own modules - encoder, head,
// and whatever else was trained - as safetensors, and what the task has to know as JSON.
const (
	modulesName     = "netllm_modules.safetensors"
	descriptionName = "netllm_adapter.json"
	adapterVersion  = 1
)

// AdapterHeader is what every task's netllm_adapter.json begins with. A task embeds it in the
// structure that it writes and reads.
type AdapterHeader struct {
	Version    int    `json:"version"`
	Task       string `json:"task"`
	Base       string `json:"base"`        // name of the model
	BaseSHA256 string `json:"base_sha256"` // of its weights
}

// NewAdapterHeader describes an adapter of a task for body, which is called base.
func NewAdapterHeader(b ops.Backend, task string, body transformer.Adaptable, base string) (AdapterHeader, error) {
	hash, err := body.Hash(b)
	return AdapterHeader{Version: adapterVersion, Task: task, Base: base, BaseSHA256: hash}, err
}

// WriteAdapter writes an adapter's folder: description, which embeds its header, the
// low-rank matrices, if lora is not nil, and the parameters of the modules. An old folder
// is replaced only if replace is set; on failure it is as it was.
func WriteAdapter(b ops.Backend, dir string, description any, base string, lora *transformer.LoRA, modules []*ops.Param, replace bool) error {
	text, err := json.MarshalIndent(description, "", "  ")
	if err != nil {
		return fmt.Errorf("adapter %s: %w", dir, err)
	}
	var entries []safetensors.Entry
	for _, p := range modules {
		t := tensor.New(tensor.F32, p.Value.Shape()...)
		if err := b.Download(t.Bytes(), p.Value); err != nil {
			return fmt.Errorf("adapter %s: %s: %w", dir, p.Name, err)
		}
		entries = append(entries, safetensors.EntryOf(p.Name, t))
	}
	err = atomicfile.WriteDir(dir, replace, func(tmp string) error {
		var matrices error
		if lora != nil {
			matrices = lora.Write(b, tmp, base)
		}
		return errors.Join(
			matrices,
			safetensors.Write(filepath.Join(tmp, modulesName), nil, entries),
			os.WriteFile(filepath.Join(tmp, descriptionName), append(text, '\n'), 0o666),
		)
	})
	if err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	return nil
}

// ReadAdapter reads the description of the adapter in the folder dir into the structure that
// description points to, which header is embedded in. It fails if the adapter is one of
// another task.
func ReadAdapter(dir, task string, description any, header *AdapterHeader) error {
	path := DescriptionPath(dir)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	if err := json.Unmarshal(data, header); err != nil {
		return fmt.Errorf("adapter: %s: %w", path, err)
	}
	if header.Version != adapterVersion || header.Task != task { // first: the rest is the task's own
		return fmt.Errorf("adapter: %s: version %d for task %q, known: version %d for %q", path, header.Version, header.Task, adapterVersion, task)
	}
	if err := json.Unmarshal(data, description); err != nil {
		return fmt.Errorf("adapter: %s: %w", path, err)
	}
	return nil
}

// DescriptionPath is the file in the folder dir that describes its adapter.
func DescriptionPath(dir string) string { return filepath.Join(dir, descriptionName) }

// CheckBase fails unless body has the weights that the adapter was trained around.
func (h *AdapterHeader) CheckBase(b ops.Backend, body transformer.Adaptable, dir string) error {
	hash, err := body.Hash(b)
	if err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	if hash != h.BaseSHA256 {
		return fmt.Errorf("adapter: %s: trained around %q with weights %.12s, the model has %.12s", DescriptionPath(dir), h.Base, h.BaseSHA256, hash)
	}
	return nil
}

// ReadModules reads the parameters of the modules of the adapter in the folder dir.
func ReadModules(b ops.Backend, dir string, params []*ops.Param) error {
	path := filepath.Join(dir, modulesName)
	f, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	defer f.Close()
	for _, p := range params {
		t, err := f.Tensor(p.Name)
		if err != nil {
			return fmt.Errorf("adapter: %w", err)
		}
		if t.DType() != tensor.F32 || !slices.Equal(t.Shape(), p.Value.Shape()) {
			return fmt.Errorf("adapter: %s: tensor %q: %v, want %v", path, p.Name, t, p.Value)
		}
		b.Upload(p.Value, t.Bytes())
	}
	if n := len(f.Names()); n != len(params) {
		return fmt.Errorf("adapter: %s: %d tensors, the modules have %d", path, n, len(params))
	}
	return nil
}
