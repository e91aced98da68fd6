// NetLLM's network for scheduling: tokens of what is observed, a language model, two heads.

package cjs

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// NetworkConfig is the shape of a [Network].
type NetworkConfig struct {
	Width     int  `json:"width"`             // numbers of the vectors of stages, jobs and clusters
	Window    int  `json:"window"`            // decisions that a sequence shows
	Waiting   bool `json:"waiting,omitempty"` // stages have the feature that is not published: whether one before is active
	Stages    int  `json:"stages"`            // classes of the stage head; 0: every stage's token is scored by itself
	Chosen    bool `json:"chosen,omitempty"`  // the executor token describes the chosen stage, not its job alone
	Executors int  `json:"executors"`         // classes of the executor head: 1, 2 ...
	Timesteps int  `json:"timesteps"`         // numbers of decisions that have a vector; 0: none have
}

// Validate reports every field that makes no network.
func (f NetworkConfig) Validate() error {
	var errs []error
	for _, v := range []struct {
		name       string
		value, low int
	}{{"width", f.Width, 2}, {"window", f.Window, 1}, {"stages", f.Stages, 0}, {"executors", f.Executors, 1}, {"timesteps", f.Timesteps, 0}} {
		if v.value < v.low || v.value > maxExecutors*16 {
			errs = append(errs, fmt.Errorf("cjs: network: %s is %d", v.name, v.value))
		}
	}
	return errors.Join(errs...)
}

// features is how many a node has.
func (f NetworkConfig) features() int {
	if f.Waiting {
		return StageFeatures + 1
	}
	return StageFeatures
}

// Network decides as Wu et al. 2024's. A decision is a run of tokens: the return that is wanted, each stage that can be
// chosen, the job whose stage was chosen, and the action. The stage head reads the last of the stages' tokens, or each of
// them, the executor head the job's.
type Network struct {
	Config NetworkConfig
	Body   transformer.Body

	encoder                       *graphEncoder
	wanted, stage, chosen, action *netllm.Dense // to tokens
	timestep                      *netllm.Table // or nil
	norm                          *netllm.LayerNorm
	stageHead, executorHead       *netllm.Dense
}

// NewNetwork returns a network with random modules, drawn from seed, around body.
func NewNetwork(b ops.Backend, body transformer.Body, f NetworkConfig, seed uint64) (*Network, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x636a73)) // the stream is this network's own
	width, stage := body.Width(), f.features()+3*f.Width
	n := &Network{
		Config: f, Body: body,
		encoder: newStateEncoder(b, f.features(), f.Width, rng),
		wanted:  netllm.NewDense(b, "embed.return", width, 1, rng),
		stage:   netllm.NewDense(b, "embed.stage", width, stage, rng),
	}
	chosen := jobPart + 2*f.Width
	if f.Chosen {
		chosen = stage
	}
	n.chosen = netllm.NewDense(b, "embed.executor", width, chosen, rng)
	if f.Window > 1 {
		n.action = netllm.NewDense(b, "embed.action", width, 2, rng)
	}
	if f.Timesteps > 0 {
		n.timestep = netllm.NewTable(b, "embed.timestep", f.Timesteps, width, rng)
	}
	n.norm = netllm.NewLayerNorm(b, "embed.norm", width)
	n.stageHead = netllm.NewDense(b, "head.stage", max(f.Stages, 1), width, rng)
	n.executorHead = netllm.NewDense(b, "head.executor", f.Executors, width, rng)
	return n, nil
}

// Params returns the parameters of encoder and heads.
func (n *Network) Params() []*ops.Param {
	list := n.encoder.params()
	for _, d := range []*netllm.Dense{n.wanted, n.stage, n.chosen, n.action} {
		if d != nil {
			list = append(list, d.Params()...)
		}
	}
	if n.timestep != nil {
		list = append(list, n.timestep.Params()...)
	}
	return append(append(append(list, n.norm.Params()...), n.stageHead.Params()...), n.executorHead.Params()...)
}

