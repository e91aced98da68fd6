// The data of the ABR commands: which video, which traces, from which row.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm/abr"
	"netllm/tools/internal/cli"
)

type abrSetting struct{ name, video, traces string }

// abrSettings are the evaluation settings of the paper.
var abrSettings = []abrSetting{
	{"default", "video1", "fcc-test"},
	{"unseen1", "video1", "synth"},
	{"unseen2", "video2", "fcc-test"},
	{"unseen3", "video2", "synth"},
}

// customSetting is the setting of data that were chosen flag by flag.
const customSetting = "custom"

// abrFlags are the data flags of the ABR commands.
type abrFlags struct {
	video, traces, start string
	setting              string // "" where a command has no settings
	exclude              string // set whose overlap with traces is left out, "" for none
	choice               traceChoice
	videoOnly            bool // traces are not read

	chatter func() io.Writer
}

// publishedSets are the trace sets that lie in the folder of the data.
var publishedSets = []string{"fcc-test", "fcc-train", "fcc-valid"}

const synthHelp = "synth[:seed=7,n=10,T=5,dur=320,min=0.2,max=4.3]"

// add adds the flags; video and traces are their defaults, "" if a setting
// gives them.
func (f *abrFlags) add(cmd *cobra.Command, video, traces string) {
	fs := cmd.Flags()
	fs.StringVar(&f.video, "video", video, "stream video `NAME`: video1, video2, synth1, synth2 (generated), a folder\nor a file: a DASH manifest or a JSON table of sizes")
	fs.StringVar(&f.traces, "traces", traces, "play the traces of `SET`: fcc-test, fcc-train, fcc-valid, a folder or\n"+synthHelp+" (generated)")
	f.chatter = cmd.ErrOrStderr
	fs.StringVar(&f.start, "start", "", "start sessions at `ROW`: index, row1 or random (default index\nwhere SET_start_index.json lies beside the folder, else row1)")
}

// addSetting adds --setting, which gives the other flags their defaults.
func (f *abrFlags) addSetting(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.setting, "setting", "default", "take the paper's video and traces `NAME`: default, unseen1,\nunseen2 or unseen3; flags beside it win")
}

// addExclude adds --exclude-overlap.
func (f *abrFlags) addExclude(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.exclude, "exclude-overlap", "", "leave out the traces that are copies or parts of traces of `SET`,\nor that those are parts of: fcc-test, ...")
}

// resolve fills the flags from the setting.
func (f *abrFlags) resolve(cmd *cobra.Command) error {
	for _, s := range abrSettings {
		if s.name != f.setting {
			continue
		}
		given := false
		for _, name := range []string{"video", "traces", "start", "starts", "only", "except", "only-class"} {
			given = given || cmd.Flags().Changed(name)
		}
		if f.video == "" {
			f.video = s.video
		}
		if f.traces == "" {
			f.traces = s.traces
		}
		if given {
			f.setting = customSetting
		}
		return nil
	}
	known := make([]string, len(abrSettings))
	for i, s := range abrSettings {
		known[i] = s.name
	}
	return cli.Usagef("--setting %q: want %s", f.setting, strings.Join(known, ", "))
}

// abrData is what the flags name.
type abrData struct {
	video *abr.Video
	set   *abr.TraceSet
	dir   string // of the data sets, "" if none is named

	leftOut []string // traces that --exclude-overlap, --only and --except took from the set
}

