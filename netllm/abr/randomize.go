// Domain randomisation: links and videos that differ from those there are, so that a policy learns to do without knowing them.

package abr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Playlist is sessions in which one video is streamed.
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

// Of what altered sessions are made: so many have a video in common, and so many of these a trace.
const sessionsOfVideo, sessionsOfTrace = 50, 2

// Randomize returns n sessions, in playlists of up to 50, from random rows of traces that are drawn from set and altered, of
// altered videos. It is domain randomisation (Tobin et al. 2017; in this task the UDR agents of Genet, Xia et al. 2022, which
// draw synthetic links) about recorded links:
//
//   - a trace's bandwidth, in Mbit/s, is multiplied by a factor from 1/3 to 3, and by levels, each for up to 30 s, of at most
//     another 1/3 to 3; in one trace of three every tenth level is an outage, 1/20 of the bandwidth;
//   - all sizes of a video, in bytes, are multiplied by a factor from 2/3 to 3/2, those of a chunk by 0.9 to 1.1, and each by 0.95 to 1.05.
//
// These numbers are this project's, chosen once and not tuned. The same arguments give the same sessions; set and video are
// not changed. It fails if the set is empty, or a trace is not valid.
func Randomize(video *Video, set *TraceSet, n int, seed uint64) ([]Playlist, error) {
	if len(set.Traces) == 0 {
		return nil, fmt.Errorf("abr: trace set %q is empty", set.Name)
	}
	rng := rand.New(rand.NewPCG(seed, 0x76617279)) // a stream of its own
	var plays []Playlist
	for left := n; left > 0; {
		together := min(left, sessionsOfVideo)
		left -= together
		some := &TraceSet{Name: set.Name}
		for i := range (together + sessionsOfTrace - 1) / sessionsOfTrace {
			t := alterTrace(set.Traces[rng.IntN(len(set.Traces))], rng)
			t.Name = fmt.Sprintf("%s, altered (%d)", t.Name, i)
			some.Traces = append(some.Traces, t)
		}
		list, err := some.Sessions(Plan{Start: StartRandom, Episodes: together, Seed: rng.Uint64()})
		if err != nil {
			return nil, err
		}
		ByTrace(list)
		plays = append(plays, Playlist{alterVideo(video, rng), list})
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

func alterTrace(t *Trace, rng *rand.Rand) *Trace {
	const most, outage = 3, 0.05
	scale, rough, hold := factor(rng, most), 1+(most-1)*rng.Float64(), 1+29*rng.Float64()
	outages := rng.IntN(3) == 0
	altered := &Trace{Name: t.Name, TimeSec: t.TimeSec, Mbps: slices.Clone(t.Mbps)}
	level, until := 1.0, t.TimeSec[0]
	for i, now := range t.TimeSec {
		if now >= until {
			level, until = factor(rng, rough), now+hold*rng.Float64()
			if outages && rng.IntN(10) == 0 {
				level = outage
			}
		}
		altered.Mbps[i] = min(t.Mbps[i]*scale*level, maxTraceMbps)
	}
	return altered
}

func alterVideo(v *Video, rng *rand.Rand) *Video {
	const most, shared, own = 1.5, 0.1, 0.05
	about := func(spread float64) float64 { return 1 + spread*(2*rng.Float64()-1) }
	altered := &Video{Name: v.Name + ", altered", Note: v.Note}
	scale := factor(rng, most)
	for i := range v.ChunkBytes[0] {
		chunk := scale * about(shared)
		for q := range v.ChunkBytes {
			altered.ChunkBytes[q][i] = min(max(int(math.Round(float64(v.ChunkBytes[q][i])*chunk*about(own))), 1), maxChunkBytes)
		}
	}
	return altered
}

// PlaysOn returns what [Adapter.TrainValues] needs, but for backends: in each round the policy plays RoundSessions sessions from random
// rows of fit, of which the share Randomized is altered (see [Randomize]). The sessions of valid say which weights are best; if any are
// altered, as many altered ones of their traces do so too. It fails if a set is empty or not valid.
func (r Recipe) PlaysOn(video *Video, fit *TraceSet, valid []Session) (ValuesOptions, error) {
	opt := ValuesOptions{Valid: []Playlist{{video, valid}}}
	if r.Randomized > 0 {
		const seed = 5 // the same for all trainings
		held := &TraceSet{Name: fit.Name}
		for _, s := range valid {
			held.Traces = append(held.Traces, s.Trace)
		}
		more, err := Randomize(video, held, len(valid), seed)
		if err != nil {
			return opt, err
		}
		opt.Valid = append(opt.Valid, more...)
	}
	opt.Own = func(round int) ([]Playlist, error) {
		seed, altered := r.Seed<<16+uint64(round), int(math.Round(float64(r.RoundSessions)*r.Randomized))
		var plays []Playlist
		if altered < r.RoundSessions { // none would be one for each trace
			own, err := fit.Sessions(Plan{Start: StartRandom, Episodes: r.RoundSessions - altered, Shuffle: true, Seed: seed})
			if err != nil {
				return nil, err
			}
			ByTrace(own)
			plays = append(plays, Playlist{video, own})
		}
		more, err := Randomize(video, fit, altered, seed)
		return append(plays, more...), err
	}
	return opt, nil
}
