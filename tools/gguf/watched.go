// Long reading and writing: it shows how far it has come, and stops when the
// command is interrupted.

package main

import (
	"context"
	"io"
	"sync"

	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
)

// watched is a writer that fails once the command is interrupted, and counts.
type watched struct {
	ctx context.Context
	w   io.Writer
	p   *byteProgress // may be nil
}

func (w *watched) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.w.Write(b)
	if w.p != nil {
		w.p.add(int64(n))
	}
	return n, err
}

// encode writes c to w, unless the command is interrupted.
func encode(ctx context.Context, c *gguf.Copy, w io.Writer, p *byteProgress) error {
	if err := c.Encode(&watched{ctx, w, p}); err != nil {
		return err
	}
	return ctx.Err()
}

// byteProgress shows the progress of a work that is measured in bytes. It may be
// used by several goroutines.
type byteProgress struct {
	mu   sync.Mutex
	bar  *cli.Progress // nil: too little to be worth it
	done int64
}

// progressBytes is the least work that is worth a word, and the unit of counting.
const (
	progressBytes = 256 << 20
	progressUnit  = 1 << 20
)

func newByteProgress(stderr io.Writer, what string, total int64) *byteProgress {
	p := &byteProgress{}
	if total >= progressBytes {
		p.bar = cli.NewProgress(stderr, what, "MiB", int(total/progressUnit))
	}
	return p
}

func (p *byteProgress) add(n int64) {
	if p.bar == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.bar.Set(int(p.done/progressUnit), "")
}

func (p *byteProgress) close() {
	if p.bar != nil {
		p.bar.Close()
	}
}
