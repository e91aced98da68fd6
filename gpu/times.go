// How long the device takes for each kernel.

package gpu

import (
	"cmp"
	"slices"

	"netllm/gpu/internal/vk"
	"netllm/ops"
)

// KernelTime is what one kernel took for one primitive, in all.
type KernelTime struct {
	Op      ops.Op
	Shader  string
	Calls   int
	Seconds float64
	Bytes   float64 // of the bound tensors, read or written once
	FLOP    float64 // of products and attention; 0 for others
}

// profile collects times.
type profile struct {
	kernels map[workKey]*KernelTime
	ticks   []uint64
	counted bool // the FLOP of the primitive being recorded
}

type workKey struct {
	op     ops.Op
	shader string
}

// work is what a dispatch does.
type work struct {
	workKey
	bytes, flop float64
}

// Times returns what the kernels took since the backend was opened with [WithTimes],
// or since the last call, the longest first. It waits for the device.
func (b *Backend) Times() ([]KernelTime, error) {
	if b.profile == nil {
		return nil, nil
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	var list []KernelTime
	for _, k := range b.profile.kernels {
		list = append(list, *k)
	}
	clear(b.profile.kernels)
	slices.SortFunc(list, func(a, b KernelTime) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Shader, b.Shader))
	})
	return list, nil
}

// workOf returns what the dispatch is: the first of a primitive has all its FLOP.
func (b *Backend) workOf(d *dispatch) work {
	w := work{workKey: workKey{b.op, d.shader}}
	for _, use := range d.bind[:d.nbind] {
		w.bytes += float64(use.size)
	}
	if !b.profile.counted {
		w.flop, b.profile.counted = flopOf(b.op, b.args), true
	}
	return w
}

// flopOf returns the multiplications and additions of a primitive.
func flopOf(op ops.Op, a *ops.Args) float64 {
	switch op {
	case ops.OpMatMul:
		return 2 * float64(a.T[0].Len()) * float64(a.T[1].Dim(-1))
	case ops.OpAttention, ops.OpAttentionBackward:
		q, products := a.T[1], 2.0 // products of a query and a key, or of as many numbers
		if op == ops.OpAttentionBackward {
			q, products = a.T[4], 5
		}
		seq := float64(q.Dim(1))
		pairs := seq*float64(a.I[0]) + seq*(seq+1)/2
		return products * 2 * pairs * float64(q.Dim(0)*q.Dim(2)*q.Dim(3))
	}
	return 0
}

// beginTimes gives the program its queries.
func (b *Backend) beginTimes(p *program, n *batch) error {
	if b.profile == nil {
		return nil
	}
	if p.times == 0 {
		var err error
		if p.times, err = b.dev.CreateQueryPool(2 * maxBatch); err != nil {
			return err
		}
	}
	if dispatches := len(n.params) / maxParams; dispatches > 0 {
		b.dev.CmdResetQueries(p.buffer, p.times, 0, uint32(2*dispatches))
	}
	return nil
}

// time notes the moment when all before it is done.
func (b *Backend) time(p *program, slot int, which uint32) {
	if b.profile != nil {
		b.dev.CmdWriteTimestamp(p.buffer, vk.StageBottom, p.times, uint32(2*slot)+which)
	}
}

// readTimes adds the times of a program that is done.
func (b *Backend) readTimes(p *program) error {
	if b.profile == nil || len(p.works) == 0 {
		return nil
	}
	f := b.profile
	f.ticks = slices.Grow(f.ticks[:0], 2*len(p.works))[:2*len(p.works)]
	if err := b.dev.QueryResults(f.ticks, p.times, 0); err != nil {
		return err
	}
	if f.kernels == nil {
		f.kernels = map[workKey]*KernelTime{}
	}
	mask := ^uint64(0)
	if bits := b.facts.Families[family(b.facts)].TimestampBits; bits < 64 {
		mask = 1<<bits - 1
	}
	for i, w := range p.works {
		k := f.kernels[w.workKey]
		if k == nil {
			k = &KernelTime{Op: w.op, Shader: w.shader}
			f.kernels[w.workKey] = k
		}
		k.Calls++
		k.Seconds += float64((f.ticks[2*i+1]-f.ticks[2*i])&mask) * b.facts.Limits.TimestampPeriod * 1e-9
		k.Bytes += w.bytes
		k.FLOP += w.flop
	}
	p.works = p.works[:0]
	return nil
}
