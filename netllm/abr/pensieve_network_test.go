// The trained Pensieve: what it sees, what it computes, its file.

package abr

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// watched plays a session and shows what was seen before each decision.
func watched(t *testing.T, f Factory, see func(o *Observation)) {
	t.Helper()
	sessions := madeSessions(t, "synth:n=1,dur=60", 1, 3)
	err := runAll(t.Context(), f, SynthVideo("synth1", 1, 1), sessions, runOptions{workers: 1}, func(int) observer {
		return observer{began: func(*Observation) {}, decided: func(o *Observation, _ int) { see(o) }, stepped: func(netllm.Step[*Observation]) {}}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// madeSessions are sessions of generated traces from random rows.
func madeSessions(t *testing.T, set string, n int, seed uint64) []Session {
	t.Helper()
	traces, err := OpenTraces("", set)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := traces.Sessions(Plan{Start: StartRandom, Episodes: n, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// With the published history an input is the state; with a longer one it goes on from there.
func TestPensieveInput(t *testing.T) {
	t.Parallel()
	f, err := NewFactory("bba", PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	short := newPensieveInput(PensieveConfig{History: History, Width: 1})
	long := newPensieveInput(PensieveConfig{History: 9, Width: 1, Places: true})
	var delays []float32
	watched(t, f, func(o *Observation) {
		var state [Features * History]float32
		o.StateFloat32(state[:])
		x := short.push(&state)
		want := []float32{state[5], state[11]}
		want = append(append(append(want, state[12:18]...), state[18:24]...), state[24:30]...)
		want = append(want, state[35])
		for i, v := range want {
			if x[i] != v {
				t.Fatalf("chunk %d, input %d: got %v, want %v", o.Last.Index, i, x[i], v)
			}
		}
		long.push(&state)
		delays = append(delays, float32(o.Last.DelayMs/1000/normalizerSec))
		for i, v := range long.rows[RowDownload] {
			w, at := float32(0), len(delays)-9+i
			if at >= 0 {
				w = delays[at]
			}
			if v != w {
				t.Fatalf("chunk %d, download time %d: got %v, want %v", o.Last.Index, i, v, w)
			}
		}
		for q, v := range long.rows[RowBitrate] {
			if (v == 1) != (q == o.Last.Quality) {
				t.Fatalf("chunk %d of quality %d: place %d is %v", o.Last.Index, o.Last.Quality, q, v)
			}
		}
		for k, v := range long.rows[RowRemaining] {
			if (v == 1) != (k == o.Remaining) {
				t.Fatalf("chunk %d, %d left: place %d is %v", o.Last.Index, o.Remaining, k, v)
			}
		}
	})
	if len(delays) != Decisions {
		t.Errorf("%d decisions", len(delays))
	}
	if short.reset(); short.rows[RowDownload][History-1] != 0 {
		t.Error("a new session begins with the last one's history")
	}
}

// trainedAs are shapes of networks.
var trainedAs = []PensieveConfig{{History: 6, Width: 8}, {History: 11, Width: 20, Places: true}}

// What plays computes what is trained, all zeros of a new session included.
func TestPensieveAgrees(t *testing.T) {
	t.Parallel()
	b := ops.NewCPU(1)
	defer b.Close()
	for _, config := range trainedAs {
		net, err := NewPensieve(b, config, 3)
		if err != nil {
			t.Fatal(err)
		}
		now, err := net.Pensieve(b)
		if err != nil {
			t.Fatal(err)
		}
		policy := now.policy()
		in := newPensieveInput(config)
		c := ops.NewContext(b)
		watched(t, Factory{Name: "new", New: func() (Policy, error) { return policy, nil }}, func(o *Observation) {
			var state [Features * History]float32
			o.StateFloat32(state[:])
			x := in.push(&state)
			want, err := c.Floats(net.actor.forward(c, c.Float32s(x, 1, len(x))))
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if math.Abs(float64(policy.scores[i]-w)) > 1e-5 {
					t.Fatalf("%+v, chunk %d, quality %d: got %v, want %v", config, o.Last.Index, i, policy.scores[i], w)
				}
			}
		})
	}
}

// What a trace will bring adds up, also over its end.
func TestComing(t *testing.T) {
	t.Parallel()
	l := newLap(madeSessions(t, "synth:n=1,dur=60", 1, 1)[0].Trace)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		sec, bytes := rng.Float64()*l.length()*0.999, math.Exp(rng.Float64()*10+5)
		end := l.after(sec, bytes)
		if got := l.total(end) - l.total(sec); math.Abs(got-bytes) > 1e-6*(bytes+l.total(end)) {
			t.Fatalf("from %v to %v: got %v bytes, want %v", sec, end, got, bytes)
		}
		var x [len(comingSec)]float32
		coming(x[:], &l, sec)
		sum, from := 0.0, 0.0
		for i, to := range comingSec {
			sum += float64(x[i]) * 1e6 * (to - from)
			from = to
		}
		if want := l.total(sec+from) - l.total(sec); math.Abs(sum-want) > 1e-5*want {
			t.Fatalf("from %v: got %v bytes, want %v", sec, sum, want)
		}
	}
}

// A network that was written is read again, bit for bit.
func TestPensieveFile(t *testing.T) {
	t.Parallel()
	b := ops.NewCPU(1)
	defer b.Close()
	path := filepath.Join(t.TempDir(), "net")
	for i, config := range trainedAs {
		net, err := NewPensieve(b, config, 3)
		if err != nil {
			t.Fatal(err)
		}
		r := NewPensieveRecipe(3)
		r.Network = config
		if err := net.Write(b, path, r, map[string]string{"command": "a test"}, i > 0); err != nil {
			t.Fatal(err)
		}
		loaded, err := LoadPensieve(b, path)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Config != config {
			t.Errorf("got %+v, want %+v", loaded.Config, config)
		}
		want, _ := netllm.Snapshot(b, net.Params())
		got, _ := netllm.Snapshot(b, loaded.Params())
		for i, w := range want {
			for j, v := range w {
				if got[i][j] != v {
					t.Fatalf("%s, element %d: got %v, want %v", net.Params()[i].Name, j, got[i][j], v)
				}
			}
		}
		read, err := ReadPensieve(path)
		if err != nil {
			t.Fatal(err)
		}
		now, err := net.Pensieve(b)
		if err != nil {
			t.Fatal(err)
		}
		sessions := madeSessions(t, "synth:n=2,dur=60", 2, 1)
		var scores [2]float64
		for i, p := range []*Pensieve{read, now} {
			result, err := Evaluate(t.Context(), p.Factory("pensieve"), SynthVideo("synth1", 1, 1), sessions, EvalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			scores[i] = result.Mean
		}
		if scores[0] != scores[1] {
			t.Errorf("a network that was read has %v, the one that was written %v", scores[0], scores[1])
		}
	}
	net, err := NewPensieve(b, trainedAs[0], 3)
	if err != nil {
		t.Fatal(err)
	}
	checkError(t, net.Write(b, path, NewPensieveRecipe(1), nil, false), path)
}

// Files that are no network are errors that say where and why.
func TestPensieveBadFiles(t *testing.T) {
	t.Parallel()
	b := ops.NewCPU(1)
	defer b.Close()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	net, err := NewPensieve(b, trainedAs[1], 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := net.Write(b, good, NewPensieveRecipe(1), nil, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		spoil      func(metadata map[string]string, tensors map[string]tensor.Tensor)
	}{
		{"format", `format "x", want "netllm pensieve 1"`, func(m map[string]string, _ map[string]tensor.Tensor) { m["format"] = "x" }},
		{"no format", `format "", want`, func(m map[string]string, _ map[string]tensor.Tensor) { delete(m, "format") }},
		{"no shape", `metadata "config"`, func(m map[string]string, _ map[string]tensor.Tensor) { delete(m, "config") }},
		{"history", "history 1000000000, want 6 to 48", func(m map[string]string, _ map[string]tensor.Tensor) {
			m["config"] = `{"history":1000000000,"width":20}`
		}},
		{"width", "width -3, want 1 to 4096", func(m map[string]string, _ map[string]tensor.Tensor) { m["config"] = `{"history":6,"width":-3}` }},
		{"another shape", "want F32 [4096 1]", func(m map[string]string, _ map[string]tensor.Tensor) { m["config"] = `{"history":6,"width":4096}` }},
		{"missing", "tensor actor.hidden_fc.bias is missing", func(_ map[string]string, x map[string]tensor.Tensor) { delete(x, "actor.hidden_fc.bias") }},
		{"no critic", "tensor critic.out_fc.weight is missing", func(_ map[string]string, x map[string]tensor.Tensor) { delete(x, "critic.out_fc.weight") }},
		{"one more", "tensor more is not one of the network's", func(_ map[string]string, x map[string]tensor.Tensor) { x["more"] = tensor.New(tensor.F32, 1) }},
		{"type", "tensor actor.out_fc.bias: I32 [6], want F32 [6]", func(_ map[string]string, x map[string]tensor.Tensor) {
			x["actor.out_fc.bias"] = tensor.New(tensor.I32, 6)
		}},
		{"no number", "tensor actor.out_fc.bias: element 2 is NaN", func(_ map[string]string, x map[string]tensor.Tensor) {
			x["actor.out_fc.bias"].Float32s()[2] = float32(math.NaN())
		}},
	} {
		path := filepath.Join(dir, c.name)
		respoil(t, good, path, c.spoil)
		_, err := ReadPensieve(path)
		checkError(t, err, "abr: pensieve: "+path+": ")
		checkError(t, err, c.want)
		_, err = LoadPensieve(b, path)
		checkError(t, err, c.want)
	}
	_, err = ReadPensieve(filepath.Join(dir, "nowhere"))
	checkError(t, err, "nowhere")

	// Numbers may be finite, and what is computed with them not.
	huge := filepath.Join(dir, "huge")
	respoil(t, good, huge, func(_ map[string]string, x map[string]tensor.Tensor) {
		for i := range x["actor.out_fc.weight"].Float32s() {
			x["actor.out_fc.weight"].Float32s()[i] = math.MaxFloat32
			x["actor.hidden_fc.bias"].Float32s()[i%20] = math.MaxFloat32
		}
	})
	p, err := ReadPensieve(huge)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Evaluate(t.Context(), p.Factory("pensieve"), SynthVideo("synth1", 1, 1), madeSessions(t, "synth:n=1,dur=60", 1, 1), EvalOptions{})
	checkError(t, err, "abr: pensieve: the score of quality 0 is +Inf after chunk 0")
}

// respoil copies a file with something changed.
func respoil(t *testing.T, from, to string, change func(metadata map[string]string, tensors map[string]tensor.Tensor)) {
	t.Helper()
	f, err := safetensors.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	metadata, tensors := map[string]string{}, map[string]tensor.Tensor{}
	for k, v := range f.Metadata() {
		metadata[k] = v
	}
	for _, name := range f.Names() {
		old, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors[name] = tensor.New(tensor.F32, old.Shape()...)
		copy(tensors[name].Bytes(), old.Bytes())
	}
	change(metadata, tensors)
	var entries []safetensors.Entry
	for name, v := range tensors {
		entries = append(entries, safetensors.EntryOf(name, v))
	}
	if err := safetensors.Write(to, metadata, entries); err != nil {
		t.Fatal(err)
	}
}