// Units of an action's two numbers, as published.
const (
	stageUnit    = 100
	executorUnit = 50
)

// step is a decision in a sequence.
type step struct {
	o        *Observation
	wanted   float32 // return
	timestep int32
	action   Action
}

// offered is how many stages of the step have tokens, the first of those that can be chosen: as many as the body's positions and,
// as published, the stage head's classes allow. Others wait for a later decision.
func (n *Network) offered(o *Observation) int {
	offered := min(len(o.Schedulable), n.Body.MaxPositions()-2)
	if n.Config.Stages > 0 {
		offered = min(offered, n.Config.Stages)
	}
	return offered
}

// tokens is how many tokens a step has; its action's is needed only by steps after it.
func (n *Network) tokens(o *Observation, last bool) int {
	if last {
		return n.offered(o) + 2
	}
	return n.offered(o) + 3
}

// most is the largest number of executors that the executor head may answer for a job: the published mask.
func (n *Network) most(o *Observation, job int) int {
	return max(1, min(o.Cap(job), n.Config.Executors))
}

// impossible is added to the scores of what is masked, as published.
const impossible = -1e5

// scores are a network's answers for steps, one behind the other, window by window: of stages [steps, classes], of
// numbers of executors [steps, executors]. What cannot be chosen has scores that no softmax sees.
type scores struct{ stages, executors tensor.Tensor }

// forward answers all steps of windows, each told the actions of those before it. No window may have more tokens than the
// body has positions.
func (n *Network) forward(c *ops.Context, windows [][]step) scores {
	var g graph
	g.reset(n.Config.Waiting)
	var steps []step
	for _, w := range windows {
		for _, s := range w {
			g.add(s.o)
			steps = append(steps, s)
		}
	}
	e := n.encoder.forward(c, &g)
	width := n.Body.Width()

	// Rows: returns, then all stages, then chosen jobs, then actions, then a row that nobody looks at.
	var stages, chosen []int32
	var wanted, actions []float32
	base := int32(0)
	for _, s := range steps {
		wanted = append(wanted, s.wanted)
		for _, node := range s.o.Schedulable[:n.offered(s.o)] {
			stages = append(stages, base+int32(node))
		}
		at := max(s.action.Stage, 0)
		chosen = append(chosen, base+int32(s.o.Schedulable[at]))
		actions = append(actions, float32(at)/stageUnit, float32(s.action.Executors-1)/executorUnit)
		base += int32(len(s.o.Nodes))
	}
	rows := n.wanted.Forward(c, c.Float32s(wanted, len(steps), 1))
	rows = stack(c, rows, n.stage.Forward(c, e.ofStages(c, &g, stages)))
	rows = stack(c, rows, n.chosenRows(c, &g, e, chosen))
	if n.action != nil {
		rows = stack(c, rows, n.action.Forward(c, c.Float32s(actions, len(steps), 2)))
	}

	order, times, read := n.order(windows, len(steps), len(stages))
	length := len(order) / len(windows)
	x := ops.Gather(c, rows, c.Int32s(order, len(order)))
	if n.timestep != nil {
		x = ops.Add(c, x, n.timestep.Forward(c, c.Int32s(times, len(times))))
	}
	y := n.Body.Forward(c, n.norm.Forward(c, x).Reshape(len(windows), length, width), nil).Reshape(len(order), width)

	executors := n.executorHead.Forward(c, ops.Gather(c, y, c.Int32s(read.executors, len(steps))))
	mask := make([]float32, len(steps)*n.Config.Executors)
	for i, s := range steps {
		for k := n.most(s.o, s.o.Nodes[s.o.Schedulable[max(s.action.Stage, 0)]].Job); k < n.Config.Executors; k++ {
			mask[i*n.Config.Executors+k] = impossible
		}
	}
	return scores{n.stageScores(c, y, steps, read), ops.Add(c, executors, c.Float32s(mask, len(steps), n.Config.Executors))}
}

