// How a trained TRACK is kept: one safetensors file.

package vp

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// The metadata of a file.
const (
	trackFormat = "netllm track 1"
	formatKey   = "format"
	configKey   = "config"
	trainingKey = "training"
)

// Write writes the network, and how it was trained, to a file. An old one is replaced only if
// replace is set.
func (t *Track) Write(b ops.Backend, path string, r TrackTraining, replace bool) error {
	metadata := map[string]string{formatKey: trackFormat}
	for key, v := range map[string]any{configKey: t.Config, trainingKey: r} {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("vp: track: %w", err)
		}
		metadata[key] = string(text)
	}
	var entries []safetensors.Entry
	for _, p := range t.Params() {
		v := tensor.New(tensor.F32, p.Value.Shape()...)
		if err := b.Download(v.Bytes(), p.Value); err != nil {
			return fmt.Errorf("vp: track: %s: %w", p.Name, err)
		}
		entries = append(entries, safetensors.EntryOf(p.Name, v))
	}
	write := safetensors.Write
	if replace {
		write = safetensors.Replace
	}
	if err := write(path, metadata, entries); err != nil {
		return fmt.Errorf("vp: track: %w", err)
	}
	return nil
}

// ReadTrackConfig reads what network a file holds: how many cells its pictures must have.
func ReadTrackConfig(path string) (TrackConfig, error) {
	f, config, err := openTrack(path)
	if err == nil {
		err = f.Close()
	}
	return config, err
}

// openTrack opens a file and reads what network it holds.
func openTrack(path string) (*safetensors.File, TrackConfig, error) {
	f, err := safetensors.Open(filepath.Clean(path))
	if err != nil {
		return nil, TrackConfig{}, fmt.Errorf("vp: track: %w", err)
	}
	config, err := trackConfig(f)
	if err != nil {
		return nil, config, errors.Join(fmt.Errorf("vp: track: %s: %w", path, err), f.Close())
	}
	return f, config, nil
}

func trackConfig(f *safetensors.File) (config TrackConfig, err error) {
	if got := f.Metadata()[formatKey]; got != trackFormat {
		return config, fmt.Errorf("format %q, want %q", got, trackFormat)
	}
	if err := json.Unmarshal([]byte(f.Metadata()[configKey]), &config); err != nil {
		return config, fmt.Errorf("%s: %w", configKey, err)
	}
	// The file has to hold what the configuration asks memory for.
	if info, ok := f.Info("encoder.saliency.weight_ih_l0"); !ok || len(info.Shape) != 2 || info.Shape[1] != config.Cells {
		return config, fmt.Errorf("no weights for pictures of %d cells", config.Cells)
	}
	return config, nil
}

// LoadTrack reads a network from a file, see [NewTrack] for saliency.
func LoadTrack(b ops.Backend, path string, saliency Saliency) (*Track, error) {
	f, config, err := openTrack(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := NewTrack(b, config, saliency, 0)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	for _, p := range t.Params() {
		v, err := f.Tensor(p.Name)
		if err != nil {
			return nil, fmt.Errorf("vp: track: %w", err)
		}
		if v.DType() != tensor.F32 || !slices.Equal(v.Shape(), p.Value.Shape()) {
			return nil, fmt.Errorf("vp: track: %s: tensor %q: %v, want %v", path, p.Name, v, p.Value)
		}
		b.Upload(p.Value, v.Bytes())
	}
	if n := len(f.Names()); n != len(t.Params()) {
		return nil, fmt.Errorf("vp: track: %s: %d tensors, want %d", path, n, len(t.Params()))
	}
	return t, nil
}
