// A small model in a file, and small random adapters of the three tasks around it.

package netllm_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"unsafe"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// tasks are what is asked of adapters here, and where they are.
type tasks struct {
	model, abr, vp, cjs string // a file and three folders

	video     *abr.Video
	sessions  []abr.Session
	windows   []vp.Window
	sequences []*cjs.Sequence
}

// makeTasks writes a model and adapters below dir. published has the adapters have the published
// networks, which answer step by step and remember decisions.
func makeTasks(dir string, published bool) (*tasks, error) {
	x := &tasks{model: filepath.Join(dir, "model.gguf"), abr: filepath.Join(dir, "abr"), vp: filepath.Join(dir, "vp"), cjs: filepath.Join(dir, "cjs"),
		video: abr.SynthVideo("synth1", 1, 1)}
	b := ops.NewCPU(1)
	defer b.Close()
	random, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 2, Width: 32, FFN: 64, Heads: 4, KVHeads: 2, HeadDim: 8,
		RopeDim: 8, Vocab: 16, MaxPositions: 128, NormEps: 1e-5, RopeTheta: 10000}, 7)
	if err != nil {
		return nil, err
	}
	if err := random.WriteGGUF(b, x.model, tensor.F32, nil, false); err != nil {
		return nil, err
	}
	body, err := netllm.OpenBase(b, x.model)
	if err != nil {
		return nil, err
	}
	return x, errors.Join(x.makeABR(b, body, published), x.makeVP(b, body, published), x.makeCJS(b, body, published), body.Close())
}

// draw gives parameters values that make every matrix matter.
func draw(b ops.Backend, params []*ops.Param) {
	for i, p := range params {
		rng := rand.New(rand.NewPCG(uint64(i), 5))
		values := make([]float32, p.Value.Len())
		for k := range values {
			values[k] = float32(rng.NormFloat64() / math.Sqrt(float64(p.Value.Dim(p.Value.Rank()-1))))
		}
		b.Upload(p.Value, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values)))
	}
}

func (x *tasks) makeABR(b ops.Backend, body transformer.Adaptable, published bool) error {
	set, err := abr.OpenTraces("", "synth:n=2,seed=3")
	if err != nil {
		return err
	}
	if x.sessions, err = set.Sessions(abr.Plan{}); err != nil {
		return err
	}
	teacher, err := abr.NewFactory("bba", abr.PolicyConfig{})
	if err != nil {
		return err
	}
	played, err := abr.Collect(context.Background(), teacher, x.video, x.sessions, abr.CollectOptions{})
	if err != nil {
		return err
	}
	name := "best"
	if published {
		name = "offline"
	}
	r, err := abr.NewRecipe(name, body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		return err
	}
	if r.Network.Features = 16; published {
		r.Network.Window = 8
	}
	a, err := abr.NewAdapter(b, body, played.Pool(netllm.PoolMeta{Policies: []string{"bba"}}), r)
	if err != nil {
		return err
	}
	draw(b, a.Params())
	return a.Write(b, x.abr, "test", false)
}

func (x *tasks) makeVP(b ops.Backend, body transformer.Adaptable, published bool) error {
	rng := rand.New(rand.NewPCG(1, 1))
	for user := range 2 {
		t := &vp.Trace{Video: 1, User: user + 1}
		var at vp.Angles
		for range 200 {
			for axis := range at {
				at[axis] = max(-60, min(60, at[axis]+float32(4*rng.NormFloat64())))
			}
			t.Rows = append(t.Rows, at)
		}
		w := vp.Windowing{History: 10, Horizon: 20, Stride: 5, TrimHead: 30, TrimTail: 30}
		x.windows = append(x.windows, w.Windows([]*vp.Trace{t})...)
	}
	name := "best"
	if published {
		name = "paper"
	}
	r, err := vp.NewRecipe(name, body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		return err
	}
	r.Network.Features = 16
	a, err := vp.NewAdapter(b, body, r, nil)
	if err != nil {
		return err
	}
	draw(b, append(a.Body.Params(), a.Network.Params()...))
	return a.Write(b, x.vp, "test", false)
}

