// BOLA: the buffer-based rule that is near-optimal by Lyapunov's argument.

package abr

import "math"

// bolaGamma is gamma times p of the paper, which weighs against stalls: its
// evaluation's value.
const bolaGamma = 5.0

// BOLA takes the quality m with the largest (V (v_m + gamma p) - Q) / S_m: Q is
// the buffer in chunks, S_m the size of a chunk by its label, v_m = ln(S_m/S_0)
// its utility, and V = (Qmax - 1) / (v_M + gamma p), the largest with which the
// buffer stays within its cap Qmax of 15 chunks. Of equals the lower quality is
// taken. Where all are negative the paper's player waits until the best
// quality is not; the same quality is taken here, for the simulator waits at
// the cap. Source: Spiteri, Urgaonkar and Sitaraman, "BOLA: Near-Optimal
// Bitrate Adaptation for Online Videos", INFOCOM 2016 (BOLA-BASIC).
type BOLA struct{}

// bolaV and bolaUtility are the paper's V and v for this ladder and cap.
var bolaV, bolaUtility = func() (v float64, utility [Qualities]float64) {
	for q, kbps := range BitratesKbps {
		utility[q] = math.Log(float64(kbps) / float64(BitratesKbps[0]))
	}
	return (bufferCapMs/chunkMs - 1) / (utility[Qualities-1] + bolaGamma), utility
}()

// Reset does nothing: the rule has no memory.
func (BOLA) Reset() {}

// Decide returns the quality for the buffer of o.
func (BOLA) Decide(o *Observation) (int, error) {
	level := o.Last.BufferSec * 1000 / chunkMs
	quality, best := 0, math.Inf(-1)
	for q, kbps := range BitratesKbps {
		score := (float64(bolaV*(bolaUtility[q]+bolaGamma)) - level) / float64(kbps)
		if score > best {
			quality, best = q, score
		}
	}
	return quality, nil
}
