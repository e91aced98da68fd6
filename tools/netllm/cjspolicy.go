// CJS policies by name: the library's, Decima, and the learned one.

package main

import (
	"math"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
)

const (
	decimaPolicy = "decima"
	decimaGreedy = "decima-greedy"
)

func cjsPolicyNames() []string {
	return append(cjs.PolicyNames(), decimaPolicy, decimaGreedy, learnedPolicy)
}

// cjsPolicies say which policies, and what they need.
type cjsPolicies struct {
	names    []string
	model    modelFlags
	adapter  string
	decima   string
	exponent float64
	cap      int
}

func (p *cjsPolicies) add(cmd *cobra.Command) {
	addPolicies(cmd, &p.names)
	fs := cmd.Flags()
	p.model.add(cmd)
	fs.StringVar(&p.adapter, "adapter", "", "use the adapter in `DIR`, as adapt cjs writes it, for policy netllm")
	fs.StringVar(&p.decima, "decima", "", "use the weights in `FILE` for decima and decima-greedy\n(default cjs/decima.safetensors in the data)")
	fs.Float64Var(&p.exponent, "wfair-exponent", 0.25, "weigh jobs by their work to the power `X` in wfair")
	fs.IntVar(&p.cap, "srpt-cap", 20, "give a job at most `N` executors in srpt")
}

// check refuses what does not go together.
func (p *cjsPolicies) check() error {
	if err := checkPolicies(p.names, cjsPolicyNames()); err != nil {
		return err
	}
	learned := slices.Contains(p.names, learnedPolicy)
	switch {
	case learned && p.adapter == "":
		return cli.Usagef("--policy %s needs --adapter", learnedPolicy)
	case !learned && (p.adapter != "" || p.model.path != ""):
		return cli.Usagef("--adapter and --model belong to policy %q, which is not asked for", learnedPolicy)
	case p.decima != "" && !slices.Contains(p.names, decimaPolicy) && !slices.Contains(p.names, decimaGreedy):
		return cli.Usagef("--decima belongs to policies %q and %q, which are not asked for", decimaPolicy, decimaGreedy)
	case math.IsNaN(p.exponent) || math.Abs(p.exponent) > 10:
		return cli.Usagef("--wfair-exponent %v: want -10 to 10", p.exponent)
	case p.cap < 1:
		return cli.Usagef("--srpt-cap %d: want 1 or more", p.cap)
	}
	return nil
}

// factories makes the policies in the order of their names. What they use stays open until the returned function is
// called.
func (p *cjsPolicies) factories(data *cjsData, used cli.Used) (list []cjs.Factory, done func(), err error) {
	done = func() {}
	for _, name := range p.names {
		var f cjs.Factory
		switch name {
		case learnedPolicy:
			f, done, err = p.open(used)
		case decimaPolicy, decimaGreedy:
			path := p.decima
			if path == "" {
				path = filepath.Join(data.dir, "decima.safetensors")
			}
			var d *cjs.Decima
			if d, err = cjs.ReadDecima(path); err == nil {
				f = d.Factory(name == decimaGreedy)
			}
		default:
			f, err = cjs.NewFactory(name, cjs.PolicyConfig{Exponent: &p.exponent, Cap: p.cap})
		}
		if err != nil {
			if done != nil {
				done()
			}
			return nil, nil, err
		}
		list = append(list, f)
	}
	return list, done, nil
}

// open loads model and adapter.
func (p *cjsPolicies) open(used cli.Used) (f cjs.Factory, done func(), err error) {
	r, err := cjs.ReadRecipe(p.adapter)
	if err != nil {
		return f, nil, err
	}
	b, err := openBody(used.Open, &p.model, r.Body)
	if err != nil {
		return f, nil, err
	}
	a, err := cjs.LoadAdapter(b, b.body, p.adapter)
	if err != nil {
		b.close()
		return f, nil, err
	}
	open, workers := used.Worker(b.Backend)
	return a.Factory(learnedPolicy, workers, open), b.close, nil
}
