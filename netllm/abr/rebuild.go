// The throughput that the episodes of a pool met, rebuilt from their states.

package abr

import (
	"fmt"
	"math"

	"netllm/netllm"
)

// Tolerances of what a pool's numbers, rounded to float32 and added up over an episode, may be off by.
const (
	nearNumber = 1e-4 // of a state, of a chunk's megabytes
	nearSec    = 1e-4 // of a buffer, of a stall
	nearReward = 1e-3
)

// maxRecordingSec bounds what a session may take: a planner's table has 139 kB for each second.
const maxRecordingSec = 4 * 3600.0

// Recording is an episode of a pool as a session on a trace of its own: the throughput that each of its chunks came with.
type Recording struct {
	Session // from row 1 of the rebuilt trace

	// after is when each chunk had come and the player had waited, in seconds of the trace.
	after [Chunks]float64
}

// Rebuild returns the recordings of a pool's episodes, in their order, from states, actions and rewards alone. A chunk's bytes
// came in its download time, less the round-trip time, at one rate: a row of the trace. While the player waits for its buffer to
// fall nothing is known of the link; it is taken to have the mean of the rates before and after. The last chunk's time is
// in no state: if it stalled, the reward tells it, else its rate is taken to be the one before, or more if it would have
// stalled then. A session that outlasts a recording goes on at its beginning, as on every trace.
//
// Playing an episode's choices again on its trace gives its delays, buffers and rewards again, but for the rounding of the
// states. Any other choices meet the throughput as it was recorded: that it does not depend on what is
// downloaded is an assumption. Rates are means over chunks, hence smoother than the link was. Random factors on download times, if
// the pool was collected with such, are taken for the link's.
//
// It fails, and says at which episode and chunk, if the pool's sessions are not whole, were played with another video than this
// one, or have numbers that no session of this simulator has.
func Rebuild(pool *netllm.Pool, video *Video) ([]Recording, error) {
	if err := checkPool(pool); err != nil {
		return nil, err
	}
	if err := video.Validate(); err != nil {
		return nil, fmt.Errorf("abr: video %q: %w", video.Name, err)
	}
	starts := pool.Episodes()
	recordings := make([]Recording, len(starts)-1)
	sizes := sizesOf(video)
	for e := range recordings {
		from := starts[e]
		if n := starts[e+1] - from; n != Decisions {
			return nil, fmt.Errorf("abr: pool: episode %d has %d transitions, rebuilding its throughput needs all %d of a session", e, n, Decisions)
		}
		r := rebuilder{pool: pool, video: video, sizes: sizes, from: from}
		if err := r.rebuild(&recordings[e], fmt.Sprintf("episode_%06d", e)); err != nil {
			return nil, fmt.Errorf("abr: pool: episode %d: %w", e, err)
		}
	}
	return recordings, nil
}

// rebuilder reads one episode.
type rebuilder struct {
	pool  *netllm.Pool
	video *Video
	sizes *[Chunks]chunkSizes
	from  int // its first transition
}

// newest is the newest number of a row of the state after a chunk.
func (r *rebuilder) newest(chunk, row int) float64 {
	return float64(r.state(chunk, row)[History-1])
}

// state is a row of the state after a chunk, but the last.
func (r *rebuilder) state(chunk, row int) []float32 {
	at := ((r.from+chunk)*Features + row) * History
	return r.pool.States[at : at+History]
}

// quality is what a chunk was fetched in.
func (r *rebuilder) quality(chunk int) int {
	if chunk == 0 {
		return 0
	}
	return int(r.pool.Actions[r.from+chunk-1])
}

// buffer is the buffer after a chunk, but the last, s.
func (r *rebuilder) buffer(chunk int) float64 {
	if chunk < 0 {
		return 0
	}
	return r.newest(chunk, RowBuffer) * normalizerSec
}

func (r *rebuilder) rebuild(to *Recording, name string) error {
	var took, slept [Chunks]float64 // s: to download on the link, to wait afterwards
	for k := range Chunks {
		var err error
		if took[k], slept[k], err = r.chunk(k, took[:k]); err != nil {
			return fmt.Errorf("chunk %d: %w", k, err)
		}
	}
	times, mbps := make([]float64, 1, Chunks+2), make([]float64, 1, Chunks+2)
	sec := 0.0
	add := func(lasts, rate float64) {
		sec += lasts
		times, mbps = append(times, sec), append(mbps, rate)
	}
	for k := range Chunks {
		rate := r.rate(k, took[k])
		add(took[k], rate)
		if slept[k] > 0 {
			add(slept[k], (rate+r.rate(k+1, took[k+1]))/2)
		}
		to.after[k] = sec
	}
	if !(sec <= maxRecordingSec) {
		return fmt.Errorf("it takes %v s, at most %v s", sec, maxRecordingSec)
	}
	trace, err := NewTrace(name, times, mbps)
	if err == nil {
		err = trace.checkSession(r.video)
	}
	to.Session = Session{Trace: trace, StartRow: 1}
	return err
}

