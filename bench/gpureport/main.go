// Command gpureport checks and measures package gpu on one device, and writes what
// it finds into docs/gpu.md, between marks:
//
//	go run ./bench/gpureport                    everything, on the best device
//	go run ./bench/gpureport -print -only models -models 1.1b:Q4_0
//
// A section that fails says so in its place, and the others are measured all the
// same. Devices that compute on the CPU are refused without -software: what they
// take says nothing about a GPU. With -software products are smaller too.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"netllm/bench/internal/document"
	"netllm/gpu"
	"netllm/ops/asm"
)

// config is what the flags say.
type config struct {
	device    int
	software  bool
	rounds    int
	only      *regexp.Regexp
	models    []modelName
	batches   []int
	prompt    int
	tokens    int
	peer, dir string // folder of peer.sh; folder of generated models
	out       string
	print     bool
	skipTests bool
}

// modelName is a generated model: a shape of package bench/model, and a type.
type modelName struct{ shape, dtype string }

func (m modelName) String() string { return m.shape + " " + m.dtype }

// A section is a block of the document.
type section struct {
	name    string
	measure func(r *run) (markdown string, err error)
}

var sections = []section{
	{"gpu-tests", testsSection},
	{"gpu-device", deviceSection},
	{"gpu-limits", limitsSection},
	{"gpu-models", modelsSection},
	{"gpu-lora", loraSection},
	{"gpu-kernels", kernelsSection},
}

// run is what the sections of one run share.
type run struct {
	config
	info gpu.Device
	copy float64 // bytes per second that copying reads and writes, once measured
}

func main() {
	c, err := parseFlags(os.Args[1:])
	if err == nil {
		err = measureAll(c)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gpureport:", err)
		os.Exit(1)
	}
}

const defaultModels = "1.1b:Q4_0,1.1b:Q8_0,1.1b:F16,7b:Q4_0,7b:Q8_0,7b:F16"

func parseFlags(args []string) (config, error) {
	var c config
	home, err := os.UserCacheDir()
	if err != nil {
		home = os.TempDir()
	}
	f := flag.NewFlagSet("gpureport", flag.ContinueOnError)
	f.IntVar(&c.device, "device", -1, "number of the Vulkan device; -1: the best")
	f.BoolVar(&c.software, "software", false, "allow a device that computes on the CPU")
	f.IntVar(&c.rounds, "rounds", 5, "rounds, of which the median counts")
	only := f.String("only", "", "the sections whose name matches this pattern")
	models := f.String("models", defaultModels, "generated models, shape:type")
	batches := f.String("batches", "8,32", "batches of training steps")
	f.IntVar(&c.prompt, "prompt", 512, "tokens of a prompt, at most those that the model takes")
	f.IntVar(&c.tokens, "tokens", 64, "tokens to decode")
	f.StringVar(&c.peer, "peer", filepath.Join(home, "netllm-gpu-peer"), "folder that peer.sh made, with llama.cpp's Vulkan build")
	f.StringVar(&c.dir, "dir", filepath.Join(home, "netllm-peers"), "folder of generated models")
	f.StringVar(&c.out, "out", filepath.Join("docs", "gpu.md"), "document with the marked sections")
	f.BoolVar(&c.print, "print", false, "print, and leave the document as it is")
	f.BoolVar(&c.skipTests, "skip-tests", false, "do not run the tests first")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 || c.rounds < 1 || c.prompt < 1 || c.tokens < 1 {
		return c, fmt.Errorf("arguments %q, %d rounds, prompt of %d, %d tokens", f.Args(), c.rounds, c.prompt, c.tokens)
	}
	if c.models, err = parseModels(*models); err != nil {
		return c, err
	}
	for field := range strings.SplitSeq(*batches, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return c, fmt.Errorf("batches %q", *batches)
		}
		c.batches = append(c.batches, n)
	}
	c.only, err = regexp.Compile(*only)
	return c, err
}

// parseModels reads a list such as "1.1b:Q4_0,7b:F16".
func parseModels(list string) (models []modelName, err error) {
	for field := range strings.SplitSeq(list, ",") {
		shape, dtype, ok := strings.Cut(field, ":")
		if !ok || shape == "" || dtype == "" {
			return nil, fmt.Errorf("model %q in %q: want shape:type", field, list)
		}
		models = append(models, modelName{shape, dtype})
	}
	return models, nil
}

func measureAll(c config) error {
	if !slices.ContainsFunc(sections, func(s section) bool { return c.only.MatchString(s.name) }) {
		return fmt.Errorf("no section matches %q", c.only)
	}
	r := &run{config: c}
	if err := r.choose(); err != nil {
		return err
	}
	var failed []error
	for _, s := range sections {
		if !c.only.MatchString(s.name) || s.name == "gpu-tests" && c.skipTests {
			continue
		}
		progress("== %s", s.name)
		text, err := guard(s, r)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
			progress("%v", failed[len(failed)-1])
		}
		text = block(text, err, r.conditions())
		fmt.Printf("%s\n\n", text)
		if !c.print {
			if err := document.Replace(c.out, s.name, text); err != nil {
				return errors.Join(append(failed, err)...)
			}
		}
	}
	return errors.Join(failed...)
}

// guard makes a panic of a section its error, so that the others still run.
func guard(s section, r *run) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.measure(r)
}

// block is what stands in the document: what was measured, then what failed.
func block(text string, err error, conditions string) string {
	var parts []string
	if text = strings.TrimSpace(text); text != "" {
		parts = append(parts, text)
	}
	if err != nil {
		parts = append(parts, "**Failed:** "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return strings.Join(append(parts, conditions), "\n\n")
}

// conditions says what was measured with.
func (r *run) conditions() string {
	return fmt.Sprintf("%s (%s), Vulkan %s through %s; %s, %d threads; %s, %d rounds.", r.info.Name, r.info.Kind, r.info.API, r.info.Driver,
		asm.CPUName(), runtime.GOMAXPROCS(0), runtime.Version(), r.rounds)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
