package safetensors

// The index of a model that is stored as several files.

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"netllm/tensor"
)

// openIndex opens the shards that the index at f.path lists, and checks that
// they hold the tensors that it says, and no others.
func (f *File) openIndex() error {
	m, err := tensor.MapFile(f.path)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	shardOf, err := parseIndex(m.Bytes())
	if closeErr := m.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", f.path, err)
	}
	for _, shard := range slices.Compact(slices.Sorted(maps.Values(shardOf))) {
		if err := f.add(filepath.Join(filepath.Dir(f.path), shard)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shardOf)) {
		shard := shardOf[name]
		i, ok := f.names[name]
		if !ok || filepath.Base(f.records[i].File) != shard {
			return fmt.Errorf("safetensors: %s: tensor %q is not in %s", f.path, name, shard)
		}
	}
	for _, r := range f.records {
		if _, ok := shardOf[r.Name]; !ok {
			return fmt.Errorf("safetensors: %s: tensor %q of %s is not in the index", f.path, r.Name, r.File)
		}
	}
	return nil
}

// parseIndex returns which file holds which tensor. What else an index says,
// such as the total size in its metadata, which writers count in different
// ways, is not looked at.
func parseIndex(text []byte) (map[string]string, error) {
	if len(text) > maxHeaderLen {
		return nil, fmt.Errorf("index of %d bytes, at most %d", len(text), maxHeaderLen)
	}
	if at := invalidUTF8(text); at >= 0 {
		return nil, fmt.Errorf("offset %d: the index is not UTF-8", at)
	}
	s := newScanner(text, 0)
	var shardOf map[string]string
	seen := map[string]bool{}
	err := s.object(func(key string) error {
		if seen[key] {
			return s.errorf("a second %q", key)
		}
		seen[key] = true
		if key != "weight_map" {
			return s.skip()
		}
		var err error
		shardOf, err = s.weightMap()
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	if shardOf == nil {
		return nil, fmt.Errorf("no weight_map")
	}
	return shardOf, nil
}

func (s *scanner) weightMap() (map[string]string, error) {
	shardOf := map[string]string{}
	err := s.object(func(name string) error {
		if _, ok := shardOf[name]; ok {
			return s.errorf("a second tensor %q", name)
		}
		shard, err := s.string()
		if err != nil {
			return err
		}
		// A file name only: an index must not lead out of its folder.
		if shard != filepath.Base(shard) || !filepath.IsLocal(shard) {
			return s.errorf("tensor %q: %q is not the name of a file in the index's folder", name, shard)
		}
		shardOf[name] = shard
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("weight_map: %w", err)
	}
	return shardOf, nil
}

// encodeIndex returns the index of the shards, in the layout of Hugging Face.
func encodeIndex(shardOf map[string]string, totalBytes uint64) ([]byte, error) {
	text, err := json.MarshalIndent(map[string]any{
		"metadata":   map[string]uint64{"total_size": totalBytes},
		"weight_map": shardOf,
	}, "", "  ")
	return append(text, '\n'), err
}