// chunk returns how long a chunk took to download on the link, and how long the player waited then, if those before took so long.
func (r *rebuilder) chunk(k int, before []float64) (took, slept float64, err error) {
	const roundTrip = rttMs / 1000
	last := k == Chunks-1
	var delay float64
	if last {
		delay, err = r.lastDelay(before[k-1])
	} else {
		delay, err = r.newest(k, RowDownload)*normalizerSec, r.check(k)
	}
	if err == nil && !(delay > roundTrip) {
		err = fmt.Errorf("came in %v s, a round trip alone takes %v s", delay, roundTrip)
	}
	if err == nil && !last {
		slept, err = r.wait(k, delay)
	}
	return delay - roundTrip, slept, err
}

// rate is the bandwidth, Mbit/s, of a link that brought a chunk in so many seconds.
func (r *rebuilder) rate(chunk int, sec float64) float64 {
	return float64(r.video.ChunkBytes[r.quality(chunk)][chunk]) * 8 / 1e6 / payloadFraction / sec
}

// check compares the state after a chunk, but the last, with the video and with the choice that led to it.
func (r *rebuilder) check(k int) error {
	for q, mbyte := range r.sizes[k+1].mbyte {
		if got := float64(r.state(k, RowNextSizes)[q]); !(math.Abs(got-mbyte) <= nearNumber*mbyte) {
			return fmt.Errorf("the next one has %v Mbyte in quality %d, and %v in video %q: the pool is of another video", got, q, mbyte, r.video.Name)
		}
	}
	q := r.quality(k)
	for _, row := range []struct {
		name      string
		got, want float64
	}{
		{"bitrate", r.newest(k, RowBitrate), float64(BitratesKbps[q]) / float64(BitratesKbps[Qualities-1])},
		{"share of chunks left", r.newest(k, RowRemaining), float64(Chunks-1-k) / Chunks},
		{"size", r.newest(k, RowThroughput) * r.newest(k, RowDownload) * normalizerSec, r.sizes[k].mbyte[q]}, // throughput times delay
	} {
		if !(math.Abs(row.got-row.want) <= nearNumber*(1+math.Abs(row.want))) {
			return fmt.Errorf("its %s is %v, that of quality %d is %v", row.name, row.got, q, row.want)
		}
	}
	return nil
}

// wait returns how long the player waited after a chunk, but the last, that came in so many seconds, and checks its buffer and its
// reward.
func (r *rebuilder) wait(k int, delay float64) (float64, error) {
	const capSec, drainSec = bufferCapMs / 1000, drainStepMs / 1000
	before, after := r.buffer(k-1), r.buffer(k)
	filled := max(before-delay, 0) + chunkMs/1000
	sleep := math.Round((filled-after)/drainSec) * drainSec
	// It waits until the buffer is at most full, and no step longer.
	if !(math.Abs(filled-sleep-after) <= nearSec) || sleep < 0 || sleep > 0 && filled-sleep <= capSec-drainSec-nearSec || after > capSec+nearSec {
		return 0, fmt.Errorf("a buffer of %v s after it, %v s before and %v s of download make %v s", after, before, delay, filled)
	}
	if k == 0 { // nobody's decision: it has no reward in the pool
		return sleep, nil
	}
	got, want := r.pool.Rewards[r.from+k-1], QoE(r.quality(k), r.quality(k-1), max(delay-before, 0))
	if !(math.Abs(got-want) <= nearReward*(1+math.Abs(want)/10)) {
		return 0, fmt.Errorf("its reward is %v, its quality and stall are worth %v", got, want)
	}
	return sleep, nil
}

// lastDelay is the download time of the last chunk, s, if the one before it took so long on the link.
func (r *rebuilder) lastDelay(before float64) (float64, error) {
	const k = Chunks - 1
	reward, q, prev := r.pool.Rewards[r.from+k-1], r.quality(k), r.quality(k-1)
	stall := (QoE(q, prev, 0) - reward) / rebufferPenalty
	if !(stall >= -nearSec) {
		return 0, fmt.Errorf("its reward is %v, more than its quality is worth", reward)
	}
	buffer := r.buffer(k - 1)
	if stall > nearSec {
		return buffer + stall, nil
	}
	same := float64(r.video.ChunkBytes[q][k]) / float64(r.video.ChunkBytes[prev][k-1]) * before
	return min(same+rttMs/1000, buffer), nil
}
