// Model predictive control: the best plan for the next five chunks, for a
// cautious guess of the bandwidth.

package abr

import (
	"fmt"
	"math"
)

const (
	mpcHorizon  = 5 // chunks looked ahead
	mpcMemory   = 5 // throughputs and errors looked back
	mpcChunkSec = chunkMs / 1000
)

// MPC is RobustMPC in the form of the published evaluation: plans move by at
// most one quality per chunk, and the harmonic mean of the last throughputs
// is divided by one plus the largest recent prediction error. Source: Yin et
// al., "A Control-Theoretic Approach for Dynamic Adaptive Video Streaming over
// HTTP", SIGCOMM 2015. Two slips of the original are kept, since its numbers
// depend on them: sizes are read one chunk too far ahead, and of equal plans
// the last wins.
//
// Decide does not allocate.
type MPC struct {
	carry bool // keep the history over sessions
	round bool // read the throughputs as float32: the original's first session
	begun bool

	errs     [mpcMemory]float64 // relative prediction errors, the newest at errCount-1 modulo length
	errCount int
	estimate float64 // harmonic mean at the last question; 0 = none yet

	search mpcSearch
}

// NewMPC returns the canonical MPC: each session starts without a history, so
// that results do not depend on the order of sessions.
func NewMPC() *MPC { return new(MPC) }

// NewCarryMPC returns MPC as the original runs it: the history of errors and
// estimates lives on from session to session, and the state it reads is
// float32 in its first session and float64 afterwards.
func NewCarryMPC() *MPC { return &MPC{carry: true} }

// Reset starts a session.
func (m *MPC) Reset() {
	m.round = m.carry && !m.begun
	m.begun = true
	if !m.carry {
		m.errCount, m.estimate = 0, 0
	}
}

// Decide returns the first quality of the best plan. It fails on an
// observation that no session yields.
func (m *MPC) Decide(o *Observation) (int, error) {
	if o.Remaining < 0 || o.Remaining >= Chunks || o.Last.Quality < 0 || o.Last.Quality >= Qualities {
		return 0, fmt.Errorf("abr: mpc: %d chunks remaining after quality %d", o.Remaining, o.Last.Quality)
	}
	throughputs := o.State[RowThroughput]
	if m.round {
		for i, x := range throughputs {
			throughputs[i] = float64(float32(x))
		}
	}
	if x := throughputs[History-1]; !(x > 0) || math.IsInf(x, 1) {
		return 0, fmt.Errorf("abr: mpc: throughput of %v Mbyte/s", x)
	}
	bandwidth := m.predict(throughputs)

	fetched := Chunks - o.Remaining
	depth := min(mpcHorizon, Chunks-fetched)
	if depth == 0 {
		return 0, nil
	}
	return m.search.run(o, fetched, depth, bandwidth), nil
}

// predict appends this question to the history and returns the discounted
// estimate of the bandwidth in Mbyte/s.
func (m *MPC) predict(throughputs [History]float64) float64 {
	newest := throughputs[History-1]
	relative := 0.0
	if m.estimate != 0 {
		relative = math.Abs(m.estimate-newest) / newest
	}
	m.errs[m.errCount%mpcMemory] = relative
	m.errCount++
	worst := 0.0
	for _, e := range m.errs[:min(m.errCount, mpcMemory)] {
		worst = max(worst, e)
	}

	m.estimate = harmonicMean(&throughputs)
	return m.estimate / (1 + worst)
}

// mpcSearch walks the tree of plans. Plans that begin alike share what their
// beginning costs; the sums are the same, in the same order, as if each plan
// were played on its own, and leaves come in ascending order of plans.
type mpcSearch struct {
	downloadSec [mpcHorizon][Qualities]float64
	depth       int
	best        float64
	choice      int
}

// mpcNode is what a plan has come to after some of its chunks.
type mpcNode struct {
	quality   int // of the last chunk
	first     int // of the first chunk
	bufferSec float64
	stallSec  float64
	kbps      int // sum over the chunks
	change    int // sum of the steps, kbit/s
}

func (s *mpcSearch) run(o *Observation, fetched, depth int, bandwidth float64) int {
	s.depth = depth
	for j := range depth {
		for q := range Qualities {
			// fetched is the chunk to come; the original reads the one after.
			s.downloadSec[j][q] = (float64(o.Video.ChunkBytes[q][fetched+j+1]) / 1e6) / bandwidth
		}
	}
	s.best, s.choice = math.Inf(-1), 0
	s.walk(0, mpcNode{quality: o.Last.Quality, bufferSec: o.Last.BufferSec})
	return s.choice
}

func (s *mpcSearch) walk(j int, from mpcNode) {
	for q := max(from.quality-1, 0); q <= min(from.quality+1, Qualities-1); q++ {
		n := from
		n.quality = q
		if j == 0 {
			n.first = q
		}
		if download := s.downloadSec[j][q]; n.bufferSec < download {
			n.stallSec += download - n.bufferSec
			n.bufferSec = 0
		} else {
			n.bufferSec -= download
		}
		n.bufferSec += mpcChunkSec
		n.kbps += BitratesKbps[q]
		n.change += max(BitratesKbps[q]-BitratesKbps[from.quality], BitratesKbps[from.quality]-BitratesKbps[q])
		if j+1 < s.depth {
			s.walk(j+1, n)
			continue
		}
		value := (float64(n.kbps)/1000 - float64(rebufferPenalty*n.stallSec)) - float64(n.change)/1000
		if value >= s.best {
			s.best, s.choice = value, n.first
		}
	}
}