// chosenRows are the tokens of chosen stages' jobs.
func (n *Network) chosenRows(c *ops.Context, g *graph, e encoded, nodes []int32) tensor.Tensor {
	if n.Config.Chosen {
		return n.chosen.Forward(c, e.ofStages(c, g, nodes))
	}
	return n.chosen.Forward(c, e.ofJobs(c, g, nodes))
}

// reading says which tokens answers are read from, of all windows' one behind the other.
type reading struct {
	stages    []int32 // of all stages
	last      []int32 // of each step's last stage
	executors []int32 // of each step's job
}

// order returns for each token of each window, all made as long as the longest, its row, and the number of its decision.
func (n *Network) order(windows [][]step, steps, stages int) (order, times []int32, read reading) {
	length := 0
	for _, w := range windows {
		tokens := 0
		for i, s := range w {
			tokens += n.tokens(s.o, i == len(w)-1)
		}
		length = max(length, tokens)
	}
	at, stage := 0, steps
	for k, w := range windows {
		for i, s := range w {
			put := func(row int) int32 {
				order, times = append(order, int32(row)), append(times, min(s.timestep, int32(max(n.Config.Timesteps, 1)-1)))
				return int32(len(order) - 1)
			}
			put(at)
			for range n.offered(s.o) {
				read.stages = append(read.stages, put(stage))
				stage++
			}
			read.last = append(read.last, int32(len(order)-1))
			read.executors = append(read.executors, put(steps+stages+at))
			if i+1 < len(w) {
				put(2*steps + stages + at)
			}
			at++
		}
		for len(order) < (k+1)*length { // nothing before sees what comes after
			order, times = append(order, 0), append(times, 0)
		}
	}
	return order, times, read
}

// stageScores reads the scores of stages off the body's answers.
func (n *Network) stageScores(c *ops.Context, y tensor.Tensor, steps []step, read reading) tensor.Tensor {
	if classes := n.Config.Stages; classes > 0 {
		mask := make([]float32, len(steps)*classes)
		for i, s := range steps {
			for k := n.offered(s.o); k < classes; k++ {
				mask[i*classes+k] = impossible
			}
		}
		return ops.Add(c, n.stageHead.Forward(c, ops.Gather(c, y, c.Int32s(read.last, len(steps)))), c.Float32s(mask, len(steps), classes))
	}
	each := n.stageHead.Forward(c, ops.Gather(c, y, c.Int32s(read.stages, len(read.stages))))
	each = stack(c, each, c.Float32s([]float32{impossible}, 1, 1))
	classes := 0
	for _, s := range steps {
		classes = max(classes, n.offered(s.o))
	}
	places, first := make([]int32, 0, len(steps)*classes), int32(0)
	for _, s := range steps {
		offered := int32(n.offered(s.o))
		for k := range int32(classes) {
			if k < offered {
				places = append(places, first+k)
			} else {
				places = append(places, int32(len(read.stages)))
			}
		}
		first += offered
	}
	return ops.Gather(c, each, c.Int32s(places, len(places))).Reshape(len(steps), classes)
}

// loss is the mean cross-entropy of stages and that of numbers of executors, together. Decisions for nothing, and for stages
// that have no token, do not count.
func (n *Network) loss(c *ops.Context, windows [][]step) tensor.Tensor {
	s := n.forward(c, windows)
	var stages, executors []int32
	for _, w := range windows {
		for _, step := range w {
			a := step.action
			if a.Stage == Nothing || a.Stage >= n.offered(step.o) {
				stages, executors = append(stages, -1), append(executors, -1)
				continue
			}
			job := step.o.Nodes[step.o.Schedulable[a.Stage]].Job
			stages, executors = append(stages, int32(a.Stage)), append(executors, int32(min(a.Executors, n.most(step.o, job)))-1)
		}
	}
	return ops.Add(c, ops.CrossEntropy(c, s.stages, c.Int32s(stages, len(stages))), ops.CrossEntropy(c, s.executors, c.Int32s(executors, len(executors))))
}
