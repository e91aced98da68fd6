// Evaluate and Collect: the same whatever the workers, cancellable, and clear
// about what failed.

package abr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
)

func synthSessions(t testing.TB, n int) []Session {
	t.Helper()
	sessions, err := openTraces(t, "", "synth").Sessions(Plan{Episodes: n, Start: StartRandom, Shuffle: true, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

func TestEvaluateWorkers(t *testing.T) {
	t.Parallel()
	video, sessions := SynthVideo("x", 1, 1), synthSessions(t, 23)
	for _, name := range PolicyNames() {
		var want *Result
		f := madeUp(t, name)
		for _, workers := range []int{1, 2, 7, 100, 0} {
			calls := 0
			got, err := Evaluate(t.Context(), f, video, sessions, EvalOptions{
				Workers: workers, Noise: true, Seed: 8, Log: true,
				Progress: func(done, total int) {
					calls++
					if done != calls || total != 23 {
						t.Errorf("%s: progress %d of %d at call %d", name, done, total, calls)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if calls != 23 || !(got.Seconds > 0) || got.N != 23 || got.Policy != name {
				t.Errorf("%s: %d calls of progress, %v s, %d sessions of %q", name, calls, got.Seconds, got.N, got.Policy)
			}
			got.Seconds = 0
			if want == nil {
				want = got
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s with %d workers (-one worker, +many):\n%s", name, workers, diff)
			}
		}
		for i, s := range want.Sessions {
			sum := 0.0
			for _, c := range s.Chunks[1:] {
				sum += c.Reward
			}
			if s.ID != sessions[i].Trace.Name || s.StartRow != sessions[i].StartRow || len(s.Chunks) != 48 || !near(s.MeanQoE, sum/47) {
				t.Errorf("%s, session %d: got %s from row %d, %d chunks, %v", name, i, s.ID, s.StartRow, len(s.Chunks), s.MeanQoE)
			}
		}
	}
}

func TestEvaluateOptions(t *testing.T) {
	t.Parallel()
	video, sessions := SynthVideo("x", 1, 1), synthSessions(t, 3)
	run := func(opt EvalOptions) *Result {
		t.Helper()
		r, err := Evaluate(t.Context(), factory(t, "bba"), video, sessions, opt)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	quiet, noisy, other := run(EvalOptions{}), run(EvalOptions{Noise: true}), run(EvalOptions{Noise: true, Seed: 1})
	if quiet.Mean == noisy.Mean || noisy.Mean == other.Mean {
		t.Errorf("noise and its seed make no difference: %v, %v, %v", quiet.Mean, noisy.Mean, other.Mean)
	}
	if quiet.Sessions[0].Chunks != nil {
		t.Error("chunks were kept unasked")
	}
	if again := run(EvalOptions{Seed: 99}); again.Mean != quiet.Mean {
		t.Error("the seed makes a difference without noise")
	}
}

// scripted answers with f, which is told the number of the question.
type scripted struct {
	resets, asked *int
	f             func(o *Observation, asked int) (int, error)
}

func (p scripted) Reset() { *p.resets++ }

func (p scripted) Decide(o *Observation) (int, error) {
	*p.asked++
	return p.f(o, *p.asked)
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	var resets, asked, last int
	p := scripted{&resets, &asked, func(o *Observation, _ int) (int, error) {
		if o.Remaining == 0 {
			last++
			return 77, nil // thrown away, so no error
		}
		return 0, nil
	}}
	f := Factory{Name: "p", Stateful: true, New: func() (Policy, error) { return p, nil }}
	if _, err := Evaluate(t.Context(), f, SynthVideo("x", 1, 1), synthSessions(t, 5), EvalOptions{}); err != nil {
		t.Fatal(err)
	}
	if resets != 5 || asked != 5*48 || last != 5 {
		t.Errorf("got %d resets, %d questions, %d after the last chunk; want 5, 240, 5", resets, asked, last)
	}
}

func TestEvaluateFailures(t *testing.T) {
	t.Parallel()
	video, sessions := SynthVideo("x", 1, 1), synthSessions(t, 6)
	boom := errors.New("boom")
	policy := func(f func(o *Observation, asked int) (int, error)) Factory {
		return Factory{Name: "p", New: func() (Policy, error) { return scripted{new(int), new(int), f}, nil }}
	}
	for _, c := range []struct {
		name     string
		f        Factory
		video    *Video
		sessions []Session
		opt      EvalOptions
		want     string
	}{
		{"policy fails", policy(func(o *Observation, asked int) (int, error) {
			if o.Last.Index == 9 {
				return 0, boom
			}
			return 0, nil
		}), video, sessions, EvalOptions{}, `abr: policy "p": session 0 (` + sessions[0].Trace.Name + `): after chunk 9: boom`},
		{"no such quality", policy(func(*Observation, int) (int, error) { return 6, nil }), video, sessions, EvalOptions{}, "after chunk 0: abr: quality 6, want 0 to 5"},
		{"policy cannot be made", Factory{Name: "p", New: func() (Policy, error) { return nil, boom }}, video, sessions, EvalOptions{}, `policy "p": boom`},
		{"no factory", Factory{Name: "p"}, video, sessions, EvalOptions{}, "cannot be made"},
		{"no sessions", factory(t, "bba"), video, nil, EvalOptions{}, "no sessions"},
		{"bad session", factory(t, "bba"), video, []Session{sessions[0], {}}, EvalOptions{}, "session 1 (no trace)"},
		{"no video", factory(t, "bba"), nil, sessions, EvalOptions{}, "without a video"},
		{"workers", factory(t, "bba"), video, sessions, EvalOptions{Workers: -1}, "-1 workers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Evaluate(t.Context(), c.f, c.video, c.sessions, c.opt)
			checkError(t, err, c.want)
			if r != nil {
				t.Errorf("got a result beside the error: %+v", r)
			}
			_, err = Collect(t.Context(), c.f, c.video, c.sessions, CollectOptions{Workers: c.opt.Workers})
			checkError(t, err, c.want)
		})
	}
}

func TestEvaluateCancel(t *testing.T) {
	t.Parallel()
	video, sessions := SynthVideo("x", 1, 1), synthSessions(t, 40)
	for _, workers := range []int{1, 4} {
		ctx, cancel := context.WithCancel(t.Context())
		done := 0
		_, err := Evaluate(ctx, factory(t, "bba"), video, sessions, EvalOptions{Workers: workers, Progress: func(n, _ int) {
			if done = n; n == 5 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d workers: got error %v, want context.Canceled", workers, err)
		}
		if done > 5+workers {
			t.Errorf("%d workers: %d sessions were finished after cancelling at 5", workers, done)
		}
	}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	video, sessions := SynthVideo("x", 1, 1), synthSessions(t, 11)
	for _, name := range []string{"mpc", "random"} {
		opt := CollectOptions{Workers: 1, Noise: true, Seed: 4}
		got, err := Collect(t.Context(), factory(t, name), video, sessions, opt)
		if err != nil {
			t.Fatal(err)
		}
		opt.Workers = 5
		again, err := Collect(t.Context(), factory(t, name), video, sessions, opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s: workers make a difference:\n%s", name, diff)
		}
		log, err := Evaluate(t.Context(), factory(t, name), video, sessions, EvalOptions{Noise: true, Seed: 4, Log: true})
		if err != nil {
			t.Fatal(err)
		}
		if got.Len() != 11*47 || len(got.States) != 36*11*47 {
			t.Fatalf("%s: got %d transitions, %d state elements", name, got.Len(), len(got.States))
		}
		for i := range got.Len() {
			episode, n := i/47, i%47
			before, after := log.Sessions[episode].Chunks[n], log.Sessions[episode].Chunks[n+1]
			state := got.States[i*36 : (i+1)*36]
			if state[5] != float32(float64(before.BitrateKbps)/4300) || state[11] != float32(before.BufferSec/10) ||
				state[17] != float32(float64(before.SizeBytes)/before.DelayMs/1000) || state[35] != float32(float64(47-n)/48) ||
				state[24] != float32(float64(video.ChunkBytes[0][n+1])/1000/1000) {
				t.Fatalf("%s, transition %d: state %v is not that after %+v", name, i, state, before)
			}
			last := n == 46
			if got.Actions[i] != int32(after.Quality) || got.Rewards[i] != after.Reward || got.Episodes[i] != int32(episode) || (got.Done[i] == 1) != last || got.Done[i] > 1 {
				t.Fatalf("%s, transition %d: got action %d, reward %v, episode %d, done %d; chunk %+v", name, i, got.Actions[i], got.Rewards[i], got.Episodes[i], got.Done[i], after)
			}
		}

		n := got.Len()
		got.Append(again)
		if got.Len() != 2*n || len(got.Rewards) != 2*n || len(got.Done) != 2*n || len(got.States) != 72*n ||
			got.Episodes[n-1] != 10 || got.Episodes[n] != 11 || got.Episodes[2*n-1] != 21 {
			t.Errorf("%s: appending gives %d transitions, episodes %d, %d, %d", name, got.Len(), got.Episodes[n-1], got.Episodes[n], got.Episodes[2*n-1])
		}
	}
}

// TestBelowCeiling checks that no policy beats the published ceiling, with
// which the whole trace is known. Its search is a few thousandths short.
func TestBelowCeiling(t *testing.T) {
	t.Parallel()
	golden.Data(t, "abr/traces/fcc-test")
	dir := dataRoot(t)
	var oracle struct {
		PerTrace map[string]float64 `json:"per_trace_mean_qoe"`
	}
	readJSON(t, "abr_oracle.json", &oracle)
	sessions, err := openTraces(t, dir, "fcc-test").Sessions(Plan{Start: StartIndex})
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, name := range PolicyNames() {
		r, err := Evaluate(t.Context(), factory(t, name), openVideo(t, dir, "video1"), sessions, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Sessions {
			ceiling, ok := oracle.PerTrace[s.ID]
			if !ok || s.MeanQoE > ceiling+0.005 {
				t.Errorf("%s on %s: %v is above the ceiling %v", name, s.ID, s.MeanQoE, ceiling)
			}
			cases++
		}
	}
	golden.Cases(t, cases)
}

func TestNamesInErrors(t *testing.T) {
	t.Parallel()
	names := PolicyNames()
	if !slices.Contains(names, "mpc") || len(names) != len(slices.Compact(slices.Sorted(slices.Values(names)))) {
		t.Errorf("policy names: %q", names)
	}
	_, err := NewFactory("x", PolicyConfig{})
	if want := fmt.Sprintf("abr: unknown policy %q, known: %s", "x", strings.Join(names, ", ")); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
