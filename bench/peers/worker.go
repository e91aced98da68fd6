// This project's side: a process that sets up a work when told to and measures it in
// bursts. The lines are those of blas/blas.c, with more kinds of work:
//
//	start nn|nt|prepared M N K    a product; prepared: weights through Backend.Prepare
//	start prefill|decode FILE N   N tokens of the model in FILE
//	start lora FILE BATCH         a training step of 120 tokens, rank 32
//	start tune FILE B T R C       a training step of B times T tokens, rank R, with checkpoints if C is 1
//	start simulator FOLDER        traces of the data in FOLDER
//	                              -> ok SECONDS: what opening took
//	run SECONDS COUNT             -> MEDIAN MEAN COUNT
//	peak                          -> most bytes of memory since start

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"netllm/bench/work"
	"netllm/ops"
	"netllm/tensor"
)

func worker(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("arguments %q", args)
	}
	threads, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	mapped, err := strconv.ParseBool(args[1])
	if err != nil {
		return err
	}
	var options []ops.CPUOption
	if mapped {
		options = append(options, ops.NoRepack())
	}
	backend := ops.NewCPU(threads, options...)
	defer backend.Close()
	if unpin, err := backend.Pin(); err == nil {
		defer unpin()
	} else {
		fmt.Fprintln(os.Stderr, "peers: worker: threads are not bound:", err)
	}
	s := &server{backend: backend}
	defer s.closeWork()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := s.answer(strings.Fields(lines.Text()))
		if err != nil {
			answer = "error: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Println(answer)
	}
	return lines.Err()
}

type server struct {
	backend ops.Backend
	work    *work.Work
	model   *work.Model
	path    string
}

func (s *server) answer(words []string) (string, error) {
	switch {
	case len(words) >= 2 && words[0] == "start":
		return s.start(words[1], words[2:])
	case len(words) == 3 && words[0] == "run" && s.work != nil:
		seconds, err1 := strconv.ParseFloat(words[1], 64)
		count, err2 := strconv.Atoi(words[2])
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		return s.run(seconds, count)
	case len(words) == 1 && words[0] == "peak":
		return fmt.Sprint(work.PeakMemory()), nil
	}
	return "", fmt.Errorf("command %q", words)
}

func (s *server) start(kind string, words []string) (string, error) {
	s.closeWork()
	debug.FreeOSMemory()
	work.ResetPeakMemory()
	began := time.Now()
	w, err := s.open(kind, words)
	if err != nil {
		return "", err
	}
	s.work = w
	opened := time.Since(began).Seconds()
	for range 2 { // the first finds no memory, the second no caches
		if err := w.Do(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("ok %.6f", opened), nil
}

func (s *server) open(kind string, words []string) (*work.Work, error) {
	numbers := func(words []string, into ...*int) (err error) {
		if len(words) != len(into) {
			return fmt.Errorf("%d numbers, want %d", len(words), len(into))
		}
		for i, word := range words {
			if *into[i], err = strconv.Atoi(word); err != nil {
				return err
			}
		}
		return nil
	}
	switch kind {
	case "nn", "nt", "prepared":
		p := work.Product{Weights: tensor.F32, Transposed: kind != "nn", Prepared: kind == "prepared"}
		if err := numbers(words, &p.M, &p.N, &p.K); err != nil {
			return nil, err
		}
		return p.New(s.backend)
	case "prefill", "decode", "lora":
		var n int
		if len(words) != 2 {
			return nil, fmt.Errorf("arguments %q", words)
		}
		if err := numbers(words[1:], &n); err != nil {
			return nil, err
		}
		if err := s.openModel(words[0]); err != nil {
			return nil, err
		}
		switch kind {
		case "prefill":
			return s.model.Prefill(s.backend, n)
		case "decode":
			return s.model.Decode(s.backend, 0, n)
		}
		return work.LoRAStep{Batch: n, Seq: 120, Rank: 32}.New(s.backend, s.model)
	case "tune":
		var step work.LoRAStep
		var checkpoints int
		if len(words) != 5 {
			return nil, fmt.Errorf("arguments %q", words)
		}
		if err := numbers(words[1:], &step.Batch, &step.Seq, &step.Rank, &checkpoints); err != nil {
			return nil, err
		}
		if err := s.openModel(words[0]); err != nil {
			return nil, err
		}
		step.Checkpoints = checkpoints == 1
		return step.New(s.backend, s.model)
	case "simulator":
		sessions, video, err := work.Sessions(strings.Join(words, " "))
		if err != nil {
			return nil, err
		}
		return work.Simulator(sessions, video, 1)
	}
	return nil, fmt.Errorf("kind %q", kind)
}

// openModel opens the file unless it is open.
func (s *server) openModel(path string) error {
	if s.path == path {
		return nil
	}
	if s.model != nil {
		if err := s.model.Close(); err != nil {
			return err
		}
		s.model, s.path = nil, ""
	}
	var err error
	if s.model, err = work.Open(s.backend, path); err == nil {
		s.path = path
	}
	return err
}

func (s *server) closeWork() {
	if s.work != nil {
		s.work.Close()
		s.work = nil
	}
}

func (s *server) run(seconds float64, count int) (string, error) {
	var times []float64
	total := 0.0
	for total < seconds || len(times) < count {
		began := time.Now()
		if err := s.work.Do(); err != nil {
			return "", err
		}
		t := time.Since(began).Seconds()
		times = append(times, t)
		total += t
	}
	n := len(times)
	slices.Sort(times)
	return fmt.Sprintf("%.9g %.9g %d", times[n/2], total/float64(n), n), nil
}
