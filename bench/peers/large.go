// What a large model takes besides its repacked form: computing from the mapped
// file, and a training step on its frozen weights.

package main

import (
	"fmt"
	"strconv"
	"strings"

	"netllm/bench/internal/document"
	"netllm/bench/model"
	"netllm/bench/work"
)

// largeSection measures a model of 7 billion weights without a peer: no other program
// here trains on quantised weights, and llama.cpp is in the section above.
func largeSection(r *run) (string, error) {
	path, err := model.Cached(r.dir, "7b", "Q4_0")
	if err != nil {
		return "", err
	}
	bytes, err := work.DecodeBytes(path)
	if err != nil {
		return "", err
	}
	t := document.NewTable("threads", "work", "rate", "of reading", "opens in", "most memory")
	for _, threads := range r.threads {
		for _, c := range []struct {
			name, start string
			count       int
			tokens      float64
			mapped      bool
		}{
			{"decode, as mapped", "decode %s 16", 16, 1, true},
			{"decode, repacked", "decode %s 16", 16, 1, false},
			{"LoRA step", "tune %s 1 160 128 0", 1, 160, false},
			{"LoRA step, checkpoints", "tune %s 1 160 128 1", 1, 160, false},
		} {
			if !r.want(c.name) {
				continue
			}
			rate, opened, peak, err := measureLarge(threads, c.mapped, fmt.Sprintf(c.start, path), c.count, r.rounds)
			if err != nil {
				return "", err
			}
			text, ofReading := document.Number(rate)+" tokens/s", document.Share(rate*bytes/1e9, r.bandwidth(threads))
			if c.tokens > 1 {
				text, ofReading = fmt.Sprintf("%.1f s a step", 1/rate), "–"
			}
			progress("7b, %s, %d threads: %s, %s of reading, open in %.2f s, %.2f GB", c.name, threads, text, ofReading, opened, peak/1e9)
			t.Add(fmt.Sprint(threads), c.name, text, ofReading, fmt.Sprintf("%.2f s", opened), fmt.Sprintf("%.2f GB", peak/1e9))
		}
	}
	return t.String() + "\nThe median of the rounds. A LoRA step: 160 tokens, rank 128 on query and value, forward, backward to the input, AdamW.", nil
}

// measureLarge returns how often a second the work that the line starts is done, and
// how long opening its model took.
func measureLarge(threads int, mapped bool, line string, count, rounds int) (rate, opened, peak float64, err error) {
	p, err := project(threads, mapped)
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.close()
	answer, err := p.ask("start %s", line)
	if err != nil {
		return 0, 0, 0, err
	}
	if opened, err = strconv.ParseFloat(strings.TrimPrefix(answer, "ok "), 64); err != nil {
		return 0, 0, 0, err
	}
	var rates []float64
	for range rounds {
		b, err := p.run(0, count)
		if err != nil {
			return 0, 0, 0, err
		}
		rates = append(rates, 1/b.mean)
	}
	if answer, err = p.ask("peak"); err != nil {
		return 0, 0, 0, err
	}
	peak, err = strconv.ParseFloat(answer, 64)
	return median(rates), opened, peak, err
}
