package abr

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"netllm/netllm"
	"netllm/ops"
)

func TestRandomize(t *testing.T) {
	set, err := OpenTraces("", "synth:n=6,max=6")
	if err != nil {
		t.Fatal(err)
	}
	video := SynthVideo("synth1", 1, 1)
	before := append([]float64{}, set.Traces[0].Mbps...)
	plays, err := Randomize(video, set, 121, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(plays) != 3 || countSessions(plays) != 121 {
		t.Fatalf("%d videos, %d sessions, want 3 and 121", len(plays), countSessions(plays))
	}
	scales := map[float64]bool{}
	for _, p := range plays {
		if err := p.Video.Validate(); err != nil {
			t.Error(err)
		}
		ratio := float64(p.Video.ChunkBytes[5][7]) / float64(video.ChunkBytes[5][7])
		if scales[ratio] || ratio < 1/1.5*0.85-1e-6 || ratio > 1.5*1.16 {
			t.Errorf("a chunk has %v times its size", ratio)
		}
		scales[ratio] = true
		by := map[*Trace]int{}
		for _, s := range p.Sessions {
			if err := s.validate(); err != nil {
				t.Error(err)
			}
			by[s.Trace]++
			if by[s.Trace] > sessionsOfTrace {
				t.Errorf("%s is played more than %d times", s.Trace.Name, sessionsOfTrace)
			}
		}
	}
	if !reflect.DeepEqual(before, set.Traces[0].Mbps) {
		t.Error("the traces themselves have changed")
	}
	again, err := Randomize(video, set, 121, 3)
	if err != nil || !reflect.DeepEqual(plays, again) {
		t.Errorf("the same arguments give other sessions (%v)", err)
	}
	if none, err := Randomize(video, set, 0, 3); err != nil || len(none) != 0 {
		t.Errorf("none: got %d, %v", len(none), err)
	}
	if _, err := Randomize(video, &TraceSet{Name: "x"}, 1, 3); err == nil {
		t.Error("no traces: no error")
	}
}

func TestAlterTrace(t *testing.T) {
	trace := &Trace{Name: "even"}
	for i := range 2000 {
		trace.TimeSec, trace.Mbps = append(trace.TimeSec, float64(i)), append(trace.Mbps, 1)
	}
	low, high, outages := math.Inf(1), 0.0, 0
	for seed := range uint64(200) {
		v := alterTrace(trace, rand.New(rand.NewPCG(seed, 1)))
		least := math.Inf(1)
		for _, m := range v.Mbps {
			least, high = min(least, m), max(high, m)
		}
		low = min(low, least)
		if least < 0.2*v.Mbps[0] && least <= 0.15 {
			outages++
		}
	}
	if low < 0.05/3-1e-9 || low > 0.03 || high > 9+1e-9 || high < 6 {
		t.Errorf("rates from %v to %v, want about 1/60 and 9", low, high)
	}
	if outages < 30 || outages > 110 {
		t.Errorf("%d of 200 traces have outages, want about a third", outages)
	}
}

func TestPlaysOn(t *testing.T) {
	set, err := OpenTraces("", "synth:n=6")
	if err != nil {
		t.Fatal(err)
	}
	video := SynthVideo("synth1", 1, 1)
	valid, err := set.Sessions(Plan{Episodes: 6})
	if err != nil {
		t.Fatal(err)
	}
	b := ops.NewCPU(1)
	defer b.Close()
	r, err := NewRecipe("best", smallBody(t, b), netllm.BodySpec{Kind: netllm.NoneBody}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.RoundSessions = 20
	for _, c := range []struct {
		share                float64
		real, altered, valid int
	}{{0, 20, 0, 6}, {0.25, 15, 5, 12}, {1, 0, 20, 12}} {
		r.Randomized = c.share
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
		opt, err := r.PlaysOn(video, set, valid)
		if err != nil {
			t.Fatal(err)
		}
		if n := countSessions(opt.Valid); n != c.valid {
			t.Errorf("randomized %v: %d validation sessions, want %d", c.share, n, c.valid)
		}
		plays, err := opt.Own(2)
		if err != nil {
			t.Fatal(err)
		}
		real, altered := 0, 0
		for _, p := range plays {
			if p.Video == video {
				real += len(p.Sessions)
			} else {
				altered += len(p.Sessions)
			}
		}
		if real != c.real || altered != c.altered {
			t.Errorf("randomized %v: %d sessions as they are and %d altered, want %d and %d", c.share, real, altered, c.real, c.altered)
		}
	}
	r.Rounds = 0
	if r.Validate() == nil {
		t.Error("altered sessions in no round: no error")
	}
	r.Rounds, r.Randomized = 1, 1.5
	if r.Validate() == nil {
		t.Error("a share of 1.5: no error")
	}
}
