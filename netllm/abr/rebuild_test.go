package abr

import (
	"math"
	"slices"
	"strings"
	"testing"

	"netllm/netllm"
)

// recordedPool is what several policies do on generated traces, from random rows: with full buffers, stalls, and stalls on the last chunk.
func recordedPool(t testing.TB, video *Video, traces string, episodes int, policies ...string) (*netllm.Pool, []Session) {
	t.Helper()
	set, err := OpenTraces("", traces)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(Plan{Start: StartRandom, Episodes: episodes, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	all := &Transitions{}
	for _, name := range policies {
		f, err := Exploring(factory(t, name), 0.1, 3)
		if err != nil {
			t.Fatal(err)
		}
		part, err := Collect(t.Context(), f, video, sessions, CollectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all.Append(part)
	}
	return all.Pool(netllm.PoolMeta{}), sessions
}

// Whoever plays a recorded episode's choices again on its rebuilt trace sees what was recorded.
func TestRebuiltEpisodesRepeat(t *testing.T) {
	const stateLen = Features * History
	video := SynthVideo("synth1", 1, 1)
	policies := []string{"bba", "mpc", "constant:0", "constant:5", "random"}
	pool, _ := recordedPool(t, video, "synth:n=6,dur=200,min=0.1,max=6", 12, policies...)
	recordings, err := Rebuild(pool, video)
	if err != nil {
		t.Fatal(err)
	}
	if want := 12 * len(policies); len(recordings) != want {
		t.Fatalf("%d recordings, want %d", len(recordings), want)
	}
	env, err := NewEnv(EnvConfig{Video: video})
	if err != nil {
		t.Fatal(err)
	}
	var waits, stalls, lastStalls int
	var offState, offReward float64
	for e, r := range recordings {
		o, err := env.ResetSession(r.Session, 0)
		if err != nil {
			t.Fatal(err)
		}
		for at := e * Decisions; at < (e+1)*Decisions; at++ {
			k := at - e*Decisions
			if d := math.Abs(o.Last.TraceSec - r.after[k]); d > 1e-4 {
				t.Fatalf("episode %d, chunk %d: %v s on the trace, want %v", e, k, o.Last.TraceSec, r.after[k])
			}
			if o.Last.SleepMs > 0 {
				waits++
			}
			var state [stateLen]float32
			o.StateFloat32(state[:])
			for i, got := range state {
				want := float64(pool.States[at*stateLen+i])
				d := math.Abs(float64(got)-want) / (1 + math.Abs(want))
				if offState = max(offState, d); d > 2e-6 {
					t.Fatalf("episode %d, chunk %d: state element %d is %v, want %v", e, k, i, got, want)
				}
			}
			step, err := env.Step(int(pool.Actions[at]))
			if err != nil {
				t.Fatal(err)
			}
			if o.Last.RebufferSec > 0.01 {
				if stalls++; o.Remaining == 0 {
					lastStalls++
				}
			}
			d := math.Abs(step.Reward-pool.Rewards[at]) / (1 + math.Abs(step.Reward))
			if offReward = max(offReward, d); d > 2e-5 {
				t.Fatalf("episode %d, chunk %d: reward %v, want %v", e, k+1, step.Reward, pool.Rewards[at])
			}
		}
	}
	t.Logf("%d waits, %d stalls, %d of them on last chunks; states off by %.2g, rewards by %.2g", waits, stalls, lastStalls, offState, offReward)
	if waits < 100 || stalls < 100 || lastStalls < 5 {
		t.Errorf("%d waits, %d stalls, %d of them on last chunks: too few to say much", waits, stalls, lastStalls)
	}
}

// The rates are those of the link while something was downloaded: on a steady link they are its bandwidth, also while the player waits.
func TestRebuiltRates(t *testing.T) {
	const mbps = 2.5
	trace, err := NewTrace("steady", []float64{0, 100}, []float64{0, mbps})
	if err != nil {
		t.Fatal(err)
	}
	video := SynthVideo("synth1", 1, 1)
	for _, name := range []string{"constant:0", "constant:5"} {
		c, err := Collect(t.Context(), factory(t, name), video, []Session{{trace, 1}}, CollectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Rebuild(c.Pool(netllm.PoolMeta{}), video)
		if err != nil {
			t.Fatal(err)
		}
		for i, rate := range r[0].Trace.Mbps[1:] {
			if math.Abs(rate-mbps) > 1e-5 {
				t.Errorf("%s: row %d has %v Mbit/s, want %v", name, i+1, rate, mbps)
			}
		}
	}
}

// A pool that cannot be rebuilt is one clear error.
func TestRebuildErrors(t *testing.T) {
	video := SynthVideo("synth1", 1, 1)
	newest := func(p *netllm.Pool, at, row int) *float32 {
		return &p.States[at*Features*History+row*History+History-1]
	}
	for _, c := range []struct {
		name  string
		spoil func(p *netllm.Pool)
		want  string
	}{
		{"short", func(p *netllm.Pool) { // the second episode loses its first transition
			*p = *(&Transitions{States: slices.Delete(p.States, 47*36, 48*36), Actions: slices.Delete(p.Actions, 47, 48), Rewards: slices.Delete(p.Rewards, 47, 48),
				Done: slices.Delete(p.Done, 47, 48), Episodes: slices.Delete(p.Episode, 47, 48)}).Pool(p.Meta)
		}, "episode 1 has 46 transitions"},
		{"foreign sizes", func(p *netllm.Pool) { p.States[50*36+RowNextSizes*History+2] *= 1.01 }, `episode 1: chunk 3: the next one has`},
		{"faster than a round trip", func(p *netllm.Pool) {
			*newest(p, 1, RowThroughput) *= *newest(p, 1, RowDownload) / 0.007
			*newest(p, 1, RowDownload) = 0.007
		}, "chunk 1: came in"},
		{"download time", func(p *netllm.Pool) { *newest(p, 5, RowDownload) *= 2 }, "chunk 5: its size is"},
		{"negative time", func(p *netllm.Pool) { *newest(p, 5, RowDownload) *= -1 }, "chunk 5: its size is"},
		{"bitrate", func(p *netllm.Pool) { *newest(p, 5, RowBitrate) += 0.1 }, "chunk 5: its bitrate is"},
		{"remaining", func(p *netllm.Pool) { *newest(p, 5, RowRemaining) += 0.1 }, "chunk 5: its share of chunks left is"},
		{"buffer", func(p *netllm.Pool) { *newest(p, 5, RowBuffer) += 0.02 }, "chunk 5: a buffer of"},
		{"buffer above the cap", func(p *netllm.Pool) { *newest(p, 5, RowBuffer) = 6.5 }, "chunk 5: a buffer of 65 s"},
		{"action", func(p *netllm.Pool) { p.Actions[5] = (p.Actions[5] + 1) % Qualities }, "chunk 6: its bitrate is"},
		{"reward", func(p *netllm.Pool) { p.Rewards[5] += 0.1 }, "chunk 6: its reward is"},
		{"endless stall", func(p *netllm.Pool) { p.Rewards[46] = -1e6 }, "episode 0: it takes"},
		{"last reward", func(p *netllm.Pool) { p.Rewards[46] += 50 }, "chunk 47: its reward is"},
		{"quality", func(p *netllm.Pool) { p.Actions[46] = 6 }, "quality 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool, _ := recordedPool(t, video, "synth:n=2", 2, "mpc")
			c.spoil(pool)
			if _, err := Rebuild(pool, video); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	pool, _ := recordedPool(t, video, "synth:n=2", 2, "mpc")
	if _, err := Rebuild(pool, SynthVideo("synth2", 2, 1.2)); err == nil || !strings.Contains(err.Error(), "another video") {
		t.Errorf("another video: got %v", err)
	}
}
