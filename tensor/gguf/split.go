package gguf

// Models that are split into several files. Source: llama.cpp, whose gguf-split
// writes them: each file says which it is, of how many, and how many tensors
// there are in all; the first has the model's values too.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The keys of a split model's files.
const (
	splitNoKey      = "split.no"
	splitCountKey   = "split.count"
	splitTensorsKey = "split.tensors.count"
)

// maxShards is the largest number that the names of files have room for.
const maxShards = 99999

// ShardPath returns the name of file no (from 0) of a model of so many files.
func ShardPath(prefix string, no, count int) string {
	return prefix + shardSuffix(no, count)
}

func shardSuffix(no, count int) string { return fmt.Sprintf("-%05d-of-%05d.gguf", no+1, count) }

// splitCount returns how many files the model is in: 1 if it is not split.
func (s *shard) splitCount() (int, error) {
	if _, ok := s.find(splitCountKey); !ok {
		return 1, nil
	}
	n, err := s.splitInt(splitCountKey)
	if err != nil {
		return 0, err
	}
	if n > maxShards {
		return 0, fmt.Errorf("key %q: a split model of %d shards, at most %d", splitCountKey, n, maxShards)
	}
	return max(n, 1), nil // llama.cpp's gguf-split leaves 0 in merged files
}

// splitInt reads one of the keys of a split model.
func (s *shard) splitInt(key string) (int, error) {
	e, ok := s.find(key)
	if !ok {
		return 0, fmt.Errorf("no key %q in a shard of a split model", key)
	}
	if !e.typ.isInteger() || e.array {
		return 0, fmt.Errorf("key %q (offset %d) is %s in a shard of a split model, want an integer", key, e.pos, e.kind())
	}
	n, negative := s.integer(e, 0)
	if negative || n > 1<<31-1 {
		return 0, fmt.Errorf("key %q (offset %d) is %d in a shard of a split model", key, e.pos, int64(n))
	}
	return int(n), nil
}

// openSplit opens all files of a split model. path is one of them, open already
// as given, which is closed on failure like the others.
func openSplit(path string, given *shard) (*File, error) {
	shards, err := given.openOthers()
	if err != nil {
		for _, s := range append(shards, given) {
			err = errors.Join(err, s.close())
		}
		return nil, err
	}
	return newFile(path, shards)
}

// openOthers returns all shards of the model that s is one of. If it fails, the
// others that are open already.
func (s *shard) openOthers() (shards []*shard, err error) {
	no, count, total, err := s.splitPlace()
	if err != nil {
		return nil, fmt.Errorf("gguf: %s: %w", s.path, err)
	}
	// The other files' names come from this one's, never from its content.
	prefix, ok := strings.CutSuffix(s.path, shardSuffix(no, count))
	if !ok {
		return nil, fmt.Errorf("gguf: %s: shard %d of %d of a split model, whose name must end in %s", s.path, no+1, count, shardSuffix(no, count))
	}
	tensors := 0
	for i := range count {
		if i == no {
			shards = append(shards, s)
			tensors += len(s.infos)
			continue
		}
		other, err := openShard(ShardPath(prefix, i, count), s.faults)
		if err == nil {
			tensors += len(other.infos)
			shards = append(shards, other)
			err = other.isShard(i, count, total, s.path)
		} else {
			err = s.soft(fmt.Errorf("shard %d of %d: %w", i+1, count, err))
		}
		if err != nil {
			return slices.DeleteFunc(shards, func(x *shard) bool { return x == s }), err
		}
	}
	if tensors != total {
		if err := s.soft(fmt.Errorf("gguf: %s: the shards have %d tensors, key %q says %d", s.path, tensors, splitTensorsKey, total)); err != nil {
			return slices.DeleteFunc(shards, func(x *shard) bool { return x == s }), err
		}
	}
	return shards, nil
}

// isShard checks that s is the shard that it should be after what another says.
func (s *shard) isShard(no, count, total int, other string) error {
	n, c, t, err := s.splitPlace()
	if err == nil && (n != no || c != count || t != total) {
		err = fmt.Errorf("this is shard %d of %d of a model of %d tensors, want shard %d of %d and %d tensors, as %s says",
			n+1, c, t, no+1, count, total, other)
	}
	if err != nil {
		return s.soft(fmt.Errorf("gguf: %s: %w", s.path, err))
	}
	return nil
}

// soft is fault for an error that names the file already.
func (s *shard) soft(err error) error {
	if s.faults == nil {
		return err
	}
	return s.faults.add(err)
}

// splitPlace returns which shard of how many s is, and how many tensors they
// have in all.
func (s *shard) splitPlace() (no, count, total int, err error) {
	if no, err = s.splitInt(splitNoKey); err != nil {
		return 0, 0, 0, err
	}
	if count, err = s.splitCount(); err != nil {
		return 0, 0, 0, err
	}
	if no >= count {
		return 0, 0, 0, fmt.Errorf("shard number %d of %d", no, count)
	}
	total, err = s.splitInt(splitTensorsKey)
	return no, count, total, err
}
