// The data of the CJS commands: which jobs, on how many executors.

package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
)

type cjsSetting struct {
	name            string
	jobs, executors int
}

// cjsSettings are the evaluation settings of the paper.
var cjsSettings = []cjsSetting{{"default", 200, 50}, {"unseen1", 200, 30}, {"unseen2", 450, 50}, {"unseen3", 450, 30}}

// cjsFlags are the data flags of the CJS commands.
type cjsFlags struct {
	jobs, executors, sequences int
	sequence                   string
	setting                    string
}

// addGenerated adds the flags of generated sequences; 0 stands for what a setting says.
func (f *cjsFlags) addGenerated(cmd *cobra.Command, jobs, executors, sequences int) {
	fs := cmd.Flags()
	fs.IntVar(&f.jobs, "jobs", jobs, "generate sequences of `N` jobs")
	fs.IntVar(&f.executors, "executors", executors, "for a cluster of `N` executors")
	fs.IntVar(&f.sequences, "sequences", sequences, "and `N` of them, from seeds of their own")
	if jobs == 0 {
		fs.Lookup("jobs").Usage += " (default the setting's)"
		fs.Lookup("executors").Usage += " (default the setting's)"
	}
}

// addSetting adds all flags of evaluation.
func (f *cjsFlags) addSetting(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.setting, "setting", "default", "take the paper's numbers of jobs and executors `NAME`: default, unseen1,\nunseen2 or unseen3; flags beside it win")
	f.addGenerated(cmd, 0, 0, 8)
	cmd.Flags().StringVar(&f.sequence, "sequence", "", "take the jobs in `FILE`, or those called KEY in FILE#KEY, and the executors that it\nsays, if it does, in the place of generated ones")
}

// resolve fills the flags from the setting.
func (f *cjsFlags) resolve(cmd *cobra.Command) error {
	known := make([]string, len(cjsSettings))
	for i, s := range cjsSettings {
		if known[i] = s.name; s.name != f.setting {
			continue
		}
		for _, name := range []string{"jobs", "executors", "sequence"} {
			if cmd.Flags().Changed(name) {
				f.setting = customSetting
			}
		}
		if !cmd.Flags().Changed("jobs") {
			f.jobs = s.jobs
		}
		if !cmd.Flags().Changed("executors") {
			f.executors = s.executors
		}
		if f.sequence != "" && cmd.Flags().Changed("jobs") {
			return cli.Usagef("--jobs says nothing about the jobs of --sequence")
		}
		return f.check()
	}
	return cli.Usagef("--setting %q: want %s", f.setting, strings.Join(known, ", "))
}

func (f *cjsFlags) check() error {
	for _, n := range []struct {
		name  string
		value int
	}{{"jobs", f.jobs}, {"executors", f.executors}, {"sequences", f.sequences}} {
		if n.value < 1 {
			return cli.Usagef("--%s %d: want 1 or more", n.name, n.value)
		}
	}
	return nil
}

// cluster is the one that generated jobs run on.
func (f *cjsFlags) cluster() cjs.Cluster {
	c := cjs.DefaultCluster()
	c.Executors = f.executors
	return c
}

// cjsData is what the flags name.
type cjsData struct {
	dir      string // the folder cjs/ of the data
	profiles *cjs.Profiles
}

// openCJS reads the profiles of queries.
func openCJS(flags *cli.Flags) (*cjsData, error) {
	dir, err := flags.DataDir()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, fmt.Errorf("no data: name the folder that has cjs/ in it with --data or NETLLM_DATA")
	}
	d := &cjsData{dir: filepath.Join(dir, "cjs")}
	if d.profiles, err = cjs.ReadProfiles(d.dir); err != nil {
		return nil, err
	}
	return d, nil
}

// list returns the sequences: those of the file, or so many generated ones, from seeds on from first.
func (d *cjsData) list(f *cjsFlags, first uint64) ([]*cjs.Sequence, error) {
	if f.sequence != "" {
		return cjs.ReadSequence(f.sequence, d.profiles, f.cluster())
	}
	return d.generated(f, f.sequences, first)
}

func (d *cjsData) generated(f *cjsFlags, n int, first uint64) (list []*cjs.Sequence, err error) {
	for i := range n {
		s, err := cjs.Generate(d.profiles, f.cluster(), f.jobs, first+uint64(i))
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// own returns the sequences that a policy plays by itself in a round of relabelling.
func (d *cjsData) own(f *cjsFlags, r cjs.Recipe) func(round int) ([]*cjs.Sequence, error) {
	return func(round int) ([]*cjs.Sequence, error) {
		return d.generated(f, r.RoundEpisodes, ownSeeds+r.Seed<<20+uint64(round)<<10)
	}
}

// played returns the sequences of an iteration of the policy gradient.
func (d *cjsData) played(f *cjsFlags, r cjs.Recipe) func(iteration int) ([]*cjs.Sequence, error) {
	short := *f
	short.jobs = min(f.jobs, r.GradientJobs)
	return func(i int) ([]*cjs.Sequence, error) {
		return d.generated(&short, r.Gradient.Sequences, ownSeeds+r.Seed<<20+1<<19+uint64(i*r.Gradient.Sequences))
	}
}

// Seeds of generated sequences: those of evaluation follow --seed, those that are trained on or that weights are chosen by lie
// far from these, and from each other.
const (
	collectedSeeds = 1 << 32
	validSeeds     = 2 << 32
	ownSeeds       = 3 << 32
)
