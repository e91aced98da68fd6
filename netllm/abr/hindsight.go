// What could have been done in the sessions of a pool: values of recorded states, and sessions played again.

package abr

import (
	"context"
	"fmt"
	"slices"

	"netllm/internal/parallel"
	"netllm/netllm"
)

// recordingsHeldOut says how many recordings there are to each that is held out.
const recordingsHeldOut = 7

// mostValid bounds the validation sessions: a look at them costs as much as playing them.
const mostValid = 102

// Replay is what [Adapter.TrainValues] learns from a pool of sessions and nothing else, see [Rebuild].
type Replay struct {
	// Pool has the episodes that are learned from, with the values that a [Planner] gives their states: it knows the rebuilt
	// trace, as nobody did when the episode was played.
	Pool *netllm.Pool

	Fit  *TraceSet // the rebuilt traces of those episodes
	Held []Session // the other episodes' sessions, on their rebuilt traces
}

// NewReplay rebuilds the throughput of a pool's episodes and has planners say what each quality would have been worth in
// their states. Every seventh recording is held out with all its episodes: by their names if the pool has them
// ([netllm.PoolMeta]), else episodes of one first state, which several policies played from one start, are one
// recording. Values that the pool has already are not looked at. progress, if not nil, is told how many episodes
// are done. It fails as Rebuild does, or if there are fewer than two recordings.
func NewReplay(ctx context.Context, pool *netllm.Pool, video *Video, workers int, progress func(done, total int)) (*Replay, error) {
	recordings, err := Rebuild(pool, video)
	if err != nil {
		return nil, err
	}
	held, err := holdOut(pool)
	if err != nil {
		return nil, err
	}
	r, learned := &Replay{Fit: &TraceSet{Name: "recordings"}}, &Transitions{}
	starts := pool.Episodes()
	var fit []*Recording
	for e := range recordings {
		if held[e] {
			r.Held = append(r.Held, recordings[e].Session)
			continue
		}
		r.Fit.Traces = append(r.Fit.Traces, recordings[e].Trace)
		fit = append(fit, &recordings[e])
		learned.Append(part(pool, starts[e], starts[e+1]))
	}
	learned.Values = make([]float32, learned.Len()*Qualities)
	failed, err := parallel.Each(ctx, len(fit), workers, func() (func(int) error, error) {
		return func(i int) error { return fit[i].values(learned, i*Decisions, video) }, nil
	}, func(done int) {
		if progress != nil {
			progress(done, len(fit))
		}
	})
	if failed >= 0 {
		return nil, fmt.Errorf("abr: %s: %w", fit[failed].Trace.Name, err)
	}
	if err != nil {
		return nil, err
	}
	r.Pool = learned.Pool(pool.Meta)
	r.Pool.Meta.Recordings = nil // episodes have gone
	return r, nil
}

// Options is [Recipe.PlaysOn] with the recordings; of those that are held out, some, evenly drawn from all, say which weights are the
// best.
func (r *Replay) Options(recipe Recipe, video *Video) (ValuesOptions, error) {
	var valid []Session
	n := min(len(r.Held), mostValid)
	for i := range n {
		valid = append(valid, r.Held[i*len(r.Held)/n])
	}
	return recipe.PlaysOn(video, r.Fit, valid)
}

// values notes in t, from transition at on, what every quality would have been worth in the states of the recording.
func (r *Recording) values(t *Transitions, at int, video *Video) error {
	p, err := NewPlanner(video, r.Trace)
	if err != nil {
		return err
	}
	var o Observation
	var worth [Qualities]float64
	for k := range Decisions { // the state after chunk k
		o.Last.Index, o.Last.TraceSec = k, r.after[k]
		o.Last.BufferSec = min(float64(t.States[((at+k)*Features+RowBuffer)*History+History-1])*normalizerSec, bufferCapMs/1000)
		if k > 0 {
			o.Last.Quality = int(t.Actions[at+k-1])
		}
		p.Values(&o, &worth)
		for q, v := range worth {
			t.Values[(at+k)*Qualities+q] = float32(v)
		}
	}
	return nil
}

// holdOut says of every episode whether it is held out.
func holdOut(pool *netllm.Pool) ([]bool, error) {
	const stateLen = Features * History
	starts := pool.Episodes()
	n := len(starts) - 1
	names := pool.Meta.Recordings
	if len(names) != 0 && len(names) != n {
		return nil, fmt.Errorf("abr: pool: names of %d recordings for %d episodes", len(names), n)
	}
	if len(names) == 0 {
		names = make([]string, n)
		for e := range names {
			names[e] = fmt.Sprint(pool.States[starts[e]*stateLen : (starts[e]+1)*stateLen])
		}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	if len(sorted) < 2 {
		return nil, fmt.Errorf("abr: pool: %d episodes of one recording: none would be left to choose weights by", n)
	}
	each := min(recordingsHeldOut, len(sorted))
	held := make([]bool, n)
	for e, name := range names {
		i, _ := slices.BinarySearch(sorted, name)
		held[e] = i%each == each/2
	}
	return held, nil
}

// part returns transitions of a pool, without values.
func part(p *netllm.Pool, from, to int) *Transitions {
	const stateLen = Features * History
	return &Transitions{
		States: p.States[from*stateLen : to*stateLen], Actions: p.Actions[from:to], Rewards: p.Rewards[from:to], Done: p.Done[from:to],
		Episodes: make([]int32, to-from), // numbered anew when appended
	}
}
