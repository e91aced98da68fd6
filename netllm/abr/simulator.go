// The chunk-level streaming simulator: how long a chunk takes on a trace, and
// what that does to the buffer.

package abr

import "math"

const (
	chunkMs         = 4000.0  // length of a chunk
	bufferCapMs     = 60000.0 // above it the player waits before it fetches on
	drainStepMs     = 500.0   // granularity of that waiting
	payloadFraction = 0.95    // of the link's bandwidth; the rest is headers
	rttMs           = 80.0    // added to every chunk; does not move the trace's clock
	noiseLow        = 0.9     // the download time's random factor, when noise is on
	noiseHigh       = 1.1

	rebufferPenalty = 4.3 // QoE per second of stall
)

// QoE returns the score of one chunk of quality q after one of quality prev,
// with rebufferSec seconds of stall: Mbit/s, minus 4.3 per second of stall,
// minus the change of quality in Mbit/s. It panics if a quality is out of range.
func QoE(q, prev int, rebufferSec float64) float64 {
	kbps, change := BitratesKbps[q], BitratesKbps[q]-BitratesKbps[prev]
	if change < 0 {
		change = -change
	}
	return (float64(kbps)/1000 - float64(rebufferPenalty*rebufferSec)) - float64(change)/1000
}

// Chunk is what fetching one chunk did: a line of a session's log.
type Chunk struct {
	Index       int // 0..47
	Quality     int
	BitrateKbps int // the quality's label
	SizeBytes   int
	DelayMs     float64 // download time, round-trip time and noise included
	BufferSec   float64 // after the chunk was added and the player waited
	RebufferSec float64 // stall during the download
	Reward      float64 // QoE of this chunk

	// The player waits when the buffer is above its cap. SleepMs is what the
	// buffer lost and the trace's clock gained. SleepReturnedMs is what the
	// original simulator reports instead: only the part that falls into the
	// last trace row touched. Nothing but logged wall clocks depends on it.
	SleepMs, SleepReturnedMs float64

	// Where the chunk left the trace: the row in use and the time reached.
	TraceRow int
	TraceSec float64
}

// simulator is the state of one session. Every product is rounded by an
// explicit float64() before it is added, since Go may otherwise fuse the two
// and the last bit, on which ties between plans hang, would depend on the
// machine.
type simulator struct {
	video *Video
	trace *Trace
	row   int     // of the trace, in use now
	sec   float64 // the trace's clock
	bufMs float64
	chunk int // fetched so far
	prevQ int

	noise *MT19937 // nil = none
}

func (s *simulator) start(session Session) {
	s.trace = session.Trace
	s.row = session.StartRow
	s.sec = session.Trace.TimeSec[session.StartRow-1]
	s.bufMs, s.chunk, s.prevQ = 0, 0, 0
}

// fetch downloads the next chunk in quality q.
func (s *simulator) fetch(q int) (c Chunk) {
	s.fetchTo(&c, q)
	return c
}

// fetchTo is fetch into a chunk that the caller has: the simulator's time goes
// into copying as much as into computing.
func (s *simulator) fetchTo(c *Chunk, q int) {
	size := s.video.ChunkBytes[q][s.chunk]
	delayMs := float64(s.download(float64(size))*1000) + rttMs
	if s.noise != nil {
		delayMs = float64(delayMs * s.noise.Uniform(noiseLow, noiseHigh))
	}
	rebufferMs := max(delayMs-s.bufMs, 0)
	s.bufMs = max(s.bufMs-delayMs, 0) + chunkMs

	var sleepMs, returnedMs float64
	if s.bufMs > bufferCapMs {
		sleepMs = float64(math.Ceil((s.bufMs-bufferCapMs)/drainStepMs) * drainStepMs)
		s.bufMs -= sleepMs
		returnedMs = s.sleep(sleepMs)
	}

	c.Index, c.Quality, c.BitrateKbps, c.SizeBytes = s.chunk, q, BitratesKbps[q], size
	c.DelayMs, c.BufferSec, c.RebufferSec = delayMs, s.bufMs/1000, rebufferMs/1000
	c.SleepMs, c.SleepReturnedMs = sleepMs, returnedMs
	c.TraceRow, c.TraceSec = s.row, s.sec
	c.Reward = QoE(q, s.prevQ, c.RebufferSec)
	s.prevQ = q
	s.chunk++
}

// download moves the trace's clock until size bytes have arrived and returns
// the seconds that took.
func (s *simulator) download(size float64) float64 {
	delay, sent := 0.0, 0.0
	for {
		rate := s.trace.Mbps[s.row] * 1e6 / 8 // bytes per second
		rowSec := s.trace.TimeSec[s.row] - s.sec
		payload := float64(rate * rowSec * payloadFraction)
		if sent+payload > size {
			rest := (size - sent) / rate / payloadFraction
			s.sec += rest
			return delay + rest
		}
		sent += payload
		delay += rowSec
		s.nextRow()
	}
}

// sleep moves the trace's clock by ms milliseconds and returns how many of
// them fell into the last row.
func (s *simulator) sleep(ms float64) float64 {
	for {
		rowSec := s.trace.TimeSec[s.row] - s.sec
		if rowSec > ms/1000 {
			s.sec += ms / 1000
			return ms
		}
		ms -= float64(rowSec * 1000)
		s.nextRow()
	}
}

// nextRow goes to the end of the row in use. After the last row the trace
// begins again at row 1 and at time 0, whatever the time of row 0.
func (s *simulator) nextRow() {
	s.sec = s.trace.TimeSec[s.row]
	s.row++
	if s.row >= len(s.trace.TimeSec) {
		s.row, s.sec = 1, 0
	}
}
