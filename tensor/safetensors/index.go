package safetensors

// The index of a model that is stored as several files.

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"netllm/tensor"
)

// openIndex opens the shards that the index at f.path lists, and checks that
// they hold the tensors that it says, and no others.
func (f *File) openIndex() error {
	m, err := tensor.MapFile(f.path)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	listed, err := parseIndex(m.Bytes())
	if closeErr := m.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("safetensors: %s: %w", f.path, err)
	}
	var headers []*header
	slices.SortFunc(listed, func(a, b pair) int { return strings.Compare(a.value, b.value) })
	for i, l := range listed {
		if i > 0 && l.value == listed[i-1].value {
			continue
		}
		h, err := f.open(filepath.Join(filepath.Dir(f.path), l.value))
		if err != nil {
			return err
		}
		headers = append(headers, h)
	}
	if err := f.join(headers); err != nil {
		return err
	}
	slices.SortFunc(listed, comparePairs)
	for _, l := range listed {
		i, ok := f.names[l.name]
		if !ok || filepath.Base(f.records[i].File) != l.value {
			return fmt.Errorf("safetensors: %s: tensor %.100q is not in %s", f.path, l.name, l.value)
		}
	}
	for _, r := range f.records {
		if _, ok := slices.BinarySearchFunc(listed, pair{name: r.Name}, comparePairs); !ok {
			return fmt.Errorf("safetensors: %s: tensor %.100q of %s is not in the index", f.path, r.Name, r.File)
		}
	}
	return nil
}

// parseIndex returns which file holds which tensor, sorted by tensor. What else
// an index says, such as the total size in its metadata, which writers count in
// different ways, is not looked at.
func parseIndex(content []byte) ([]pair, error) {
	if len(content) > maxHeaderLen {
		return nil, fmt.Errorf("index of %d bytes, at most %d", len(content), maxHeaderLen)
	}
	if at := invalidUTF8(content); at >= 0 {
		return nil, fmt.Errorf("offset %d: the index is not UTF-8", at)
	}
	text := string(content) // the names are parts of it
	s := newScanner(text, 0)
	var listed []pair
	err := s.object(func(key string) error {
		if key != "weight_map" {
			return s.skip()
		}
		if listed != nil {
			return s.errorf("a second %q", key)
		}
		var err error
		if listed, err = s.weightMap(); err != nil {
			return fmt.Errorf("weight_map: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	if listed == nil {
		return nil, fmt.Errorf("no weight_map")
	}
	return listed, nil
}

// weightMap returns which file each tensor is in.
func (s *scanner) weightMap() ([]pair, error) {
	listed, err := s.pairs("tensor")
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		// A file name only: an index must not lead out of its folder.
		if l.value != filepath.Base(l.value) || !filepath.IsLocal(l.value) || strings.ContainsAny(l.value, "/\\\x00") {
			return nil, fmt.Errorf("offset %d: tensor %.100q: %.200q is not the name of a file in the index's folder", l.at, l.name, l.value)
		}
	}
	return listed, nil
}

// encodeIndex returns the index of the shards, in the layout of Hugging Face.
func encodeIndex(shardOf map[string]string, totalBytes uint64) ([]byte, error) {
	text, err := json.MarshalIndent(map[string]any{
		"metadata":   map[string]uint64{"total_size": totalBytes},
		"weight_map": shardOf,
	}, "", "  ")
	return append(text, '\n'), err
}
