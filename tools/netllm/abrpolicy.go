// ABR policies by name: the library's, the oracle, and the learned one.

package main

import (
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/abr"
	"netllm/tools/internal/cli"
)

// learnedPolicy is the name of the policy that an adapter makes of a model.
const learnedPolicy = "netllm"

// pensievePolicy is the name of the network that adapt pensieve trains.
const pensievePolicy = "pensieve"

func abrPolicyNames() []string {
	return append(abr.PolicyNames(), pensievePolicy, oraclePolicy, learnedPolicy)
}

// checkPolicies refuses a list with names that are not among the known, or one given twice.
func checkPolicies(policies, known []string) error {
	if len(policies) == 0 {
		return cli.Usagef("--policy is needed, one or more of %s", strings.Join(known, ", "))
	}
	for i, name := range policies {
		if !slices.Contains(known, name) {
			return cli.Usagef("--policy: unknown policy %q, known: %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(policies[:i], name) {
			return cli.Usagef("--policy: %q is given twice", name)
		}
	}
	return nil
}

// addPolicies adds --policy.
func addPolicies(cmd *cobra.Command, policies *[]string) {
	cmd.Flags().StringSliceVar(policies, "policy", nil, "play with the policies `NAMES`, separated by commas")
}

// learnedFlags say which adapter on which model the learned policy is.
type learnedFlags struct {
	model    modelFlags
	adapter  string
	pensieve string
	quantile float64 // of the pool's returns: the target; below 0 the largest return
}

func (l *learnedFlags) add(cmd *cobra.Command) {
	l.model.add(cmd)
	cmd.Flags().StringVar(&l.adapter, "adapter", "", "use the adapter in `DIR`, as adapt abr writes it, for policy netllm")
	cmd.Flags().StringVar(&l.pensieve, "pensieve", "", "use the weights in `FILE`, as adapt pensieve writes it, for policy pensieve")
	cmd.Flags().Float64Var(&l.quantile, "target-quantile", -1, "want the `Q`-quantile, 0 to 1, of the returns of the pool's episodes\n(default the largest return)")
	cmd.Flags().Lookup("target-quantile").DefValue = "0" // the help has its own words for the default
}

// factories makes the policies in the order of their names. What they use stays
// open until the returned function is called. The published agents' weights are
// in the data's folder, which only they need. played is for the oracle, see
// [oracleFactory].
func (l *learnedFlags) factories(policies []string, flags *cli.Flags, used cli.Used, played abr.Played) (list []abr.Factory, done func(), err error) {
	if l.quantile > 1 || math.IsNaN(l.quantile) {
		return nil, nil, cli.Usagef("--target-quantile %v: want 0 to 1", l.quantile)
	}
	if !slices.Contains(policies, learnedPolicy) {
		if l.adapter != "" || l.model.path != "" {
			return nil, nil, cli.Usagef("--adapter and --model belong to policy %q, which is not asked for", learnedPolicy)
		}
	} else if l.adapter == "" {
		return nil, nil, cli.Usagef("--policy %s needs --adapter", learnedPolicy)
	}
	switch asked := slices.Contains(policies, pensievePolicy); {
	case asked && l.pensieve == "":
		return nil, nil, cli.Usagef("--policy %s needs --pensieve", pensievePolicy)
	case !asked && l.pensieve != "":
		return nil, nil, cli.Usagef("--pensieve belongs to policy %q, which is not asked for", pensievePolicy)
	}
	done = func() {}
	for _, name := range policies {
		var f abr.Factory
		switch name {
		case learnedPolicy:
			var opened func()
			if f, opened, err = l.open(used); err == nil {
				done = opened
			}
		case oraclePolicy:
			f, err = oracleFactory(flags, played)
		case pensievePolicy:
			var p *abr.Pensieve
			if p, err = abr.ReadPensieve(l.pensieve); err == nil {
				f = p.Factory(pensievePolicy)
			}
		default:
			f, err = baseline(name, flags)
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		list = append(list, f)
	}
	return list, done, nil
}

// baseline makes a policy of the library.
func baseline(name string, flags *cli.Flags) (abr.Factory, error) {
	config := abr.PolicyConfig{Seed: flags.Seed}
	if abr.NeedsWeights(name) {
		dir, err := flags.DataDir()
		if err != nil {
			return abr.Factory{}, err
		}
		if dir == "" {
			return abr.Factory{}, cli.Usagef("--policy %s reads its weights from abr/genet of the data: --data or NETLLM_DATA is needed", name)
		}
		config.Weights = weightsDir(dir)
	}
	return abr.NewFactory(name, config)
}

// open loads model and adapter.
func (l *learnedFlags) open(used cli.Used) (abr.Factory, func(), error) {
	r, err := abr.ReadRecipe(l.adapter)
	if err != nil {
		return abr.Factory{}, nil, err
	}
	b, err := openBody(used.Open, &l.model, r.Body)
	if err != nil {
		return abr.Factory{}, nil, err
	}
	adapter, err := abr.LoadAdapter(b, b.body, l.adapter)
	if err != nil {
		b.close()
		return abr.Factory{}, nil, err
	}
	target := adapter.Cond.MaxReturn
	if l.quantile >= 0 {
		if target, err = adapter.Cond.Quantile(l.quantile); err != nil {
			b.close()
			return abr.Factory{}, nil, cli.Usage(err)
		}
	}
	open, workers := used.Worker(b.Backend)
	return adapter.Factory(learnedPolicy, target, workers, open), b.close, nil
}
