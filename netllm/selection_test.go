package netllm

import (
	"errors"
	"math"
	"testing"

	"netllm/ops"
)

// The candidate with the smallest score is what parameters end with, and trying one changes nothing.
func TestSelection(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	for _, average := range []float64{0, 0.5} {
		p := ops.NewParam(b, "p", 1)
		now := func() float32 { return p.Value.Float32s()[0] }
		s := NewSelection(b, []*ops.Param{p}, average)
		if !math.IsNaN(s.Best) {
			t.Errorf("before the first look: got %v", s.Best)
		}
		if average > 0 { // before the first step there is no mean: the parameters count as they are
			early := NewSelection(b, []*ops.Param{p}, average)
			p.Value.Float32s()[0] = 7
			if _, err := early.Look(func() (float64, error) { return float64(now()), nil }); err != nil || early.Best != 7 {
				t.Errorf("a look before the first step: tried %v, %v, want 7", early.Best, err)
			}
		}
		var tried []float32
		for i, score := range []float64{3, 1, 2} {
			p.Value.Float32s()[0] = float32(i + 1)
			for range meanPace {
				if err := s.Stepped(); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.Look(func() (float64, error) {
				tried = append(tried, now())
				return score, nil
			})
			if err != nil || got != score || now() != float32(i+1) {
				t.Errorf("look %d: got %v, %v, and the parameter is %v", i, got, err, now())
			}
		}
		if err := s.Try(func() error {
			if now() != tried[2] {
				t.Errorf("tried: got %v, want %v", now(), tried[2])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if (average == 0) != (tried[2] == 3) {
			t.Errorf("average %v: tried %v", average, tried)
		}
		failed := errors.New("failed")
		if _, err := s.Look(func() (float64, error) { return 0, failed }); err != failed || s.Best != 1 {
			t.Errorf("a look that fails: got %v, best %v", err, s.Best)
		}
		if err := s.Finish(); err != nil || now() != tried[1] {
			t.Errorf("finished with %v, %v, want %v", now(), err, tried[1])
		}
	}
}
