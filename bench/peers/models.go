// Whole models beside llama.cpp, a training step beside PyTorch, and the simulator.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"netllm/bench/internal/document"
	"netllm/bench/model"
	"netllm/bench/work"
)

const promptTokens = 512

// pair is a rate of prefill and of decode, in tokens per second.
type pair struct{ prefill, decode float64 }

// llamaSection compares models of one shape, decoding so many tokens.
func llamaSection(shape string, types []string, tokens int) func(r *run) (string, error) {
	return func(r *run) (string, error) {
		binary, err := need(filepath.Join(r.dir, "llama_peer"), "build_peer.sh builds it")
		if err != nil {
			return "", err
		}
		t := document.NewTable("threads", "type", "phase", "netllm tokens/s", "llama.cpp tokens/s", "ratio (of rounds)", "of reading", "netllm opens in", "most memory: netllm, llama.cpp")
		var left []error
		for _, typ := range types {
			if !r.want(shape + "," + typ) {
				continue
			}
			path, err := model.Cached(r.dir, shape, typ)
			if err != nil {
				left = append(left, fmt.Errorf("%s %s: %w", shape, typ, err))
				continue
			}
			for _, threads := range r.threads {
				if err := r.compareModel(t, binary, path, typ, threads, tokens); err != nil {
					return "", errors.Join(append(left, err)...)
				}
			}
		}
		text := ""
		if t.Len() > 0 {
			text = t.String() + fmt.Sprintf("\nA prompt of %d tokens; %d tokens one after another, from the first on. Opening repacks the weights of a file in the page cache.", promptTokens, tokens)
		}
		if len(left) > 0 { // the table of the others is still worth writing
			left = append(left, errMissing)
		}
		return text, errors.Join(left...)
	}
}

func (r *run) compareModel(t *document.Table, binary, path, typ string, threads, tokens int) error {
	ours, err := project(threads, false)
	if err != nil {
		return err
	}
	defer ours.close()
	opened := ""
	var peak, peerPeak float64
	ourRound := func() (p pair, err error) {
		answer, err := ours.ask("start prefill %s %d", path, promptTokens)
		if err != nil {
			return p, err
		}
		if opened == "" {
			opened = strings.TrimPrefix(answer, "ok ")
		}
		b, err := ours.run(0, 1)
		if err != nil {
			return p, err
		}
		p.prefill = promptTokens / b.mean
		if answer, err = ours.ask("peak"); err != nil {
			return p, err
		}
		bytes, err := strconv.ParseFloat(answer, 64)
		if err != nil {
			return p, err
		}
		peak = max(peak, bytes)
		if _, err := ours.ask("start decode %s %d", path, tokens); err != nil {
			return p, err
		}
		if b, err = ours.run(0, tokens); err != nil {
			return p, err
		}
		p.decode = 1 / b.mean
		return p, nil
	}
	var bytes float64
	peerRound := func() (p pair, err error) {
		out, err := exec.Command(binary, "bench", path, "-t", fmt.Sprint(threads), "-p", fmt.Sprint(promptTokens), "-n", fmt.Sprint(tokens), "-r", "1").Output()
		if err != nil {
			return p, fmt.Errorf("llama_peer: %w", err)
		}
		var result struct {
			Runs []struct {
				Prefill float64 `json:"prefill_tps"`
				Decode  float64 `json:"decode_tps"`
				Peak    float64 `json:"maxrss_mb"`
			} `json:"runs"`
		}
		if err := json.Unmarshal(out, &result); err != nil || len(result.Runs) != 1 {
			return p, fmt.Errorf("llama_peer: %w in %q", err, out)
		}
		run := result.Runs[0]
		peerPeak = max(peerPeak, run.Peak*1e6)
		return pair{run.Prefill, run.Decode}, nil
	}
	both, err := comparePairs(r.rounds, ourRound, peerRound)
	if err != nil {
		return err
	}
	if bytes, err = work.DecodeBytes(path); err != nil {
		return err
	}
	size, err := os.Stat(path)
	if err != nil {
		return err
	}
	memory := fmt.Sprintf("%.2f, %.2f times the file", peak/float64(size.Size()), peerPeak/float64(size.Size()))
	seconds, err := strconv.ParseFloat(opened, 64)
	if err != nil {
		return err
	}
	for i, phase := range []string{"prefill", "decode"} {
		c := both[i]
		ofReading := "–"
		if phase == "decode" {
			ofReading = document.Share(c.ours*bytes/1e9, r.bandwidth(threads))
		}
		t.Add(fmt.Sprint(threads), typ, phase, document.Number(c.ours), document.Number(c.peer), ratio(c), ofReading, fmt.Sprintf("%.2f s", seconds), memory)
		progress("%s, %s, %d threads: %s beside %s tokens/s, %.2f", typ, phase, threads, document.Number(c.ours), document.Number(c.peer), c.ratio)
	}
	return nil
}

// comparePairs is compare for rounds that measure prefill and decode together.
func comparePairs(rounds int, ours, peer func() (pair, error)) (both [2]comparison, err error) {
	var a, b []pair
	collect := func(into *[]pair, f func() (pair, error)) func() (float64, error) {
		return func() (float64, error) {
			p, err := f()
			*into = append(*into, p)
			return p.prefill, err
		}
	}
	if both[0], err = compare(rounds, collect(&a, ours), collect(&b, peer)); err != nil {
		return both, err
	}
	next := func(list []pair) func() (float64, error) {
		i := -1
		return func() (float64, error) {
			i++
			return list[i].decode, nil
		}
	}
	both[1], err = compare(rounds, next(a), next(b))
	return both, err
}

