// Links and videos that differ from those there are, so that a policy learns to do without knowing them.

package abr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Playlist is sessions of one video.
type Playlist struct {
	Video    *Video
	Sessions []Session
}

// countSessions counts those of all.
func countSessions(plays []Playlist) (n int) {
	for _, p := range plays {
		n += len(p.Sessions)
	}
	return n
}

// Of what varied sessions are made: so many have a video in common, and so many of these a trace.
const variedTogether, variedOfTrace = 50, 2

// Vary returns n sessions from random rows of traces that are drawn from set and altered, with altered videos. A trace
// gets a rate that is up to three times as large or small, and levels of its own over that, each for up to half a minute,
// which may be next to nothing in one trace of three; a video up to one and a half times the size, or less, and chunks that differ
// by up to 15 %. How much was not tuned. The same arguments give the same sessions.
func Vary(video *Video, set *TraceSet, n int, seed uint64) ([]Playlist, error) {
	if len(set.Traces) == 0 {
		return nil, fmt.Errorf("abr: trace set %q is empty", set.Name)
	}
	rng := rand.New(rand.NewPCG(seed, 0x76617279))
	var plays []Playlist
	for left := n; left > 0; {
		together := min(left, variedTogether)
		left -= together
		some := &TraceSet{Name: set.Name}
		for i := range (together + variedOfTrace - 1) / variedOfTrace {
			t := varyTrace(set.Traces[rng.IntN(len(set.Traces))], rng)
			t.Name = fmt.Sprintf("%s, altered (%d)", t.Name, i)
			some.Traces = append(some.Traces, t)
		}
		list, err := some.Sessions(Plan{Start: StartRandom, Episodes: together, Seed: rng.Uint64()})
		if err != nil {
			return nil, err
		}
		ByTrace(list)
		plays = append(plays, Playlist{varyVideo(video, rng), list})
	}
	return plays, nil
}

// factor draws a number from 1 to most, or its inverse.
func factor(rng *rand.Rand, most float64) float64 {
	f := 1 + (most-1)*rng.Float64()
	if rng.IntN(2) == 0 {
		return 1 / f
	}
	return f
}

func varyTrace(t *Trace, rng *rand.Rand) *Trace {
	const most, outage = 3, 0.05
	scale, rough, hold := factor(rng, most), 1+(most-1)*rng.Float64(), 1+29*rng.Float64()
	outages := rng.IntN(3) == 0
	varied := &Trace{Name: t.Name, TimeSec: t.TimeSec, Mbps: slices.Clone(t.Mbps)}
	level, until := 1.0, t.TimeSec[0]
	for i, now := range t.TimeSec {
		if now >= until {
			level, until = factor(rng, rough), now+hold*rng.Float64()
			if outages && rng.IntN(10) == 0 {
				level = outage
			}
		}
		varied.Mbps[i] = min(t.Mbps[i]*scale*level, maxTraceMbps)
	}
	return varied
}

func varyVideo(v *Video, rng *rand.Rand) *Video {
	const most, shared, own = 1.5, 0.1, 0.05
	about := func(spread float64) float64 { return 1 + spread*(2*rng.Float64()-1) }
	varied := &Video{Name: v.Name + ", altered", Note: v.Note}
	scale := factor(rng, most)
	for i := range v.ChunkBytes[0] {
		chunk := scale * about(shared)
		for q := range v.ChunkBytes {
			varied.ChunkBytes[q][i] = min(max(int(math.Round(float64(v.ChunkBytes[q][i])*chunk*about(own))), 1), maxChunkBytes)
		}
	}
	return varied
}

// PlaysOn returns what [Adapter.TrainValues] needs, but for backends: in each round the policy plays traces of fit from random rows,
// a share of them altered as the recipe says, and valid says which weights are best, altered too in that case.
func (r Recipe) PlaysOn(video *Video, fit *TraceSet, valid []Session) (ValuesOptions, error) {
	opt := ValuesOptions{Valid: []Playlist{{video, valid}}}
	if r.Vary > 0 {
		const seed = 5 // the same for all trainings
		held := &TraceSet{Name: fit.Name}
		for _, s := range valid {
			held.Traces = append(held.Traces, s.Trace)
		}
		more, err := Vary(video, held, len(valid), seed)
		if err != nil {
			return opt, err
		}
		opt.Valid = append(opt.Valid, more...)
	}
	opt.Own = func(round int) ([]Playlist, error) {
		seed, varied := r.Seed<<16+uint64(round), int(math.Round(float64(r.RoundSessions)*r.Vary))
		var plays []Playlist
		if varied < r.RoundSessions { // none would be one for each trace
			own, err := fit.Sessions(Plan{Start: StartRandom, Episodes: r.RoundSessions - varied, Shuffle: true, Seed: seed})
			if err != nil {
				return nil, err
			}
			ByTrace(own)
			plays = append(plays, Playlist{video, own})
		}
		more, err := Vary(video, fit, varied, seed)
		return append(plays, more...), err
	}
	return opt, nil
}
