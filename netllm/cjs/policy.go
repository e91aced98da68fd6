// What a policy is, and how one is found by name.

package cjs

import (
	"fmt"
	"strings"
)

// Policy decides which stage gets executors next. One goroutine uses it at a time.
type Policy interface {
	// Reset is called at the start of each episode. All that the policy draws in it comes from seed.
	Reset(seed uint64)

	// Decide answers an observation, which is only read, and only during the call. It is asked until an
	// environment needs no more answers.
	Decide(o *Observation) (Action, error)
}

// Factory makes the policies that run episodes side by side.
type Factory struct {
	Name    string
	Workers int // how many of its policies may run at a time; 0 is any number
	New     func() (Policy, error)
}

// PolicyConfig is what policies can be told. The zero value is what each is at its best with on the default
// cluster.
type PolicyConfig struct {
	// Exponent is that of a job's work in wfair; nil is 0.25. 0 makes wfair fair.
	Exponent *float64

	// Cap is the most executors that srpt gives a job; 0 is 20.
	Cap int
}

// policies lists what NewFactory knows, in the order of messages.
var policies = []struct {
	name string
	make func(PolicyConfig) Policy
}{
	{"fifo", func(PolicyConfig) Policy { return newFIFO() }},
	{"fair", func(PolicyConfig) Policy { return newFair() }},
	{"random", func(PolicyConfig) Policy { return &random{} }},
	{"sjf", func(PolicyConfig) Policy { return newSJF() }},
	{"cp", func(PolicyConfig) Policy { return newCriticalPath() }},
	{"wfair", func(c PolicyConfig) Policy { return newWeightedFair(c.Exponent) }},
	{"srpt", func(c PolicyConfig) Policy { return newSRPT(c.Cap) }},
	{"target", func(PolicyConfig) Policy { return &Target{} }},
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
//	fifo     jobs by arrival, at most half of the executors for each
//	fair     jobs by arrival, an equal share for each
//	random   a uniform job, a uniform number of executors
//	sjf      jobs by remaining work
//	cp       the same, and of a job the stage with the longest path behind it
//	wfair    jobs by arrival, a share by a power of remaining work for each
//	srpt     jobs by remaining work, at most so many executors for each
//	target   [Target]
//
// An unknown name is an error that lists the known ones.
func NewFactory(name string, config PolicyConfig) (Factory, error) {
	for _, p := range policies {
		if p.name == name {
			return Factory{Name: name, New: func() (Policy, error) { return p.make(config), nil }}, nil
		}
	}
	return Factory{}, fmt.Errorf("cjs: unknown policy %q, known: %s", name, strings.Join(PolicyNames(), ", "))
}
