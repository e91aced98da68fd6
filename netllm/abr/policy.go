// What a policy is, how one is found by name, and the two that do not look.

package abr

import (
	"fmt"
	"strings"
)

// Policy chooses qualities. One goroutine uses it at a time.
type Policy interface {
	// Reset is called at the start of each session.
	Reset()

	// Decide returns the quality, 0..5, of the next chunk. It is asked 48
	// times per session, after every chunk; what it answers after the last
	// one is thrown away, but a policy that draws random numbers or keeps a
	// history is moved on by it. The observation is only read, and only
	// during the call.
	Decide(o *Observation) (int, error)
}

// Foreseer is a policy that knows what no player does.
type Foreseer interface {
	Policy

	// Foresee is called after Reset with the session that begins. What
	// noise will do to it is not foreseen.
	Foresee(video *Video, s Session) error
}

// Factory makes the policies that run sessions side by side.
type Factory struct {
	Name string

	// Stateful says that what a policy does in a session depends on the
	// sessions it ran before (a random stream, a history that is not
	// emptied): then one policy runs them all, in order.
	Stateful bool

	// Workers is how many of its policies may run at a time; 0 is any number.
	Workers int

	New func() (Policy, error)
}

// PolicyConfig is what policies can be told.
type PolicyConfig struct {
	Seed uint64 // of policies that draw; the evaluation's is 100003

	// Weights is the folder of the published agents' weights: abr/genet of
	// the data. Only policies that [NeedsWeights] names read it.
	Weights string
}

// known is a policy that NewFactory knows.
type known struct {
	name string
	make func(PolicyConfig) (Factory, error)
}

// policies lists what NewFactory knows, in the order of messages.
var policies = func() []known {
	list := []known{
		{"constant:0", constantFactory(0)},
		{"constant:1", constantFactory(1)},
		{"constant:2", constantFactory(2)},
		{"constant:3", constantFactory(3)},
		{"constant:4", constantFactory(4)},
		{"constant:5", constantFactory(5)},
		{"random", randomFactory},
		{"rate", rule(func() Policy { return Rate{} })},
		{"bba", rule(func() Policy { return BBA{} })},
		{"bola", rule(func() Policy { return BOLA{} })},
		{"mpc", rule(func() Policy { return NewMPC() })},
		{"mpc-carry", func(PolicyConfig) (Factory, error) {
			return Factory{Stateful: true, New: func() (Policy, error) { return NewCarryMPC(), nil }}, nil
		}},
		{"mpc-tuned", rule(func() Policy { return NewTunedMPC(TunedDiscount) })},
	}
	for _, a := range agents {
		list = append(list,
			known{a.name, agentFactory(a.name, a.file, false)},
			known{a.name + sampledSuffix, agentFactory(a.name, a.file, true)})
	}
	return list
}()

// rule makes the factory of a policy whose sessions do not know of each other.
func rule(make func() Policy) func(PolicyConfig) (Factory, error) {
	return func(PolicyConfig) (Factory, error) {
		return Factory{New: func() (Policy, error) { return make(), nil }}, nil
	}
}

// PolicyNames returns the names that [NewFactory] knows.
func PolicyNames() []string {
	names := make([]string, len(policies))
	for i, p := range policies {
		names[i] = p.name
	}
	return names
}

// NewFactory returns the policy called name:
//
//	constant:0 .. constant:5   always that quality
//	random                     a uniform quality, from an MT19937 stream of the seed
//	bba                        [BBA]
//	rate                       [Rate]
//	bola                       [BOLA]
//	mpc                        [MPC], history emptied per session: the canonical one
//	mpc-carry                  MPC as the original runs it, history kept
//	mpc-tuned                  [TunedMPC] with [TunedDiscount]
//	genet, udr1, udr2, udr3,   the published agents, see [Actor], taking the most
//	udr-real                   probable move
//	genet-sampled ...          the same, each drawing its moves from a stream of the seed
//
// An unknown name is an error that lists the known ones. Weights that are
// missing or not an agent's are an error that names file and tensor.
func NewFactory(name string, config PolicyConfig) (Factory, error) {
	for _, p := range policies {
		if p.name == name {
			f, err := p.make(config)
			if err != nil {
				return Factory{}, fmt.Errorf("abr: policy %q: %w", name, err)
			}
			f.Name = name
			return f, nil
		}
	}
	return Factory{}, fmt.Errorf("abr: unknown policy %q, known: %s", name, strings.Join(PolicyNames(), ", "))
}

// Constant always chooses the same quality.
type Constant int

// Reset does nothing.
func (Constant) Reset() {}

// Decide returns the quality c.
func (c Constant) Decide(*Observation) (int, error) { return int(c), nil }

func constantFactory(quality int) func(PolicyConfig) (Factory, error) {
	return rule(func() Policy { return Constant(quality) })
}

// random chooses uniformly; its stream runs on from session to session.
type random struct{ rng *MT19937 }

func (random) Reset() {}

func (r random) Decide(*Observation) (int, error) { return r.rng.IntRange(0, Qualities-1), nil }

func randomFactory(config PolicyConfig) (Factory, error) {
	return Factory{Stateful: true, New: func() (Policy, error) {
		return random{NewMT19937(fold32(config.Seed))}, nil
	}}, nil
}
