// Doing units, several at a time, and saying how far the work is.

package experiment

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"netllm/ops"
)

// Runner does units.
type Runner struct {
	Store   Store
	Workers int                // units at a time
	Open    func() ops.Backend // of one worker, with one thread
	Chatter io.Writer
	Version string // of the program
	CPU     string

	all   []*Unit // that were asked for, each name once, in order
	fresh int     // how many of them were not in the store
}

// Units returns all units that were asked for so far, and those that they needed, each once; of what a unit in the store
// once needed, what is still there.
func (r *Runner) Units() []*Unit { return r.all }

// Fresh is how many of them this runner did itself.
func (r *Runner) Fresh() int { return r.fresh }

// node is a unit in a plan.
type node struct {
	same   []*Unit // units of one name; the first is done, the others take its result
	needs  []*node
	path   float64 // seconds from the start of this unit to the end of the last that waits for it
	state  int     // waiting, running, done
	began  time.Time
	before float64 // Unit.Seconds
}

const (
	waiting = iota
	running
	done
)

// outlookEvery is how often the runner says what it is at.
const outlookEvery = time.Minute

// Do does the units, and those that they need, but for those that the store has. Of several that are ready the one
// with the longest way to the end comes first. After a failure those that are running are stopped.
func (r *Runner) Do(ctx context.Context, units ...*Unit) error {
	p := &plan{runner: r, nodes: map[string]*node{}}
	for _, u := range units {
		if _, err := p.add(u); err != nil {
			return err
		}
	}
	if len(p.order) == 0 {
		return nil
	}
	for _, n := range slices.Backward(p.order) {
		n.path += n.before
		for _, need := range n.needs {
			need.path = max(need.path, n.path)
		}
	}
	return p.run(ctx)
}

// plan is what is to be done.
type plan struct {
	runner *Runner
	nodes  map[string]*node
	order  []*node // those that are not in the store, needs before what needs them

	mu                   sync.Mutex
	expected, spent, due float64 // seconds of units done: expected and spent; expected of all
	finished             int
}

// add puts a unit into the plan, unless it is done.
func (p *plan) add(u *Unit) (*node, error) {
	if n := p.nodes[u.ID()]; n != nil {
		if !slices.Contains(n.same, u) {
			n.same = append(n.same, u)
			if first := n.same[0]; first.Done() {
				u.path, u.record = first.path, first.record
			}
		}
		return n, nil
	}
	n := &node{same: []*Unit{u}, before: max(u.Seconds, 1)}
	p.nodes[u.ID()] = n
	if !u.Done() {
		found, note, err := p.runner.Store.find(u)
		if err != nil {
			return nil, err
		}
		if note != "" {
			fmt.Fprintln(p.runner.Chatter, note)
		}
		if !found {
			for _, need := range u.Needs {
				m, err := p.add(need)
				if err != nil {
					return nil, err
				}
				n.needs = append(n.needs, m)
			}
			p.order = append(p.order, n)
			p.due += n.before
		}
	}
	if u.Done() {
		n.state = done
		if err := p.runner.countNeeds(u); err != nil {
			return nil, err
		}
	}
	p.runner.count(u)
	return n, nil
}

// count adds a unit to those that were asked for, if it is not among them.
func (r *Runner) count(u *Unit) {
	if !slices.ContainsFunc(r.all, func(other *Unit) bool { return other.ID() == u.ID() }) {
		r.all = append(r.all, u)
	}
}

// countNeeds counts what went into a unit that is done: an interrupted run has taken as much work as one that was not.
func (r *Runner) countNeeds(u *Unit) error {
	for _, need := range u.Needs {
		if !need.Done() {
			found, _, err := r.Store.find(need)
			if err != nil {
				return err
			}
			if !found { // it is gone, and not needed any more
				continue
			}
		}
		if err := r.countNeeds(need); err != nil {
			return err
		}
		r.count(need)
	}
	return nil
}

