// A computation through every call of a device.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

//go:embed testdata/add.spv
var addCode []byte

// rig is a device with one mapped memory and what the kernel of testdata needs.
type rig struct {
	Device
	t      *testing.T
	facts  Facts
	memory Memory
	host   unsafe.Pointer
	used   uint64
	undo   []func()

	module   ShaderModule
	storage  SetLayout
	uniform  SetLayout
	layout   PipelineLayout
	pool     DescriptorPool
	commands CommandPool
	fence    Fence
}

const rigBytes = 1 << 20

// must is for calls that return a value and an error.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) later(f func()) { r.undo = append(r.undo, f) }

// close destroys everything, the last first.
func (r *rig) close() {
	for i := len(r.undo) - 1; i >= 0; i-- {
		r.undo[i]()
	}
}

func newRig(t *testing.T, i Instance, features func(Facts) Features) *rig {
	t.Helper()
	r := &rig{t: t}
	r.Device, r.facts, _ = openDevice(t, i, features)
	r.later(r.Device.Close)
	r.reserve()

	r.module = must[ShaderModule](t)(r.CreateShaderModule(addCode))
	r.later(func() { r.DestroyShaderModule(r.module) })
	r.storage = must[SetLayout](t)(r.CreateSetLayout(StorageBuffer, 3))
	r.later(func() { r.DestroySetLayout(r.storage) })
	r.uniform = must[SetLayout](t)(r.CreateSetLayout(UniformBufferDynamic, 1))
	r.later(func() { r.DestroySetLayout(r.uniform) })
	r.layout = must[PipelineLayout](t)(r.CreatePipelineLayout(r.storage, r.uniform))
	r.later(func() { r.DestroyPipelineLayout(r.layout) })
	r.pool = must[DescriptorPool](t)(r.CreateDescriptorPool(2, 3, 1))
	r.later(func() { r.DestroyDescriptorPool(r.pool) })
	r.commands = must[CommandPool](t)(r.CreateCommandPool())
	r.later(func() { r.DestroyCommandPool(r.commands) })
	r.fence = must[Fence](t)(r.CreateFence())
	r.later(func() { r.DestroyFence(r.fence) })
	return r
}

// reserve takes memory that host and device see.
func (r *rig) reserve() {
	b, q, err := r.CreateBuffer(rigBytes, StorageUsage|UniformUsage|TransferSrc|TransferDst)
	check(r.t, err)
	r.DestroyBuffer(b)
	for i, m := range r.facts.Memory {
		if q.MemoryTypes>>i&1 != 0 && m.Flags&HostVisible != 0 && m.Flags&HostCoherent != 0 {
			r.memory = must[Memory](r.t)(r.AllocateMemory(rigBytes, i))
			r.later(func() { r.FreeMemory(r.memory) })
			r.host = must[unsafe.Pointer](r.t)(r.MapMemory(r.memory))
			return
		}
	}
	r.t.Fatal("no memory that the host sees")
}

// buffer is a new buffer and its bytes.
func (r *rig) buffer(size uint64, usage BufferUsage) (Buffer, unsafe.Pointer) {
	b, q, err := r.CreateBuffer(size, usage)
	check(r.t, err)
	r.later(func() { r.DestroyBuffer(b) })
	offset := (r.used + q.Alignment - 1) / q.Alignment * q.Alignment
	r.used = offset + q.Size
	if r.used > rigBytes {
		r.t.Fatalf("memory: %d bytes of %d", r.used, rigBytes)
	}
	check(r.t, r.BindBufferMemory(b, r.memory, offset))
	return b, unsafe.Add(r.host, offset)
}

// run submits and waits.
func (r *rig) run(c CommandBuffer) {
	r.t.Helper()
	check(r.t, r.Submit(c, r.fence))
	ok, err := r.WaitFence(r.fence, 60e9)
	check(r.t, err)
	if !ok {
		r.t.Fatal("the device did not end in a minute")
	}
	check(r.t, r.ResetFence(r.fence))
}