// open reads the data.
func (f *abrFlags) open(flags *cli.Flags) (*abrData, error) {
	if f.video == "synth" {
		f.video = "synth1"
	}
	if _, err := abr.ParseStartRule(f.start); err != nil {
		return nil, cli.Usage(err)
	}
	if err := checkSynth("--traces", f.traces); err != nil {
		return nil, err
	}
	if err := checkSynth("--exclude-overlap", f.exclude); err != nil {
		return nil, err
	}
	if err := f.choice.check(); err != nil {
		return nil, err
	}
	d := &abrData{}
	if err := f.needDir(flags, d); err != nil {
		return nil, err
	}
	var err error
	if d.video, err = abr.OpenVideo(d.dir, f.video); err != nil {
		return nil, fmt.Errorf("--video %s: %w", f.video, err)
	}
	if d.video.Note != "" {
		fmt.Fprintf(f.chatter(), "note: video %s: %s\n", d.video.Name, d.video.Note)
	}
	if f.videoOnly {
		return d, nil
	}
	if d.set, err = abr.OpenTraces(d.dir, f.traces); err != nil {
		return nil, fmt.Errorf("--traces %s: %w", f.traces, err)
	}
	if f.exclude != "" {
		if err := f.leaveOut(d); err != nil {
			return nil, err
		}
	}
	if f.choice.given() {
		if err := f.choose(d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// choose takes from the traces those that --only and --except are about.
func (f *abrFlags) choose(d *abrData) error {
	kept, leftOut, err := f.choice.apply(d.set)
	if err != nil {
		return err
	}
	fmt.Fprintf(f.chatter(), "left out %d of %d traces of %s by their names\n", len(leftOut), len(d.set.Traces), f.traces)
	d.set.Traces, d.leftOut = kept, append(d.leftOut, leftOut...)
	return nil
}

// leaveOut takes from the traces those that --exclude-overlap is about.
func (f *abrFlags) leaveOut(d *abrData) error {
	other, err := abr.OpenTraces(d.dir, f.exclude)
	if err != nil {
		return fmt.Errorf("--exclude-overlap %s: %w", f.exclude, err)
	}
	all := len(d.set.Traces)
	d.set.Traces, d.leftOut = withoutOverlap(d.set.Traces, other.Traces)
	if len(d.set.Traces) == 0 {
		return fmt.Errorf("--exclude-overlap %s: no trace of %s is left, all %d overlap it", f.exclude, f.traces, all)
	}
	fmt.Fprintf(f.chatter(), "left out %d of %d traces of %s, which overlap %s\n", len(d.leftOut), all, f.traces, f.exclude)
	return nil
}

// checkSynth checks the settings of generated traces.
func checkSynth(flag, set string) error {
	kind, params, colon := strings.Cut(set, ":")
	if kind != "synth" || !colon {
		return nil
	}
	if params == "" {
		return cli.Usagef("%s %s: nothing after the colon, want %s", flag, set, synthHelp)
	}
	if _, err := abr.ParseSynth(params); err != nil {
		return cli.Usagef("%s %s: %w", flag, set, err)
	}
	return nil
}

// needDir finds the folder of the data sets if something asked for lies in it.
func (f *abrFlags) needDir(flags *cli.Flags, d *abrData) error {
	var needs []string
	if slices.Contains([]string{"video1", "video2"}, f.video) {
		needs = append(needs, "--video "+f.video)
	}
	if slices.Contains(publishedSets, f.traces) && !f.videoOnly {
		needs = append(needs, "--traces "+f.traces)
	}
	if slices.Contains(publishedSets, f.exclude) {
		needs = append(needs, "--exclude-overlap "+f.exclude)
	}
	var err error
	if d.dir, err = flags.DataDir(); err != nil && len(needs) > 0 {
		return err
	}
	if d.dir == "" && len(needs) > 0 {
		return fmt.Errorf("%s: no data: name their folder with --data or NETLLM_DATA, or use --video synth1 --traces synth, which need none",
			strings.Join(needs, ", "))
	}
	return nil
}

// sessions makes the sessions of a plan; the start rule is the flag's.
func (d *abrData) sessions(f *abrFlags, p abr.Plan) ([]abr.Session, error) {
	p.Start = abr.StartRule(f.start)
	return d.set.Sessions(p)
}

// hashes returns the SHA-256 of everything that was read from disk, by name.
func (d *abrData) hashes(f *abrFlags) (map[string]string, error) {
	sums := map[string]string{}
	for _, part := range []struct {
		flag, name, path string
		generated        bool
	}{
		{"video", f.video, filepath.Join("abr", "videos", f.video+"_sizes"), f.video == "synth1" || f.video == "synth2"},
		{"traces", f.traces, filepath.Join("abr", "traces", f.traces), isSynth(f.traces)},
		{"exclude-overlap", f.exclude, filepath.Join("abr", "traces", f.exclude), f.exclude == "" || isSynth(f.exclude)},
	} {
		if part.generated {
			continue
		}
		path := part.name
		if slices.Contains(publishedSets, path) || path == "video1" || path == "video2" {
			path = filepath.Join(d.dir, part.path)
		}
		sum, err := hashPath(path)
		if err != nil {
			return nil, err
		}
		sums[part.flag+":"+part.name] = sum
	}
	return sums, nil
}

func isSynth(set string) bool { return set == "synth" || strings.HasPrefix(set, "synth:") }

// hashPath returns the SHA-256 of a file, or of a folder as hashDir has it.
func hashPath(path string) (string, error) {
	if info, err := os.Stat(path); err != nil {
		return "", err
	} else if !info.IsDir() {
		return hashFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	}
	return hashDir(path)
}

// hashDir returns the SHA-256 over the names and the SHA-256 of the files of a
// folder, in the order of the names, as sha256sum prints them.
func hashDir(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	all := sha256.New()
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		sum, err := hashFile(os.DirFS(dir), e.Name())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%s  %s\n", sum, e.Name())
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func hashFile(dir fs.FS, name string) (string, error) {
	f, err := dir.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
