// What a learned policy is told of an observation: numbers for each stage.

package cjs

import "slices"

// StageFeatures is how many numbers describe a stage, as published: what its job can be given, whether that is the
// source's job, what it is taken to have, tasks left, and work left.
const StageFeatures = 5

// The published scales of the last two.
const (
	taskScale = 200
	workScale = 1e5 // ms
)

// Features describes the stages of an observation to a network. Its slices are used again by the next
// [Features.Read].
type Features struct {
	Width int       // of a row: StageFeatures, or one more
	Rows  []float32 // [nodes, Width]
	Caps  []int     // of each job: what it can be given, see [Observation.Cap]
}

// Read describes o. If waiting is set, a stage has another number, which the published networks do not know: 1
// if a stage before it is not completed, else 0.
func (f *Features) Read(o *Observation, waiting bool) {
	f.Width = StageFeatures
	if waiting {
		f.Width++
	}
	f.Rows = sized(f.Rows, len(o.Nodes)*f.Width)
	f.Caps = f.Caps[:0]
	n := float64(o.Executors)
	rows := f.Rows
	for k := range o.Jobs {
		j := &o.Jobs[k]
		limit := o.Cap(k)
		f.Caps = append(f.Caps, limit)
		share, supply, own := float32(float64(limit)/n), float32(float64(j.Supply)/n), float32(-1)
		if k == o.Source {
			own = 1
		}
		for i := j.First; i < j.End; i++ {
			s := &o.Nodes[i]
			row := rows[:f.Width]
			rows = rows[f.Width:]
			left := float64(s.Remaining)
			row[0], row[1], row[2], row[3], row[4] = share, own, supply, float32(left/taskScale), float32(left*s.Recent/workScale)
			if waiting {
				row[5] = 0
				if s.Waiting {
					row[5] = 1
				}
			}
		}
	}
}

// sized returns list with room for n elements, whatever they are.
func sized[T any](list []T, n int) []T { return slices.Grow(list[:0], n)[:n] }
