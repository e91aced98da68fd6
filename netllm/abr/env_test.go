// The simulator by hand-made cases, the environment's contract, and that
// neither allocates.

package abr

import (
	"math"
	"testing"

	"netllm/netllm"
)

// flatVideo has chunks of bytes[q] in quality q, all alike.
func flatVideo(bytes [Qualities]int) *Video {
	v := &Video{Name: "flat"}
	for q := range bytes {
		for i := range v.ChunkBytes[q] {
			v.ChunkBytes[q][i] = bytes[q]
		}
	}
	return v
}

func newTrace(t testing.TB, rows ...[2]float64) *Trace {
	t.Helper()
	var sec, mbps []float64
	for _, r := range rows {
		sec, mbps = append(sec, r[0]), append(mbps, r[1])
	}
	tr, err := NewTrace("hand", sec, mbps)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func near(got, want float64) bool { return math.Abs(got-want) < 1e-9*max(1, math.Abs(want)) }

func TestQoE(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q, prev int
		stall   float64
		want    float64
	}{
		{0, 0, 0, 0.3}, {5, 5, 0, 4.3}, {5, 0, 0, 0.3}, {0, 5, 0, 0.3 - 4}, {2, 3, 1.5, 1.2 - 6.45 - 0.65},
	} {
		if got := QoE(c.q, c.prev, c.stall); !near(got, c.want) {
			t.Errorf("QoE(%d, %d, %v): got %v, want %v", c.q, c.prev, c.stall, got, c.want)
		}
	}
}

// TestDownload follows the trace's clock through cases worked out by hand. 0.8
// Mbit/s are 100000 bytes/s, of which 95000 carry payload.
func TestDownload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		rows     [][2]float64
		start    int
		bytes    float64
		sec      float64 // that the download takes
		row      int     // after it
		clockSec float64
	}{
		{"inside a row; row 0 is not used", [][2]float64{{0, 99}, {10, 0.8}}, 1, 190000, 2, 1, 2},
		{"across rows", [][2]float64{{0, 99}, {1, 0.8}, {3, 1.6}}, 1, 285000, 2, 2, 2},
		{"exactly a row is not enough", [][2]float64{{0, 99}, {1, 0.8}, {3, 1.6}}, 1, 95000, 1, 2, 1},
		{"over a dead row", [][2]float64{{0, 99}, {1, 0.8}, {5, 0}, {6, 0.8}}, 1, 142500, 5.5, 3, 5.5},
		{"start row", [][2]float64{{0, 99}, {1, 99}, {3, 0.8}}, 2, 95000, 1, 2, 2},
		// The start is at time[0] = 5, but the second lap begins at 0, and
		// row 1 then lasts 6 s.
		{"wrap to row 1 at time 0", [][2]float64{{5, 99}, {6, 0.8}, {7, 1.6}}, 1, 95000 * 5, 4, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := simulator{video: flatVideo([Qualities]int{1, 1, 1, 1, 1, 1})}
			s.start(Session{newTrace(t, c.rows...), c.start})
			if got := s.download(c.bytes); !near(got, c.sec) {
				t.Errorf("takes %v s, want %v", got, c.sec)
			}
			if s.row != c.row || !near(s.sec, c.clockSec) {
				t.Errorf("ends in row %d at %v s, want row %d at %v s", s.row, s.sec, c.row, c.clockSec)
			}
		})
	}
}

// TestBuffer fetches chunks of 1 s and checks stall, buffer, the wait above the
// cap, and that the round-trip time does not move the trace's clock.
func TestBuffer(t *testing.T) {
	t.Parallel()
	s := simulator{video: flatVideo([Qualities]int{95000, 1, 1, 1, 1, 1})}
	s.start(Session{newTrace(t, [2]float64{0, 0}, [2]float64{1000, 0.8}), 1})
	c := s.fetch(0)
	if !near(c.DelayMs, 1080) || !near(c.RebufferSec, 1.08) || c.BufferSec != 4 || !near(c.TraceSec, 1) {
		t.Errorf("first chunk: got %+v", c)
	}
	if !near(c.Reward, 0.3-4.3*1.08) {
		t.Errorf("first chunk: got reward %v", c.Reward)
	}
	// Each further chunk adds 2.92 s: 4, 6.92, ...; chunk 20 would bring
	// 62.4 s, so the player waits 2.5 s.
	for n := 1; n < 21; n++ {
		c = s.fetch(0)
		if n < 20 && (c.SleepMs != 0 || !near(c.BufferSec, 4+2.92*float64(n)) || c.RebufferSec != 0) {
			t.Errorf("chunk %d: got %+v", n, c)
		}
	}
	if c.SleepMs != 2500 || c.SleepReturnedMs != 2500 || !near(c.BufferSec, 59.9) || !near(c.TraceSec, 21+2.5) {
		t.Errorf("chunk 20: got %+v", c)
	}
}

