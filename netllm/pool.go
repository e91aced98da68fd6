package netllm

import (
	"fmt"
	"math"
	"slices"

	"netllm/tensor/safetensors"
)

// Pool is experience collected once: transitions of episodes that existing
// policies played, episode after episode. A transition is the state before a
// decision, the action chosen, the reward that followed, and whether the
// episode ended with it.
//
// Its file is one safetensors file with the tensors state [N, ...] F32, action
// [N] I32, reward [N] F64, done [N] U8 and episode [N] I32, with a teacher value [N, actions] F32 too, and with
// [PoolMeta] as metadata.
type Pool struct {
	Meta    PoolMeta
	Shape   []int // of one state
	States  []float32
	Actions []int32
	Rewards []float64
	Done    []uint8 // 1 on the last transition of an episode
	Episode []int32 // number of the episode, not falling

	// Values are what a teacher holds each possible action to be worth, the same number for every transition; nil without a
	// teacher.
	Values []float32
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
	if n := len(p.Values); n%p.Len() != 0 {
		return fmt.Errorf("%d values for %d actions", n, p.Len())
	}
	for i, v := range p.Values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("value %d is %v", i, v)
		}
	}
	for i, v := range p.States {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("transition %d: state element %d is %v", i/width, i%width, v)
		}
	}
	return nil
}

// columns are the tensors of the file.
func (p *Pool) columns(values bool) []Column {
	list := []Column{{"state", &p.States, p.Shape}, {"action", &p.Actions, nil}, {"reward", &p.Rewards, nil}, {"done", &p.Done, nil}, {"episode", &p.Episode, nil}}
	if values {
		row := AnyRow
		if p.Values != nil {
			row = []int{len(p.Values) / p.Len()}
		}
		list = append(list, Column{"value", &p.Values, row})
	}
	return list
}

// Write writes p to a new file, or, if replace is set, over an old one. The
// same pool gives the same bytes.
func (p *Pool) Write(path string, replace bool) error {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("netllm: pool %s: %w", path, err)
	}
	return WriteColumns(path, p.Meta, p.columns(p.Values != nil), replace)
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
	p := &Pool{Shape: AnyRow}
	columns := p.columns(slices.Contains(f.Names(), "value"))
	var err error
	if p.Meta, err = ReadColumns(f, task, columns); err == nil {
		p.Shape = columns[0].Row
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("netllm: pool %s: %w", f.Path(), err)
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
