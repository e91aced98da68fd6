package ops

import (
	"sync/atomic"

	"netllm/ops/asm"
	"netllm/tensor"
)

// pool is a set of persistent threads that run one kernel at a time together.
// Between kernels that follow each other closely they wait in a loop, since
// waking a sleeping thread takes as long as a small kernel; after a while
// without work they sleep.
type pool struct {
	workers []*worker // the first one is the caller
	alone   worker    // the caller when it works without the others

	round   atomic.Uint32 // counts kernels; a change is the call to work
	pending atomic.Int32  // workers that have not finished the round
	waiting atomic.Bool   // the caller sleeps until pending is 0
	done    chan struct{}
	stopped atomic.Bool

	kernel  cpuKernel
	backend *CPU
	args    *Args

	pins    [][]int // processors of each worker, see CPU.Pin
	pinErrs []error
}

// worker is one thread's place in the pool, with its own scratch memory.
type worker struct {
	index, count int
	gemm         asm.Workspace
	vectors      asm.Activations
	strips       *tensor.Storage // of a weight that was not repacked
	floats       []float32
	asleep       atomic.Bool
	wake         chan struct{}
}

func (p *pool) start(threads int) {
	p.alone = worker{index: 0, count: 1}
	p.done = make(chan struct{}, 1)
	for i := range threads {
		w := &worker{index: i, count: threads, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		if i > 0 {
			go p.serve(w)
		}
	}
}

func (p *pool) stop() {
	if p.stopped.Swap(true) {
		return
	}
	p.round.Add(1)
	p.wakeAll()
}

// solo runs a kernel on the caller's thread alone.
func (p *pool) solo(k cpuKernel, c *CPU, a *Args) { k(c, a, &p.alone) }

// run runs a kernel on all threads and returns when all have finished.
func (p *pool) run(k cpuKernel, c *CPU, a *Args) {
	n := len(p.workers)
	if n == 1 {
		k(c, a, p.workers[0])
		return
	}
	if p.stopped.Load() {
		panic("ops: CPU: used after Close")
	}
	p.kernel, p.backend, p.args = k, c, a
	p.pending.Store(int32(n - 1))
	p.round.Add(1)
	p.wakeAll()
	k(c, a, p.workers[0])
	p.join()
}

// join returns when no worker has anything left to do in this round. Like a
// worker without work the caller waits in a loop at first, then offers its
// processor at every look, and sleeps in the end: where other programs want the
// processors too, or both threads stand on one, the time is better given to
// the worker that is still busy. To be woken takes longer than many a kernel, so
// a thread does not sleep as long as work goes on.
func (p *pool) join() {
	for range spins {
		if p.pending.Load() == 0 {
			return
		}
	}
	for range yields {
		yield()
		if p.pending.Load() == 0 {
			return
		}
	}
	for {
		p.waiting.Store(true)
		if p.pending.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.done
		// The call may come from a worker that finished the round before this
		// one and was interrupted between counting down and calling.
		if p.pending.Load() == 0 {
			return
		}
	}
}

func (p *pool) wakeAll() {
	for _, w := range p.workers[1:] {
		if w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

func (p *pool) serve(w *worker) {
	var done uint32
	for {
		p.await(w, done)
		done = p.round.Load()
		if p.stopped.Load() {
			return
		}
		p.kernel(p.backend, p.args, w)
		if p.pending.Add(-1) == 0 && p.waiting.CompareAndSwap(true, false) {
			p.done <- struct{}{}
		}
	}
}

// await returns when the round is no longer done.
func (p *pool) await(w *worker, done uint32) {
	for range spins {
		if p.round.Load() != done {
			return
		}
	}
	for range yields {
		yield()
		if p.round.Load() != done {
			return
		}
	}
	for {
		w.asleep.Store(true)
		// The round may have begun before the caller could see this worker
		// asleep; whoever clears the flag first decides who acts.
		if p.round.Load() != done && w.asleep.CompareAndSwap(true, false) {
			return
		}
		<-w.wake
		// The caller may have been interrupted on its way here, while this
		// worker did the round unasked and fell asleep again.
		if p.round.Load() != done {
			return
		}
	}
}

// span returns this worker's share of n items, in whole multiples of unit.
func (w *worker) span(n, unit int) (from, to int) {
	units := (n + unit - 1) / unit
	return min(n, units*w.index/w.count*unit), min(n, units*(w.index+1)/w.count*unit)
}

// scratch returns n floats of this worker's own, with any content.
func (w *worker) scratch(n int) []float32 {
	if cap(w.floats) < n {
		w.floats = make([]float32, n+n/4)
	}
	return w.floats[:n]
}

// bytes returns n bytes of this worker's own, aligned to 64, with any content.
func (w *worker) bytes(n int) []byte {
	if w.strips == nil || w.strips.Size() < n {
		w.strips = tensor.NewHost(n)
	}
	return w.strips.Bytes()[:n]
}
