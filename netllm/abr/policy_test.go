// The policies: names, BBA's map, MPC against a plain enumeration of plans.

package abr

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestNewFactory(t *testing.T) {
	t.Parallel()
	stateful := map[string]bool{"random": true, "mpc-carry": true}
	for _, name := range []string{"constant:0", "constant:5", "random", "rate", "bba", "bola", "mpc", "mpc-carry", "mpc-tuned"} {
		f, err := NewFactory(name, PolicyConfig{})
		if err != nil {
			t.Error(err)
			continue
		}
		if f.Name != name || f.Stateful != stateful[name] {
			t.Errorf("%s: got name %q, stateful %v", name, f.Name, f.Stateful)
		}
	}
	for _, name := range []string{"", "constant", "constant:6", "constant:00", "MPC", "bba "} {
		_, err := NewFactory(name, PolicyConfig{})
		checkError(t, err, "unknown policy", "known: constant:0, constant:1", "random, rate, bba, bola, mpc, mpc-carry, mpc-tuned, genet, genet-sampled, udr1")
	}
}

func TestConstantAndRandom(t *testing.T) {
	t.Parallel()
	p, err := factory(t, "constant:4").New()
	if err != nil {
		t.Fatal(err)
	}
	if q, err := p.Decide(new(Observation)); q != 4 || err != nil {
		t.Errorf("constant:4: got %d, %v", q, err)
	}
	f, err := NewFactory("random", PolicyConfig{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := f.New()
	want := NewMT19937(9)
	for i := range 200 {
		if i%48 == 0 {
			a.Reset()
		}
		got, err := a.Decide(new(Observation))
		if w := want.IntRange(0, 5); err != nil || got != w {
			t.Fatalf("random, question %d: got %d, %v, want %d", i, got, err, w)
		}
	}
}

func TestBBA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		buffer float64
		want   int
	}{{0, 0}, {4.999, 0}, {5, 0}, {6.999, 0}, {7, 1}, {9, 2}, {11, 3}, {12.999, 3}, {13, 4}, {14.999, 4}, {15, 5}, {60, 5}} {
		got, err := BBA{}.Decide(&Observation{Last: Chunk{BufferSec: c.buffer}})
		if err != nil || got != c.want {
			t.Errorf("buffer %v s: got %d, %v, want %d", c.buffer, got, err, c.want)
		}
	}
}

// planValue is the value of one plan, computed on its own.
func planValue(o *Observation, plan []int, bandwidth float64) float64 {
	next := Chunks - o.Remaining
	buffer, stall, prev := o.Last.BufferSec, 0.0, o.Last.Quality
	kbps, change := 0, 0
	for j, q := range plan {
		download := float64(o.Video.ChunkBytes[q][next+j+1]) / 1e6 / bandwidth
		if buffer < download {
			stall += download - buffer
			buffer = 0
		} else {
			buffer -= download
		}
		buffer += 4
		kbps += BitratesKbps[q]
		change += int(math.Abs(float64(BitratesKbps[q] - BitratesKbps[prev])))
		prev = q
	}
	return float64(kbps)/1000 - float64(4.3*stall) - float64(change)/1000
}

// bestByEnumeration tries all 6^5 sequences of five, in order.
func bestByEnumeration(o *Observation, bandwidth float64) (choice int, best float64) {
	depth := min(5, o.Remaining)
	best = -1e8
	var plan [5]int
	for code := range 7776 {
		prev, allowed := o.Last.Quality, true
		for j, rest := 4, code; j >= 0; j, rest = j-1, rest/6 {
			plan[j] = rest % 6
		}
		for _, q := range plan {
			allowed = allowed && q-prev <= 1 && prev-q <= 1
			prev = q
		}
		if !allowed {
			continue
		}
		if v := planValue(o, plan[:depth], bandwidth); v >= best {
			choice, best = plan[0], v
		}
	}
	return choice, best
}

