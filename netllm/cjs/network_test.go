package cjs

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// tinyBody is a small random language model.
func tinyBody(t testing.TB, b ops.Backend, positions int) transformer.Model {
	t.Helper()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 16, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8,
		Vocab: 7, MaxPositions: positions, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func collected(t testing.TB, name string, sequences []*Sequence) *Pool {
	t.Helper()
	f, err := NewFactory(name, PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Collect(t.Context(), f, sequences, CollectOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// networks are the shapes of both recipes, small.
var networks = map[string]NetworkConfig{
	"paper": {Width: 8, Window: 3, Stages: 12, Executors: 6, Timesteps: 40},
	"best":  {Width: 8, Window: 1, Waiting: true, Chosen: true, Executors: 6},
}

// What the policy computes decision by decision, with a cache, is what training computes for all at once; also where
// the window slides.
func TestActingIsTraining(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	s := madeSequences(t, 1, 6, 1)[0]
	for name, config := range networks {
		t.Run(name, func(t *testing.T) {
			body := tinyBody(t, b, 64)
			n, err := NewNetwork(b, body, config, 5)
			if err != nil {
				t.Fatal(err)
			}
			p := NewLearned(ops.NewContext(b), n, Conditioning{MinReward: -1000, Scale: 10, MaxReturn: 2}, true)
			env, err := NewEnv(EnvConfig{})
			if err != nil {
				t.Fatal(err)
			}
			o, err := env.ResetSequence(s, 1)
			if err != nil {
				t.Fatal(err)
			}
			p.Reset(1)
			c := ops.NewContext(b)
			var past []step
			slid := false
			for decision := range int32(40) {
				a, err := p.choice(o)
				if err != nil {
					t.Fatal(err)
				}
				now := step{o.Clone(), float32(p.wanted), min(decision, int32(max(config.Timesteps-1, 0))), a}
				if past = append(past, now); len(past) > len(p.past) && config.Window > 1 {
					past, slid = past[len(past)-len(p.past):], true
				} else if config.Window == 1 {
					past = past[len(past)-1:]
				}
				c.Reset()
				got := n.forward(c, [][]step{past})
				for what, scores := range map[string]struct {
					values func() ([]float32, error)
					chosen int
				}{
					"stage":     {func() ([]float32, error) { return c.Floats(got.stages.Slice(0, len(past)-1, len(past))) }, a.Stage},
					"executors": {func() ([]float32, error) { return c.Floats(got.executors.Slice(0, len(past)-1, len(past))) }, a.Executors - 1},
				} {
					values, err := scores.values()
					if err != nil {
						t.Fatal(err)
					}
					for i, v := range values {
						if v > values[scores.chosen]+1e-4 {
							t.Errorf("decision %d, %s: chose %d with score %v, %d has %v", decision, what, scores.chosen, values[scores.chosen], i, v)
						}
					}
				}
				step, err := env.Step(a)
				if err != nil {
					t.Fatal(err)
				}
				if o = step.Obs; step.Terminated {
					break
				}
			}
			if slid != (config.Window > 1) {
				t.Errorf("the window slid: %v", slid)
			}
		})
	}
}

// An adapter learns to do as its teacher does, from the teacher's states and from its own; saved and loaded again it
// decides the same.
func TestAdapterLearns(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	train, valid := madeSequences(t, 6, 15, 1), madeSequences(t, 3, 15, 100)
	pool := collected(t, "target", train)
	pool.Join(collected(t, "random", train[:2]))
	teacher, err := NewFactory("target", PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	score := func(f Factory) float64 {
		t.Helper()
		r, err := Evaluate(t.Context(), f, valid, EvalOptions{Seed: 9})
		if err != nil {
			t.Fatal(err)
		}
		return r.Mean
	}
	random, err := NewFactory("random", PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range networks {
		t.Run(name, func(t *testing.T) {
			body := tinyBody(t, b, 64)
			r, err := NewRecipe(name, body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
			if err != nil {
				t.Fatal(err)
			}
			r.Network, r.Windows, r.ValidEvery, r.LearningRate, r.WarmUp = config, 3200, 1600, 1e-2, 10
			if name == "paper" {
				r.Accumulate, r.Windows = 8, 3200
			} else {
				r.Rounds, r.RoundEpisodes = 1, 2
			}
			a, err := NewAdapter(b, body, r)
			if err != nil {
				t.Fatal(err)
			}
			open := func() ops.Backend { return ops.NewCPU(1) }
			untrained := score(a.Factory("netllm", 1, open))
			before, err := body.Hash(b)
			if err != nil {
				t.Fatal(err)
			}
			rounds, decisions := 0, 0
			err = a.Train(t.Context(), b, pool, TrainOptions{
				Valid: valid, Teacher: teacher, Open: open, Workers: 2,
				Own: func(round int) ([]*Sequence, error) {
					return madeSequences(t, r.RoundEpisodes, 15, 1000*uint64(round)), nil
				},
				Each: func(p Progress) { rounds, decisions = p.Round, p.Decisions },
			})
			if err != nil {
				t.Fatal(err)
			}
			if rounds != r.Rounds || (decisions > pool.Len()) != (r.Rounds > 0) {
				t.Errorf("got %d rounds, %d decisions of %d", rounds, decisions, pool.Len())
			}
			after, err := body.Hash(b)
			if err != nil || after != before {
				t.Errorf("the frozen weights changed, %v", err)
			}
			f := a.Factory("netllm", 1, open)
			got := score(f)
			if bound := score(random); !(got < 0.97*bound && got < untrained) {
				t.Errorf("got %.2f s, untrained %.2f, random %.2f, teacher %.2f", got, untrained, bound, score(teacher))
			}
			dir := filepath.Join(t.TempDir(), "adapter")
			if err := a.Write(b, dir, "model", false); err != nil {
				t.Fatal(err)
			}
			again, err := LoadAdapter(b, body, dir)
			if err != nil {
				t.Fatal(err)
			}
			if v := score(again.Factory("netllm", 1, open)); v != got {
				t.Errorf("loaded again: got %v, want %v", v, got)
			}
			if _, err := LoadAdapter(b, tinyBodyOf(t, b, 4), dir); err == nil {
				t.Error("another body: got no error")
			}
		})
	}
}

func tinyBodyOf(t testing.TB, b ops.Backend, seed uint64) transformer.Model {
	t.Helper()
	m, err := transformer.New(b, tinyBody(t, b, 64).Shape(), seed)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The gradients of the whole network are those of its loss, for some weights of every kind.
func TestNetworkGradient(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	pool := collected(t, "target", madeSequences(t, 1, 5, 3))
	data, err := newDataset(pool, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range networks {
		t.Run(name, func(t *testing.T) {
			n, err := NewNetwork(b, tinyBody(t, b, 64), config, 5)
			if err != nil {
				t.Fatal(err)
			}
			var batch batch
			data.draw(&batch, n, []int{4, 12}, 2, newRand(1))
			c := ops.NewContext(b)
			value := func() float64 {
				c.Reset()
				v, err := c.ReadScalar(n.loss(c, batch.windows))
				if err != nil {
					t.Fatal(err)
				}
				return float64(v)
			}
			c.Tape = ops.NewTape()
			c.Tape.Watch(n.Params()...)
			c.Tape.Backward(c, n.loss(c, batch.windows))
			var grads [][]float32
			for _, p := range n.Params() {
				g, err := c.Floats(p.Grad)
				if err != nil {
					t.Fatal(err)
				}
				grads = append(grads, g)
			}
			c.Tape = nil
			for i, p := range n.Params() {
				values, err := netllm.Snapshot(b, []*ops.Param{p})
				if err != nil {
					t.Fatal(err)
				}
				at := 0
				for k, g := range grads[i] {
					if math.Abs(float64(g)) > math.Abs(float64(grads[i][at])) {
						at = k
					}
				}
				was := values[0][at]
				var side [2]float64
				const by = 3e-3
				for k, sign := range []float32{-1, 1} {
					values[0][at] = was + sign*by
					if err := netllm.Restore(b, []*ops.Param{p}, values); err != nil {
						t.Fatal(err)
					}
					side[k] = value()
				}
				values[0][at] = was
				if err := netllm.Restore(b, []*ops.Param{p}, values); err != nil {
					t.Fatal(err)
				}
				want := (side[1] - side[0]) / (2 * by)
				if got := float64(grads[i][at]); math.Abs(got-want) > 0.03*math.Abs(want)+2e-3 {
					t.Errorf("%s[%d]: got %v, want %v", p.Name, at, got, want)
				}
			}
		})
	}
}

func TestRecipeErrors(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	body := tinyBody(t, b, 64)
	if _, err := NewRecipe("fast", body, netllm.BodySpec{}, 1); err == nil || !strings.Contains(err.Error(), `unknown recipe "fast"`) {
		t.Errorf("got %v", err)
	}
	for want, harm := range map[string]func(*Recipe){
		"batch is 0":        func(r *Recipe) { r.Batch = 0 },
		"round_episodes":    func(r *Recipe) { r.Rounds, r.RoundEpisodes = 1, 0 },
		"learning rate NaN": func(r *Recipe) { r.LearningRate = float32(math.NaN()) },
		"executors is 0":    func(r *Recipe) { r.Network.Executors = 0 },
		"width is 1":        func(r *Recipe) { r.Network.Width = 1 },
		"gradient on 0":     func(r *Recipe) { r.GradientJobs = 0 },
		"iterations is 0":   func(r *Recipe) { r.Gradient.Iterations = 0 },
	} {
		r, err := NewRecipe("best", body, netllm.BodySpec{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		harm(&r)
		if _, err := NewAdapter(b, body, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s", err, want)
		}
	}
}

// Training on pools that are collected anew learns from these alone.
func TestTrainAnew(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	body := tinyBody(t, b, 64)
	r, err := NewRecipe("best", body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Network.Width, r.Windows, r.Batch, r.ValidEvery, r.Rounds, r.Gradient = 8, 96, 8, 96, 2, nil
	a, err := NewAdapter(b, body, r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	valid := madeSequences(t, 1, 5, 77)
	collect := func(round int) (*Pool, error) {
		f := Factory{Name: "own", New: func() (Policy, error) { return NewLearned(ops.NewContext(b), a.Network, a.Cond, false), nil }}
		return Collect(t.Context(), f, madeSequences(t, 1+round, 6, 10*uint64(round)), CollectOptions{Workers: 1})
	}
	pool, err := collect(0)
	if err != nil {
		t.Fatal(err)
	}
	sizes, want := map[int]int{}, map[int]int{0: pool.Len()}
	err = a.Train(t.Context(), b, pool, TrainOptions{
		Valid: valid, Open: func() ops.Backend { return b }, Workers: 1,
		Anew: func(round int) (*Pool, error) {
			p, err := collect(round)
			if err == nil {
				want[round] = p.Len()
			}
			return p, err
		},
		Each: func(p Progress) { sizes[p.Round] = p.Decisions },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sizes) != 3 || sizes[0] != want[0] || sizes[1] != want[1] || sizes[2] != want[2] {
		t.Errorf("got pools of %v decisions, want %v", sizes, want)
	}
	if err := a.Train(t.Context(), b, pool, TrainOptions{Valid: valid}); err == nil {
		t.Error("rounds without anything to learn from in them")
	}
}
