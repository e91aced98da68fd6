// The backend: a device, its memory, and the commands that wait to be submitted.

package gpu

import (
	"errors"
	"fmt"

	"netllm/gpu/internal/vk"
	"netllm/ops"
	"netllm/tensor"
)

// Backend computes on one Vulkan device. It is an [ops.Backend]; one goroutine at
// a time uses it.
type Backend struct {
	dev    vk.Device
	index  int // of the device in Vulkan's list
	facts  vk.Facts
	limits limits // the device's, or smaller
	caps   caps
	err    error // the first one; nothing is done any more

	memory         pool // device-local: tensors, and the parameters that shaders read
	hostMemory     pool // visible to the host: what goes to the device
	readbackMemory pool // visible and, if there is such memory, cached: what comes back
	hostIsLocal    bool // shaders read parameters where the host writes them

	commandPool vk.CommandPool
	paramPool   vk.DescriptorPool
	pipelines   *pipelines
	sets        sets

	batch    batch
	programs []*program
	last     *program // submitted last
	next     dispatch
	zeros    span // a few bytes that nothing writes
	readback span
	staging  [2]staging

	stagingNext int
	scratches   [scratchSlots]tensor.Tensor
	planes      [2]plane

	op          ops.Op // what is being recorded, for messages and times
	args        *ops.Args
	windowed    ops.Args // those of attention, without the keys that no window reaches
	profile     *profile
	transferred int64
	submissions uint64
	replays     uint64
	cachePath   string
}

var _ ops.Backend = (*Backend)(nil)

// caps are the optional abilities that kernels may use: those that the device has,
// and that have not been switched off.
type caps struct {
	subgroup           int  // invocations of a subgroup
	subgroupArithmetic bool // subgroupAdd, subgroupMax, subgroupShuffle in compute shaders
	integerDot         bool // packed 8-bit dot products exist
	fastIntegerDot     bool // and are worth using
	half               bool // 16-bit storage buffers and f16 arithmetic
	cooperative        []vk.CooperativeMatrix
}

// Name returns the device's name, such as "vulkan:0 (NVIDIA H100)".
func (b *Backend) Name() string { return fmt.Sprintf("vulkan:%d (%s)", b.index, b.facts.Name) }

// allocation is the handle of a tensor's storage.
type allocation struct {
	owner *Backend
	span  span // without a block if there was no memory
	freed bool
}

// Alloc returns zeroed memory of the device. If there is none left, the backend
// fails: Sync and Download tell.
func (b *Backend) Alloc(size int) *tensor.Storage {
	a := &allocation{owner: b}
	if b.err == nil {
		a.span = b.take(uint64(size), fmt.Sprintf("allocating %d bytes", size))
	}
	if a.span.block != nil {
		b.transfer(command{kind: fillCommand}, a.span, true)
	}
	return tensor.NewDevice(a, size)
}

// take returns device memory, after giving back what nothing uses if there is too
// little.
func (b *Backend) take(size uint64, what string) span {
	s, err := b.memory.alloc(size)
	var e *vk.Error
	if errors.As(err, &e) && (e.Result == vk.OutOfDeviceMemory || e.Result == vk.OutOfHostMemory || e.Result == vk.TooManyObjects) {
		if b.forget(); b.err != nil {
			return span{}
		}
		s, err = b.memory.alloc(size)
	}
	if err != nil {
		b.fail(fmt.Errorf("%s, %d in use: %w", what, b.memory.bytes(), err))
		return span{}
	}
	return s
}

// Free gives memory back. What was asked for before still happens.
func (b *Backend) Free(s *tensor.Storage) {
	handle, base := s.Device()
	if w, ok := handle.(*weight); ok && w.owner == b && !w.freed {
		w.freed = true
		for _, p := range w.planes {
			if p.block != nil {
				b.memory.release(p)
			}
		}
		return
	}
	a := b.resolve(s, "Free")
	if base != 0 {
		panic(fmt.Sprintf("gpu: Free: bytes %d to %d: not a whole allocation", base, base+s.Size()))
	}
	a.freed = true
	if a.span.block != nil {
		b.memory.release(a.span)
	}
}

// resolve returns the allocation that a storage is a part of.
func (b *Backend) resolve(s *tensor.Storage, what string) *allocation {
	handle, _ := s.Device()
	a, ok := handle.(*allocation)
	switch {
	case handle == nil:
		panic(fmt.Sprintf("gpu: %s: storage of %d bytes is in host memory", what, s.Size()))
	case !ok:
		panic(fmt.Sprintf("gpu: %s: storage of %d bytes is %T, not a tensor of this backend", what, s.Size(), handle))
	case a.owner != b:
		panic(fmt.Sprintf("gpu: %s: storage of %d bytes is another backend's", what, s.Size()))
	case a.freed:
		panic(fmt.Sprintf("gpu: %s: storage of %d bytes was freed", what, s.Size()))
	}
	return a
}

// spanOf returns where a tensor's storage is. It is nowhere if memory had run out.
func (b *Backend) spanOf(t tensor.Tensor, what string) (s span, ok bool) {
	a := b.resolve(t.Storage(), what)
	if a.span.block == nil {
		return span{}, false
	}
	_, base := t.Storage().Device()
	return span{a.span.block, a.span.offset + uint64(base), uint64(t.Storage().Size())}, true
}

// fail notes the first error.
func (b *Backend) fail(err error) {
	if b.err == nil {
		b.err = fmt.Errorf("gpu: device %d (%s): %w", b.index, b.facts.Name, err)
		b.batch.clear()
	}
}

// Sync waits until everything asked for has happened.
func (b *Backend) Sync() error { return b.finish() }

// Counters counts the bytes of Upload, Download and Prepare. Parameters of kernels,
// which are a part of the commands, are not among them. There are no host
// fallbacks: every primitive has its kernels.
func (b *Backend) Counters() ops.Counters {
	return ops.Counters{BytesTransferred: b.transferred}
}

// Memory returns how many bytes of the device's memory the backend has taken.
func (b *Backend) Memory() int64 { return int64(b.memory.bytes()) }

// Submissions returns how many batches of commands were submitted, and how many of
// them were recorded before and only given new numbers.
func (b *Backend) Submissions() (all, replayed uint64) { return b.submissions, b.replays }

// Close waits for the device and gives everything back.
func (b *Backend) Close() error {
	err := b.finish()
	if idle := b.dev.WaitIdle(); err == nil && idle != nil {
		b.fail(idle)
		err = b.err
	}
	if saved := b.savePipelines(); err == nil {
		err = saved
	}
	b.release()
	return err
}

// release destroys whatever there is.
func (b *Backend) release() {
	if b.dev == nil {
		return
	}
	if b.commandPool != 0 {
		b.dropPrograms()
		for i := range b.staging {
			b.staging[i].close(b)
		}
		b.dev.DestroyCommandPool(b.commandPool)
	}
	b.sets.clear()
	if b.paramPool != 0 {
		b.dev.DestroyDescriptorPool(b.paramPool)
	}
	if b.pipelines != nil {
		b.pipelines.close()
	}
	b.memory.close()
	b.hostMemory.close()
	b.readbackMemory.close()
	b.dev.Close()
	b.dev = nil
	releaseInstance()
}
