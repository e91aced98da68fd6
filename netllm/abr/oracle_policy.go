// The oracle as a policy: to be compared with, and to make experience.

package abr

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"netllm/netllm"
)

// Played is what policies did in sessions, by session, for an oracle to start from.
type Played map[Session][]Choices

// AddResult notes what a policy did in the sessions that [Evaluate] was given. The result must have its chunks (EvalOptions.Log).
func (p Played) AddResult(sessions []Session, r *Result) {
	for i, s := range sessions {
		var c Choices
		for k, chunk := range r.Sessions[i].Chunks[1:] {
			c[k] = int8(chunk.Quality)
		}
		p[s] = append(p[s], c)
	}
}

// AddTransitions notes what a policy did in the sessions that [Collect] was given.
func (p Played) AddTransitions(sessions []Session, t *Transitions) {
	for i, s := range sessions {
		var c Choices
		for k, q := range t.Actions[i*Decisions:][:Decisions] {
			c[k] = int8(q)
		}
		p[s] = append(p[s], c)
	}
}

// OracleRules returns what an oracle had best start from: the policies of [NewFactory] whose sessions do not know of each other, the
// published agents among them where config.Weights, which may be "", has their files.
func OracleRules(config PolicyConfig) ([]Factory, error) {
	var list []Factory
	for _, name := range PolicyNames() {
		if file := weightsFile(name); file != "" {
			if config.Weights == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(config.Weights, file)); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		f, err := NewFactory(name, config)
		if err != nil {
			return nil, err
		}
		if !f.Stateful {
			list = append(list, f)
		}
	}
	return list, nil
}

// OracleFactory makes policies that are told the session and play the best that an [Oracle] finds in it. Without noise that is no worse than what
// any of the rules does in it, and what was played in it before, by policies whose sessions know of each other, say. No rule may be
// stateful. Where something else happens than was planned, through noise or because another quality was taken, they look again, briefly,
// for the best way on as if no more of it would come.
//
// Each policy holds some 50 MB. played may be added to until the first session begins.
func OracleFactory(name string, rules []Factory, played Played) Factory {
	return Factory{Name: name, New: func() (Policy, error) {
		p := &oraclePolicy{played: played}
		for _, f := range rules {
			if f.Stateful {
				return nil, errors.New("an oracle cannot start from policy " + f.Name + ", whose sessions know of each other")
			}
			rule, err := f.New()
			if err != nil {
				return nil, errors.Join(err, p.Close())
			}
			p.rules = append(p.rules, rule)
			p.made.Add(rule)
		}
		return p, nil
	}}
}

type oraclePolicy struct {
	rules  []Policy
	made   netllm.Closers
	played Played

	oracle  *Oracle
	env     *Env // for the rules
	choices Choices
	ahead   simulator // the state that the next question is expected in
}

var _ Foreseer = (*oraclePolicy)(nil)

// Close closes the rules.
func (p *oraclePolicy) Close() error { return p.made.Close() }

// Reset does nothing: all that happens before a session happens in Foresee.
func (p *oraclePolicy) Reset() {}

// Foresee implements [Foreseer].
func (p *oraclePolicy) Foresee(video *Video, s Session) (err error) {
	if p.oracle == nil || p.oracle.video != video {
		if p.oracle, err = NewOracle(video); err != nil {
			return err
		}
		if p.env, err = NewEnv(EnvConfig{Video: video}); err != nil {
			return err
		}
	}
	known := slices.Clone(p.played[s])
	for _, rule := range p.rules {
		var c Choices
		note := observer{
			began:   func(*Observation) {},
			decided: func(o *Observation, quality int) { c[o.Last.Index] = int8(quality) },
			stepped: func(netllm.Step[*Observation]) {},
		}
		if err := play(context.Background(), p.env, rule, s, 0, note); err != nil {
			return err
		}
		known = append(known, c)
	}
	if p.choices, _, err = p.oracle.Best(s, known...); err != nil {
		return err
	}
	p.ahead, err = p.oracle.start(s)
	return err
}

// Decide implements [Policy].
func (p *oraclePolicy) Decide(o *Observation) (int, error) {
	if p.oracle == nil {
		return 0, errors.New("abr: oracle: nobody told it the session")
	}
	if o.Remaining == 0 {
		return 0, nil
	}
	if !p.expected(&o.Last) {
		p.ahead.row, p.ahead.sec, p.ahead.bufMs = o.Last.TraceRow, o.Last.TraceSec, o.Last.BufferSec*1000
		p.ahead.chunk, p.ahead.prevQ = o.Last.Index+1, o.Last.Quality
		p.choices, _ = p.oracle.best(p.ahead, []Choices{p.choices}, quickLook)
	}
	quality := int(p.choices[o.Last.Index])
	p.ahead.fetch(quality)
	return quality, nil
}

// expected says that a chunk has left the session in the state that was planned.
func (p *oraclePolicy) expected(c *Chunk) bool {
	a := &p.ahead
	return a.chunk == c.Index+1 && a.prevQ == c.Quality && a.row == c.TraceRow && a.sec == c.TraceSec && a.bufMs/1000 == c.BufferSec
}
