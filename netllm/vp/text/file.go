// What was tuned, in a folder.

package text

import (
	"fmt"

	"netllm/netllm"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// task is what the folder says that it is for: other than that of networks, which it is no adapter of.
const task = "vp-text"

// description is a folder's netllm_adapter.json.
type description struct {
	netllm.AdapterHeader
	Config Config `json:"config"`
}

// Write writes the matrices and their settings to the folder dir, see [netllm.WriteAdapter], for the model called base.
func (t *Tuned) Write(dir, base string, replace bool) error {
	header, err := netllm.NewAdapterHeader(t.backend, task, t.Model, base)
	if err == nil {
		err = netllm.WriteAdapter(t.backend, dir, description{header, t.Config}, base, t.LoRA, nil, replace)
	}
	if err != nil {
		return fmt.Errorf("text: %w", err)
	}
	return nil
}

// Load reads what [Tuned.Write] wrote for model, which must be the one that was tuned, with its tokenizer.
func Load(b ops.Backend, model transformer.Model, words *tokenizer.Tokenizer, dir string) (*Tuned, error) {
	var d description
	if err := netllm.ReadAdapter(dir, task, &d, &d.AdapterHeader); err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	if err := d.Config.Validate(); err != nil {
		return nil, fmt.Errorf("text: adapter: %s: %w", netllm.DescriptionPath(dir), err)
	}
	if err := d.CheckBase(b, model, dir); err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	coder, err := NewCoder(d.Config.Form, words, model)
	if err != nil {
		return nil, err
	}
	adapted, err := netllm.ReadAdapted(b, model, &d.Config.LoRA, dir)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	return assemble(b, adapted, coder, d.Config)
}

// assemble puts a tuned model together. It takes the body's matrices, also if it fails.
func assemble(b ops.Backend, body *netllm.Adapted, coder *Coder, f Config) (*Tuned, error) {
	with, ok := body.Adaptable.(transformer.Model)
	if !ok {
		body.Free(b)
		return nil, fmt.Errorf("text: a body of type %T with matrices is no language model", body.Adaptable)
	}
	return &Tuned{Config: f, Model: with, LoRA: body.LoRA, Coder: coder, backend: b}, nil
}

// Factory returns the predictor under a name, for one worker at a time.
func (t *Tuned) Factory(name string) vp.Factory {
	return vp.Factory{Name: name, Workers: 1, Batch: 1, New: func() (vp.Predictor, error) { return t.NewPredictor(ops.NewContext(t.backend)), nil }}
}
