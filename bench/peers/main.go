// Command peers measures this project beside other programs on the same machine, in
// turn and in one run, and writes tables of ratios to docs/performance.md.
//
//	go run ./bench/peers                              everything; hours with the large models
//	go run ./bench/peers -only 'limits|f32|lora'      sections whose name matches
//	go run ./bench/peers -only llama-1.1b -rounds 3 -threads 1
//	go run ./bench/peers -only f32-layers -cases m=1, -print
//
// The folder given by -peers has the other programs' sources: limits.c,
// torch_lora_bench.py. Binaries (limits, llama_peer) and generated models are in the
// folder that the environment variable PEERS_DIR or the flag -dir names. gcc and
// OpenBLAS's headers are needed for the products. What is missing is named, and the
// sections that need it stay as they are; then the exit status is 1.
//
// In every round the two sides are measured one after the other, the first being the
// second in the next round. Tables have the medians of both, and the median of the
// rounds' ratios, which is what to look at: times on a shared machine mean little.
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
	"netllm/ops/asm"
)

// config is what the flags say.
type config struct {
	peers, dir string // sources; binaries and models
	python     string // with PyTorch
	data       string // of the traces
	out        string
	rounds     int
	burst      float64 // seconds of a burst of products
	threads    []int
	only       *regexp.Regexp
	cases      *regexp.Regexp
	print      bool
}

// errMissing says that a program or file that a section needs is not there.
var errMissing = errors.New("missing")

// A section is a block of the document.
type section struct {
	name    string
	measure func(r *run) (markdown string, err error)
}

var sections = []section{
	{"limits", limitsSection},
	{"f32-squares", squaresSection},
	{"f32-layers", layersSection},
	{"f32-avx2", avx2Section},
	{"llama-110m", llamaSection("110m", []string{"F32", "F16", "Q8_0", "Q4_0", "Q4_K_M"}, 64)},
	{"llama-1.1b", llamaSection("1.1b", []string{"F32", "F16", "Q8_0", "Q4_0", "Q4_K_M"}, 16)},
	{"llama-7b", llamaSection("7b", []string{"Q4_0"}, 16)},
	{"large-7b", largeSection},
	{"lora", loraSection},
	{"simulator", simulatorSection},
}

// run is what the sections of one run share.
type run struct {
	config
	limits map[string]limit // empty if the program is missing
	core   string           // OPENBLAS_CORETYPE that is best here, "" for its own choice
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if err := worker(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "peers: worker:", err)
			os.Exit(1)
		}
		return
	}
	c, err := parseFlags()
	if err == nil {
		err = measureAll(c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func parseFlags() (config, error) {
	var c config
	var threads, only, cases string
	home, err := os.UserCacheDir()
	if err != nil {
		home = os.TempDir()
	}
	dir := os.Getenv("PEERS_DIR")
	if dir == "" {
		dir = filepath.Join(home, "netllm-peers")
	}
	flag.StringVar(&c.peers, "peers", filepath.Join("..", "shared", "peers"), "folder of the other programs' sources")
	flag.StringVar(&c.dir, "dir", dir, "folder of their binaries, and of generated models (default: PEERS_DIR)")
	flag.StringVar(&c.python, "python", "/usr/bin/python3", "Python with PyTorch; Debian's is the system's own")
	flag.StringVar(&c.data, "data", filepath.Join("..", "shared", "data"), "folder of the data sets, for the simulator's traces")
	flag.StringVar(&c.out, "out", filepath.Join("docs", "performance.md"), "document with the marked sections")
	flag.IntVar(&c.rounds, "rounds", 10, "rounds, in each of which both sides are measured")
	flag.Float64Var(&c.burst, "burst", 0.1, "seconds that a product is repeated for in a round")
	flag.StringVar(&threads, "threads", "1,2", "numbers of threads")
	flag.StringVar(&only, "only", "", "measure the sections whose name matches this pattern")
	flag.StringVar(&cases, "cases", "", "measure the cases whose name matches this pattern, and only print")
	flag.BoolVar(&c.print, "print", false, "print the tables and leave the document as it is")
	flag.Parse()
	if flag.NArg() > 0 || c.rounds < 1 {
		return c, fmt.Errorf("arguments %q, %d rounds", flag.Args(), c.rounds)
	}
	for _, field := range strings.Split(threads, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return c, fmt.Errorf("threads %q", threads)
		}
		if n > runtime.NumCPU() {
			return c, fmt.Errorf("%d threads, %d processors", n, runtime.NumCPU())
		}
		c.threads = append(c.threads, n)
	}
	if c.only, err = regexp.Compile(only); err != nil {
		return c, err
	}
	if c.cases, err = regexp.Compile(cases); err != nil {
		return c, err
	}
	c.print = c.print || cases != ""
	return c, nil
}

func measureAll(c config) error {
	r := &run{config: c}
	if !slices.ContainsFunc(sections, func(s section) bool { return c.only.MatchString(s.name) }) {
		return fmt.Errorf("no section matches %q", c.only)
	}
	if err := r.measureLimits(); err != nil {
		fmt.Fprintln(os.Stderr, "peers: no shares of limits:", err)
	}
	var failed []error
	for _, s := range sections {
		if !c.only.MatchString(s.name) {
			continue
		}
		progress("== %s", s.name)
		before := load()
		text, err := s.measure(r)
		if err != nil {
			failed = append(failed, fmt.Errorf("section %s is left as it is: %w", s.name, err))
			progress("%v", failed[len(failed)-1])
			if !errors.Is(err, errMissing) {
				continue
			}
		}
		if text == "" {
			continue
		}
		text = strings.TrimSpace(text) + "\n\n" + conditions(s, c, before) + "\n"
		fmt.Println(text)
		if !c.print {
			if err := document.Replace(c.out, s.name, text); err != nil {
				return err
			}
		}
	}
	return errors.Join(failed...)
}

// conditions says what a section was measured with.
func conditions(s section, c config, loadBefore string) string {
	text := asm.CPUName() + ", " + runtime.Version()
	if s.name != "limits" {
		text += fmt.Sprintf(", %d rounds", c.rounds)
	}
	if after := load(); after != "" {
		text += fmt.Sprintf("; load average %s before, %s after", loadBefore, after)
	}
	return text + "."
}

// load returns how many programs wanted to run in the last minute, on average, or
// nothing where the system does not tell.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// want reports whether a case is to be measured.
func (r *run) want(name string) bool { return r.cases.MatchString(name) }

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
