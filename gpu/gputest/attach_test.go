package gputest

import (
	"path/filepath"
	"testing"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/ops"
)

// Attaching an adapter, asking it and detaching it again and again takes no more of the device's memory than a few times.
func TestAttachAndDetach(t *testing.T) {
	b := Open(t)
	defer b.Close()
	body, err := netllm.NewBase(b, newModel(t, b))
	if err != nil {
		t.Fatal(err)
	}
	video := abr.SynthVideo("synth1", 1, 1)
	set, err := abr.OpenTraces("", "synth:n=1,T=60")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := set.Sessions(abr.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := abr.NewFactory("bba", abr.PolicyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	played, err := abr.Collect(t.Context(), teacher, video, sessions, abr.CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := abr.NewRecipe("offline", body, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Network.Features, r.Network.Window = 16, 4
	a, err := abr.NewAdapter(b, body, played.Pool(netllm.PoolMeta{Policies: []string{"bba"}}), r)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := a.Write(b, dir, "test", false); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	var want [abr.Qualities]float32
	cycle := func() {
		t.Helper()
		a, err := abr.LoadAdapter(b, body, dir)
		if err != nil {
			t.Fatal(err)
		}
		p := a.NewLearned(ops.NewContext(b), a.Cond.MaxReturn)
		env, err := abr.NewEnv(abr.EnvConfig{Video: video})
		if err != nil {
			t.Fatal(err)
		}
		o, err := env.ResetSession(sessions[0], 0)
		if err != nil {
			t.Fatal(err)
		}
		p.Reset()
		if _, err := p.Decide(o); err != nil {
			t.Fatal(err)
		}
		if got := p.Logits(); want == [abr.Qualities]float32{} {
			want = got
		} else if got != want {
			t.Errorf("scores: got %v, want those of the first time, %v", got, want)
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cycle()
	memory := b.Memory()
	for range 80 { // arenas of a MiB each, in blocks of 64
		cycle()
	}
	if got := b.Memory(); got != memory {
		t.Errorf("the device's memory: got %d bytes taken, want %d", got, memory)
	}
	if err := body.Verify(b); err != nil {
		t.Error(err)
	}
}
