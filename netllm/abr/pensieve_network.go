// Pensieve as it is trained.

package abr

import (
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// PensieveNetwork is an actor and a critic of Pensieve's shape on a backend: branches for the rows of the state side by side, a
// hidden layer on all their outputs, a linear layer on that; relu follows all but the last. The critic, which is of use in
// training alone, has one more branch: it is told what the trace will bring, see [coming].
type PensieveNetwork struct {
	Config        PensieveConfig
	actor, critic *pensieveTower
}

// pensieveTower is one network.
type pensieveTower struct {
	inputs      []int // of the branches
	branches    []*netllm.Dense
	hidden, out *netllm.Dense
}

// NewPensieve returns a network with weights drawn from seed, as PyTorch draws them.
func NewPensieve(b ops.Backend, config PensieveConfig, seed uint64) (*PensieveNetwork, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x70656e7369657665))
	tower := func(name string, out int, branches []pensieveBranch) *pensieveTower {
		t := &pensieveTower{}
		for _, branch := range branches {
			t.inputs = append(t.inputs, branch.in)
			t.branches = append(t.branches, netllm.NewDense(b, name+"."+branch.name, config.Width, branch.in, rng))
		}
		t.hidden = netllm.NewDense(b, name+".hidden_fc", config.Width, len(branches)*config.Width, rng)
		t.out = netllm.NewDense(b, name+".out_fc", out, config.Width, rng)
		return t
	}
	return &PensieveNetwork{
		Config: config,
		actor:  tower("actor", Qualities, config.branches()),
		critic: tower("critic", 1, config.criticBranches()),
	}, nil
}

// pensieveBranch is a name and a number of inputs.
type pensieveBranch struct {
	name string
	in   int
}

// branches are those for the rows of the state. Their names are the published ones: what is called a convolution there is a
// dense layer, too.
func (f PensieveConfig) branches() []pensieveBranch {
	var list []pensieveBranch
	for i, n := range f.inputs() {
		list = append(list, pensieveBranch{branches[i].name, n})
	}
	return list
}

// criticBranches are those and the critic's own.
func (f PensieveConfig) criticBranches() []pensieveBranch {
	return append(f.branches(), pensieveBranch{"coming_fc", len(comingSec)})
}

// Params returns all parameters, the critic's last.
func (p *PensieveNetwork) Params() []*ops.Param {
	return append(p.actor.params(), p.critic.params()...)
}

func (t *pensieveTower) params() []*ops.Param {
	var list []*ops.Param
	for _, d := range t.branches {
		list = append(list, d.Params()...)
	}
	return append(append(list, t.hidden.Params()...), t.out.Params()...)
}

// forward returns [n, out] for x [n, inputs].
func (t *pensieveTower) forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	relu := func(x tensor.Tensor) tensor.Tensor { return ops.LeakyReLU(c, x, 0) }
	n, width := x.Dim(0), t.hidden.Weight.Value.Dim(0)
	joined := c.New(tensor.F32, n, len(t.branches)*width)
	at := 0
	for i, d := range t.branches {
		part := ops.Contiguous(c, x.Slice(1, at, at+t.inputs[i]))
		ops.CopyInto(c, joined.Slice(1, i*width, (i+1)*width), d.Forward(c, part))
		at += t.inputs[i]
	}
	return t.out.Forward(c, relu(t.hidden.Forward(c, relu(joined))))
}

// comingSec are the ends, s from now, of the spans of time whose mean rate the critic is told.
var comingSec = [...]float64{2, 5, 10, 20, 40, 80, 160}

// coming writes to dst the mean rate, Mbyte/s, at which a trace will deliver in spans of time from sec on. A return depends
// on it more than on anything that was done; a baseline that knows it leaves what was done, and favours no action (Mao et al.,
// "Variance Reduction for Reinforcement Learning in Input-Driven Environments", ICLR 2019).
func coming(dst []float32, l *lap, sec float64) {
	before, from := l.total(sec), 0.0
	for i, to := range comingSec {
		after := l.total(sec + to)
		dst[i] = float32((after - before) / (to - from) / 1e6)
		before, from = after, to
	}
}

// Pensieve returns the actor as it is now, to decide by.
func (p *PensieveNetwork) Pensieve(b ops.Backend) (*Pensieve, error) {
	params := p.actor.params()
	values, err := netllm.Snapshot(b, params)
	if err != nil {
		return nil, fmt.Errorf("abr: pensieve: %w", err)
	}
	byName := map[string][]float32{}
	for i, param := range params {
		byName[param.Name] = values[i]
	}
	return newPensievePlayer(p.Config, func(name string, _ ...int) ([]float32, error) { return byName[name], nil })
}