func TestMPCSearch(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	video := SynthVideo("x", 1, 1)
	chosen := map[int]int{}
	for i := range 600 {
		o := &Observation{Video: video, Remaining: 1 + rng.IntN(47)}
		if i%3 == 0 {
			o.Remaining = 1 + rng.IntN(5) // near the end plans are cut
		}
		o.Last.Quality = rng.IntN(6)
		o.Last.BufferSec = rng.Float64() * 60
		if i%2 == 0 {
			o.Last.BufferSec /= 10
		}
		bandwidth := 0.02 + rng.Float64()*0.8
		want, value := bestByEnumeration(o, bandwidth)
		s := new(mpcSearch)
		got := s.run(o, Chunks-o.Remaining, min(5, o.Remaining), bandwidth)
		if got != want || s.best != value {
			t.Errorf("case %d: got quality %d worth %v, want %d worth %v", i, got, s.best, want, value)
		}
		chosen[got-o.Last.Quality]++
	}
	for step := -1; step <= 1; step++ {
		if chosen[step] < 20 {
			t.Errorf("step %d was chosen %d times of 600: the cases do not cover it", step, chosen[step])
		}
	}
}

func TestMPCPredict(t *testing.T) {
	t.Parallel()
	m := NewMPC()
	m.Reset()
	// One throughput: its harmonic mean is itself, and no error yet.
	if got := m.predict([History]float64{0, 0, 0, 0, 0, 0.5}); !near(got, 0.5) {
		t.Errorf("first question: got %v, want 0.5", got)
	}
	// Estimate 0.5 against 0.25: error 1; harmonic mean of 0.5 and 0.25 is 1/3.
	if got := m.predict([History]float64{0, 0, 0, 0, 0.5, 0.25}); !near(got, 1.0/6) {
		t.Errorf("second question: got %v, want 1/6", got)
	}
	// The error is that of the harmonic mean 1/3, not of the discounted 1/6:
	// 1/3 against 1/3 is none, but the 1 of before is remembered.
	if got := m.predict([History]float64{0, 0, 0, 0.5, 0.25, 1.0 / 3}); !near(got, 1.0/3/2) {
		t.Errorf("third question: got %v, want 1/6", got)
	}
	// Five questions on, the 1 is forgotten, and the sixth column unread.
	flat := [History]float64{99, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3}
	for n := 4; n <= 7; n++ {
		got, want := m.predict(flat), 1.0/3
		if n < 7 {
			want /= 2
		}
		if !near(got, want) {
			t.Errorf("question %d: got %v, want %v", n, got, want)
		}
	}

	m.Reset()
	if m.errCount != 0 || m.estimate != 0 {
		t.Error("mpc keeps its history over a reset")
	}
	c := NewCarryMPC()
	c.Reset()
	first := c.round
	c.predict(flat)
	c.Reset()
	if !first || c.round || c.errCount != 1 || !near(c.estimate, 1.0/3) {
		t.Errorf("mpc-carry: rounds %v then %v, keeps %d errors and estimate %v", first, c.round, c.errCount, c.estimate)
	}
}

func TestMPCBad(t *testing.T) {
	t.Parallel()
	video := SynthVideo("x", 1, 1)
	good := Observation{Video: video, Remaining: 40}
	good.State[RowThroughput][5] = 0.2
	for _, c := range []struct {
		name  string
		spoil func(o *Observation)
		want  string
	}{
		{"remaining", func(o *Observation) { o.Remaining = 48 }, "48 chunks remaining"},
		{"negative", func(o *Observation) { o.Remaining = -1 }, "-1 chunks remaining"},
		{"quality", func(o *Observation) { o.Last.Quality = 6 }, "after quality 6"},
		{"zero", func(o *Observation) { o.State[RowThroughput][5] = 0 }, "throughput of 0"},
		{"nan", func(o *Observation) { o.State[RowThroughput][5] = math.NaN() }, "throughput of NaN"},
		{"inf", func(o *Observation) { o.State[RowThroughput][5] = math.Inf(1) }, "throughput of +Inf"},
	} {
		o := good
		c.spoil(&o)
		m := NewMPC()
		m.Reset()
		_, err := m.Decide(&o)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		checkError(t, err, "abr: mpc: ", c.want)
	}
	last := good
	last.Remaining = 0
	m := NewMPC()
	m.Reset()
	if q, err := m.Decide(&last); q != 0 || err != nil || m.errCount != 1 {
		t.Errorf("the discarded question: got %d, %v, %d errors kept, want 0 and 1", q, err, m.errCount)
	}
}
