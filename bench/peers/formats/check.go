// What is converted, quantised, divided and merged, and how far the logits may be apart.

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"netllm/bench/internal/document"
	"netllm/bench/model"
	"netllm/ops"
	"netllm/transformer"
)

// exactTolerance is how far logits of float32 arithmetic may be apart, relative to their
// size: the sums are in another order.
const exactTolerance = 1e-4

// check is the state of one run: the rows so far.
type check struct {
	programs
	work, models string
	table        *document.Table
}

// prompt is tokens of every model here.
var prompt = []int32{1, 403, 407, 261, 378, 31, 17, 99, 12, 500, 64, 5, 300, 77, 8, 410}

func (c *check) prepare(dir string) (err error) {
	c.programs, err = build(dir, c.work)
	return err
}

// path returns the path of a file of this run.
func (c *check) path(name string) string { return filepath.Join(c.work, name) }

// converted checks Hugging Face folders, and a llama2.c file, as GGUF in the types of the
// source.
func (c *check) converted() error {
	for _, m := range []struct{ name, in string }{
		{"stories260k", "stories260k"},
		{"stories260k.bin", "stories260k/stories260K.bin"},
		{"tinystories656k", "tinystories656k"},
		{"tinystories3m-chat-gpt2", "tinystories3m-chat-gpt2"},
	} {
		file := c.path(m.name + ".gguf")
		if err := output(c.gguf, "convert", "--in", filepath.Join(c.models, m.in), "--out", file); err != nil {
			return err
		}
		if err := c.compare(m.name, "convert", file, ""); err != nil {
			return err
		}
	}
	return nil
}

// quantized checks every type on a model whose rows are whole blocks of each.
func (c *check) quantized() error {
	source := c.path("random-f32.gguf")
	shape := model.Shape{Name: "two layers of width 256", Layers: 2, Width: 256, Heads: 8, KVHeads: 2, FFN: 512, Vocab: 512, Context: 128}
	if err := model.Write(source, shape, "F32", 1); err != nil {
		return err
	}
	for _, typ := range append(model.Types(), "Q4_K_M", "Q5_K_M") {
		file := c.path("random-" + typ + ".gguf")
		args := []string{"quantize", "--in", source, "--out", file, "--type", typ}
		if !strings.HasSuffix(typ, "_M") { // a mixture
			args = append(args, "--pure")
		}
		if err := output(c.gguf, args...); err != nil {
			return err
		}
		if err := c.compare(shape.Name+", "+typ, "quantize", file, ""); err != nil {
			return err
		}
	}
	return nil
}

// divided checks that shards give the same logits as the whole file.
func (c *check) divided() error {
	whole := c.path("random-Q8_0.gguf")
	if err := output(c.gguf, "split", "--split-max-tensors", "5", whole, c.path("shard")); err != nil {
		return err
	}
	shards, err := filepath.Glob(c.path("shard-00001-of-*.gguf"))
	if err != nil || len(shards) != 1 {
		return fmt.Errorf("split wrote %q: %w", shards, err)
	}
	want, err := c.logits(whole, "", prompt)
	if err != nil {
		return err
	}
	got, err := c.logits(shards[0], "", prompt)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("llama.cpp: the logits of the shards are not those of the whole file")
	}
	return c.compare("the Q8_0 file in shards", "split", shards[0], "")
}

// adapted checks an adapter beside a model and merged into it.
func (c *check) adapted() error {
	base := c.path("random-F32.gguf")
	peft, adapter, merged := c.path("adapter"), c.path("adapter.gguf"), c.path("merged.gguf")
	if err := writeAdapter(base, peft); err != nil {
		return err
	}
	if err := output(c.gguf, "convert", "--in", peft, "--base", base, "--out", adapter); err != nil {
		return err
	}
	if err := output(c.gguf, "merge-lora", base, peft, "--out", merged); err != nil {
		return err
	}
	if err := c.compare("adapter of rank 4 beside the F32 file", "convert", base, adapter); err != nil {
		return err
	}
	return c.compare("the same adapter merged", "merge-lora", merged, "")
}

// compare adds a row, and fails where logits are too far apart: llama.cpp's and this
// project's where both are exact but for float32, else, where activations are rounded too,
// this project's by more than twice what llama.cpp's are (one and a half times in root
// mean square).
func (c *check) compare(name, verb, file, adapter string) error {
	fail := func(err error) error { return fmt.Errorf("%s: %w", name, err) }
	llama, err := c.logits(file, adapter, prompt)
	if err != nil {
		return fail(err)
	}
	plain := c.path(name + "-exact.gguf")
	if err := output(c.gguf, "dequantize", "--in", file, "--out", plain, "--type", "f32"); err != nil {
		return fail(err)
	}
	exact, _, err := ownLogits(plain, adapter)
	if err != nil {
		return fail(err)
	}
	own, rounds, err := ownLogits(file, adapter)
	if err != nil {
		return fail(err)
	}
	theirMax, theirRMS, err := difference(llama, exact)
	if err != nil {
		return fail(err)
	}
	ourMax, ourRMS, _ := difference(own, exact)
	between, _, _ := difference(own, llama)
	c.table.Add(name, verb, fmt.Sprintf("%.2g, %.2g", theirMax, theirRMS), fmt.Sprintf("%.2g, %.2g", ourMax, ourRMS), fmt.Sprintf("%.2g", between))
	size := 0.0
	for _, v := range exact {
		size = max(size, float64(v), -float64(v))
	}
	limit := exactTolerance * size
	switch {
	case !rounds && ourMax > limit:
		return fail(fmt.Errorf("logits are %g from exact ones, want at most %g", ourMax, limit))
	case rounds && (ourMax > max(2*theirMax, limit) || ourRMS > max(1.5*theirRMS, limit)):
		return fail(fmt.Errorf("logits are %g (RMS %g) from exact ones, llama.cpp's %g (%g)", ourMax, ourRMS, theirMax, theirRMS))
	case theirRMS > 0.05*size: // it read something else
		return fail(fmt.Errorf("llama.cpp's logits are %g (RMS) from exact ones of up to %g", theirRMS, size))
	}
	return nil
}

// ownLogits returns this project's logits, and whether it rounds activations for one of
// the file's types.
func ownLogits(file, adapter string) (logits []float32, rounds bool, err error) {
	b := ops.NewCPU(1)
	defer b.Close()
	if rounds, err = roundsActivations(b, file); err != nil {
		return nil, false, err
	}
	m, err := transformer.Load(b, file)
	if err != nil {
		return nil, false, err
	}
	defer m.Close()
	if adapter != "" {
		lora, err := transformer.ReadLoRA(b, m, adapter)
		if err != nil {
			return nil, false, err
		}
		adapted, err := m.WithLoRA(lora)
		if err != nil {
			return nil, false, err
		}
		m = adapted.(transformer.Model)
	}
	c := ops.NewContext(b)
	defer c.Arena.Free()
	all, err := transformer.TokenLogits(c, m, prompt)
	if err != nil {
		return nil, false, err
	}
	logits, err = c.Floats(all)
	return logits, rounds, err
}
