// Scoring a policy over sessions.

package abr

import (
	"context"
	"math"
	"time"

	"netllm/internal/stats"
	"netllm/netllm"
)

// EvalOptions says how [Evaluate] runs. The zero value is the published
// evaluation: no noise.
type EvalOptions struct {
	Workers  int                   // sessions at a time; 0 = one per processor
	Noise    bool                  // random factors on the download times
	Seed     uint64                // of the noise
	Log      bool                  // keep every chunk
	Progress func(done, total int) // called after each session, never twice at a time
}

// Result is a policy's score.
type Result struct {
	Policy   string
	N        int             // sessions
	Mean     float64         // mean over the sessions of their mean QoE
	StdErr   float64         // sd/sqrt(N) over the sessions, sd with N-1; 0 for one session
	Seconds  float64         // wall-clock time of the whole run
	Sessions []SessionResult // in the order given
}

// SessionResult is the score of one session. All means are over its chunks 1
// to 47, the 47 that were decided; MeanQoE is MeanMbps - 4.3 MeanRebufferSec -
// MeanSwitchMbps up to rounding.
type SessionResult struct {
	ID              string // the trace's name
	StartRow        int
	MeanQoE         float64
	MeanMbps        float64 // bitrate
	MeanRebufferSec float64 // stall per chunk
	MeanSwitchMbps  float64 // change of bitrate from chunk to chunk
	Chunks          []Chunk // all 48; nil unless asked for
}

// Evaluate runs the policy of f through the sessions and scores it. Results
// other than Seconds do not depend on the number of workers. It fails if a
// session or the video is not valid, if the policy fails or chooses what does
// not exist, or if ctx is cancelled; the error says in which session.
func Evaluate(ctx context.Context, f Factory, video *Video, sessions []Session, opt EvalOptions) (*Result, error) {
	began := time.Now()
	result := &Result{Policy: f.Name, N: len(sessions), Sessions: make([]SessionResult, len(sessions))}
	run := runOptions{workers: opt.Workers, noise: opt.Noise, seed: opt.Seed, progress: opt.Progress}
	err := runAll(ctx, f, video, sessions, run, func(i int) observer {
		return score(&result.Sessions[i], sessions[i], opt.Log)
	})
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(sessions))
	for i := range values {
		values[i] = result.Sessions[i].MeanQoE
	}
	result.Mean, result.StdErr = stats.MeanStdErr(values)
	result.Seconds = time.Since(began).Seconds()
	return result, nil
}

// score returns an observer that fills r.
func score(r *SessionResult, s Session, log bool) observer {
	note := func(c Chunk) {
		if log {
			r.Chunks = append(r.Chunks, c)
		}
	}
	var qoe, kbps, stall, change float64
	var prev int
	return observer{
		began: func(o *Observation) {
			if log {
				r.Chunks = make([]Chunk, 0, Chunks)
			}
			note(o.Last)
			prev = o.Last.BitrateKbps
		},
		decided: func(*Observation, int) {},
		stepped: func(step netllm.Step[*Observation]) {
			c := step.Obs.Last
			note(c)
			qoe += step.Reward
			kbps += float64(c.BitrateKbps)
			stall += c.RebufferSec
			change += math.Abs(float64(c.BitrateKbps - prev))
			prev = c.BitrateKbps
			if step.Terminated {
				r.ID, r.StartRow = s.Trace.Name, s.StartRow
				r.MeanQoE = qoe / Decisions
				r.MeanMbps = kbps / Decisions / 1000
				r.MeanRebufferSec = stall / Decisions
				r.MeanSwitchMbps = change / Decisions / 1000
			}
		},
	}
}