func (x *tasks) makeCJS(b ops.Backend, body transformer.Adaptable, published bool) error {
	stage := func(tasks, ms int) map[string]any {
		var first, rest []int
		for i := range tasks {
			if first = append(first, ms+i); i%2 == 0 {
				rest = append(rest, ms/2+i)
			}
		}
		return map[string]any{"levels": []int{5}, "fresh": [][]int{{ms + 300}}, "first": [][]int{first}, "rest": [][]int{rest}}
	}
	var queries []any
	for q := 1; q <= 3; q++ {
		queries = append(queries, map[string]any{"query": q, "edges": [][2]int{{0, 2}, {1, 2}}, "stages": []any{stage(3*q, 9000*q), stage(4*q, 7000), stage(2, 5000)}})
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := json.NewEncoder(z).Encode(map[string]any{"format": "cjs-tpch-1", "size": "1g", "queries": queries}); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	size, list, err := cjs.ParseProfile(packed.Bytes())
	if err != nil {
		return err
	}
	profiles := &cjs.Profiles{Sizes: []string{size}, Queries: map[string][]*cjs.Query{size: list}}
	for seed := range uint64(2) {
		s, err := cjs.Generate(profiles, cjs.Cluster{Executors: 4, MovingDelay: 200, WarmUpDelay: 100}, 6, seed)
		if err != nil {
			return err
		}
		x.sequences = append(x.sequences, s)
	}
	name := "best"
	if published {
		name = "paper"
	}
	r, err := cjs.NewRecipe(name, body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		return err
	}
	r.Network.Width, r.Network.Executors = 8, 4
	if published {
		r.Network.Window, r.Network.Stages, r.Network.Timesteps = 3, 12, 40
	}
	a, err := cjs.NewAdapter(b, body, r)
	if err != nil {
		return err
	}
	draw(b, a.Trained())
	return a.Write(b, x.cjs, "test", false)
}

// ledger is a backend that keeps account of the memory that it gives out.
type ledger struct {
	ops.Backend
	held     map[*tensor.Storage]bool
	bytes    int
	prepared int // weights
}

func newLedger(threads int) *ledger {
	return &ledger{Backend: ops.NewCPU(threads), held: map[*tensor.Storage]bool{}}
}

func (l *ledger) Alloc(size int) *tensor.Storage {
	s := l.Backend.Alloc(size)
	l.held[s], l.bytes = true, l.bytes+size
	return s
}

func (l *ledger) Free(s *tensor.Storage) {
	if !l.held[s] {
		panic(fmt.Sprintf("ledger: %d bytes are given back that are not held", s.Size()))
	}
	delete(l.held, s)
	l.bytes -= s.Size()
	l.Backend.Free(s)
}

func (l *ledger) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	p, err := l.Backend.Prepare(w)
	if err == nil && p.Storage() != w.Storage() {
		l.held[p.Storage()], l.bytes = true, l.bytes+p.Storage().Size()
	}
	l.prepared++
	return p, err
}

// attached are adapters of the three tasks on one body.
type attached struct {
	abr *abr.Adapter
	vp  *vp.Adapter
	cjs *cjs.Adapter
}

func (x *tasks) attach(b ops.Backend, body transformer.Adaptable) (a attached, err error) {
	if a.abr, err = abr.LoadAdapter(b, body, x.abr); err != nil {
		return a, err
	}
	if a.vp, err = vp.LoadAdapter(b, body, x.vp, nil); err != nil {
		return a, err
	}
	a.cjs, err = cjs.LoadAdapter(b, body, x.cjs)
	return a, err
}

func (a *attached) Close() error {
	return errors.Join(a.abr.Close(), a.vp.Close(), a.cjs.Close())
}

// asker plays one task with a policy of its own, and keeps the bits of all answers and of the scores that they were
// chosen by.
type asker struct {
	name   string
	policy io.Closer
	play   func(ctx context.Context) error
	turn   func(ask func() error) error // round every question
	batch  int                          // of windows that are one question
	bits   []uint32
}

func (k *asker) note(values ...float32) {
	for _, v := range values {
		k.bits = append(k.bits, math.Float32bits(v))
	}
}

func atOnce(ask func() error) error { return ask() }

// askers returns one for each task; policies compute in contexts of their own on what open returns.
func (x *tasks) askers(a *attached, open func() ops.Backend) []*asker {
	look, rate, job := &asker{name: "vp", turn: atOnce, batch: 1}, &asker{name: "abr", turn: atOnce}, &asker{name: "cjs", turn: atOnce}
	viewer := a.vp.NewLearned(ops.NewContext(open()), true)
	look.policy, look.play = viewer, func(ctx context.Context) error {
		f := vp.Factory{Batch: look.batch, New: func() (vp.Predictor, error) { return vpAsker{viewer, look}, nil }}
		_, err := vp.Evaluate(ctx, f, x.windows, vp.EvalOptions{Workers: 1})
		return err
	}
	streamer := a.abr.NewLearned(ops.NewContext(open()), a.abr.Cond.MaxReturn)
	rate.policy, rate.play = streamer, func(ctx context.Context) error {
		f := abr.Factory{New: func() (abr.Policy, error) { return abrAsker{streamer, rate}, nil }}
		_, err := abr.Evaluate(ctx, f, x.video, x.sessions, abr.EvalOptions{Workers: 1})
		return err
	}
	scheduler := a.cjs.NewLearned(ops.NewContext(open()))
	job.policy, job.play = scheduler, func(ctx context.Context) error {
		f := cjs.Factory{New: func() (cjs.Policy, error) { return cjsAsker{scheduler, job}, nil }}
		_, err := cjs.Evaluate(ctx, f, x.sequences, cjs.EvalOptions{Workers: 1, Seed: 3})
		return err
	}
	return []*asker{look, rate, job}
}

type vpAsker struct {
	p *vp.Learned
	*asker
}

func (k vpAsker) Predict(dst [][]vp.Angles, ws []vp.Window) error {
	return k.turn(func() error {
		err := k.p.Predict(dst, ws)
		for _, rows := range dst[:len(ws)] {
			for _, row := range rows {
				k.note(row[:]...)
			}
		}
		return err
	})
}

type abrAsker struct {
	p *abr.Learned
	*asker
}

func (k abrAsker) Reset() { k.p.Reset() }

func (k abrAsker) Decide(o *abr.Observation) (quality int, err error) {
	err = k.turn(func() error {
		quality, err = k.p.Decide(o)
		logits := k.p.Logits()
		k.note(logits[:]...)
		return err
	})
	return quality, err
}

type cjsAsker struct {
	p *cjs.Learned
	*asker
}

func (k cjsAsker) Reset(seed uint64) { k.p.Reset(seed) }

func (k cjsAsker) Decide(o *cjs.Observation) (action cjs.Action, err error) {
	err = k.turn(func() error {
		action, err = k.p.Decide(o)
		k.note(float32(action.Stage), float32(action.Executors))
		k.note(k.p.Scores()...)
		return err
	})
	return action, err
}
