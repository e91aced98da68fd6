// The training of Pensieve, on generated traces.

package abr

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"netllm/netllm"
	"netllm/ops"
)

// smallPensieve is a training of seconds: short traces, whose planners are made quickly.
func smallPensieve(t *testing.T, workers int) (PensieveRecipe, PensieveOptions) {
	t.Helper()
	r := NewPensieveRecipe(1)
	r.Network = PensieveConfig{History: 8, Width: 24, Places: true}
	r.Rounds, r.CloneSteps, r.CloneBatch, r.CloneRate, r.Average = 2, 150, 64, 3e-3, 0.98
	r.PPO.Iterations, r.PPO.Alone, r.ValidEvery = 0, 2, 2
	return r, PensieveOptions{
		Video:   SynthVideo("synth1", 1, 1),
		Valid:   madeSessions(t, "synth:seed=50,n=4,dur=60", 8, 5),
		Label:   func(i int) ([]Session, error) { return madeSessions(t, "synth:seed=7,n=4,dur=60", 16, uint64(i)), nil },
		Play:    func(i int) ([]Session, error) { return madeSessions(t, "synth:seed=8,n=10,dur=60", 32, uint64(i)), nil },
		Workers: workers,
	}
}

// trainPensieve trains a new network and returns its score on sessions of traces that it never saw.
func trainPensieve(t *testing.T, r PensieveRecipe, opt PensieveOptions) (float64, *PensieveNetwork, ops.Backend) {
	t.Helper()
	b := ops.NewCPU(1)
	t.Cleanup(func() { b.Close() })
	net, err := NewPensieve(b, r.Network, r.Seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := net.Train(t.Context(), b, r, opt); err != nil {
		t.Fatal(err)
	}
	now, err := net.Pensieve(b)
	if err != nil {
		t.Fatal(err)
	}
	return unseen(t, now.Factory("pensieve")), net, b
}

// unseen is a policy's score on sessions of traces that nothing was learned from, nor chosen by.
func unseen(t *testing.T, f Factory) float64 {
	t.Helper()
	result, err := Evaluate(t.Context(), f, SynthVideo("synth1", 1, 1), madeSessions(t, "synth:seed=99,n=10,dur=60", 20, 9), EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Mean
}

// A cloned network plays better than BBA where it has not learned; the same again from the same seed, with any number of players.
func TestPensieveClones(t *testing.T) {
	t.Parallel()
	r, opt := smallPensieve(t, 1)
	told := 0
	opt.Each = func(p PensieveProgress) {
		if told++; !p.Cloning || p.Done != told || p.Of != r.Rounds || p.Decisions != told*16*Decisions || !(p.Loss > 0) || !(p.BestQoE >= p.Valid) {
			t.Errorf("got %+v", p)
		}
	}
	got, net, b := trainPensieve(t, r, opt)
	bba := unseen(t, Factory{Name: "bba", New: func() (Policy, error) { return BBA{}, nil }})
	t.Logf("cloned %.3f, bba %.3f", got, bba)
	if !(got > bba) || told != r.Rounds {
		t.Errorf("got %.3f after %d rounds, bba has %.3f", got, told, bba)
	}
	_, opt = smallPensieve(t, 3)
	_, again, b2 := trainPensieve(t, r, opt)
	sameWeights(t, b, net, b2, again)
}

func sameWeights(t *testing.T, b ops.Backend, net *PensieveNetwork, b2 ops.Backend, again *PensieveNetwork) {
	t.Helper()
	want, err := netllm.Snapshot(b, net.Params())
	if err != nil {
		t.Fatal(err)
	}
	got, err := netllm.Snapshot(b2, again.Params())
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if !slices.Equal(got[i], w) {
			t.Errorf("trained again, with more players at a time: other values of %s", net.Params()[i].Name)
		}
	}
}

// Policy optimisation makes a network better that was cloned for a moment only, and never ends with worse weights than it
// began with.
func TestPensieveImproves(t *testing.T) {
	t.Parallel()
	r, opt := smallPensieve(t, 1)
	r.Rounds, r.CloneSteps = 1, 10
	before, _, _ := trainPensieve(t, r, opt)
	r.PPO.Iterations, r.PPO.Rate, r.PPO.Batch = 15, 2e-3, 256
	opt.Each = func(p PensieveProgress) {
		if !p.Cloning && p.Done > r.PPO.Alone && (p.Decisions != p.Done*32*Decisions || !(p.KL >= 0) || !(p.Entropy > 0) || p.PolicySteps == 0 && !p.PolicyStopped || !(p.ValueError < 10)) {
			t.Errorf("got %+v", p)
		}
	}
	after, net, b := trainPensieve(t, r, opt)
	t.Logf("%.3f before, %.3f after", before, after)
	if !(after > before+0.05) {
		t.Errorf("got %.3f, %.3f before", after, before)
	}
	r2, opt := smallPensieve(t, 3)
	r2.Rounds, r2.CloneSteps, r2.PPO = r.Rounds, r.CloneSteps, r.PPO
	_, again, b2 := trainPensieve(t, r2, opt)
	sameWeights(t, b, net, b2, again)

	r.PPO.Iterations, r.PPO.Rate, r.PPO.TargetKL = 3, 10, 100
	best := math.Inf(-1)
	opt.Each = func(p PensieveProgress) {
		if p.Cloning {
			best = p.BestQoE
		} else if p.BestQoE < best {
			t.Errorf("weights that were spoiled are kept: %v after %v", p.BestQoE, best)
		}
	}
	trainPensieve(t, r, opt)
}

// Advantages are the discounted sums of what each decision brought beyond what the critic had foreseen, within a session.
func TestPensieveAdvantages(t *testing.T) {
	t.Parallel()
	b := ops.NewCPU(1)
	defer b.Close()
	r := NewPensieveRecipe(1)
	r.Network = trainedAs[1]
	net, err := NewPensieve(b, r.Network, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := ops.NewContext(b)
	defer c.Arena.Free()
	tr := &pensieveTraining{net: net, b: b, r: r, c: c}
	n, long := 2*Decisions, r.Network.length()+len(comingSec)
	own := &ownPlay{x: make([]float32, n*long), actions: make([]int, n), rewards: make([]float64, n)}
	for i := range own.rewards {
		own.rewards[i] = float64(i%7) - 3
		own.x[i*long] = float32(i%5) / 5
	}
	if err := tr.judge(own); err != nil {
		t.Fatal(err)
	}
	values, err := c.Floats(net.critic.forward(c, c.Float32s(own.x, n, long)))
	if err != nil {
		t.Fatal(err)
	}
	want, sum, square := make([]float64, n), 0.0, 0.0
	for i := range want {
		end := (i/Decisions + 1) * Decisions
		for k, by := i, 1.0; k < end; k++ {
			next := 0.0
			if k+1 < end {
				next = float64(values[k+1]) * returnScale
			}
			want[i] += by * (own.rewards[k] + r.PPO.Discount*next - float64(values[k])*returnScale)
			by *= r.PPO.Discount * r.PPO.Lambda
		}
		if target := float64(own.targets[i]) * returnScale; math.Abs(target-want[i]-float64(values[i])*returnScale) > 1e-3 {
			t.Fatalf("decision %d: the critic is to learn %v", i, target)
		}
		sum += want[i] / float64(n)
	}
	for _, v := range want {
		square += (v - sum) * (v - sum) / float64(n-1)
	}
	for i, v := range want {
		v = min(max((v-sum)/math.Sqrt(square), -mostAdvantage), mostAdvantage)
		if math.Abs(own.advantages[i]-v) > 1e-4 {
			t.Fatalf("decision %d: got %v, want %v", i, own.advantages[i], v)
		}
	}
}

// Labels are the best quality, or the softmax of all values.
func TestPensieveLabels(t *testing.T) {
	t.Parallel()
	values := []float32{1, 3, 3, 2}
	if got := appendLabel(nil, values, 0); !slices.Equal(got, []float32{0, 1, 0, 0}) {
		t.Errorf("got %v", got)
	}
	got := appendLabel([]float32{7}, values, 0.5)
	sum := 2 + math.Exp(-4) + math.Exp(-2)
	for i, w := range []float64{7, math.Exp(-4) / sum, 1 / sum, 1 / sum, math.Exp(-2) / sum} {
		if math.Abs(float64(got[i])-w) > 1e-6 {
			t.Errorf("label %d: got %v, want %v", i, got[i], w)
		}
	}
}

func TestPensieveRefuses(t *testing.T) {
	t.Parallel()
	b := ops.NewCPU(1)
	defer b.Close()
	good, opt := smallPensieve(t, 1)
	for _, c := range []struct {
		want  string
		spoil func(r *PensieveRecipe, o *PensieveOptions)
	}{
		{"rounds is -1, want 0 or more", func(r *PensieveRecipe, _ *PensieveOptions) { r.Rounds = -1 }},
		{"clone_steps is 0, want 1 or more", func(r *PensieveRecipe, _ *PensieveOptions) { r.CloneSteps = 0 }},
		{"temperature NaN", func(r *PensieveRecipe, _ *PensieveOptions) { r.Temperature = math.NaN() }},
		{"exploring 2", func(r *PensieveRecipe, _ *PensieveOptions) { r.Explore = 2 }},
		{"iterations is -1", func(r *PensieveRecipe, _ *PensieveOptions) { r.PPO.Iterations = -1 }},
		{"batch is 0", func(r *PensieveRecipe, _ *PensieveOptions) { r.PPO.Batch = 0 }},
		{"lambda 1.5", func(r *PensieveRecipe, _ *PensieveOptions) { r.PPO.Lambda = 1.5 }},
		{"clip 0", func(r *PensieveRecipe, _ *PensieveOptions) { r.PPO.Clip = 0 }},
		{"history 5, want 6 to 48", func(r *PensieveRecipe, _ *PensieveOptions) { r.Network.History = 5 }},
		{"the recipe wants", func(r *PensieveRecipe, _ *PensieveOptions) { r.Network.Width++ }},
		{"neither rounds of cloning nor iterations", func(r *PensieveRecipe, _ *PensieveOptions) { r.Rounds = 0 }},
		{"needs a video and sessions", func(_ *PensieveRecipe, o *PensieveOptions) { o.Valid = nil }},
		{"needs a video and sessions", func(_ *PensieveRecipe, o *PensieveOptions) { o.Label = nil }},
	} {
		net, err := NewPensieve(b, good.Network, 1)
		if err != nil {
			t.Fatal(err)
		}
		r, o := good, opt
		c.spoil(&r, &o)
		checkError(t, net.Train(t.Context(), b, r, o), c.want)
	}
	net, err := NewPensieve(b, good.Network, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opt.Label = func(int) ([]Session, error) {
		cancel()
		return madeSessions(t, "synth:n=1,dur=60", 2, 1), nil
	}
	if err := net.Train(ctx, b, good, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