// run does all of the plan.
func (p *plan) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p.say("%d units to do, %d of %d are there already", len(p.order), len(p.nodes)-len(p.order), len(p.nodes))
	changed := sync.NewCond(&p.mu)
	context.AfterFunc(ctx, func() { // those that wait need not wait any more
		p.mu.Lock()
		defer p.mu.Unlock()
		changed.Broadcast()
	})
	ticker := time.NewTicker(outlookEvery)
	defer ticker.Stop()
	over := make(chan struct{})
	var told, workers sync.WaitGroup
	told.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				p.mu.Lock()
				p.say("%s", p.outlook())
				p.mu.Unlock()
			}
		}
	})
	for range max(1, min(p.runner.Workers, len(p.order))) {
		workers.Go(func() {
			b := p.runner.Open()
			defer b.Close()
			for n := p.take(ctx, changed); n != nil; n = p.take(ctx, changed) {
				if err := p.do(ctx, b, n); err != nil {
					stop(err)
				}
				changed.Broadcast()
			}
		})
	}
	workers.Wait()
	close(over)
	told.Wait()
	if cause := context.Cause(ctx); cause != nil {
		p.say("%d of %d units are done and kept in %s: the same command goes on from there", p.finished, len(p.order), p.runner.Store)
		return cause
	}
	return nil
}

// take waits for a unit whose needs are done; nil when none is left.
func (p *plan) take(ctx context.Context, changed *sync.Cond) *node {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ctx.Err() == nil {
		var best *node
		left := false
		for _, n := range p.order {
			if n.state != waiting {
				continue
			}
			left = true
			if !slices.ContainsFunc(n.needs, func(m *node) bool { return m.state != done }) && (best == nil || n.path > best.path) {
				best = n
			}
		}
		if best != nil {
			best.state, best.began = running, time.Now()
			return best
		}
		if !left {
			return nil
		}
		changed.Wait()
	}
	return nil
}

func (p *plan) do(ctx context.Context, b ops.Backend, n *node) error {
	u := n.same[0]
	record := Record{Version: p.runner.Version, CPU: p.runner.CPU}
	err := p.runner.Store.do(u, record, func(dir string) (any, error) {
		result, err := u.Do(ctx, Job{b, dir})
		if err == nil {
			err = ctx.Err() // what stopped half-way is not to be kept
		}
		return result, err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", u.Label, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	took := time.Since(n.began).Seconds()
	for _, other := range n.same[1:] {
		other.path, other.record = u.path, u.record
	}
	n.state = done
	p.finished++
	p.runner.fresh++
	p.expected, p.spent = p.expected+n.before, p.spent+took
	p.say("%s: %.0f s; %s", u.Label, took, p.outlook())
	return nil
}

// outlook says what is done, what is being done and how long the rest will take, about: as the units so far took against
// what they were expected to.
func (p *plan) outlook() string {
	rate := 1.0
	if p.expected > 60 {
		rate = p.spent / p.expected
	}
	left, busy := p.due-p.expected, []string{}
	for _, n := range p.order {
		if n.state == running {
			spent := time.Since(n.began).Seconds()
			left -= min(spent/rate, n.before)
			busy = append(busy, fmt.Sprintf("%s (%.0f s)", n.same[0].Label, spent))
		}
	}
	text := fmt.Sprintf("%d of %d units", p.finished, len(p.order))
	if p.finished < len(p.order) {
		text += fmt.Sprintf(", about %v left", time.Duration(left*rate/float64(max(1, min(p.runner.Workers, len(p.order)-p.finished)))*float64(time.Second)).Round(time.Second))
	}
	if len(busy) > 0 {
		text += "; now " + strings.Join(busy, ", ")
	}
	return text
}

func (p *plan) say(format string, args ...any) {
	fmt.Fprintf(p.runner.Chatter, "experiment: "+format+"\n", args...)
}
