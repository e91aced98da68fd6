// The simulator as an environment: sessions, observations, the 6x6 state.

package abr

import (
	"errors"
	"fmt"

	"netllm/netllm"
)

const (
	// Features and History are the rows and columns of the state matrix.
	Features = 6
	History  = 6

	normalizerSec = 10.0 // of buffer and download time in the state
)

// Rows of the state matrix. A column is one step of history, the last the
// newest; only NextSizes has another thing in its columns.
const (
	RowBitrate    = 0 // of the chunk fetched / the ladder's top
	RowBuffer     = 1 // s / 10
	RowThroughput = 2 // Mbyte/s as the player measures it, round-trip time included
	RowDownload   = 3 // download time, s / 10
	RowNextSizes  = 4 // size of the next chunk in each quality, Mbyte
	RowRemaining  = 5 // chunks left / 48
)

// Observation is what an agent sees after a chunk has arrived. It belongs to
// the environment, changes at its next step, and is not to be written to.
type Observation struct {
	// State is the matrix that learned policies read, zero where the
	// session has no history yet.
	State [Features][History]float64

	Last      Chunk          // the chunk that just arrived
	Remaining int            // chunks left to fetch, 47..0
	NextBytes [Qualities]int // sizes of the next chunk; of chunk 0 when none is left
	Video     *Video
}

// StateFloat32 writes the state row by row to dst, which has 36 elements. It
// panics if dst is shorter.
func (o *Observation) StateFloat32(dst []float32) {
	dst = dst[:Features*History]
	for f := range o.State {
		for i, v := range o.State[f] {
			dst[f*History+i] = float32(v)
		}
	}
}

// chunkSizes are the sizes of one chunk as an observation has them.
type chunkSizes struct {
	bytes [Qualities]int
	mbyte [Qualities]float64
}

// sizesOf returns the sizes of every chunk of a session.
func sizesOf(v *Video) *[Chunks]chunkSizes {
	sizes := new([Chunks]chunkSizes)
	for i := range sizes {
		for q := range Qualities {
			sizes[i].bytes[q] = v.ChunkBytes[q][i]
			sizes[i].mbyte[q] = float64(v.ChunkBytes[q][i]) / 1000 / 1000
		}
	}
	return sizes
}

// push makes the state that of o.Last, the newest step, which is filled in
// already. next are the sizes of the chunk after it.
func (o *Observation) push(next *chunkSizes) {
	c := &o.Last
	o.Remaining = Chunks - 1 - c.Index
	o.NextBytes = next.bytes
	size := float64(c.SizeBytes)
	shift(&o.State[RowBitrate], float64(c.BitrateKbps)/float64(BitratesKbps[Qualities-1]))
	shift(&o.State[RowBuffer], c.BufferSec/normalizerSec)
	shift(&o.State[RowThroughput], size/c.DelayMs/1000)
	shift(&o.State[RowDownload], c.DelayMs/1000/normalizerSec)
	o.State[RowNextSizes] = next.mbyte
	shift(&o.State[RowRemaining], float64(o.Remaining)/Chunks)
}

// shift moves a row of history by one step and puts in the newest. Assigned
// one by one, the elements stay in registers: a copy would be a call.
func shift(row *[History]float64, newest float64) {
	row[0], row[1], row[2], row[3], row[4], row[5] = row[1], row[2], row[3], row[4], row[5], newest
}

// EnvConfig says what an [Env] plays.
type EnvConfig struct {
	Video    *Video
	Sessions []Session // Reset draws from these; may be empty if only ResetSession is used
	Noise    bool      // every download time is multiplied by a factor in [0.9, 1.1)
}

// Env is the streaming simulator as an environment: an action is the quality,
// 0..5, of the next chunk. Reset fetches chunk 0 in quality 0; 47 steps, whose
// rewards are the QoE of the other chunks, end the episode. One goroutine uses
// it at a time; neither Reset nor Step allocates.
type Env struct {
	config  EnvConfig
	valid   map[*Trace]bool // traces checked already
	sizes   *[Chunks]chunkSizes
	sim     simulator
	rng     MT19937
	obs     Observation
	running bool
}

var _ netllm.Env[*Observation, int] = (*Env)(nil)

// NewEnv makes an environment. It fails if the video or a session is not
// valid.
func NewEnv(config EnvConfig) (*Env, error) {
	if config.Video == nil {
		return nil, errors.New("abr: environment without a video")
	}
	if err := config.Video.Validate(); err != nil {
		return nil, fmt.Errorf("abr: video %q: %w", config.Video.Name, err)
	}
	e := &Env{config: config, valid: make(map[*Trace]bool), sizes: sizesOf(config.Video)}
	for i, s := range config.Sessions {
		if err := e.validate(s); err != nil {
			return nil, fmt.Errorf("abr: session %d: %w", i, err)
		}
	}
	return e, nil
}

// Reset starts one of the sessions, drawn from seed as the noise is, and
// returns what the agent sees after chunk 0.
func (e *Env) Reset(seed uint64) (*Observation, error) {
	if len(e.config.Sessions) == 0 {
		return nil, errors.New("abr: environment without sessions")
	}
	e.rng.Seed(fold32(seed))
	e.begin(e.config.Sessions[e.rng.IntRange(0, len(e.config.Sessions)-1)])
	return &e.obs, nil
}

// ResetSession starts session s, with noise (if it is on) drawn from seed. The
// last chunk's delay and reward of the observation are those of chunk 0.
func (e *Env) ResetSession(s Session, seed uint64) (*Observation, error) {
	if err := e.validate(s); err != nil {
		return nil, fmt.Errorf("abr: %w", err)
	}
	if e.config.Noise { // else nothing is drawn, and seeding takes as long as ten chunks
		e.rng.Seed(fold32(seed))
	}
	e.begin(s)
	return &e.obs, nil
}

// validate checks session s. Walking a trace takes as long as a session: one
// that was walked, which nothing changes since, is not walked again.
func (e *Env) validate(s Session) error {
	if e.valid[s.Trace] {
		return s.validateStart()
	}
	if err := s.validate(); err != nil {
		return err
	}
	if err := s.Trace.checkSession(e.config.Video); err != nil {
		return fmt.Errorf("trace %q: %w", s.Trace.Name, err)
	}
	e.valid[s.Trace] = true
	return nil
}

func (e *Env) begin(s Session) {
	e.sim.video = e.config.Video
	e.sim.noise = nil
	if e.config.Noise {
		e.sim.noise = &e.rng
	}
	e.sim.start(s)
	e.obs = Observation{Video: e.config.Video}
	e.fetch(0)
	e.running = true
}

// fetch downloads the next chunk and shows it to the agent, with the sizes of
// the one after it; after the last one, those of chunk 0.
func (e *Env) fetch(quality int) {
	e.sim.fetchTo(&e.obs.Last, quality)
	e.obs.push(&e.sizes[e.sim.chunk%Chunks])
}

// Step fetches the next chunk in the given quality. It fails if there is no
// such quality or the episode is over; nothing has changed then.
func (e *Env) Step(quality int) (netllm.Step[*Observation], error) {
	if !e.running {
		return netllm.Step[*Observation]{}, errors.New("abr: step without an episode: it has ended or was never started")
	}
	if quality < 0 || quality >= Qualities {
		return netllm.Step[*Observation]{}, fmt.Errorf("abr: quality %d, want 0 to %d", quality, Qualities-1)
	}
	e.fetch(quality)
	e.running = e.obs.Remaining > 0
	return netllm.Step[*Observation]{Obs: &e.obs, Reward: e.obs.Last.Reward, Terminated: !e.running}, nil
}