func TestCompute(t *testing.T) {
	i, _ := openTest(t, true)
	r := newRig(t, i, nil)
	defer r.close()
	t.Logf("%s: %s", i.Driver(), r.facts.Name)

	const n, scale, offset = 1000, 3, 0.5
	const size = 4 * n
	a, aBytes := r.buffer(size, StorageUsage)
	b, bBytes := r.buffer(size, StorageUsage|TransferDst)
	sum, sumBytes := r.buffer(size, StorageUsage|TransferSrc)
	back, backBytes := r.buffer(size, TransferDst)
	second := max(r.facts.Limits.UniformAlignment, 16)
	parameters, parameterBytes := r.buffer(second+16, UniformUsage)

	for k := range n {
		unsafe.Slice((*float32)(aBytes), n)[k] = float32(k)
		unsafe.Slice((*float32)(bBytes), n)[k] = -1
		unsafe.Slice((*float32)(sumBytes), n)[k] = -2
	}
	*(*uint32)(unsafe.Add(parameterBytes, second)) = n - 1 // the last one stays as it is
	*(*float32)(unsafe.Add(parameterBytes, second+4)) = offset
	check(t, r.FlushMemory(r.memory, 0, rigBytes))

	cache := must[PipelineCache](t)(r.CreatePipelineCache(nil))
	pipeline := must[Pipeline](t)(r.CreateComputePipeline(PipelineInfo{Module: r.module, Layout: r.layout, Cache: cache, Constants: []uint32{64, scale}}))
	r.later(func() { r.DestroyPipeline(pipeline) })
	data := must[[]byte](t)(r.PipelineCacheData(cache))
	if len(data) < 16 {
		t.Errorf("pipeline cache: got %d bytes", len(data))
	}
	r.DestroyPipelineCache(cache)
	cache = must[PipelineCache](t)(r.CreatePipelineCache(data))
	r.later(func() { r.DestroyPipelineCache(cache) })

	storage := must[DescriptorSet](t)(r.AllocateDescriptorSet(r.pool, r.storage))
	uniform := must[DescriptorSet](t)(r.AllocateDescriptorSet(r.pool, r.uniform))
	r.UpdateDescriptorSet(storage, StorageBuffer, []BufferRange{{a, 0, size}, {b, 0, size}, {sum, 0, size}})
	r.UpdateDescriptorSet(uniform, UniformBufferDynamic, []BufferRange{{parameters, 0, 16}})
	timestamps := r.facts.Families[0].TimestampBits > 0
	queries := must[QueryPool](t)(r.CreateQueryPool(2))
	r.later(func() { r.DestroyQueryPool(queries) })

	c := must[CommandBuffer](t)(r.AllocateCommandBuffer(r.commands))
	check(t, r.BeginCommandBuffer(c))
	if timestamps {
		r.CmdResetQueries(c, queries, 0, 2)
		r.CmdWriteTimestamp(c, StageTop, queries, 0)
	}
	r.CmdFillBuffer(c, b, 0, size, 0x40000000) // 2
	r.CmdBarrier(c, StageTransfer, StageCompute, TransferWrite, ShaderRead)
	r.CmdBindPipeline(c, pipeline)
	r.CmdBindSets(c, r.layout, []DescriptorSet{storage, uniform}, []uint32{uint32(second)})
	r.CmdDispatch(c, (n+63)/64, 1, 1)
	r.CmdBarrier(c, StageCompute, StageTransfer, ShaderWrite, TransferRead)
	r.CmdCopyBuffer(c, sum, back, 4, 0, size-4)
	r.CmdBarrier(c, StageTransfer, StageHost, TransferWrite, HostRead)
	if timestamps {
		r.CmdWriteTimestamp(c, StageBottom, queries, 1)
	}
	check(t, r.EndCommandBuffer(c))

	for round := range 2 { // recorded once, submitted twice
		r.run(c)
		check(t, r.InvalidateMemory(r.memory, 0, rigBytes))
		got := unsafe.Slice((*float32)(backBytes), n)
		for k := range n - 1 {
			want := float32(scale*(k+1+2)) + offset
			if k == n-2 {
				want = -2
			}
			if got[k] != want {
				t.Fatalf("round %d, element %d: got %v, want %v", round, k, got[k], want)
			}
		}
		var ticks [2]uint64
		if timestamps {
			check(t, r.QueryResults(ticks[:], queries, 0))
			if ticks[1] <= ticks[0] {
				t.Errorf("timestamps: got %v", ticks)
			}
		}
	}
	r.FreeCommandBuffer(r.commands, c)
	check(t, r.WaitIdle())
	check(t, r.ResetDescriptorPool(r.pool))
}

