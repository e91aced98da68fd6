package netllm

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// PoolVersion is the version of the file format that [Pool.Write] writes.
const PoolVersion = 1

// Pool is experience collected once: transitions of episodes that existing
// policies played, episode after episode. A transition is the state before a
// decision, the action chosen, the reward that followed, and whether the
// episode ended with it.
//
// Its file is one safetensors file with the tensors state [N, ...] F32, action
// [N] I32, reward [N] F64, done [N] U8 and episode [N] I32, and with [PoolMeta]
// as metadata.
type Pool struct {
	Meta    PoolMeta
	Shape   []int // of one state
	States  []float32
	Actions []int32
	Rewards []float64
	Done    []uint8 // 1 on the last transition of an episode
	Episode []int32 // number of the episode, not falling
}

// PoolMeta says where a pool comes from.
type PoolMeta struct {
	Task     string            // such as "abr"
	Policies []string          // that played
	Seeds    []uint64          // that they were given
	Data     map[string]string // SHA-256 of the data read, by name
	Command  string            // that collected it
}

// Len returns the number of transitions.
func (p *Pool) Len() int { return len(p.Actions) }

// Validate reports the first thing that makes p no pool.
func (p *Pool) Validate() error {
	n, width := p.Len(), 1
	for _, d := range p.Shape {
		width *= d
	}
	if n == 0 {
		return fmt.Errorf("a pool without transitions")
	}
	if len(p.States) != n*width || len(p.Rewards) != n || len(p.Done) != n || len(p.Episode) != n {
		return fmt.Errorf("%d actions, but %d states of %v, %d rewards, %d done flags, %d episode numbers",
			n, len(p.States), p.Shape, len(p.Rewards), len(p.Done), len(p.Episode))
	}
	for i := range n {
		last := i == n-1 || p.Episode[i+1] != p.Episode[i]
		switch {
		case math.IsNaN(p.Rewards[i]) || math.IsInf(p.Rewards[i], 0):
			return fmt.Errorf("transition %d: reward %v", i, p.Rewards[i])
		case p.Actions[i] < 0:
			return fmt.Errorf("transition %d: action %d", i, p.Actions[i])
		case p.Done[i] > 1 || (p.Done[i] == 1) != last:
			return fmt.Errorf("transition %d of episode %d: done is %d, want it 1 exactly on an episode's last", i, p.Episode[i], p.Done[i])
		case i > 0 && p.Episode[i] < p.Episode[i-1]:
			return fmt.Errorf("transition %d: episode %d after %d", i, p.Episode[i], p.Episode[i-1])
		}
	}
	for i, v := range p.States {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("transition %d: state element %d is %v", i/width, i%width, v)
		}
	}
	return nil
}

// Write writes p to a new file, or, if replace is set, over an old one. The
// same pool gives the same bytes.
func (p *Pool) Write(path string, replace bool) error {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("netllm: pool %s: %w", path, err)
	}
	n := p.Len()
	meta, err := json.Marshal(p.Meta)
	if err != nil {
		return fmt.Errorf("netllm: pool %s: %w", path, err)
	}
	write := safetensors.Write
	if replace {
		write = safetensors.Replace
	}
	return write(path, map[string]string{"format": "netllm.pool", "version": strconv.Itoa(PoolVersion), "meta": string(meta)},
		[]safetensors.Entry{
			safetensors.EntryOf("state", hostTensor(p.States, tensor.F32, append([]int{n}, p.Shape...)...)),
			safetensors.EntryOf("action", hostTensor(p.Actions, tensor.I32, n)),
			safetensors.EntryOf("reward", hostTensor(p.Rewards, tensor.F64, n)),
			safetensors.EntryOf("done", hostTensor(p.Done, tensor.U8, n)),
			safetensors.EntryOf("episode", hostTensor(p.Episode, tensor.I32, n)),
		})
}

// ReadPool reads a pool for the given task.
func ReadPool(path, task string) (*Pool, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return poolOf(f, task)
}

// ParsePool is [ReadPool] for a file in memory; name stands for its path.
func ParsePool(name string, data []byte, task string) (*Pool, error) {
	f, err := safetensors.Parse(name, data)
	if err != nil {
		return nil, err
	}
	return poolOf(f, task)
}

func poolOf(f *safetensors.File, task string) (*Pool, error) {
	fail := func(err error) (*Pool, error) { return nil, fmt.Errorf("netllm: pool %s: %w", f.Path(), err) }
	meta := f.Metadata()
	if meta["format"] != "netllm.pool" {
		return fail(fmt.Errorf("not a pool: format %q", meta["format"]))
	}
	if v, err := strconv.Atoi(meta["version"]); err != nil || v != PoolVersion {
		return fail(fmt.Errorf("version %q, known: %d", meta["version"], PoolVersion))
	}
	p := &Pool{}
	if err := json.Unmarshal([]byte(meta["meta"]), &p.Meta); err != nil {
		return fail(fmt.Errorf("metadata: %w", err))
	}
	if p.Meta.Task != task {
		return fail(fmt.Errorf("a pool for task %q, want %q", p.Meta.Task, task))
	}
	read := func(name string, dtype tensor.DType, rank int) (tensor.Tensor, error) {
		t, err := f.Tensor(name)
		if err != nil {
			return t, err
		}
		if t.DType() != dtype || rank > 0 && t.Rank() != rank || t.Rank() < 1 {
			return t, fmt.Errorf("tensor %q: %v, want %v of %d dimensions", name, t, dtype, rank)
		}
		return t, nil
	}
	state, err := read("state", tensor.F32, 0)
	if err != nil {
		return fail(err)
	}
	p.Shape = state.Shape()[1:]
	p.States = copyOf[float32](state)
	for _, column := range []struct {
		name  string
		dtype tensor.DType
		set   func(tensor.Tensor)
	}{
		{"action", tensor.I32, func(t tensor.Tensor) { p.Actions = copyOf[int32](t) }},
		{"reward", tensor.F64, func(t tensor.Tensor) { p.Rewards = copyOf[float64](t) }},
		{"done", tensor.U8, func(t tensor.Tensor) { p.Done = copyOf[uint8](t) }},
		{"episode", tensor.I32, func(t tensor.Tensor) { p.Episode = copyOf[int32](t) }},
	} {
		t, err := read(column.name, column.dtype, 1)
		if err != nil {
			return fail(err)
		}
		column.set(t)
	}
	if names := f.Names(); len(names) != 5 {
		return fail(fmt.Errorf("tensors %q, want action, done, episode, reward, state", names))
	}
	if err := p.Validate(); err != nil {
		return fail(err)
	}
	return p, nil
}

// Episodes returns the first transition of every episode, and after them the
// number of transitions.
func (p *Pool) Episodes() []int {
	starts := []int{0}
	for i, done := range p.Done {
		if done == 1 {
			starts = append(starts, i+1)
		}
	}
	return starts
}

func hostTensor[T float32 | float64 | int32 | uint8](data []T, dtype tensor.DType, shape ...int) tensor.Tensor {
	size := dtype.BlockBytes() * len(data)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), size)
	return tensor.Of(tensor.HostBytes(b), dtype, shape...)
}

// copyOf returns a contiguous tensor's elements in memory of their own.
func copyOf[T float32 | float64 | int32 | uint8](t tensor.Tensor) []T {
	b := t.Bytes()
	return slices.Clone(unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), t.Len()))
}
