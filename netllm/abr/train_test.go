package abr

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// smallBody is a random Llama with room for a window of steps.
func smallBody(t testing.TB, b ops.Backend) transformer.Model {
	t.Helper()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 32, FFN: 64, Heads: 4, KVHeads: 2, HeadDim: 8,
		RopeDim: 8, Vocab: 16, MaxPositions: 128, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 7)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// smallRecipe trains in seconds.
func smallRecipe(t testing.TB, body transformer.Adaptable) Recipe {
	t.Helper()
	r, err := NewRecipe("offline", body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 3)
	if err != nil {
		t.Fatal(err)
	}
	r.Network.Features, r.Network.Window = 32, 8
	return r
}

// synthPool plays policies on synthetic traces.
func synthPool(t testing.TB, n int, policies ...string) (*netllm.Pool, []Session) {
	t.Helper()
	set, err := OpenTraces("", "synth:n="+string(rune('0'+n)))
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(Plan{Start: StartRow1})
	if err != nil {
		t.Fatal(err)
	}
	var all Transitions
	for _, name := range policies {
		f, err := NewFactory(name, PolicyConfig{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		part, err := Collect(t.Context(), f, SynthVideo("synth1", 1, 1), sessions, CollectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all.Append(part)
	}
	return all.Pool(netllm.PoolMeta{Policies: policies}), sessions
}

func adapt(t testing.TB, b ops.Backend, body transformer.Adaptable, pool *netllm.Pool, r Recipe) *Adapter {
	t.Helper()
	a, err := NewAdapter(b, body, pool, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Train(t.Context(), b, pool, nil); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *Adapter) actions(t testing.TB, target float64, s Session) []int {
	t.Helper()
	f := a.Factory("netllm", target, 0, func() ops.Backend { return ops.NewCPU(1) })
	result, err := Evaluate(t.Context(), f, SynthVideo("synth1", 1, 1), []Session{s}, EvalOptions{Log: true})
	if err != nil {
		t.Fatal(err)
	}
	var actions []int
	for _, c := range result.Sessions[0].Chunks[1:] {
		actions = append(actions, c.Quality)
	}
	return actions
}

// TestOneSessionIsRepeated proves the plumbing: trained on one session, the
// policy asked for that session's return plays it again, action by action. An
// error in returns, step numbers, masks, positions or the cache would show.
func TestOneSessionIsRepeated(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	body := smallBody(t, b)
	before, err := body.Hash(b)
	if err != nil {
		t.Fatal(err)
	}
	pool, sessions := synthPool(t, 1, "mpc")
	r := smallRecipe(t, body)
	r.Stride, r.Epochs, r.Batch, r.WarmUp, r.LearningRate, r.WeightDecay = 1, 120, 40, 10, 1e-2, 0
	a := adapt(t, b, body, pool, r)
	got := a.actions(t, a.Cond.MaxReturn, sessions[0])
	for i, q := range got {
		if want := int(pool.Actions[i]); q != want {
			t.Fatalf("decision %d: got %d, want %d", i, q, want)
		}
	}
	if after, err := body.Hash(b); err != nil || after != before {
		t.Errorf("hash of the frozen body: got %s (%v), want %s", after, err, before)
	}
}

// TestTargetReturnMatters trains on sessions of two very different policies:
// asked for the worst and for the best return, the policy acts differently.
func TestTargetReturnMatters(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	body := smallBody(t, b)
	pool, sessions := synthPool(t, 4, "mpc", "constant:5", "constant:0")
	r := smallRecipe(t, body)
	r.Stride, r.Epochs, r.WarmUp, r.LearningRate = 2, 20, 10, 5e-3
	r.Gamma, r.Scale = 1, 40 // whole sessions: the policies differ most in these
	a := adapt(t, b, body, pool, r)
	low, err := a.Cond.Quantile(0.1)
	if err != nil {
		t.Fatal(err)
	}
	high, err := a.Cond.Quantile(1)
	if err != nil {
		t.Fatal(err)
	}
	if low >= high {
		t.Fatalf("quantiles of the returns: 10 %% %v, 100 %% %v", low, high)
	}
	for _, s := range sessions {
		if !slices.Equal(a.actions(t, low, s), a.actions(t, high, s)) {
			return
		}
	}
	t.Error("the same actions for the 10 % and the 100 % quantile of the returns, in every session")
}

// TestTrainingIsDeterministic also covers the adapter's files.
func TestTrainingIsDeterministic(t *testing.T) {
	pool, sessions := synthPool(t, 2, "bba", "mpc")
	dir := t.TempDir()
	var values [][]float32
	for i, threads := range []int{1, 2} {
		b := ops.NewCPU(threads)
		defer b.Close()
		body := smallBody(t, b)
		r := smallRecipe(t, body)
		r.Epochs, r.LoRA.Dropout = 1, 0.05
		a := adapt(t, b, body, pool, r)
		c := ops.NewContext(b)
		for j, p := range a.Params() {
			v, err := c.Floats(p.Value)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				values = append(values, v)
			} else if !slices.Equal(v, values[j]) {
				t.Fatalf("%s differs between 1 and 2 threads", p.Name)
			}
		}
		path := filepath.Join(dir, "adapter")
		if err := a.Write(b, path, "small", i > 0); err != nil {
			t.Fatal(err)
		}
		loaded, err := LoadAdapter(b, body, path)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Cond != a.Cond {
			t.Errorf("conditioning: got %+v, want %+v", loaded.Cond, a.Cond)
		}
		got, want := loaded.actions(t, a.Cond.MaxReturn, sessions[0]), a.actions(t, a.Cond.MaxReturn, sessions[0])
		if !slices.Equal(got, want) {
			t.Errorf("actions of the loaded adapter: got %v, want %v", got, want)
		}
		if err := a.Write(b, path, "small", false); err == nil || !strings.Contains(err.Error(), "exist") {
			t.Errorf("writing over an adapter: got %v, want an error", err)
		}
		other, err := transformer.New(b, body.Shape(), 8)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := LoadAdapter(b, other, path); err == nil || !strings.Contains(err.Error(), "weights") {
			t.Errorf("loading around other weights: got %v, want an error", err)
		}
	}
}

// TestCacheIsExact compares decisions with a cache that is reused from step to
// step with computing the whole context anew.
func TestCacheIsExact(t *testing.T) {
	b := ops.NewCPU(1)
	body := smallBody(t, b)
	pool, sessions := synthPool(t, 1, "mpc")
	a, err := NewAdapter(b, body, pool, smallRecipe(t, body))
	if err != nil {
		t.Fatal(err)
	}
	reusing := NewLearned(ops.NewContext(b), a.Network, a.Cond, 1)
	anew := NewLearned(ops.NewContext(b), a.Network, a.Cond, 1)
	env, err := NewEnv(EnvConfig{Video: SynthVideo("synth1", 1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	o, err := env.ResetSession(sessions[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	reusing.Reset()
	anew.Reset()
	for o.Remaining > 0 {
		q, err := reusing.Decide(o)
		if err != nil {
			t.Fatal(err)
		}
		anew.cache.Truncate(0)
		if _, err := anew.Decide(o); err != nil {
			t.Fatal(err)
		}
		for i := range anew.logits {
			if d := math.Abs(float64(reusing.logits[i] - anew.logits[i])); d > 1e-5 {
				t.Fatalf("after chunk %d: logit %d: got %v, want %v", o.Last.Index, i, reusing.logits[i], anew.logits[i])
			}
		}
		if _, err := env.Step(q); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNaNEndsTraining poisons one weight of the encoder.
func TestNaNEndsTraining(t *testing.T) {
	b := ops.NewCPU(1)
	body := smallBody(t, b)
	pool, sessions := synthPool(t, 1, "mpc")
	a, err := NewAdapter(b, body, pool, smallRecipe(t, body))
	if err != nil {
		t.Fatal(err)
	}
	a.Network.Encoder.throughput.Weight.Value.Float32s()[3] = float32(math.NaN())
	err = a.Train(t.Context(), b, pool, nil)
	if err == nil || !strings.Contains(err.Error(), "step 1") || !strings.Contains(err.Error(), "encoder.throughput_conv.weight") {
		t.Errorf("got %v, want an error that names step 1 and the layer", err)
	}
	f := a.Factory("netllm", 1, 0, func() ops.Backend { return ops.NewCPU(1) })
	if _, err := Evaluate(t.Context(), f, SynthVideo("synth1", 1, 1), sessions, EvalOptions{}); err == nil || !strings.Contains(err.Error(), "score of quality") {
		t.Errorf("deciding: got %v, want an error that names the score", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Train(ctx, b, pool, nil); err == nil {
		t.Error("training with a cancelled context: got no error")
	}
}

// Training on a pool for every epoch that is always the same is training on it; one that the policy plays itself is asked
// for before each epoch, and must have as many windows as the one before.
func TestTrainAnew(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	body := smallBody(t, b)
	pool, sessions := synthPool(t, 2, "bba")
	r := smallRecipe(t, body)
	r.Epochs = 2
	once := adapt(t, b, body, pool, r)
	anew, err := NewAdapter(b, body, pool, r)
	if err != nil {
		t.Fatal(err)
	}
	var asked []int
	if err := anew.TrainAnew(t.Context(), b, func(epoch int) (*netllm.Pool, error) { asked = append(asked, epoch); return pool, nil }, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []int{0, 1}) || anew.Cond != once.Cond {
		t.Errorf("asked for pools %v, conditioning %+v, want %+v", asked, anew.Cond, once.Cond)
	}
	for i, p := range anew.Params() {
		if !slices.Equal(p.Value.Float32s(), once.Params()[i].Value.Float32s()) {
			t.Fatalf("%s differs", p.Name)
		}
	}
	own := func(n int) (*netllm.Pool, error) {
		f := anew.Factory("own", anew.Cond.MaxReturn, 1, func() ops.Backend { return b })
		played, err := Collect(t.Context(), f, SynthVideo("synth1", 1, 1), sessions[:n], CollectOptions{Workers: 1})
		if err != nil {
			return nil, err
		}
		return played.Pool(netllm.PoolMeta{Policies: []string{"own"}}), nil
	}
	epochs := 0
	if err := anew.TrainAnew(t.Context(), b, func(int) (*netllm.Pool, error) { return own(2) }, func(p Progress) { epochs = p.Epoch + 1 }); err != nil || epochs != 2 {
		t.Errorf("got %v after %d epochs", err, epochs)
	}
	if anew.Cond == once.Cond {
		t.Error("the conditioning is still that of the first pool")
	}
	err = anew.TrainAnew(t.Context(), b, func(epoch int) (*netllm.Pool, error) { return own(2 - epoch) }, nil)
	if err == nil || !strings.Contains(err.Error(), "epoch 2") {
		t.Errorf("a smaller pool: got %v", err)
	}
}