func TestWaitTimesOut(t *testing.T) {
	i, _ := openTest(t, true)
	r := newRig(t, i, nil)
	defer r.close()
	if ok, err := r.WaitFence(r.fence, 1); ok || err != nil {
		t.Errorf("wait for a fence that nothing signals: got %v, %v, want false, nil", ok, err)
	}
}

// TestFeatures switches on all that the device has, without a message of the
// layer.
func TestFeatures(t *testing.T) {
	i, _ := openTest(t, true)
	r := newRig(t, i, func(f Facts) Features { return f.Features })
	defer r.close()
	pipeline := PipelineInfo{Module: r.module, Layout: r.layout, Constants: []uint32{64, 1}}
	pipeline.FullSubgroups = r.facts.Features.FullSubgroups
	if r.facts.Features.FullSubgroups && r.facts.Subgroup.Max > 0 {
		pipeline.SubgroupSize = uint32(r.facts.Subgroup.Max)
	}
	r.DestroyPipeline(must[Pipeline](t)(r.CreateComputePipeline(pipeline)))
}

func TestOpenRefuses(t *testing.T) {
	i, _ := openTest(t, true)
	facts, n, family := pick(t, i)
	if !facts.Features.CooperativeMatrix {
		if _, err := i.Open(n, family, Features{CooperativeMatrix: true}); err == nil || !strings.Contains(err.Error(), "cooperative matrices") {
			t.Errorf("a feature that the device lacks: got %v", err)
		}
	}
	for _, c := range []struct{ device, family int }{{-1, 0}, {99, 0}, {n, -1}, {n, 99}} {
		if _, err := i.Open(c.device, c.family, Features{}); err == nil {
			t.Errorf("device %d, family %d: got no error", c.device, c.family)
		}
	}
	if _, err := Open(Config{}); err == nil || !strings.Contains(err.Error(), "open already") {
		t.Errorf("a second instance: got %v", err)
	}
}

// TestValidation proves that the layer is alive.
func TestValidation(t *testing.T) {
	i, messages := openTest(t, true)
	d, _, _ := openDevice(t, i, nil)
	b, _, err := d.CreateBuffer(0, 0)
	lines := fmt.Sprint(messages.take())
	for _, want := range []string{"VUID-VkBufferCreateInfo-size-00912", "VUID-VkBufferCreateInfo-usage-requiredbitmask"} {
		if !strings.Contains(lines, want) {
			t.Errorf("a buffer of nothing: got %s, want %s", lines, want)
		}
	}
	if err == nil {
		d.DestroyBuffer(b)
	}
	if _, _, err := d.CreateBuffer(16, StorageUsage); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if lines := fmt.Sprint(messages.take()); !strings.Contains(lines, "VUID-vkDestroyDevice-device-00378") {
		t.Errorf("a buffer that outlives its device: got %s", lines)
	}
}

// TestSynchronisation proves that hazards are seen: a copy that reads
// what a fill before it writes.
func TestSynchronisation(t *testing.T) {
	i, messages := openTest(t, true)
	r := newRig(t, i, nil)
	defer r.close()
	from, _ := r.buffer(64, TransferSrc|TransferDst)
	to, _ := r.buffer(64, TransferDst)
	c := must[CommandBuffer](t)(r.AllocateCommandBuffer(r.commands))
	check(t, r.BeginCommandBuffer(c))
	r.CmdFillBuffer(c, from, 0, 64, 1)
	r.CmdCopyBuffer(c, from, to, 0, 0, 64)
	check(t, r.EndCommandBuffer(c))
	if lines := fmt.Sprint(messages.take()); !strings.Contains(lines, "SYNC-HAZARD-READ-AFTER-WRITE") {
		t.Errorf("a missing barrier: got %s", lines)
	}
}
