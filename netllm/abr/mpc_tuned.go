// Model predictive control without the slips of the published baseline.

package abr

import (
	"fmt"
	"math"
)

// TunedDiscount is the share of the throughput that "mpc-tuned" plans with. It
// is the best of a grid on fcc-train with video1: three sessions per trace from
// random rows (seed 1) have a mean QoE of
//
//	0.40    0.45    0.50    0.55    0.60    0.65    0.70
//	0.6585  0.6834  0.6912  0.6967  0.6871  0.6718  0.6495
//
// TestTunedDiscount runs that search again.
const TunedDiscount = 0.55

// TunedMPC is plain MPC: the first quality of the best plan for the next five
// chunks, where each may have any quality, at a throughput of a fixed share of
// the harmonic mean of the last five. Unlike [MPC] it reads the sizes of the
// chunks that come next, may jump, and takes the round-trip time for what it
// is: it is left out of the throughputs and added to every download. Of equal
// plans the first in ascending order wins. Source: Yin et al., SIGCOMM 2015.
//
// The search bounds what a plan can still earn and leaves out plans that
// cannot win; its choice is that of a full enumeration. Decide does not
// allocate.
type TunedMPC struct {
	discount float64

	downloadSec [mpcHorizon][Qualities]float64
	depth       int
	floor, best float64 // what some plan is worth; what the best plan met is worth
	choice      int
}

// NewTunedMPC returns the policy that plans with so much of the throughput. It
// panics if the discount is not positive.
func NewTunedMPC(discount float64) *TunedMPC {
	if !(discount > 0) {
		panic(fmt.Sprintf("abr: NewTunedMPC: discount %v", discount))
	}
	return &TunedMPC{discount: discount}
}

// Reset does nothing: the observation has the history.
func (*TunedMPC) Reset() {}

// Decide returns the first quality of the best plan. It fails on an
// observation that no session yields.
func (m *TunedMPC) Decide(o *Observation) (int, error) {
	if o.Remaining < 0 || o.Remaining >= Chunks || o.Last.Quality < 0 || o.Last.Quality >= Qualities {
		return 0, fmt.Errorf("abr: mpc-tuned: %d chunks remaining after quality %d", o.Remaining, o.Last.Quality)
	}
	x, sec := o.State[RowThroughput][History-1], o.State[RowDownload][History-1]*normalizerSec
	if !(x > 0) || math.IsInf(x, 1) || !(sec > 0) || math.IsInf(sec, 1) {
		return 0, fmt.Errorf("abr: mpc-tuned: throughput of %v Mbyte/s over %v s", x, sec)
	}
	m.depth = min(mpcHorizon, o.Remaining)
	if m.depth == 0 {
		return 0, nil
	}
	bandwidth := float64(linkMean(o) * m.discount)
	next := Chunks - o.Remaining
	for j := range m.depth {
		for q := range Qualities {
			m.downloadSec[j][q] = float64(o.Video.ChunkBytes[q][next+j])/1e6/bandwidth + rttMs/1000
		}
	}
	start := tunedNode{quality: o.Last.Quality, bufferSec: o.Last.BufferSec}
	m.floor = math.Inf(-1)
	for q := range Qualities {
		n := start
		for j := range m.depth {
			n = m.after(n, j, q)
		}
		m.floor = max(m.floor, n.value(0))
	}
	m.best, m.choice = math.Inf(-1), 0
	m.walk(start, 0, 0)
	return m.choice, nil
}

// linkMean is the harmonic mean of the last five throughputs in Mbyte/s with the
// round-trip time taken out of the download times.
func linkMean(o *Observation) float64 {
	throughputs := o.State[RowThroughput]
	for i := range throughputs {
		if sec := float64(o.State[RowDownload][i] * normalizerSec); sec > 0 {
			// Noise may make a download shorter than the round trip it includes.
			transfer := max(sec-rttMs/1000, sec/10)
			throughputs[i] = throughputs[i] * sec / transfer
		}
	}
	return harmonicMean(&throughputs)
}

// tunedNode is what a plan has come to after some of its chunks.
type tunedNode struct {
	quality   int // of the last chunk
	bufferSec float64
	stallSec  float64
	kbps      int // sum over the chunks, minus that of the steps
}

// value is what a plan is worth that earns so much more and never stalls
// again. It grows with more, rounding included, and falls with the stall.
func (n *tunedNode) value(more int) float64 {
	return float64(n.kbps+more)/1000 - float64(rebufferPenalty*n.stallSec)
}

// after is n with chunk j of the plan fetched in quality q.
func (m *TunedMPC) after(n tunedNode, j, q int) tunedNode {
	if download := m.downloadSec[j][q]; n.bufferSec < download {
		n.stallSec += download - n.bufferSec
		n.bufferSec = 0
	} else {
		n.bufferSec -= download
	}
	n.bufferSec += mpcChunkSec
	n.kbps += BitratesKbps[q] - max(BitratesKbps[q]-BitratesKbps[n.quality], BitratesKbps[n.quality]-BitratesKbps[q])
	n.quality = q
	return n
}

func (m *TunedMPC) walk(from tunedNode, j, first int) {
	for q := range Qualities {
		if j == 0 {
			first = q
		}
		n := m.after(from, j, q)
		// The most that the rest can earn: the top quality from the next chunk
		// on, one step up to it.
		more := 0
		if left := m.depth - 1 - j; left > 0 {
			more = left*BitratesKbps[Qualities-1] - (BitratesKbps[Qualities-1] - BitratesKbps[q])
		}
		value := n.value(more)
		if value <= m.best || value < m.floor {
			continue
		}
		if j+1 < m.depth {
			m.walk(n, j+1, first)
			continue
		}
		m.best, m.choice = value, first
	}
}
