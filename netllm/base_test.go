package netllm_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"netllm/internal/turns"
	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/transformer"
)

func smallTasks(t testing.TB, published bool) *tasks {
	t.Helper()
	x, err := makeTasks(t.TempDir(), published)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func openBase(t testing.TB, b ops.Backend, path string) *netllm.Base {
	t.Helper()
	body, err := netllm.OpenBase(b, path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func attach(t testing.TB, x *tasks, b ops.Backend, body transformer.Adaptable) *attached {
	t.Helper()
	a, err := x.attach(b, body)
	if err != nil {
		t.Fatal(err)
	}
	return &a
}

// alone returns the answers of each task when it is evaluated by itself, on a body of its own.
func alone(t testing.TB, x *tasks) map[string][]uint32 {
	t.Helper()
	answers := map[string][]uint32{}
	for i, name := range []string{"vp", "abr", "cjs"} {
		b := ops.NewCPU(1)
		body := openBase(t, b, x.model)
		a := attach(t, x, b, body)
		k := x.askers(a, func() ops.Backend { return b })[i]
		k.batch = a.vp.Factory("", 1, true, nil).Batch
		if err := k.play(t.Context()); err != nil {
			t.Fatal(err)
		}
		answers[name] = k.bits
		if len(k.bits) < 100 {
			t.Fatalf("%s: %d numbers in all answers", name, len(k.bits))
		}
		for _, err := range []error{a.Close(), body.Close(), b.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	return answers
}

func compare(t *testing.T, want map[string][]uint32, askers []*asker) {
	t.Helper()
	for _, k := range askers {
		if !slices.Equal(k.bits, want[k.name]) {
			t.Errorf("%s: %d numbers answered, alone %d, and not the same", k.name, len(k.bits), len(want[k.name]))
		}
	}
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// Questions of three tasks, asked in turn of one body on one backend, are answered as each task's are alone, to the bit; so
// they are when three goroutines ask at the same time. The body's weights stay what they were.
func TestInterleaved(t *testing.T) {
	for name, published := range map[string]bool{"best": false, "paper": true} {
		t.Run(name, func(t *testing.T) {
			x := smallTasks(t, published)
			want, file := alone(t, x), fileSum(t, x.model)

			b := newLedger(2)
			defer b.Close()
			body := openBase(t, b, x.model)
			before, _ := body.Hash(b)
			weights := b.prepared
			a := attach(t, x, b, body)
			askers := x.askers(a, func() ops.Backend { return b })
			order := ask(t, askers, true)
			compare(t, want, askers)
			first := len(order)
			for i, k := range askers {
				if got := slices.Index(order, k.name); got != i {
					t.Errorf("%s is asked first in turn %d, want %d: %v", k.name, got, i, order[:6])
				}
				first = min(first, count(order, k.name))
			}
			for i := range 3 * first { // all tasks still have questions
				if order[i] != askers[i%3].name {
					t.Fatalf("turn %d is that of %s, want %s", i, order[i], askers[i%3].name)
				}
			}

			own := x.askers(a, func() ops.Backend { return ops.NewCPU(1) })
			ask(t, own, false)
			compare(t, want, own)

			if b.prepared != weights {
				t.Errorf("%d weights were prepared after the body's", b.prepared-weights)
			}
			if err := body.Verify(b); err != nil {
				t.Error(err)
			}
			if after, err := body.Model.Hash(b); err != nil || after != before {
				t.Errorf("hash of the body: got %s, %v, want %s", after, err, before)
			}
			if got := fileSum(t, x.model); got != file {
				t.Errorf("SHA-256 of the file: got %s, want %s", got, file)
			}
			for _, k := range append(askers, own...) {
				if err := k.policy.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if err := body.Close(); err != nil || len(b.held) != 0 {
				t.Errorf("after all was closed: %v, %d bytes in %d pieces are held", err, b.bytes, len(b.held))
			}
		})
	}
}

func count(list []string, name string) (n int) {
	for _, s := range list {
		if s == name {
			n++
		}
	}
	return n
}

// ask has all play, each in a goroutine: in turn, or as they come. It returns whose turns there were.
func ask(t *testing.T, askers []*asker, inTurn bool) (order []string) {
	t.Helper()
	table := turns.New(len(askers))
	var wg sync.WaitGroup
	for i, k := range askers {
		if inTurn {
			k.turn = func(ask func() error) error {
				if err := table.Take(t.Context(), i); err != nil {
					return err
				}
				defer table.Pass(i)
				order = append(order, k.name)
				return ask()
			}
		}
		wg.Go(func() {
			defer table.Leave(i)
			if err := k.play(t.Context()); err != nil {
				t.Errorf("%s: %v", k.name, err)
			}
		})
	}
	wg.Wait()
	return order
}

// live is the heap that is still in use.
func live() uint64 {
	runtime.GC()
	runtime.GC() // what cleanups of the first let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Attaching, asking and detaching a thousand times takes no more memory than once: no byte of the backend's, and of the Go heap
// less than one policy has. What was closed is small, so that it does no harm to hold on to it.
func TestAttachAndDetach(t *testing.T) {
	x := smallTasks(t, true)
	b := newLedger(1)
	defer b.Close()
	body := openBase(t, b, x.model)
	defer body.Close()
	adapters := 0
	var closed []io.Closer
	cycle := func() {
		a := attach(t, x, b, body)
		p := a.abr.NewLearned(ops.NewContext(b), a.abr.Cond.MaxReturn)
		p.Reset()
		env, err := abr.NewEnv(abr.EnvConfig{Video: x.video})
		if err != nil {
			t.Fatal(err)
		}
		o, err := env.ResetSession(x.sessions[0], 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Decide(o); err != nil {
			t.Fatal(err)
		}
		v := a.vp.NewLearned(ops.NewContext(b), true)
		dst := [][]vp.Angles{make([]vp.Angles, x.windows[0].Horizon)}
		if err := v.Predict(dst, x.windows[:1]); err != nil {
			t.Fatal(err)
		}
		s := a.cjs.NewLearned(ops.NewContext(b))
		cluster, err := cjs.NewEnv(cjs.EnvConfig{})
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := cluster.ResetSequence(x.sequences[0], 1)
		if err != nil {
			t.Fatal(err)
		}
		s.Reset(1)
		if _, err := s.Decide(jobs); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time does nothing
			closed = []io.Closer{p, v, s, a}
			for _, c := range closed {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		adapters += 3
	}
	cycle()
	pieces, bytes, heap := len(b.held), b.bytes, live()
	rounds := 334 // of three tasks
	if raceDetector {
		rounds = 20
	}
	for range rounds {
		cycle()
	}
	if len(b.held) != pieces || b.bytes != bytes {
		t.Errorf("the backend has given out %d bytes in %d pieces, before %d in %d", b.bytes, len(b.held), bytes, pieces)
	}
	const bound = 512 << 10
	grown := int64(live()) - int64(heap)
	if grown > bound {
		t.Errorf("after %d adapters the heap has grown by %d bytes, want at most %d", adapters, grown, bound)
	}
	t.Logf("%d adapters: heap %+d bytes", adapters, grown)

	heap = live()
	kept := make([]io.Closer, 0, 80)
	for range 20 {
		cycle()
		kept = append(kept, closed...)
	}
	const each = 128 << 10 // for three adapters and their policies, whose arenas alone have 3 MiB
	if grown := int64(live()) - int64(heap); grown > 20*each {
		t.Errorf("%d closed adapters and policies hold %d bytes, want at most %d", len(kept), grown, 20*each)
	} else {
		t.Logf("%d closed adapters and policies hold %d bytes", len(kept), grown)
	}
	runtime.KeepAlive(kept)
	if err := body.Verify(b); err != nil {
		t.Error(err)
	}
}

// Nothing of a training is left but the adapter, and nothing of that when it is closed.
func TestTrainAndDetach(t *testing.T) {
	x := smallTasks(t, true)
	b := newLedger(1)
	defer b.Close()
	body := openBase(t, b, x.model)
	defer body.Close()
	held, a := len(b.held), attach(t, x, b, body)
	attached := len(b.held)
	check := func(task string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", task, err)
		}
		if len(b.held) != attached {
			t.Errorf("%s: %d pieces of memory are held after training, %d before", task, len(b.held), attached)
		}
	}

	bba, err := abr.NewFactory("bba", abr.PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	played, err := abr.Collect(t.Context(), bba, x.video, x.sessions[:1], abr.CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a.abr.Recipe.Epochs = 1
	check("abr", a.abr.Train(t.Context(), b, played.Pool(netllm.PoolMeta{Policies: []string{"bba"}}), nil))

	a.vp.Recipe.Epochs = 1
	check("vp", a.vp.Train(t.Context(), b, x.windows[:6], x.windows[:2], nil))

	fair, err := cjs.NewFactory("fair", cjs.PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := cjs.Collect(t.Context(), fair, x.sequences, cjs.CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := &a.cjs.Recipe
	r.Windows, r.ValidEvery, r.Accumulate, r.Rounds, r.RoundEpisodes = 8, 4, 2, 1, 1
	check("cjs", a.cjs.Train(t.Context(), b, pool, cjs.TrainOptions{Valid: x.sequences[:1], Workers: 1, Teacher: fair,
		Own:  func(int) ([]*cjs.Sequence, error) { return x.sequences[1:], nil },
		Open: func() ops.Backend { return b }}))

	if err := a.Close(); err != nil || len(b.held) != held {
		t.Errorf("after closing: %v, %d pieces of memory are held, want %d", err, len(b.held), held)
	}
	if err := body.Verify(b); err != nil {
		t.Error(err)
	}
}

// An adapter that cannot be attached leaves nothing behind.
func TestAttachFails(t *testing.T) {
	x := smallTasks(t, false)
	b := newLedger(1)
	defer b.Close()
	body := openBase(t, b, x.model)
	defer body.Close()
	held := len(b.held)
	for name, load := range map[string]func(dir string) error{
		"abr": func(dir string) error { _, err := abr.LoadAdapter(b, body, dir); return err },
		"vp":  func(dir string) error { _, err := vp.LoadAdapter(b, body, dir, nil); return err },
		"cjs": func(dir string) error { _, err := cjs.LoadAdapter(b, body, dir); return err },
	} {
		dir := map[string]string{"abr": x.abr, "vp": x.vp, "cjs": x.cjs}[name]
		if err := os.Remove(filepath.Join(dir, "netllm_modules.safetensors")); err != nil {
			t.Fatal(err)
		}
		if err := load(dir); err == nil || !strings.Contains(err.Error(), "netllm_modules.safetensors") {
			t.Errorf("%s: got %v", name, err)
		}
		if len(b.held) != held {
			t.Errorf("%s: %d pieces of memory are held, want %d", name, len(b.held), held)
		}
	}
}

// A body whose weights were written to is found out.
func TestVerify(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 16, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8,
		Vocab: 7, MaxPositions: 64, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	body, err := netllm.NewBase(b, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Verify(b); err != nil {
		t.Error(err)
	}
	params, err := m.Trainable(b)
	if err != nil {
		t.Fatal(err)
	}
	draw(b, params[:1])
	if err := body.Verify(b); err == nil || !strings.Contains(err.Error(), "have changed") {
		t.Errorf("got %v", err)
	}
}
