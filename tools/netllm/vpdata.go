// The data of the VP commands: which data set, which part of it, which windows.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/vp"
	"netllm/tools/internal/cli"
)

type vpSetting struct {
	name, dataset    string
	history, horizon int
}

// vpSettings are the evaluation settings of the paper.
var vpSettings = []vpSetting{
	{"default", "jin2022", 10, 20},
	{"unseen1", "jin2022", 20, 30},
	{"unseen2", "wu2017", 10, 20},
	{"unseen3", "wu2017", 20, 30},
}

// vpFlags are the data flags of the VP commands.
type vpFlags struct {
	dataset, split, setting string
	windows                 vp.Windowing
	missing                 bool
}

// addDataset adds the flags that say where traces come from.
func (f *vpFlags) addDataset(cmd *cobra.Command, dataset, help string) {
	fs := cmd.Flags()
	fs.StringVar(&f.dataset, "dataset", dataset, "take the traces of `SET`: jin2022, wu2017 or a folder with videoN/userM.csv in it"+help)
	fs.BoolVar(&f.missing, "allow-missing", false, "leave out pairs of video and user that have no file")
}

// addWindows adds the flags that say what questions are asked, and of which part.
func (f *vpFlags) addWindows(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.setting, "setting", "default", "take the paper's data set and lengths `NAME`: default, unseen1, unseen2 or\nunseen3; flags beside it win")
	f.addDataset(cmd, "", "\n(splits in its splits.json)")
	fs.StringVar(&f.split, "split", "test", "take the part `NAME` of it: train, valid, test, or all")
	f.windows = vp.DefaultWindowing()
	fs.IntVar(&f.windows.History, "history", 0, "`ROWS` seen, 0.2 s each (default the setting's)")
	fs.IntVar(&f.windows.Horizon, "horizon", 0, "`ROWS` predicted (default the setting's)")
	fs.IntVar(&f.windows.Stride, "stride", f.windows.Stride, "`ROWS` from one question to the next")
	fs.IntVar(&f.windows.TrimHead, "trim-head", f.windows.TrimHead, "ask nothing in the first `ROWS`")
	fs.IntVar(&f.windows.TrimTail, "trim-tail", f.windows.TrimTail, "ask nothing in the last `ROWS`: 30 as in the paper's figures, 60 as in its code")
}

// resolve fills the flags from the setting.
func (f *vpFlags) resolve(cmd *cobra.Command) error {
	var known []string
	for _, s := range vpSettings {
		known = append(known, s.name)
		if s.name != f.setting {
			continue
		}
		for _, name := range []string{"dataset", "split", "history", "horizon", "stride", "trim-head", "trim-tail"} {
			if cmd.Flags().Changed(name) {
				f.setting = customSetting
			}
		}
		fill(&f.dataset, s.dataset)
		fill(&f.windows.History, s.history)
		fill(&f.windows.Horizon, s.horizon)
		return cli.Usage(f.windows.Validate())
	}
	return cli.Usagef("--setting %q: want %s", f.setting, strings.Join(known, ", "))
}

// fill sets what was not given.
func fill[T comparable](v *T, value T) {
	var none T
	if *v == none {
		*v = value
	}
}

// open finds the data set.
func (f *vpFlags) open(flags *cli.Flags) (*vp.Dataset, error) {
	dir, err := flags.DataDir()
	if err != nil {
		return nil, err
	}
	d, err := vp.OpenDataset(dir, f.dataset)
	if err != nil && dir == "" {
		return nil, fmt.Errorf("%w (--data or NETLLM_DATA names the folder of the published sets)", err)
	}
	return d, err
}

// traces reads a part of the data set, and says on chatter what is missing of it.
func (f *vpFlags) traces(d *vp.Dataset, split string, chatter io.Writer) ([]*vp.Trace, error) {
	s, err := d.Split(split)
	if err != nil {
		return nil, err
	}
	traces, err := d.Traces(s, f.missing || split == vp.AllTraces)
	if err != nil {
		return nil, err
	}
	if want := len(s.Videos) * len(s.Users); len(traces) < want && split != vp.AllTraces {
		fmt.Fprintf(chatter, "%s %s: %d of %d pairs of video and user are there\n", d.Name, split, len(traces), want)
	}
	return traces, nil
}
