// The learned policy at work.

package cjs

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// Learned is the NetLLM policy. It asks the network for a stage, and then, with one token more, for a number of executors;
// what the body computed for the tokens before is reused. A network whose windows have one decision remembers
// nothing else; of longer ones the tokens of past decisions stay, and what was computed for them as long as none of them has
// to go: then all positions move, and the window is computed anew.
type Learned struct {
	network *Network
	cond    Conditioning
	greedy  bool
	c       *ops.Context
	cache   *transformer.Cache

	graph   graph
	scores  []float32
	chooser chooser
	nodes   []int32

	wanted float64
	asked  int
	logp   float64 // of the last decision, if it was drawn

	// Of windows of several decisions: the tokens of past ones, before their normalisation, the oldest first, and how many of the
	// last one's the body has not seen: its action's.
	past   [][]float32
	unseen int
}

// NewLearned returns a policy that computes in c, which is its own, and wants the largest return of its pool.
func NewLearned(c *ops.Context, network *Network, cond Conditioning, greedy bool) *Learned {
	p := &Learned{network: network, cond: cond, greedy: greedy, c: c}
	if network.action == nil {
		p.room(128)
	} else {
		p.room(network.Body.MaxPositions())
	}
	return p
}

// Close gives the cache and the context's memory back; the network stays. The policy cannot be used any more; to close it
// again does nothing. The error is one that the context's backend had met before.
func (p *Learned) Close() error {
	if p.c == nil {
		return nil
	}
	b := p.c.Backend
	p.cache.Free()
	p.c.Arena.Free()
	p.c = nil
	return b.Sync()
}

// room makes the body's cache, which is empty, large enough for so many tokens: not for all that a large model can
// take, where few come.
func (p *Learned) room(tokens int) {
	tokens = min(tokens, p.network.Body.MaxPositions())
	if p.cache == nil || p.cache.Positions() < tokens {
		if p.cache != nil {
			p.cache.Free()
		}
		p.cache = p.network.Body.NewCache(p.c.Backend, 1, tokens)
	}
	p.cache.Truncate(0)
}

// Reset implements [Policy].
func (p *Learned) Reset(seed uint64) {
	p.chooser.source.Seed(seed, 0x6e65746c6c6d)
	p.wanted, p.asked, p.past, p.unseen = p.cond.MaxReturn, 0, p.past[:0], 0
	p.cache.Truncate(0)
}

// Decide implements [Policy].
func (p *Learned) Decide(o *Observation) (Action, error) {
	a, err := p.choice(o)
	if err == nil && p.greedy { // one that draws gets out by itself
		a = o.kept(a)
	}
	return a, err
}

// choice is what the network chooses.
func (p *Learned) choice(o *Observation) (Action, error) {
	n, c := p.network, p.c
	offered := n.offered(o)
	if offered == 0 {
		return Action{Stage: Nothing}, nil
	}
	if p.asked > 0 {
		p.wanted = p.cond.after(p.wanted, o.Reward)
	}
	c.Reset()
	p.graph.reset(n.Config.Waiting)
	p.graph.add(o)
	e := n.encoder.forward(c, &p.graph)
	p.nodes = p.nodes[:0]
	for _, node := range o.Schedulable[:offered] {
		p.nodes = append(p.nodes, int32(node))
	}
	rows := n.wanted.Forward(c, c.Float32s([]float32{float32(p.wanted)}, 1, 1))
	rows = p.timed(stack(c, rows, n.stage.Forward(c, e.ofStages(c, &p.graph, p.nodes))))

	y := p.feed(p.behindPast(rows, n.tokens(o, false)))
	first := y.Dim(0) - offered // the first stage's token
	if n.Config.Stages > 0 {
		first = y.Dim(0) - 1
	}
	at, err := p.choose(n.stageHead.Forward(c, ops.Contiguous(c, y.Slice(0, first, y.Dim(0)))), offered, "stage")
	if err != nil {
		return Action{}, err
	}
	p.logp = p.chooser.logp
	chosen := p.timed(n.chosenRows(c, &p.graph, e, p.nodes[at:at+1]))
	most := n.most(o, o.Nodes[o.Schedulable[at]].Job)
	count, err := p.choose(n.executorHead.Forward(c, p.feed(chosen)), most, "number of executors")
	if err != nil {
		return Action{}, err
	}
	p.logp += p.chooser.logp
	if err := p.remember(rows, chosen, at, count); err != nil {
		return Action{}, err
	}
	p.asked++
	return Action{at, min(count+1, o.Committable)}, nil
}

