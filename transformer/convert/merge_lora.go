// A model with low-rank matrices added to its own, file to file.

package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"netllm/ops/asm"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// MergeLoRA writes the model at base, of any format that [Run] reads, with the
// matrices of the adapter (a folder of PEFT or a GGUF file) added, to the GGUF file
// out: W + scale·(alpha/rank)·B·A, in float32, in the type that W has or that
// o.Type says; blocks are made anew. Tensors that the adapter does not touch, and
// whose type stays, are copied byte for byte. Of o, Type, Mix, Pure, OutputType,
// EmbeddingType, LeaveOutput, Requantize, Threads, Replace, DryRun, Name and
// Progress count. Memory does not grow with the model: rows are made a piece at a
// time. The bytes do not depend on the number of threads.
func MergeLoRA(ctx context.Context, base, adapter, out string, scale float64, o Options) (*Result, error) {
	result, err := mergeLoRA(ctx, base, adapter, out, scale, o)
	if err != nil {
		return nil, fmt.Errorf("merge-lora: %w", err)
	}
	return result, nil
}

func mergeLoRA(ctx context.Context, base, adapter, out string, scale float64, o Options) (_ *Result, err error) {
	kind, err := fileTypeOf(o.Type)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(filepath.Ext(out), ".gguf") {
		return nil, fmt.Errorf("%w: %s: want a name that ends in .gguf", ErrUsage, out)
	}
	if math.IsNaN(scale) || math.IsInf(scale, 0) {
		return nil, fmt.Errorf("%w: scale %v", ErrUsage, scale)
	}
	if err := checkOut(out, GGUF, o.Replace); err != nil {
		return nil, err
	}
	if is, err := isAdapter(base); err != nil {
		return nil, err
	} else if is {
		return nil, fmt.Errorf("%w: %s is an adapter; the model comes first", ErrUsage, base)
	}
	if is, err := isAdapter(adapter); err != nil {
		return nil, err
	} else if !is {
		return nil, fmt.Errorf("%w: %s is no adapter (a folder with adapter_config.json, or a GGUF file whose general.type is \"adapter\")", ErrUsage, adapter)
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	s, err := open(base, "", false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	a, err := transformer.OpenAdapter(adapter, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	p := &plan{source: s, options: o, kind: kind, to: GGUF, out: out,
		result: &Result{In: base, Out: out, From: s.format, To: GGUF, Type: kind.name, DryRun: o.DryRun, Tensors: []Tensor{}, Warnings: []string{}}}
	if err := p.make(); err != nil {
		return nil, err
	}
	m := &merger{plan: p, pairs: map[string]*transformer.AdapterPair{}, inGGUF: a.InGGUF, scale: scale}
	if err := m.place(a); err != nil {
		return nil, err
	}
	if !o.DryRun {
		if err := m.write(ctx); err != nil {
			return nil, err
		}
	}
	return p.result, nil
}

// merger is a conversion with updates of some matrices.
type merger struct {
	*plan
	pairs  map[string]*transformer.AdapterPair // by the matrix's name
	inGGUF bool                                // rows of B stand so
	scale  float64                             // beside each pair's own
}

// place finds the matrix of each pair.
func (m *merger) place(a *transformer.Adapter) error {
	at := map[string]int{}
	for i, j := range m.jobs {
		at[j.name] = i
	}
	for i := range a.Pairs {
		p := &a.Pairs[i]
		name := p.Layer.GGUF + ".weight"
		n, ok := at[name]
		if !ok {
			return fmt.Errorf("%s: no tensor %q, which %s changes", m.source.path, name, a.Path())
		}
		j := &m.jobs[n]
		if !j.from.IsFloat() || len(j.shape) != 2 || j.shape[0] != p.Layer.Out || j.shape[1] != p.Layer.In {
			return fmt.Errorf("%s: tensor %q: %v %v, want weights [%d %d]", m.source.path, name, j.from, j.shape, p.Layer.Out, p.Layer.In)
		}
		if j.heads == 0 && !j.transposed && j.width%j.from.BlockLen() != 0 {
			return fmt.Errorf("%s: tensor %q: rows of %v cannot be changed", m.source.path, name, j.from)
		}
		m.pairs[name] = p
		m.result.Tensors[n].Note = strings.TrimPrefix(m.result.Tensors[n].Note+"; ", "; ") + fmt.Sprintf("rank %d added", p.Rank())
	}
	return nil
}

func (m *merger) write(ctx context.Context) error {
	c := newConverter(ctx, m.options.Threads, func(n int) {
		m.written += int64(n)
		if m.options.Progress != nil {
			m.options.Progress(m.written, m.result.Bytes)
		}
	})
	if err := os.MkdirAll(filepath.Dir(m.out), 0o777); err != nil {
		return err
	}
	entries := make([]gguf.Entry, len(m.jobs))
	for i, j := range m.jobs {
		entries[i] = gguf.Entry{Name: j.name, DType: j.to, Shape: j.shape, Stream: m.stream(c, i)}
		if p := m.pairs[j.name]; p != nil {
			entries[i].Stream = func(w io.Writer) error { return m.merge(c, w, &m.jobs[i], p) }
		}
	}
	if m.options.Replace {
		return gguf.Replace(m.out, m.values, entries)
	}
	return gguf.Write(m.out, m.values, entries)
}

// merge writes the matrix j with its update.
func (m *merger) merge(c *converter, w io.Writer, j *job, p *transformer.AdapterPair) error {
	u := newUpdate(&j.rows, p, m.inGGUF, float32(p.Scale*m.scale))
	lost, err := c.writeUpdated(w, &j.rows, u)
	if lost.nonFinite > 0 {
		m.warn("tensor %q: %d of %d elements are not finite", j.name, lost.nonFinite, j.count*j.width)
	}
	if lost.overflow > 0 {
		m.warn("tensor %q: %d of %d elements are too large for %v and became infinite", j.name, lost.overflow, j.count*j.width, j.to)
	}
	return err
}

// update is what is added to a matrix.
type update struct {
	a, b  []float32 // [rank, width]; [count, rank], rows as in the result
	rank  int
	scale float32
}

// newUpdate returns the update of r, a matrix on its way to a GGUF file.
func newUpdate(r *rows, p *transformer.AdapterPair, inGGUF bool, scale float32) *update {
	u := &update{a: float32s(p.A), b: float32s(p.B), rank: p.Rank(), scale: scale}
	if inGGUF || p.Layer.RowHeads == 0 {
		return u
	}
	order := rows{count: r.count, heads: p.Layer.RowHeads, dim: p.Layer.RopeDim}
	b := make([]float32, len(u.b))
	for i := range r.count {
		copy(b[i*u.rank:(i+1)*u.rank], u.b[order.source(i)*u.rank:])
	}
	u.b = b
	return u
}

func float32s(t tensor.Tensor) []float32 {
	values := make([]float32, t.Len())
	tensor.Dequantize(t.DType(), values, t.Bytes())
	return values
}

// writeUpdated is [converter.write] with an update added.
func (c *converter) writeUpdated(w io.Writer, r *rows, u *update) (damage, error) {
	step := max(1, c.piece/max(r.width, 1))
	if r.transposed { // whole blocks of src
		step = (step + r.from.BlockLen() - 1) / r.from.BlockLen() * r.from.BlockLen()
	}
	pieces := (r.count + step - 1) / step
	spaces := make([]asm.Workspace, len(c.threads))
	for i := range c.threads {
		c.threads[i].damage = damage{}
	}
	err := c.ordered(w, pieces, func(s *scratch, p int) []byte {
		first, last := p*step, min((p+1)*step, r.count)
		n := last - first
		s.turn ^= 1
		out := grow(s.out[s.turn], r.to.Bytes(n*r.width))
		s.out[s.turn] = out
		s.values = grow(s.values, n*r.width)
		s.read(r, first, last)
		space := &spaces[p%len(spaces)] // as ordered gives pieces to threads
		asm.Gemm(space, n, r.width, u.rank, u.scale, u.b[first*u.rank:last*u.rank], u.rank, 1, u.a, r.width, 1, 1, s.values, r.width)
		tensor.Quantize(r.to, out, s.values)
		s.inspect(r.to, s.values)
		r.done(first, last)
		return out
	})
	var total damage
	for i := range c.threads {
		total.add(c.threads[i].damage)
	}
	return total, err
}
