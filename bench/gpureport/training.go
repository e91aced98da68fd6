// Training steps, and the times of single kernels.

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"netllm/bench/internal/document"
	"netllm/bench/model"
	"netllm/bench/work"
	"netllm/gpu"
	"netllm/ops"
)

const (
	loraSeq  = 120
	loraRank = 32
)

func loraSection(r *run) (string, error) {
	path, err := work.TrainingModel(r.dir)
	if err != nil {
		return "", err
	}
	t := document.NewTable("batch", "CPU steps/s", "GPU steps/s", "GPU to CPU", "GPU GFLOP/s")
	var failed []error
	for _, batch := range r.batches {
		cpu := ops.NewCPU(runtime.GOMAXPROCS(0))
		onCPU, flop, err1 := r.steps(cpu, path, batch)
		cpu.Close()
		var onGPU float64
		b, err2 := r.open()
		if err2 == nil {
			onGPU, _, err2 = r.steps(b, path, batch)
			err2 = errors.Join(err2, b.Close())
		}
		if err := errors.Join(err1, err2); err != nil {
			failed = append(failed, fmt.Errorf("batch %d: %w", batch, err))
			continue
		}
		progress("batch %d: %s steps/s on the CPU, %s on the GPU", batch, document.Number(onCPU), document.Number(onGPU))
		t.Add(fmt.Sprint(batch), document.Number(onCPU), document.Number(onGPU), fmt.Sprintf("**%.2f**", onGPU/onCPU), document.Number(onGPU*flop/1e9))
	}
	text := ""
	if t.Len() > 0 {
		text = t.String() + fmt.Sprintf("\n8 layers of width 512, feed-forward 1376, 8 heads, %d tokens, rank %d on query and value, f32; forward, backward to the input, AdamW.", loraSeq, loraRank)
	}
	return text, errors.Join(failed...)
}

// steps returns training steps per second, the median of rounds, and the FLOP of one.
func (r *run) steps(b ops.Backend, path string, batch int) (perSecond, flop float64, err error) {
	m, err := work.Open(b, path)
	if err != nil {
		return 0, 0, err
	}
	defer m.Close()
	w, err := work.LoRAStep{Batch: batch, Seq: loraSeq, Rank: loraRank}.New(b, m)
	if err != nil {
		return 0, 0, err
	}
	defer w.Close()
	if _, err := repeat(b, w, 2); err != nil { // finds memory, compiles, records
		return 0, 0, err
	}
	var times []float64
	for range r.rounds {
		seconds, err := repeat(b, w, 3)
		if err != nil {
			return 0, 0, err
		}
		times = append(times, seconds)
	}
	return 1 / median(times), w.FLOP, nil
}

// kernelsSection measures each kernel of the largest model.
func kernelsSection(r *run) (string, error) {
	path, name, err := r.largest()
	if err != nil {
		return "", err
	}
	b, err := r.open(gpu.WithTimes())
	if err != nil {
		return "", err
	}
	defer b.Close()
	m, err := work.Open(b, path)
	if err != nil {
		return "", err
	}
	defer m.Close()
	past := min(128, m.MaxPositions()/2)
	prompt := min(r.prompt, m.MaxPositions())
	text := ""
	var failed []error
	for _, c := range []struct {
		title string
		open  func() (*work.Work, error)
	}{
		{fmt.Sprintf("A token after %d others", past), func() (*work.Work, error) { return m.Decode(b, past, 1) }},
		{fmt.Sprintf("A prompt of %d tokens", prompt), func() (*work.Work, error) { return m.Prefill(b, prompt) }},
		{fmt.Sprintf("A training step of %d tokens, rank %d", loraSeq, loraRank), func() (*work.Work, error) {
			return work.LoRAStep{Batch: 1, Seq: loraSeq, Rank: loraRank}.New(b, m)
		}},
	} {
		times, err := timesOf(b, c.open)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.title, err))
			continue
		}
		text += fmt.Sprintf("%s, %s:\n\n%s\n", c.title, name, kernelTable(times))
	}
	if text != "" {
		text += "Where a primitive has several kernels, the first has all its FLOP. Bytes are those of the bound tensors: a gather reads only some of them."
	}
	return text, errors.Join(failed...)
}

// largest returns the model of the list whose file is the largest.
func (r *run) largest() (path string, name modelName, err error) {
	size := int64(-1)
	for _, candidate := range r.models {
		p, err := model.Cached(r.dir, candidate.shape, candidate.dtype)
		if err != nil {
			return "", name, err
		}
		info, err := os.Stat(p)
		if err != nil {
			return "", name, err
		}
		if info.Size() > size {
			path, name, size = p, candidate, info.Size()
		}
	}
	return path, name, nil
}

// timesOf returns the kernels of one Do, after two others.
func timesOf(b *gpu.Backend, open func() (*work.Work, error)) ([]gpu.KernelTime, error) {
	w, err := open()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := repeat(b, w, 2); err != nil {
		return nil, err
	}
	if _, err := b.Times(); err != nil { // forgets what was before
		return nil, err
	}
	if _, err := repeat(b, w, 1); err != nil {
		return nil, err
	}
	return b.Times()
}

// kernelTable lists kernels, the longest first, as they come.
func kernelTable(times []gpu.KernelTime) string {
	total := 0.0
	for _, k := range times {
		total += k.Seconds
	}
	t := document.NewTable("primitive", "kernel", "calls", "ms", "share", "GFLOP/s", "GB/s")
	for _, k := range times {
		flop := "–"
		if k.FLOP > 0 && k.Seconds > 0 {
			flop = document.Number(k.FLOP / k.Seconds / 1e9)
		}
		bytes := "–"
		if k.Bytes > 0 && k.Seconds > 0 {
			bytes = document.Number(k.Bytes / k.Seconds / 1e9)
		}
		t.Add(fmt.Sprint(k.Op), k.Shader, fmt.Sprint(k.Calls), fmt.Sprintf("%.3f", 1e3*k.Seconds), document.Share(k.Seconds, total), flop, bytes)
	}
	t.Add("all", "", "", fmt.Sprintf("%.3f", 1e3*total), "", "", "")
	return t.String()
}
