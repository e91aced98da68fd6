// Copies of weights: the best so far, and their running mean.

package netllm

import (
	"unsafe"

	"netllm/ops"
)

func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// Snapshot reads the values of parameters.
func Snapshot(b ops.Backend, params []*ops.Param) ([][]float32, error) {
	copies := make([][]float32, len(params))
	for i, p := range params {
		copies[i] = make([]float32, p.Value.Len())
		if err := b.Download(bytesOf(copies[i]), p.Value); err != nil {
			return nil, err
		}
	}
	return copies, nil
}

// Restore gives parameters the values of a [Snapshot].
func Restore(b ops.Backend, params []*ops.Param, values [][]float32) error {
	for i, p := range params {
		b.Upload(p.Value, bytesOf(values[i]))
	}
	return b.Sync()
}

// RunningMean is an exponential mean of the values that parameters had after each step, with
// the weight of steps before the first given to those that there were.
type RunningMean struct {
	b      ops.Backend
	params []*ops.Param
	keep   float64
	steps  int
	values [][]float32
	buffer []float32
}

// meanPace is how often the mean looks at the parameters: reading them makes a device wait.
const meanPace = 4

// NewRunningMean returns a mean of params in which the old one keeps the share keep per step.
func NewRunningMean(b ops.Backend, params []*ops.Param, keep float64) *RunningMean {
	m := &RunningMean{b: b, params: params, keep: keep}
	for _, p := range params {
		m.values = append(m.values, make([]float32, p.Value.Len()))
	}
	return m
}

// Add takes the present values in, every few steps.
func (m *RunningMean) Add() error {
	m.steps++
	if m.steps%meanPace != 1 {
		return nil
	}
	looks := float64(m.steps/meanPace + 1)
	share := float32(max(1/looks, meanPace*(1-m.keep))) // of the present values
	for i, p := range m.params {
		if cap(m.buffer) < p.Value.Len() {
			m.buffer = make([]float32, p.Value.Len())
		}
		now := m.buffer[:p.Value.Len()]
		if err := m.b.Download(bytesOf(now), p.Value); err != nil {
			return err
		}
		for j, v := range now {
			m.values[i][j] += share * (v - m.values[i][j])
		}
	}
	return nil
}

// Mean returns a copy of the mean.
func (m *RunningMean) Mean() [][]float32 {
	copies := make([][]float32, len(m.values))
	for i, v := range m.values {
		copies[i] = append([]float32{}, v...)
	}
	return copies
}
