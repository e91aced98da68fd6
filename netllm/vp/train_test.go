package vp

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/netllm"
	"netllm/ops"
	"netllm/transformer"
)

// tinyBody is a small random language model.
func tinyBody(t *testing.T, b ops.Backend) transformer.Model {
	t.Helper()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 16, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8,
		Vocab: 7, MaxPositions: 64, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// spinning are traces of viewers who turn at speeds of their own, through the wrap, and nod.
func spinning(n int) []*Trace {
	var traces []*Trace
	for u := range n {
		speed := float64(u%7-3) * 1.5
		t := &Trace{Video: 1, User: u}
		for i := range 120 {
			yaw := math.Remainder(float64(40*u)+speed*float64(i), 360)
			t.Rows = append(t.Rows, Angles{float32(speed), float32(20 * math.Sin(float64(u)+float64(i)/15)), float32(yaw)})
		}
		traces = append(traces, t)
	}
	return traces
}

// quick cuts a recipe to what a test can wait for.
func quick(r Recipe) Recipe {
	r.Network.Features, r.Epochs, r.ValidEvery, r.WarmUp = 16, 6, 200, 5
	if r.Network.Kind == QueriesKind {
		r.Network.History, r.Network.Horizon, r.Network.Hidden = 8, 10, 16
		r.Windows, r.MinHistory = Windowing{History: 8, Horizon: 10, Stride: 3, TrimHead: 10, TrimTail: 10}, 5
		r.Batch, r.LearningRate, r.Average = 16, 1e-2, 0.9
	} else {
		r.Windows = Windowing{History: 5, Horizon: 4, Stride: 12, TrimHead: 10, TrimTail: 10}
		r.LearningRate, r.Accumulate, r.Rollout = 5e-3, 8, 0.25
	}
	return r
}

// adapted trains on spinning viewers and returns the adapter with the errors before and after.
func adapted(t *testing.T, b ops.Backend, recipe, body string, seed uint64) (a *Adapter, before, after float64) {
	t.Helper()
	spec, err := netllm.ParseBody(body)
	if err != nil {
		t.Fatal(err)
	}
	adaptable, _, err := spec.Open(b, tinyBody(t, b))
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRecipe(recipe, adaptable, spec, seed)
	if err != nil {
		t.Fatal(err)
	}
	r = quick(r)
	if a, err = NewAdapter(b, adaptable, r, nil); err != nil {
		t.Fatal(err)
	}
	ws := r.Windows.Windows(spinning(42))
	slices.SortFunc(ws, func(x, y Window) int { return x.At - y.At })
	before = learnedError(t, b, a, ws[len(ws)-84:])
	steps, best := 0, math.NaN()
	err = a.Train(t.Context(), b, ws[:len(ws)-126], ws[len(ws)-84:], func(p Progress) {
		if steps++; p.Step != steps || p.Step > p.Steps {
			t.Errorf("got step %d of %d, want %d", p.Step, p.Steps, steps)
		}
		if p.Best > best {
			t.Errorf("the best error rose from %v to %v", best, p.Best)
		}
		best = p.Best
	})
	if err != nil {
		t.Fatal(err)
	}
	after = learnedError(t, b, a, ws[len(ws)-84:])
	if r.Network.Kind == QueriesKind && math.Abs(after-best) > 1e-9 {
		t.Errorf("got error %v after training, the best was %v", after, best)
	}
	return a, before, after
}

func learnedError(t *testing.T, b ops.Backend, a *Adapter, ws []Window) float64 {
	t.Helper()
	r, err := Evaluate(t.Context(), a.Factory("netllm", 1, true, func() ops.Backend { return b }), ws, EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Mean
}

// Full fine-tuning changes every weight of the body, and low-rank adaptation none; neither changes the model that it began
// with.
func TestTunedBody(t *testing.T) {
	for _, c := range []struct {
		body  string
		tuned bool
	}{{"pretrained", false}, {"tuned", true}} {
		t.Run(c.body, func(t *testing.T) {
			b := ops.NewCPU(1)
			defer b.Close()
			model := tinyBody(t, b)
			hash, err := model.Hash(b)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := netllm.ParseBody(c.body)
			if err != nil {
				t.Fatal(err)
			}
			body, done, err := spec.Open(b, model)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			weights := netllm.TrainedParams(body)
			if c.tuned != (len(weights) == 10) { // of the layer 9, the last norm, and no table
				t.Fatalf("got %d weights of the body to train", len(weights))
			}
			before, err := netllm.Snapshot(b, weights)
			if err != nil {
				t.Fatal(err)
			}
			r, err := NewRecipe("best", body, spec, 1)
			if err != nil {
				t.Fatal(err)
			}
			r = quick(r)
			r.Epochs, r.Average, r.WeightDecay = 2, 0, 0
			if (r.LoRA == nil) != c.tuned {
				t.Errorf("got matrices %v", r.LoRA)
			}
			a, err := NewAdapter(b, body, r, nil)
			if err != nil {
				t.Fatal(err)
			}
			ws := r.Windows.Windows(spinning(12))
			if err := a.Train(t.Context(), b, ws, ws[:8], nil); err != nil {
				t.Fatal(err)
			}
			after, err := netllm.Snapshot(b, weights)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range weights {
				if slices.Equal(before[i], after[i]) {
					t.Errorf("%s did not change", p.Name)
				}
			}
			if now, err := model.Hash(b); err != nil || now != hash {
				t.Errorf("the model's weights have changed, %v", err)
			}
		})
	}
}

// The project's own recipe begins as hold-last and learns to go on turning, whatever the body.
func TestBestLearns(t *testing.T) {
	for _, body := range []string{"pretrained", "random:2", "trained:2", "none", "attention:2"} {
		t.Run(body, func(t *testing.T) {
			b := ops.NewCPU(2)
			defer b.Close()
			a, before, after := adapted(t, b, "best", body, 1)
			hold := evaluate(t, "hold-last", a.Recipe.Windows.Windows(spinning(42))[:84], EvalOptions{}).Mean
			if math.Abs(before/hold-1) > 0.2 || after > before/3 {
				t.Errorf("got error %.3f before and %.3f after, hold-last %.3f", before, after, hold)
			}
			lora, trained := a.Body.LoRA != nil, len(netllm.TrainedParams(a.Body.Base)) > 0
			if wantLoRA := body == "pretrained" || body == "random:2"; lora != wantLoRA || trained != (body == "trained:2" || body == "attention:2") {
				t.Errorf("matrices: %v, trained body: %v", lora, trained)
			}
		})
	}
}

// An untrained network of the project's own recipe is hold-last, number for number.
func TestUntrainedHoldsLast(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	m := tinyBody(t, b)
	r, err := NewRecipe("best", m, netllm.BodySpec{Kind: netllm.PretrainedBody}, 5)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAdapter(b, m, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, lengths := range [][2]int{{1, 1}, {10, 20}, {20, 30}, {25, 35}} {
		ws := Windowing{lengths[0], lengths[1], 7, 30, 40}.Windows(spinning(3))
		f := a.Factory("netllm", 1, true, func() ops.Backend { return b })
		got, err := Evaluate(t.Context(), f, ws, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := evaluate(t, "hold-last", ws, EvalOptions{}); !slices.Equal(got.Windows, want.Windows) {
			t.Errorf("%v: got error %v, hold-last has %v", lengths, got.Mean, want.Mean)
		}
	}
}

func TestPaperLearns(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	a, before, after := adapted(t, b, "paper", "pretrained", 1)
	if after > before*0.6 {
		t.Errorf("got error %.3f before and %.3f after", before, after)
	}
	// Answers are the same with and without the cache, and batched or one by one.
	ws := a.Recipe.Windows.Windows(spinning(9))
	for i := range ws {
		ws[i].History += i % 2 // two shapes
	}
	answer := func(caching bool, batch int) []Angles {
		p := a.NewLearned(ops.NewContext(b), caching)
		all := make([]Angles, len(ws)*ws[0].Horizon)
		for from := 0; from < len(ws); from += batch {
			part := ws[from:min(from+batch, len(ws))]
			var dst [][]Angles
			for i := range part {
				dst = append(dst, all[(from+i)*ws[0].Horizon:][:ws[0].Horizon])
			}
			if err := p.Predict(dst, part); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	want := answer(false, 1)
	for _, c := range []struct {
		caching bool
		batch   int
	}{{true, 1}, {true, 7}, {false, 64}} {
		for i, got := range answer(c.caching, c.batch) {
			for axis := range ends {
				if math.Abs(float64(got[axis]-want[i][axis])) > 1e-3 {
					t.Fatalf("caching %v, %d at a time: got %v, want %v", c.caching, c.batch, got, want[i])
				}
			}
		}
	}
	long := Windowing{History: 40, Horizon: 40, Stride: 1, TrimHead: 40, TrimTail: 79}.Windows(spinning(1))
	p := a.NewLearned(ops.NewContext(b), true)
	if err := p.Predict([][]Angles{make([]Angles, 40)}, long[:1]); err == nil || !strings.Contains(err.Error(), "take 80 positions, the model has 64") {
		t.Errorf("a question too long: got %v", err)
	}
}

// An adapter that was written and read again answers as before; training does not depend on
// threads; what does not belong together is refused.
func TestAdapterFiles(t *testing.T) {
	for _, c := range []struct{ recipe, body string }{{"best", "pretrained"}, {"paper", "random:4"}, {"best", "trained:4"}, {"best", "none"}, {"best", "attention:4"}} {
		t.Run(c.recipe+" "+c.body, func(t *testing.T) {
			b := ops.NewCPU(1)
			defer b.Close()
			a, _, _ := adapted(t, b, c.recipe, c.body, 2)
			two := ops.NewCPU(2)
			defer two.Close()
			if other, _, _ := adapted(t, two, c.recipe, c.body, 2); !sameValues(t, b, a.Trained(), other.Trained()) {
				t.Error("two threads train to other weights than one")
			}
			dir := filepath.Join(t.TempDir(), "adapter")
			if err := a.Write(b, dir, "tiny", false); err != nil {
				t.Fatal(err)
			}
			if err := a.Write(b, dir, "tiny", false); err == nil {
				t.Error("an old adapter was replaced unasked")
			}
			r, err := ReadRecipe(dir)
			if err != nil {
				t.Fatal(err)
			}
			body, _, err := r.Body.Open(b, tinyBody(t, b))
			if err != nil {
				t.Fatal(err)
			}
			again, err := LoadAdapter(b, body, dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			ws := r.Windows.Windows(spinning(5))
			if got, want := learnedError(t, b, again, ws), learnedError(t, b, a, ws); got != want {
				t.Errorf("read again: got error %v, want %v", got, want)
			}
			other, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 32, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8,
				Vocab: 7, MaxPositions: 64, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 3)
			if err != nil {
				t.Fatal(err)
			}
			wrong, _, err := r.Body.Open(b, other)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := LoadAdapter(b, wrong, dir, nil); err == nil || !strings.Contains(err.Error(), `trained around "tiny"`) {
				t.Errorf("another body: got %v", err)
			}
		})
	}
	if _, err := ReadRecipe(t.TempDir()); err == nil {
		t.Error("an empty folder was read")
	}
	dir := filepath.Dir(write(t, filepath.Join(t.TempDir(), "netllm_adapter.json"), `{"version": 1, "task": "abr"}`))
	if _, err := ReadRecipe(dir); err == nil || !strings.Contains(err.Error(), `task "abr"`) {
		t.Errorf("another task: got %v", err)
	}
	write(t, filepath.Join(dir, "netllm_adapter.json"), `{"version": 1, "task": "vp", "recipe": {"network": {"kind": "x"}}}`)
	if _, err := ReadRecipe(dir); err == nil || !strings.Contains(err.Error(), `kind "x"`) || !strings.Contains(err.Error(), "epochs is 0") {
		t.Errorf("a recipe without sense: got %v", err)
	}
}

func sameValues(t *testing.T, b ops.Backend, x, y []*ops.Param) bool {
	t.Helper()
	p, err := netllm.Snapshot(b, x)
	if err != nil {
		t.Fatal(err)
	}
	q, err := netllm.Snapshot(b, y)
	if err != nil {
		t.Fatal(err)
	}
	return slices.EqualFunc(p, q, slices.Equal)
}

func TestTrainErrors(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	m := tinyBody(t, b)
	r, err := NewRecipe("best", m, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAdapter(b, m, quick(r), nil)
	if err != nil {
		t.Fatal(err)
	}
	ws := a.Recipe.Windows.Windows(spinning(2))
	if err := a.Train(t.Context(), b, nil, ws, nil); err == nil || !strings.Contains(err.Error(), "0 windows to train on") {
		t.Errorf("no windows: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := a.Train(ctx, b, ws, ws, func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if _, err := NewRecipe("fast", m, netllm.BodySpec{}, 1); err == nil {
		t.Error("an unknown recipe was found")
	}
	bad := quick(r)
	bad.Windows.History, bad.Windows.TrimHead, bad.Network.History = 64, 64, 64
	if _, err := NewAdapter(b, m, bad, nil); err == nil || !strings.Contains(err.Error(), "the model has 64") {
		t.Errorf("too many positions: got %v", err)
	}
	bad = quick(r)
	bad.LearningRate, bad.Batch, bad.Average = 0, 0, 1
	if _, err := NewAdapter(b, m, bad, nil); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three bad fields: got %v", err)
	}
	bad = quick(r)
	bad.Network.Image = 3
	if _, err := NewAdapter(b, m, bad, nil); err == nil || !strings.Contains(err.Error(), "pictures") {
		t.Errorf("no pictures: got %v", err)
	}
}

// A window seen in a mirror has the mirrored answer.
func TestMirror(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	a, _, _ := adapted(t, b, "best", "none", 3)
	trace := spinning(6)[5]
	mirrored := &Trace{Rows: slices.Clone(trace.Rows)}
	for i, r := range mirrored.Rows {
		mirrored.Rows[i] = Angles{-r[Roll], r[Pitch], -r[Yaw]}
	}
	w := Window{Trace: trace, At: 30, History: 8, Horizon: 10}
	v := w
	v.Trace = mirrored
	dst := [][]Angles{make([]Angles, 10), make([]Angles, 10)}
	if err := a.NewLearned(ops.NewContext(b), true).Predict(dst, []Window{w, v}); err != nil {
		t.Fatal(err)
	}
	for k := range dst[0] {
		if p, q := dst[0][k], dst[1][k]; math.Abs(float64(p[Roll]+q[Roll])) > 1e-3 || math.Abs(float64(p[Pitch]-q[Pitch])) > 1e-3 || math.Abs(float64(p[Yaw]+q[Yaw])) > 1e-3 {
			t.Errorf("row %d: got %v and %v", k, p, q)
		}
	}
}