// torch runs torch_lora_bench.py for some steps and returns steps per second.
func (r *run) torch(script string, batch, threads int, v torchVariant) (float64, error) {
	steps := 8
	if batch > 1 {
		steps = 3
	}
	args := []string{script, "--threads", fmt.Sprint(threads), "--batch", fmt.Sprint(batch), "--steps", fmt.Sprint(steps)}
	if v.pin {
		args = append(args, "--pin")
	}
	cmd := exec.Command(r.python, args...)
	cmd.Env = os.Environ()
	if v.core != "" {
		cmd.Env = append(cmd.Env, "OPENBLAS_CORETYPE="+v.core)
	}
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%w: %s with torch (see -python): %s: %w", errMissing, r.python, filepath.Base(script), err)
	}
	var result struct {
		Rate float64 `json:"steps_per_s"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Base(script), err)
	}
	return result.Rate, nil
}

// torchVariant is a way to run PyTorch; which is faster depends on the machine.
type torchVariant struct {
	core string // OPENBLAS_CORETYPE, for its products
	pin  bool   // threads bound to processors
}

func (v torchVariant) String() string {
	text := "as it is"
	if v.core != "" {
		text = "OPENBLAS_CORETYPE=" + v.core
	}
	if v.pin {
		text += ", pinned"
	}
	return text
}

// bestTorch tries all variants twice.
func (r *run) bestTorch(script string, batch, threads int) (best torchVariant, err error) {
	top := 0.0
	for range 2 {
		for _, core := range []string{"", "SkylakeX"} {
			for _, pin := range []bool{false, true} {
				if pin && threads == 1 {
					continue
				}
				v := torchVariant{core, pin}
				rate, err := r.torch(script, batch, threads, v)
				if err != nil {
					return best, err
				}
				if rate > top {
					best, top = v, rate
				}
			}
		}
	}
	return best, nil
}

func loraSection(r *run) (string, error) {
	script, err := need(filepath.Join(r.peers, "torch_lora_bench.py"), "see -peers")
	if err != nil {
		return "", err
	}
	path, err := work.TrainingModel(r.dir)
	if err != nil {
		return "", err
	}
	t := document.NewTable("threads", "batch", "netllm steps/s", "PyTorch steps/s", "ratio (of rounds)", "PyTorch run")
	for _, threads := range r.threads {
		for _, batch := range []int{1, 8} {
			if !r.want(fmt.Sprintf("batch=%d", batch)) {
				continue
			}
			if err := r.compareLoRA(t, script, path, batch, threads); err != nil {
				return "", err
			}
		}
	}
	return t.String() + "\n8 layers of width 512, feed-forward 1376, 8 heads, 120 tokens, rank 32 on query and value, f32; forward, backward to the input, AdamW.", nil
}

func (r *run) compareLoRA(t *document.Table, script, path string, batch, threads int) error {
	v, err := r.bestTorch(script, batch, threads)
	if err != nil {
		return err
	}
	ours, err := project(threads, false)
	if err != nil {
		return err
	}
	defer ours.close()
	if _, err := ours.ask("start lora %s %d", path, batch); err != nil {
		return err
	}
	c, err := compare(r.rounds, func() (float64, error) {
		b, err := ours.run(1, 3)
		return 1 / b.median, err
	}, func() (float64, error) { return r.torch(script, batch, threads, v) })
	if err != nil {
		return err
	}
	progress("batch %d, %d threads: %s beside %s steps/s, %.2f", batch, threads, document.Number(c.ours), document.Number(c.peer), c.ratio)
	t.Add(fmt.Sprint(threads), fmt.Sprint(batch), document.Number(c.ours), document.Number(c.peer), ratio(c), v.String())
	return nil
}

// referenceChunks is how many chunks per second the reference implementation in
// Python simulates on one core of a Zen 4 server; it is not measured here.
const referenceChunks = 175_000

func simulatorSection(r *run) (string, error) {
	if _, err := need(filepath.Join(r.data, "abr", "traces", "fcc-train"), "see -data"); err != nil {
		return "", err
	}
	ours, err := project(1, false)
	if err != nil {
		return "", err
	}
	defer ours.close()
	if _, err := ours.ask("start simulator %s", r.data); err != nil {
		return "", err
	}
	sessions, _, err := work.Sessions(r.data)
	if err != nil {
		return "", err
	}
	var rates []float64
	for range r.rounds {
		b, err := ours.run(0.2, 3)
		if err != nil {
			return "", err
		}
		rates = append(rates, float64(work.ChunksPerSession*len(sessions))/b.median)
	}
	rate := median(rates)
	t := document.NewTable("threads", "netllm chunks/s", "reference in Python (another machine)", "ratio")
	t.Add("1", fmt.Sprintf("%.3g million", rate/1e6), fmt.Sprint(referenceChunks), fmt.Sprintf("**%.0f**", rate/referenceChunks))
	return t.String() + fmt.Sprintf("\n%d sessions of %d chunks, FCC training traces, constant quality 1.", len(sessions), work.ChunksPerSession), nil
}