// likelihood implements likely.
func (p *Learned) likelihood() float64 { return p.logp }

// behindPast makes room in the body's cache for so many tokens more and returns rows with those of past decisions in front that
// the cache lacks. As published, a window's number of past decisions is seen, and the present one.
func (p *Learned) behindPast(rows tensor.Tensor, need int) tensor.Tensor {
	n := p.network
	if n.action == nil {
		p.room(need)
		return rows
	}
	width := n.Body.Width()
	length := 0
	for _, past := range p.past {
		length += len(past) / width
	}
	drop := 0
	for ; drop < len(p.past) && (len(p.past)-drop > n.Config.Window || length+need > n.Body.MaxPositions()); drop++ {
		length -= len(p.past[drop]) / width
	}
	var missing []float32
	if drop > 0 { // all positions move
		p.past = append(p.past[:0], p.past[drop:]...)
		p.cache.Truncate(0)
		for _, past := range p.past {
			missing = append(missing, past...)
		}
	} else if len(p.past) > 0 {
		last := p.past[len(p.past)-1]
		missing = last[len(last)-p.unseen*width:]
	}
	p.unseen = 0
	if len(missing) == 0 {
		return rows
	}
	return stack(p.c, p.c.Float32s(missing, len(missing)/width, width), rows)
}

// remember keeps the tokens of a decision for those after it.
func (p *Learned) remember(rows, chosen tensor.Tensor, stage, count int) error {
	n := p.network
	if n.action == nil {
		return nil
	}
	action := n.action.Forward(p.c, p.c.Float32s([]float32{float32(stage) / stageUnit, float32(count) / executorUnit}, 1, 2))
	values, err := p.c.Floats(stack(p.c, stack(p.c, rows, chosen), p.timed(action)))
	p.past, p.unseen = append(p.past, values), 1
	return err
}

// timed adds the vector of the decision's number to rows.
func (p *Learned) timed(rows tensor.Tensor) tensor.Tensor {
	n := p.network
	if n.timestep == nil {
		return rows
	}
	ids := make([]int32, rows.Dim(0))
	for i := range ids {
		ids[i] = int32(min(p.asked, n.Config.Timesteps-1))
	}
	return ops.Add(p.c, rows, n.timestep.Forward(p.c, p.c.Int32s(ids, len(ids))))
}

// feed sends rows through the body behind what its cache holds.
func (p *Learned) feed(rows tensor.Tensor) tensor.Tensor {
	n := rows.Dim(0)
	x := p.network.norm.Forward(p.c, rows).Reshape(1, n, p.network.Body.Width())
	return p.network.Body.Forward(p.c, x, p.cache).Reshape(n, p.network.Body.Width())
}

// Scores returns those of the last decision's numbers of executors, 1, 2 ..., which are computed behind the stage's. They are
// valid until the next decision.
func (p *Learned) Scores() []float32 { return p.scores }

// choose takes one of the first scores.
func (p *Learned) choose(t tensor.Tensor, first int, what string) (int, error) {
	p.scores = sized(p.scores, t.Len())
	if err := p.c.Read(p.scores, t.Reshape(t.Len())); err != nil {
		return 0, err
	}
	i, err := p.chooser.choose(p.scores[:first], p.greedy, 0)
	if err != nil {
		return 0, fmt.Errorf("cjs: netllm: %s: %w", what, err)
	}
	return i, nil
}
