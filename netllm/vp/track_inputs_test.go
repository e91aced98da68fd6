package vp

import (
	"math"
	"slices"
	"testing"

	"netllm/ops"
)

// gradients returns the answers and the gradients of the loss on ws.
func (t *Track) gradients(b ops.Backend, ws []Window) (answers []float32, grads [][]float32, err error) {
	c := ops.NewContext(b)
	y, err := t.Forward(c, ws)
	if err != nil {
		return nil, nil, err
	}
	if answers, err = c.Floats(y); err != nil {
		return nil, nil, err
	}
	c.Reset()
	c.Tape = ops.NewTape()
	c.Tape.Watch(t.Params()...)
	loss, err := t.Loss(c, ws)
	if err != nil {
		return nil, nil, err
	}
	c.Tape.Backward(c, loss)
	for _, p := range t.Params() {
		g := make([]float32, p.Value.Len())
		if err := c.Read(g, p.Grad.Reshape(len(g))); err != nil {
			return nil, nil, err
		}
		grads = append(grads, g)
	}
	return answers, grads, nil
}

// blank is a picture of one cell, black everywhere.
type blank struct{}

func (blank) Cells() int { return 1 }
func (blank) Picture(dst []float32, _, _ int) error {
	clear(dst)
	return nil
}

// Without pictures one state of saliency serves all windows: answers and gradients are those of black
// pictures, which go through the layers window by window.
func TestTrackNoPictures(t *testing.T) {
	ws := Windowing{History: 4, Horizon: 3, Stride: 40, TrimHead: 10, TrimTail: 10}.Windows(spinning(3))
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		var answers [2][]float32
		var grads [2][][]float32
		for i, saliency := range []Saliency{nil, blank{}} {
			track, err := NewTrack(b, TrackConfig{Cells: 1}, saliency, 5)
			if err != nil {
				t.Fatal(err)
			}
			if answers[i], grads[i], err = track.gradients(b, ws); err != nil {
				t.Fatal(err)
			}
		}
		if d := furthest(answers[0], answers[1]); !(d <= 1e-5) {
			t.Errorf("answers: %v apart relative to the largest", d)
		}
		for i, p := range mustTrack(t, b).Params() {
			unused := p.Name == "encoder.saliency.weight_ih_l0" || p.Name == "decoder.saliency.weight_ih_l0"
			if zero := !slices.ContainsFunc(grads[0][i], func(g float32) bool { return g != 0 }); zero != unused {
				t.Errorf("%s: got a gradient of zeros %v, want %v", p.Name, zero, unused)
			}
			if d := furthest(grads[0][i], grads[1][i]); !(d <= 1e-4) {
				t.Errorf("%s: gradients %v apart relative to the largest", p.Name, d)
			}
		}
	})
}

// furthest is the largest difference, relative to the largest number of want.
func furthest(got, want []float32) float64 {
	var d, size float64
	for i, v := range want {
		d, size = max(d, math.Abs(float64(got[i]-v))), max(size, math.Abs(float64(v)))
	}
	if d == 0 {
		return 0
	}
	return d / size
}

// What the answers depend on: the rows seen, and as published the first row to come.
func TestTrackReads(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	const at, history, horizon = 20, 6, 5
	for _, honest := range []bool{false, true} {
		track, err := NewTrack(b, TrackConfig{Cells: 1, Honest: honest}, nil, 2)
		if err != nil {
			t.Fatal(err)
		}
		answer := func(changed int) []float32 {
			trace := spinning(1)[0]
			if changed >= 0 {
				trace.Rows[changed][1] += 30
			}
			c := ops.NewContext(b)
			y, err := track.Forward(c, []Window{{Trace: trace, At: at, History: history, Horizon: horizon}})
			if err != nil {
				t.Fatal(err)
			}
			values, err := c.Floats(y)
			if err != nil {
				t.Fatal(err)
			}
			return values
		}
		plain := answer(-1)
		for row := at - history - 1; row <= at+horizon; row++ {
			want := row >= at-history && row < at || !honest && row == at
			if got := !slices.Equal(answer(row), plain); got != want {
				t.Errorf("honest %v: row %d, asked at %d: got other answers %v, want %v", honest, row, at, got, want)
			}
		}
	}
}
