// Behaviour cloning with rounds of relabelling.

package abr

import (
	"context"
	"fmt"
	"math"

	"netllm/internal/stats"
	"netllm/netllm"
	"netllm/ops"
)

// labelled are decisions with what the expert would have had the network do.
type labelled struct {
	x      []float32 // [N, inputs]
	labels []float32 // [N, 6], probabilities
	n      int
}

// clone does all rounds.
func (t *pensieveTraining) clone(ctx context.Context) error {
	r := t.r
	params := t.net.actor.params()
	trainer := netllm.NewTrainer(t.b, params, r.CloneRate, r.Seed)
	defer trainer.Free()
	trainer.MaxNorm, trainer.Optimizer.WeightDecay = 1, 1e-2
	var known labelled
	total := r.Rounds * r.CloneSteps
	var x, labels []float32
	in := t.net.Config.length()
	for round := range r.Rounds {
		if err := t.label(ctx, round, &known); err != nil {
			return err
		}
		sum := 0.0
		for range r.CloneSteps {
			if err := ctx.Err(); err != nil {
				return err
			}
			x, labels = x[:0], labels[:0]
			for range r.CloneBatch {
				i := t.rng.IntN(known.n)
				x = append(x, known.x[i*in:(i+1)*in]...)
				labels = append(labels, known.labels[i*Qualities:(i+1)*Qualities]...)
			}
			err := t.learnScores(trainer, x, r.CloneBatch, func(i int, scores, g []float32) {
				odds := netllm.NewOdds(scores, 0)
				for a, label := range labels[i*Qualities : (i+1)*Qualities] {
					g[a] = float32((odds.P[a] - float64(label)) / float64(r.CloneBatch)) // of the cross-entropy
					if label > 0 {
						sum -= float64(label) * math.Log(max(odds.P[a], 1e-30)) / float64(r.CloneBatch)
					}
				}
			})
			if err != nil {
				return err
			}
			if err := trainer.Step(ops.Cosine(trainer.Steps(), total, 0.02)); err != nil {
				return err
			}
			if err := t.selection.Stepped(); err != nil {
				return err
			}
		}
		if err := t.look(ctx); err != nil {
			return err
		}
		p := &t.progress
		p.Cloning, p.Done, p.Of, p.Decisions, p.Loss = true, round+1, r.Rounds, known.n, sum/float64(r.CloneSteps)
		t.tell()
	}
	return nil
}

// label adds a round's decisions: of the first, those of rules, half of the sessions each, then those of the network.
func (t *pensieveTraining) label(ctx context.Context, round int, known *labelled) error {
	sessions, err := t.opt.Label(round)
	if err != nil {
		return err
	}
	add := func(f Factory, list []Session, explore float64) error {
		if len(list) == 0 {
			return nil
		}
		f, err := Exploring(f, explore, mixSeed(t.r.Seed, round))
		if err != nil {
			return err
		}
		played, err := Collect(ctx, f, t.opt.Video, list, CollectOptions{Workers: t.opt.Workers, Values: true})
		if err != nil {
			return err
		}
		t.progress.QoE, _ = stats.MeanSD(played.Rewards)
		return known.add(t.net.Config, played, t.r.Temperature)
	}
	if round == 0 {
		const wild = 0.3 // rules keep to few states
		half := len(sessions) / 2
		if err := add(Factory{Name: "bba", New: func() (Policy, error) { return BBA{}, nil }}, sessions[:half], wild); err != nil {
			return err
		}
		return add(Factory{Name: "mpc-tuned", New: func() (Policy, error) { return NewTunedMPC(TunedDiscount), nil }}, sessions[half:], wild)
	}
	return t.selection.Try(func() error {
		now, err := t.net.Pensieve(t.b)
		if err != nil {
			return err
		}
		return add(now.Factory("own states"), sessions, t.r.Explore)
	})
}

// add labels decisions.
func (l *labelled) add(config PensieveConfig, played *Transitions, temperature float64) error {
	if len(played.Values) != played.Len()*Qualities {
		return fmt.Errorf("abr: pensieve: %d decisions with %d values", played.Len(), len(played.Values))
	}
	in := newPensieveInput(config)
	for i := range played.Len() {
		if i == 0 || played.Done[i-1] == 1 {
			in.reset()
		}
		state := (*[Features * History]float32)(played.States[i*Features*History:])
		l.x = append(l.x, in.push(state)...)
		l.labels = appendLabel(l.labels, played.Values[i*Qualities:(i+1)*Qualities], temperature)
		l.n++
	}
	return nil
}

// appendLabel appends the softmax of values over a temperature; at 0, all of it is the best value's, the first of equals.
func appendLabel(labels, values []float32, temperature float64) []float32 {
	best := 0
	for a, v := range values {
		if v > values[best] {
			best = a
		}
	}
	from, sum := len(labels), 0.0
	for a, v := range values {
		p := 0.0
		if temperature > 0 {
			p = math.Exp(float64(v-values[best]) / temperature)
		} else if a == best {
			p = 1
		}
		sum += p
		labels = append(labels, float32(p))
	}
	for i := range labels[from:] {
		labels[from+i] /= float32(sum)
	}
	return labels
}
