package text

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"netllm/netllm"
	"netllm/netllm/pretrain"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tensor/gguf"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// byteModel returns a small random model over bytes, with its tokenizer.
func byteModel(t *testing.T, b ops.Backend, positions int) (transformer.Model, *tokenizer.Tokenizer) {
	t.Helper()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 2, Width: 32, FFN: 64, Heads: 4, KVHeads: 2, HeadDim: 8,
		RopeDim: 8, Vocab: pretrain.Vocab, MaxPositions: positions, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 7)
	if err != nil {
		t.Fatal(err)
	}
	params, err := m.Trainable(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range params[0].Value.Float32s() { // the frozen table of a model that has learned tells tokens apart
		params[0].Value.Float32s()[i] *= 25
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := pretrain.Write(b, path, m, false); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := tokenizer.FromGGUF(f)
	if err != nil {
		t.Fatal(err)
	}
	words, err := tokenizer.New(v)
	if err != nil {
		t.Fatal(err)
	}
	return m, words
}

// still are windows of viewers who look at one of few places and do not move.
func still(n, history, horizon int) []vp.Window {
	var list []vp.Window
	for i := range n {
		t := &vp.Trace{Video: 1, User: i}
		for range history + horizon {
			t.Rows = append(t.Rows, vp.Angles{0, 0, float32(i % 3)})
		}
		list = append(list, vp.Window{Trace: t, At: history, History: history, Horizon: horizon})
	}
	return list
}

// A body that is tuned on viewers who stand still says so, in the right form, and its frozen weights are what they were.
func TestTuneLearns(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	model, words := byteModel(t, b, 96)
	hash, err := model.Hash(b)
	if err != nil {
		t.Fatal(err)
	}
	f := DefaultConfig(model)
	f.Form = Form{Relative: true, History: 2, Horizon: 2}
	f.Windows, f.Batch, f.ValidEvery, f.Average, f.LearningRate = 2000, 8, 400, 0, 5e-3
	f.LoRA.Rank, f.LoRA.Alpha = 8, 32
	ws := still(24, 2, 2)
	var first, last Progress
	tuned, err := Tune(t.Context(), b, model, words, ws, ws[:6], f, func(p Progress) {
		if p.Step == 1 {
			first = p
		}
		last = p
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tuned.Close()
	if last.Step != 250 || last.Steps != 250 || !(last.Best < 0.05) || math.IsNaN(last.Valid) {
		t.Errorf("got %+v after %+v", last, first)
	}
	p := tuned.NewPredictor(ops.NewContext(b))
	defer p.Close()
	for _, w := range ws[:3] {
		a, err := p.Answer(w)
		if err != nil {
			t.Fatal(err)
		}
		if a.Text != "a0,0,0b0,0,0." || a.Invalid != nil || a.Tokens != len(a.Text) || len(a.Rows) != 2 || a.Rows[1] != w.Future()[1] {
			t.Errorf("got %+v", a)
		}
	}
	score, err := vp.Evaluate(t.Context(), vp.Factory{Name: "text", Workers: 1, New: func() (vp.Predictor, error) { return struct{ vp.Predictor }{p}, nil }}, ws, vp.EvalOptions{})
	if err != nil || score.Mean != 0 || p.Asked != len(ws) || len(p.Invalid) != 0 {
		t.Errorf("got %v, %v, asked %d, invalid %v", score, err, p.Asked, p.Invalid)
	}
	dir := filepath.Join(t.TempDir(), "tuned")
	if err := tuned.Write(dir, "m", false); err != nil {
		t.Fatal(err)
	}
	again, err := Load(b, model, words, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if r, err := vp.Evaluate(t.Context(), again.Factory("text"), ws, vp.EvalOptions{}); err != nil || r.Mean != 0 {
		t.Errorf("read again: got %v, %v", r, err)
	}
	if _, err := Load(b, model, words, t.TempDir()); err == nil {
		t.Error("an empty folder was read")
	}
	if now, err := model.Hash(b); err != nil || now != hash {
		t.Errorf("the frozen weights have changed, %v", err)
	}
	for _, q := range tuned.Params() {
		if q.Value.Len() == 0 {
			t.Errorf("%s is empty", q.Name)
		}
	}
}

// A model that has learned nothing says no valid answer, is counted, and stands still as a predictor.
func TestUntunedIsInvalid(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	model, words := byteModel(t, b, 96)
	f := DefaultConfig(model)
	f.Form = Form{History: 2, Horizon: 2}
	f.Windows, f.Batch, f.LearningRate = 1, 1, 1e-9
	ws := still(4, 2, 2)
	tuned, err := Tune(t.Context(), b, model, words, ws, ws, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tuned.Close()
	p := tuned.NewPredictor(ops.NewContext(b))
	defer p.Close()
	dst := [][]vp.Angles{make([]vp.Angles, 2), make([]vp.Angles, 2)}
	if err := p.Predict(dst, ws[1:3]); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, k := range Kinds {
		total += p.Invalid[k]
	}
	if total != 2 || p.Asked != 2 || dst[0][1] != ws[1].Past()[1] || dst[1][0] != ws[2].Past()[1] {
		t.Errorf("got invalid %v of %d, answers %v", p.Invalid, p.Asked, dst)
	}
}

func TestTuneRefuses(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	model, words := byteModel(t, b, 96)
	ws := still(4, 2, 2)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		change func(f *Config)
		ws     []vp.Window
	}{
		{"too few positions", t.Context(), func(f *Config) { f.Form = Form{History: 10, Horizon: 20} }, ws},
		{"no rows", t.Context(), func(f *Config) { f.Form.Horizon = 0 }, ws},
		{"no windows", t.Context(), func(*Config) {}, nil},
		{"windows too short", t.Context(), func(f *Config) { f.Form.Horizon = 3 }, ws},
		{"no batch", t.Context(), func(f *Config) { f.Batch = 0 }, ws},
		{"no rate", t.Context(), func(f *Config) { f.LearningRate = 0 }, ws},
		{"no such layer", t.Context(), func(f *Config) { f.LoRA.Targets = []string{"x"} }, ws},
		{"cancelled", cancelled, func(*Config) {}, ws},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := DefaultConfig(model)
			f.Form = Form{History: 2, Horizon: 2}
			f.Windows = 4
			c.change(&f)
			tuned, err := Tune(c.ctx, b, model, words, c.ws, c.ws, f, nil)
			if err == nil {
				tuned.Close()
				t.Error("got no error")
			}
			if c.ctx == cancelled && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	if rank := DefaultConfig(model).LoRA.Rank; rank != netllm.QuarterRank(model, []string{"k_proj"}) {
		t.Errorf("got rank %d", rank)
	}
}
