// How a trained Pensieve is kept: one safetensors file.

package abr

import (
	"encoding/json"
	"fmt"

	"netllm/netllm"
	"netllm/ops"
)

// The metadata of a file.
const (
	pensieveFormat    = "netllm pensieve 1"
	pensieveFormatKey = "format"
	pensieveConfigKey = "config"
	pensieveRecipeKey = "recipe"
)

// Write writes the network, actor and critic, and how it was trained. more is further metadata. An old file is replaced only
// if replace is set.
func (p *PensieveNetwork) Write(b ops.Backend, path string, r PensieveRecipe, more map[string]string, replace bool) error {
	metadata := map[string]string{pensieveFormatKey: pensieveFormat}
	for key, v := range more {
		metadata[key] = v
	}
	for key, v := range map[string]any{pensieveConfigKey: p.Config, pensieveRecipeKey: r} {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("abr: pensieve: %w", err)
		}
		metadata[key] = string(text)
	}
	if err := netllm.WriteWeights(b, path, p.Params(), metadata, replace); err != nil {
		return fmt.Errorf("abr: pensieve: %w", err)
	}
	return nil
}

// ReadPensieve reads the actor of a file that [PensieveNetwork.Write] wrote. A file of another format, a tensor that is missing,
// not known, of another shape or type, or has an element that is no number is an error that names the file and what is
// wrong.
func ReadPensieve(path string) (*Pensieve, error) {
	var p *Pensieve
	err := readPensieve(path, func(config PensieveConfig, read netllm.TensorReader) (err error) {
		if p, err = newPensievePlayer(config, read); err != nil {
			return err
		}
		_, err = readPensieveLayers("critic", config.criticBranches(), config.Width, 1, read) // a file is read whole or not at all
		return err
	})
	return p, err
}

// LoadPensieve reads a network, to be trained further, and fails as [ReadPensieve] does.
func LoadPensieve(b ops.Backend, path string) (*PensieveNetwork, error) {
	if _, err := ReadPensieve(path); err != nil { // the file has to hold what the configuration asks memory for
		return nil, err
	}
	var p *PensieveNetwork
	err := readPensieve(path, func(config PensieveConfig, read netllm.TensorReader) (err error) {
		if p, err = NewPensieve(b, config, 0); err != nil {
			return err
		}
		var values [][]float32
		for _, param := range p.Params() {
			v, err := read(param.Name, param.Value.Shape()...)
			if err != nil {
				return err
			}
			values = append(values, v)
		}
		return netllm.Restore(b, p.Params(), values)
	})
	return p, err
}

// readPensieve opens a file for take, which is to read all its tensors.
func readPensieve(path string, take func(config PensieveConfig, read netllm.TensorReader) error) error {
	err := netllm.ReadWeights(path, func(metadata map[string]string, read netllm.TensorReader) error {
		if got := metadata[pensieveFormatKey]; got != pensieveFormat {
			return fmt.Errorf("format %q, want %q", got, pensieveFormat)
		}
		var config PensieveConfig
		if err := json.Unmarshal([]byte(metadata[pensieveConfigKey]), &config); err != nil {
			return fmt.Errorf("metadata %q: %w", pensieveConfigKey, err)
		}
		if err := config.Validate(); err != nil {
			return err
		}
		return take(config, read)
	})
	if err != nil {
		return fmt.Errorf("abr: pensieve: %w", err)
	}
	return nil
}