// TestSleepOverRows checks the wait's two values where it crosses rows.
func TestSleepOverRows(t *testing.T) {
	t.Parallel()
	s := simulator{}
	s.start(Session{newTrace(t, [2]float64{0, 1}, [2]float64{1, 1}, [2]float64{1.75, 1}, [2]float64{3, 1}), 1})
	s.sec = 0.5
	if got := s.sleep(1500); !near(got, 250) || s.row != 3 || !near(s.sec, 2) {
		t.Errorf("got remainder %v, row %d, time %v; want 250, 3, 2", got, s.row, s.sec)
	}
	if got := s.sleep(1000); !near(got, 0) || s.row != 1 || s.sec != 0 {
		t.Errorf("to the trace's end: got remainder %v, row %d, time %v; want 0, 1, 0", got, s.row, s.sec)
	}
}

func TestEnvEpisode(t *testing.T) {
	t.Parallel()
	video := SynthVideo("x", 1, 1)
	set := openTraces(t, "", "synth:n=2")
	env, err := NewEnv(EnvConfig{Video: video, Sessions: []Session{{set.Traces[0], 1}, {set.Traces[1], 5}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.Step(0); err == nil {
		t.Error("step before reset: no error")
	}
	o, err := env.Reset(1)
	if err != nil {
		t.Fatal(err)
	}
	if o.Last.Index != 0 || o.Last.Quality != 0 || o.Remaining != 47 || o.NextBytes[3] != video.ChunkBytes[3][1] {
		t.Errorf("after reset: got %+v", o)
	}
	for _, q := range []int{-1, 6} {
		before := *o
		if _, err := env.Step(q); err == nil {
			t.Errorf("quality %d: no error", q)
		}
		if *o != before {
			t.Errorf("quality %d changed the environment", q)
		}
	}
	for n := 1; n < Chunks; n++ {
		last := o.Last.BitrateKbps
		step, err := env.Step(n % Qualities)
		if err != nil {
			t.Fatal(err)
		}
		o = step.Obs
		c := o.Last
		if c.Index != n || c.Quality != n%Qualities || c.SizeBytes != video.ChunkBytes[c.Quality][n] || o.Remaining != 47-n {
			t.Fatalf("chunk %d: got %+v, %d remaining", n, c, o.Remaining)
		}
		change := math.Abs(float64(c.BitrateKbps - last))
		if want := float64(c.BitrateKbps)/1000 - 4.3*c.RebufferSec - change/1000; !near(step.Reward, want) || step.Reward != c.Reward {
			t.Errorf("chunk %d: got reward %v, want %v", n, step.Reward, want)
		}
		if step.Terminated != (n == 47) || step.Truncated {
			t.Errorf("chunk %d: terminated %v, truncated %v", n, step.Terminated, step.Truncated)
		}
		newest := [Features]float64{
			float64(c.BitrateKbps) / 4300, c.BufferSec / 10, float64(c.SizeBytes) / c.DelayMs / 1000,
			c.DelayMs / 10000, float64(video.ChunkBytes[5][(n+1)%Chunks]) / 1e6, float64(47-n) / 48,
		}
		for f, want := range newest {
			if got := o.State[f][5]; !near(got, want) {
				t.Errorf("chunk %d, state row %d: got %v, want %v", n, f, got, want)
			}
		}
	}
	if _, err := env.Step(0); err == nil {
		t.Error("step after the end: no error")
	}
	if o.NextBytes[0] != video.ChunkBytes[0][0] {
		t.Errorf("sizes after the end: got %v, want those of chunk 0", o.NextBytes)
	}
}

func TestEnvBad(t *testing.T) {
	t.Parallel()
	video, trace := SynthVideo("x", 1, 1), openTraces(t, "", "synth").Traces[0]
	_, err := NewEnv(EnvConfig{})
	checkError(t, err, "without a video")
	_, err = NewEnv(EnvConfig{Video: video, Sessions: []Session{{trace, 1}, {trace, 0}}})
	checkError(t, err, "session 1", "start row 0, want 1 to")
	env, err := NewEnv(EnvConfig{Video: video})
	if err != nil {
		t.Fatal(err)
	}
	_, err = env.Reset(1)
	checkError(t, err, "without sessions")
	_, err = env.ResetSession(Session{}, 1)
	checkError(t, err, "without a trace")
	_, err = env.ResetSession(Session{trace, trace.Rows()}, 1)
	checkError(t, err, "start row")
	_, err = env.ResetSession(Session{&Trace{TimeSec: []float64{0, 1}, Mbps: []float64{1, 0}}, 1}, 1)
	checkError(t, err, "carries 0 bytes")
}

// TestResetSeed checks that Reset draws the session and the noise from the
// seed, and from nothing else.
func TestResetSeed(t *testing.T) {
	t.Parallel()
	set := openTraces(t, "", "synth")
	var sessions []Session
	for _, tr := range set.Traces {
		sessions = append(sessions, Session{tr, 1})
	}
	play := func(seed uint64, noise bool) (chunks []Chunk) {
		env, err := NewEnv(EnvConfig{Video: SynthVideo("x", 1, 1), Sessions: sessions, Noise: noise})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time, the environment has a past
			o, err := env.Reset(seed)
			if err != nil {
				t.Fatal(err)
			}
			chunks = append(chunks[:0], o.Last)
			for range Decisions {
				step, err := env.Step(1)
				if err != nil {
					t.Fatal(err)
				}
				chunks = append(chunks, step.Obs.Last)
			}
		}
		return chunks
	}
	first := map[float64]bool{}
	for seed := range uint64(20) {
		quiet, noisy := play(seed, false), play(seed, true)
		first[quiet[0].DelayMs] = true
		again, factors, spread, n := play(seed, true), 0.0, 0.0, 0.0
		for i := range noisy {
			if again[i] != noisy[i] {
				t.Fatalf("seed %d, chunk %d: the same seed gives %+v and %+v", seed, i, noisy[i], again[i])
			}
			// Noise leaves the trace's clock alone; only a wait, which
			// comes at another time then, moves it.
			if i > 0 && noisy[i-1].TraceSec != quiet[i-1].TraceSec {
				break
			}
			factor := noisy[i].DelayMs / quiet[i].DelayMs
			if factor < 0.9-1e-9 || factor > 1.1 || factor == 1 {
				t.Errorf("seed %d, chunk %d: noise factor %v", seed, i, factor)
			}
			n++
			factors += factor
			spread = max(spread, math.Abs(factor-1))
		}
		if mean := factors / n; n < 10 || mean < 0.95 || mean > 1.05 || spread < 0.05 {
			t.Errorf("seed %d: %v factors of mean %v and spread %v", seed, n, mean, spread)
		}
	}
	if len(first) < 5 {
		t.Errorf("20 seeds start %d of 10 sessions", len(first))
	}
}

func TestNoAllocation(t *testing.T) {
	set := openTraces(t, "", "synth")
	var env netllm.Env[*Observation, int]
	env, err := NewEnv(EnvConfig{Video: SynthVideo("x", 1, 1), Sessions: []Session{{set.Traces[0], 1}}, Noise: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range PolicyNames() {
		p, err := madeUp(t, name).New()
		if err != nil {
			t.Fatal(err)
		}
		var state [Features * History]float32
		allocs := testing.AllocsPerRun(3, func() {
			o, err := env.Reset(1)
			if err != nil {
				t.Fatal(err)
			}
			p.Reset()
			for done := false; !done; {
				q, err := p.Decide(o)
				if err != nil {
					t.Fatal(err)
				}
				step, err := env.Step(q)
				if err != nil {
					t.Fatal(err)
				}
				o, done = step.Obs, step.Terminated
				o.StateFloat32(state[:])
			}
		})
		if allocs != 0 {
			t.Errorf("%s: a session allocates %v times", name, allocs)
		}
	}
}
