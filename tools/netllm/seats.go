// The tasks of eval all: what each is asked, and the adapter that answers.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/ops"
)

// seat is a task with its questions and the folder of its adapter.
type seat struct {
	task, dir, setting, metric string

	// attach puts the adapter to a body. Its policy computes on worker.
	attach func(b, worker ops.Backend, body *netllm.Base) (*player, error)
}

// player is an attached adapter with a policy.
type player struct {
	// play asks all questions, each within turn.
	play func(ctx context.Context, turn turn) (*played, error)

	parts []io.Closer
}

// turn calls ask when it is time.
type turn func(ask func() error) error

func atOnce(ask func() error) error { return ask() }

// detach gives back what the policy and the adapter hold.
func (p *player) detach() error {
	var errs []error
	for _, c := range p.parts {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// played is what came of the questions.
type played struct {
	policyResult
	answers [][]uint32 // to each question: the bits of the answer, and of the scores that it was chosen by
}

// answered keeps an answer.
func (p *played) answered(values ...float32) {
	bits := make([]uint32, len(values))
	for i, v := range values {
		bits[i] = math.Float32bits(v)
	}
	p.answers = append(p.answers, bits)
}

// vpSeat is viewport prediction. So many windows as batch says are one question.
func vpSeat(dir string, windows []vp.Window, batch int) (*seat, error) {
	r, err := vp.ReadRecipe(dir)
	if err != nil {
		return nil, err
	}
	if err := pretrained(dir, r.Body); err != nil {
		return nil, err
	}
	return &seat{task: "vp", dir: dir, metric: "mae_deg", attach: func(b, worker ops.Backend, body *netllm.Base) (*player, error) {
		a, err := vp.LoadAdapter(b, body, dir, nil)
		if err != nil {
			return nil, err
		}
		p := a.NewLearned(ops.NewContext(worker), true)
		return &player{parts: []io.Closer{p, a}, play: func(ctx context.Context, turn turn) (*played, error) {
			out := &played{}
			f := vp.Factory{Name: learnedPolicy, Batch: batch, New: func() (vp.Predictor, error) { return seatedVP{p, turn, out}, nil }}
			r, err := vp.Evaluate(ctx, f, windows, vp.EvalOptions{Workers: 1})
			if err == nil {
				out.policyResult = vpJSON([]*vp.Result{r})[0]
			}
			return out, err
		}}, nil
	}}, nil
}

type seatedVP struct {
	*vp.Learned
	turn turn
	out  *played
}

// Close leaves the predictor to the player.
func (s seatedVP) Close() error { return nil }

// Predict implements [vp.Predictor].
func (s seatedVP) Predict(dst [][]vp.Angles, ws []vp.Window) error {
	return s.turn(func() error {
		err := s.Learned.Predict(dst, ws)
		var values []float32
		for _, rows := range dst[:len(ws)] {
			for _, row := range rows {
				values = append(values, row[:]...)
			}
		}
		s.out.answered(values...)
		return err
	})
}

// abrSeat is adaptive bitrate streaming. A chunk's quality is one question.
func abrSeat(dir string, video *abr.Video, sessions []abr.Session, seed uint64) *seat {
	return &seat{task: "abr", dir: dir, metric: "qoe", attach: func(b, worker ops.Backend, body *netllm.Base) (*player, error) {
		a, err := abr.LoadAdapter(b, body, dir)
		if err != nil {
			return nil, err
		}
		p := a.NewLearned(ops.NewContext(worker), a.Cond.MaxReturn)
		return &player{parts: []io.Closer{p, a}, play: func(ctx context.Context, turn turn) (*played, error) {
			out := &played{}
			f := abr.Factory{Name: learnedPolicy, New: func() (abr.Policy, error) { return seatedABR{p, turn, out}, nil }}
			r, err := abr.Evaluate(ctx, f, video, sessions, abr.EvalOptions{Workers: 1, Seed: seed})
			if err == nil {
				out.policyResult = abrJSON([]*abr.Result{r})[0]
			}
			return out, err
		}}, nil
	}}
}

type seatedABR struct {
	*abr.Learned
	turn turn
	out  *played
}

// Close leaves the policy to the player.
func (s seatedABR) Close() error { return nil }

// Decide implements [abr.Policy].
func (s seatedABR) Decide(o *abr.Observation) (quality int, err error) {
	err = s.turn(func() error {
		quality, err = s.Learned.Decide(o)
		logits := s.Logits()
		s.out.answered(append(logits[:], float32(quality))...)
		return err
	})
	return quality, err
}

// cjsSeat is cluster job scheduling. A stage and its number of executors are one question.
func cjsSeat(dir string, sequences []*cjs.Sequence, seed uint64) (*seat, error) {
	r, err := cjs.ReadRecipe(dir)
	if err != nil {
		return nil, err
	}
	if err := pretrained(dir, r.Body); err != nil {
		return nil, err
	}
	return &seat{task: "cjs", dir: dir, metric: "jct_s", attach: func(b, worker ops.Backend, body *netllm.Base) (*player, error) {
		a, err := cjs.LoadAdapter(b, body, dir)
		if err != nil {
			return nil, err
		}
		p := a.NewLearned(ops.NewContext(worker))
		return &player{parts: []io.Closer{p, a}, play: func(ctx context.Context, turn turn) (*played, error) {
			out := &played{}
			f := cjs.Factory{Name: learnedPolicy, New: func() (cjs.Policy, error) { return seatedCJS{p, turn, out}, nil }}
			r, err := cjs.Evaluate(ctx, f, sequences, cjs.EvalOptions{Workers: 1, Seed: seed})
			if err == nil {
				out.policyResult = cjsJSON([]*cjs.Result{r})[0]
			}
			return out, err
		}}, nil
	}}, nil
}

type seatedCJS struct {
	*cjs.Learned
	turn turn
	out  *played
}

// Close leaves the policy to the player.
func (s seatedCJS) Close() error { return nil }

// Decide implements [cjs.Policy].
func (s seatedCJS) Decide(o *cjs.Observation) (a cjs.Action, err error) {
	err = s.turn(func() error {
		a, err = s.Learned.Decide(o)
		s.out.answered(append([]float32{float32(a.Stage), float32(a.Executors)}, s.Scores()...)...)
		return err
	})
	return a, err
}

// pretrained fails for an adapter that is not around the model itself.
func pretrained(dir string, body netllm.BodySpec) error {
	if body.Kind != netllm.PretrainedBody {
		return fmt.Errorf("adapter %s: trained around the control %q, not around the model", dir, body)
	}
	return nil
}
