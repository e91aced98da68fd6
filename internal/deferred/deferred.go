// The backend: its queue and the goroutine that works it off.

package deferred

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
)

// Backend keeps what it is asked to do in a queue, which another goroutine
// works off when the caller waits. Like every [ops.Backend] it belongs to one
// goroutine at a time.
type Backend struct {
	queue       []func(*executor)
	transferred int64
	spare       map[int][]*tensor.Storage // freed memory by size

	work chan []func(*executor)
	done chan error
}

var _ ops.Backend = (*Backend)(nil)

// executor is the other goroutine's side.
type executor struct {
	cpu *ops.CPU
	err error // the first one; afterwards nothing is done
}

// memory is the handle of a storage. Its bytes belong to the executor.
type memory struct {
	owner *Backend
	bytes *tensor.Storage
	freed bool
}

// New returns a backend. Close ends its goroutine.
func New() *Backend {
	b := &Backend{
		spare: map[int][]*tensor.Storage{},
		work:  make(chan []func(*executor)),
		done:  make(chan error),
	}
	go b.serve()
	return b
}

// serve is the other goroutine: it works off one queue after the other.
func (b *Backend) serve() {
	x := &executor{cpu: ops.NewCPU(1)}
	for queue := range b.work {
		for _, task := range queue {
			if x.err == nil {
				task(x)
			}
		}
		b.done <- x.err
	}
	b.done <- x.cpu.Close()
}

// later puts a task in the queue.
func (b *Backend) later(task func(*executor)) { b.queue = append(b.queue, task) }

// Fail makes err, which must not be nil, happen after everything asked for so
// far: what is asked for later is not done, and Sync and Download return err,
// or the error of an earlier call of Fail.
func (b *Backend) Fail(err error) {
	if err == nil {
		panic("deferred: Fail: no error")
	}
	b.later(func(x *executor) { x.err = err })
}

// RoundsActivations implements [ops.ActivationRounder] as the CPU does, which
// computes here.
func (b *Backend) RoundsActivations(dtype tensor.DType) bool {
	return (*ops.CPU)(nil).RoundsActivations(dtype)
}

// Pending returns the length of the queue.
func (b *Backend) Pending() int { return len(b.queue) }

// Name returns "deferred".
func (b *Backend) Name() string { return "deferred" }

// Alloc returns storage that only this backend can resolve.
func (b *Backend) Alloc(size int) *tensor.Storage {
	m := &memory{owner: b}
	if list := b.spare[size]; len(list) > 0 {
		m.bytes, b.spare[size] = list[len(list)-1], list[:len(list)-1]
		b.later(func(*executor) { clear(m.bytes.Bytes()) })
	} else {
		m.bytes = tensor.NewHost(size)
	}
	return tensor.NewDevice(m, size)
}

// Free gives memory back: it holds NaN, of any type, until it is used again.
func (b *Backend) Free(s *tensor.Storage) {
	m, base := b.resolve(s, "Free")
	if base != 0 || s.Size() != m.bytes.Size() {
		panic(fmt.Sprintf("deferred: Free: bytes %d to %d of %d: not a whole allocation", base, base+s.Size(), m.bytes.Size()))
	}
	m.freed = true
	bytes := m.bytes
	b.later(func(*executor) {
		poisoned := bytes.Bytes()
		for i := range poisoned {
			poisoned[i] = 0xff
		}
	})
	b.spare[s.Size()] = append(b.spare[s.Size()], bytes)
}

// resolve returns the memory of a storage of this backend.
func (b *Backend) resolve(s *tensor.Storage, what string) (m *memory, base int) {
	handle, base := s.Device()
	m, ok := handle.(*memory)
	switch {
	case handle == nil:
		panic(fmt.Sprintf("deferred: %s: storage of %d bytes is in host memory", what, s.Size()))
	case !ok || m.owner != b:
		panic(fmt.Sprintf("deferred: %s: storage of %d bytes is another backend's", what, s.Size()))
	case m.freed:
		panic(fmt.Sprintf("deferred: %s: storage of %d bytes was freed", what, s.Size()))
	}
	return m, base
}

// host returns t over the executor's memory.
func (b *Backend) host(t tensor.Tensor, what string) tensor.Tensor {
	m, base := b.resolve(t.Storage(), what)
	part := new(tensor.Storage)
	m.bytes.Carve(part, base, t.Storage().Size())
	return t.With(part)
}

// Upload copies src to the queue.
func (b *Backend) Upload(dst tensor.Tensor, src []byte) {
	to := b.transfer(dst, len(src), "Upload")
	data := append([]byte(nil), src...)
	b.later(func(x *executor) { x.cpu.Upload(to, data) })
}

// Download works off the queue and copies src to dst, unless there was an error.
func (b *Backend) Download(dst []byte, src tensor.Tensor) error {
	from := b.transfer(src, len(dst), "Download")
	data := make([]byte, len(dst))
	b.later(func(x *executor) { x.err = x.cpu.Download(data, from) })
	if err := b.Sync(); err != nil {
		return err
	}
	copy(dst, data)
	return nil
}

// transfer checks and counts, and returns t over the executor's memory.
func (b *Backend) transfer(t tensor.Tensor, size int, what string) tensor.Tensor {
	host := b.host(t, what)
	if !t.IsContiguous() {
		panic(fmt.Sprintf("deferred: %s: %v is not contiguous", what, t))
	}
	if want := t.DType().Bytes(t.Len()); want != size {
		panic(fmt.Sprintf("deferred: %s: %v has %d bytes, not %d", what, t, want, size))
	}
	b.transferred += int64(size)
	return host
}

// Prepare uploads w.
func (b *Backend) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if !w.DType().IsFloat() {
		return tensor.Tensor{}, fmt.Errorf("deferred: a weight of type %v", w.DType())
	}
	data := w.Bytes()
	p := tensor.Of(b.Alloc(len(data)), w.DType(), w.Shape()...)
	b.Upload(p, data)
	return p, nil
}

// Run copies the arguments to the queue.
func (b *Backend) Run(op ops.Op, args *ops.Args) {
	own := *args
	for i, t := range args.T {
		if !t.IsZero() {
			own.T[i] = b.host(t, fmt.Sprintf("%v: T%d (%v)", op, i, t))
		}
	}
	b.later(func(x *executor) { x.cpu.Run(op, &own) })
}

// Sync works off the queue and returns the first error.
func (b *Backend) Sync() error {
	b.work <- b.queue
	b.queue = nil
	return <-b.done
}

// Counters tells how much was transferred. HostFallbacks is 0 by construction:
// there is no way to compute on the host here, and whoever asks for host memory
// panics, which is what the tests on this backend rely on.
func (b *Backend) Counters() ops.Counters { return ops.Counters{BytesTransferred: b.transferred} }

// Close drops what is still in the queue and ends the goroutine. The backend
// must not be used any more.
func (b *Backend) Close() error {
	close(b.work)
	return <-b.done
}
