// The driver with cgo: the calls that vulkan-go lacks or that it cannot make safely. For a
// slice of structures vulkan-go hands C a copy whose finalizer may free it
// while C reads it; here the structures live on C's stack.

//go:build cgo && !nogpu && linux && (amd64 || arm64)

package vk

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint32_t sType; const void *next; } header;
typedef struct { header h; uint32_t waitCount; const void *waits, *stages; uint32_t count; void *const *commands; uint32_t signalCount; const void *signals; } submit_info;
typedef struct { uint32_t id, offset; size_t size; } map_entry;
typedef struct { uint32_t count; const map_entry *entries; size_t size; const void *data; } specialization;
typedef struct { header h; uint32_t size; } required_size;
typedef struct { header h; uint32_t flags, stage; uint64_t module; const char *name; const specialization *special; } stage_info;
typedef struct { header h; uint32_t flags; stage_info stage; uint64_t layout, base; int32_t index; } pipeline_info;
typedef struct { uint64_t buffer, offset, range; } buffer_range;
typedef struct { header h; uint64_t set; uint32_t binding, first, count, type; const void *images; const buffer_range *buffers; const void *views; } write_set;
typedef struct { header h; uint32_t source, destination; } memory_barrier;
typedef struct { uint64_t source, destination, size; } buffer_copy;
typedef struct { header h; uint64_t memory, offset, size; } memory_range;
typedef struct { uint32_t binding, type, count, stages; const void *samplers; } layout_binding;
typedef struct { header h; uint32_t flags, count; const layout_binding *bindings; } layout_info;
typedef struct { uint32_t type, count; } pool_size;
typedef struct { header h; uint32_t flags, sets, count; const pool_size *sizes; } pool_info;
typedef struct { header h; uint32_t flags, family, count; const float *priorities; } queue_info;
typedef struct { header h; uint32_t flags, queueCount; const queue_info *queues; uint32_t layerCount; const void *layers; uint32_t count; const char *const *names; const void *features; } device_info;

#define SIZE(t, n) _Static_assert(sizeof(t) == n, "size of " #t)
#define PLACE(t, f, n) _Static_assert(offsetof(t, f) == n, "place of " #f)
SIZE(submit_info, 72); PLACE(submit_info, count, 40); PLACE(submit_info, commands, 48);
SIZE(map_entry, 16); PLACE(map_entry, size, 8);
SIZE(specialization, 32); PLACE(specialization, entries, 8); PLACE(specialization, size, 16); PLACE(specialization, data, 24);
SIZE(required_size, 24); PLACE(required_size, size, 16);
SIZE(stage_info, 48); PLACE(stage_info, stage, 20); PLACE(stage_info, module, 24); PLACE(stage_info, name, 32); PLACE(stage_info, special, 40);
SIZE(pipeline_info, 96); PLACE(pipeline_info, stage, 24); PLACE(pipeline_info, layout, 72);
SIZE(buffer_range, 24);
SIZE(write_set, 64); PLACE(write_set, set, 16); PLACE(write_set, binding, 24); PLACE(write_set, count, 32); PLACE(write_set, type, 36); PLACE(write_set, buffers, 48);
SIZE(memory_barrier, 24); PLACE(memory_barrier, source, 16); PLACE(memory_barrier, destination, 20);
SIZE(buffer_copy, 24);
SIZE(memory_range, 40); PLACE(memory_range, memory, 16); PLACE(memory_range, offset, 24); PLACE(memory_range, size, 32);
SIZE(layout_binding, 24); PLACE(layout_binding, samplers, 16);
SIZE(layout_info, 32); PLACE(layout_info, count, 20); PLACE(layout_info, bindings, 24);
SIZE(pool_size, 8);
SIZE(pool_info, 40); PLACE(pool_info, sets, 20); PLACE(pool_info, count, 24); PLACE(pool_info, sizes, 32);
SIZE(queue_info, 40); PLACE(queue_info, family, 20); PLACE(queue_info, count, 24); PLACE(queue_info, priorities, 32);
SIZE(device_info, 72); PLACE(device_info, queueCount, 20); PLACE(device_info, queues, 24); PLACE(device_info, count, 48); PLACE(device_info, names, 56);

// why: what dlopen complains of, to be freed, or 0.
static void *shim_symbol(const char *file, const char *name, char **why) {
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL), *f;
	if (!library) { *why = strdup(dlerror()); return 0; }
	f = dlsym(library, name);
	if (!f) dlclose(library);
	return f;
}
static void *shim_proc(void *get, void *object, const char *name) {
	return ((void *(*)(void *, const char *))get)(object, name);
}
static int32_t shim_version(void *f, uint32_t *version) { return ((int32_t (*)(uint32_t *))f)(version); }
static void shim_get(void *f, void *device, void *out) { ((void (*)(void *, void *))f)(device, out); }
static int32_t shim_list(void *f, void *device, uint32_t *count, void *out) {
	return ((int32_t (*)(void *, uint32_t *, void *))f)(device, count, out);
}
static void shim_families(void *f, void *device, uint32_t *count, void *out) {
	((void (*)(void *, uint32_t *, void *))f)(device, count, out);
}
static int32_t shim_extensions(void *f, void *device, uint32_t *count, void *out) {
	return ((int32_t (*)(void *, const char *, uint32_t *, void *))f)(device, 0, count, out);
}
// names: count texts, one after the other, each with its NUL.
static int32_t shim_device(void *f, void *physical, uint32_t family, const void *chain, uint32_t count, const char *names, void **device) {
	const char *list[count + 1];
	for (uint32_t i = 0; i < count; i++, names += strlen(names) + 1) list[i] = names;
	float priority = 1;
	queue_info queue = {{2}, 0, family, 1, &priority};
	device_info info = {.h = {3, chain}, .queueCount = 1, .queues = &queue, .count = count, .names = list};
	return ((int32_t (*)(void *, const device_info *, const void *, void **))f)(physical, &info, 0, device);
}

static int32_t shim_submit(void *f, void *queue, void *commands, uint64_t fence) {
	submit_info info = {.h = {4}, .count = 1, .commands = &commands};
	return ((int32_t (*)(void *, uint32_t, const submit_info *, uint64_t))f)(queue, 1, &info, fence);
}
static int32_t shim_pipeline(void *f, void *device, uint64_t cache, uint64_t module, uint64_t layout, uint32_t flags,
		uint32_t subgroup, uint32_t count, const uint32_t *constants, uint64_t *pipeline) {
	map_entry entries[count + 1];
	for (uint32_t i = 0; i < count; i++) entries[i] = (map_entry){i, 4 * i, 4};
	specialization special = {count, entries, 4 * (size_t)count, constants};
	required_size required = {{1000225001}, subgroup};
	pipeline_info info = {.h = {29}, .layout = layout,
		.stage = {{18, subgroup ? &required : 0}, flags, 0x20, module, "main", count ? &special : 0}};
	return ((int32_t (*)(void *, uint64_t, uint32_t, const pipeline_info *, const void *, uint64_t *))f)(device, cache, 1, &info, 0, pipeline);
}
static void shim_update(void *f, void *device, uint64_t set, uint32_t type, uint32_t count, const void *ranges) {
	write_set write = {.h = {35}, .set = set, .count = count, .type = type, .buffers = ranges};
	((void (*)(void *, uint32_t, const write_set *, uint32_t, const void *))f)(device, 1, &write, 0, 0);
}
static void shim_barrier(void *f, void *commands, uint32_t from, uint32_t to, uint32_t source, uint32_t destination) {
	memory_barrier barrier = {{46}, source, destination};
	((void (*)(void *, uint32_t, uint32_t, uint32_t, uint32_t, const memory_barrier *, uint32_t, const void *, uint32_t, const void *))f)(
		commands, from, to, 0, 1, &barrier, 0, 0, 0, 0);
}
static void shim_copy(void *f, void *commands, uint64_t from, uint64_t to, uint64_t source, uint64_t destination, uint64_t size) {
	buffer_copy region = {source, destination, size};
	((void (*)(void *, uint64_t, uint64_t, uint32_t, const buffer_copy *))f)(commands, from, to, 1, &region);
}
static int32_t shim_range(void *f, void *device, uint64_t memory, uint64_t offset, uint64_t size) {
	memory_range range = {{6}, memory, offset, size};
	return ((int32_t (*)(void *, uint32_t, const memory_range *))f)(device, 1, &range);
}
static int32_t shim_layout(void *f, void *device, uint32_t type, uint32_t count, uint64_t *layout) {
	layout_binding bindings[count + 1];
	for (uint32_t i = 0; i < count; i++) bindings[i] = (layout_binding){i, type, 1, 0x20};
	layout_info info = {{32}, 0, count, bindings};
	return ((int32_t (*)(void *, const layout_info *, const void *, uint64_t *))f)(device, &info, 0, layout);
}
static int32_t shim_pool(void *f, void *device, uint32_t sets, uint32_t count, const void *sizes, uint64_t *pool) {
	pool_info info = {{33}, 0, sets, count, sizes};
	return ((int32_t (*)(void *, const pool_info *, const void *, uint64_t *))f)(device, &info, 0, pool);
}
*/
import "C"

import (
	"errors"
	"strings"
	"unsafe"
)

// procs are the functions of a device that the shim calls.
type procs struct {
	submit, pipeline, update, barrier, copy, flush, invalidate, layout, pool unsafe.Pointer
}

// load returns vkGetInstanceProcAddr of the library, which stays loaded.
func load(c Config) (unsafe.Pointer, error) {
	name := C.CString("vkGetInstanceProcAddr")
	defer C.free(unsafe.Pointer(name))
	var tried []error
	for _, library := range c.libraries() {
		file := C.CString(library)
		var why *C.char
		f := C.shim_symbol(file, name, &why)
		C.free(unsafe.Pointer(file))
		switch {
		case f != nil:
			return f, nil
		case why != nil:
			tried = append(tried, errors.New(C.GoString(why)))
			C.free(unsafe.Pointer(why))
		default:
			tried = append(tried, noSymbol(library, "vkGetInstanceProcAddr"))
		}
	}
	return nil, c.noLibrary(tried)
}

// proc asks get, a vkGet...ProcAddr, for a function of the object.
func proc(get, object unsafe.Pointer, name string) unsafe.Pointer {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return C.shim_proc(get, object, text)
}

// loaderVersion is what vkEnumerateInstanceVersion says, 0 if there is none.
func loaderVersion(get unsafe.Pointer) uint32 {
	var v C.uint32_t
	if f := proc(get, nil, "vkEnumerateInstanceVersion"); f != nil {
		C.shim_version(f, &v)
	}
	return uint32(v)
}

// link looks the functions of the device up.
func (p *procs) link(get, device unsafe.Pointer) error {
	var missing []error
	for _, f := range []struct {
		to   *unsafe.Pointer
		name string
	}{
		{&p.submit, "vkQueueSubmit"}, {&p.pipeline, "vkCreateComputePipelines"}, {&p.update, "vkUpdateDescriptorSets"},
		{&p.barrier, "vkCmdPipelineBarrier"}, {&p.copy, "vkCmdCopyBuffer"}, {&p.flush, "vkFlushMappedMemoryRanges"},
		{&p.invalidate, "vkInvalidateMappedMemoryRanges"}, {&p.layout, "vkCreateDescriptorSetLayout"}, {&p.pool, "vkCreateDescriptorPool"},
	} {
		if *f.to = proc(get, device, f.name); *f.to == nil {
			missing = append(missing, noSymbol("the driver", f.name))
		}
	}
	return errors.Join(missing...)
}

func pointer[S ~uint64](h S) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&h)) }

func (i *instance) get(name string, device uint64, out unsafe.Pointer) {
	C.shim_get(proc(i.getProc, i.object(), name), pointer(device), out)
}

func (i *instance) list(name string, device uint64, count *uint32, out unsafe.Pointer) Result {
	f, n := proc(i.getProc, i.object(), name), (*C.uint32_t)(count)
	if name == "vkGetPhysicalDeviceQueueFamilyProperties" {
		C.shim_families(f, pointer(device), n, out)
		return Success
	}
	return Result(C.shim_list(f, pointer(device), n, out))
}

func (i *instance) extensions(device uint64, count *uint32, out unsafe.Pointer) Result {
	f := proc(i.getProc, i.object(), "vkEnumerateDeviceExtensionProperties")
	return Result(C.shim_extensions(f, pointer(device), (*C.uint32_t)(count), out))
}

// createDevice makes a device with one queue; the names end in NUL.
func (i *instance) createDevice(physical uint64, family int, chain unsafe.Pointer, names []string) (unsafe.Pointer, error) {
	texts := C.CString(strings.Join(names, ""))
	defer C.free(unsafe.Pointer(texts))
	var d unsafe.Pointer
	r := C.shim_device(proc(i.getProc, i.object(), "vkCreateDevice"), pointer(physical), C.uint32_t(family), chain,
		C.uint32_t(len(names)), texts, &d)
	return d, Check("vkCreateDevice", Result(r))
}

func (d *device) object() unsafe.Pointer { return unsafe.Pointer(d.handle) }

func (d *device) FlushMemory(m Memory, offset, size uint64) error {
	r := C.shim_range(d.procs.flush, d.object(), C.uint64_t(m), C.uint64_t(offset), C.uint64_t(size))
	return Check("vkFlushMappedMemoryRanges", Result(r))
}

func (d *device) InvalidateMemory(m Memory, offset, size uint64) error {
	r := C.shim_range(d.procs.invalidate, d.object(), C.uint64_t(m), C.uint64_t(offset), C.uint64_t(size))
	return Check("vkInvalidateMappedMemoryRanges", Result(r))
}

func (d *device) CreateSetLayout(t DescriptorType, n int) (SetLayout, error) {
	var l C.uint64_t
	r := C.shim_layout(d.procs.layout, d.object(), C.uint32_t(t), C.uint32_t(n), &l)
	return SetLayout(l), Check("vkCreateDescriptorSetLayout", Result(r))
}

func (d *device) CreateDescriptorPool(sets, storage, uniformDynamic int) (DescriptorPool, error) {
	sizes := poolSizes(storage, uniformDynamic)
	var p C.uint64_t
	r := C.shim_pool(d.procs.pool, d.object(), C.uint32_t(sets), C.uint32_t(len(sizes)), unsafe.Pointer(unsafe.SliceData(sizes)), &p)
	return DescriptorPool(p), Check("vkCreateDescriptorPool", Result(r))
}

func (d *device) CreateComputePipeline(p PipelineInfo) (Pipeline, error) {
	var pipeline C.uint64_t
	r := C.shim_pipeline(d.procs.pipeline, d.object(), C.uint64_t(p.Cache), C.uint64_t(p.Module), C.uint64_t(p.Layout),
		C.uint32_t(p.stageFlags()), C.uint32_t(p.SubgroupSize),
		C.uint32_t(len(p.Constants)), (*C.uint32_t)(unsafe.SliceData(p.Constants)), &pipeline)
	return Pipeline(pipeline), Check("vkCreateComputePipelines", Result(r))
}

// UpdateDescriptorSet counts on consecutive descriptors: a write that has more
// of them than its binding goes on with the next binding.
func (d *device) UpdateDescriptorSet(s DescriptorSet, t DescriptorType, ranges []BufferRange) {
	if len(ranges) > 0 {
		C.shim_update(d.procs.update, d.object(), C.uint64_t(s), C.uint32_t(t), C.uint32_t(len(ranges)), unsafe.Pointer(&ranges[0]))
	}
}

func (d *device) CmdBarrier(c CommandBuffer, srcStages, dstStages Stages, src, dst Access) {
	C.shim_barrier(d.procs.barrier, pointer(c), C.uint32_t(srcStages), C.uint32_t(dstStages), C.uint32_t(src), C.uint32_t(dst))
}

func (d *device) CmdCopyBuffer(c CommandBuffer, src, dst Buffer, srcOffset, dstOffset, size uint64) {
	C.shim_copy(d.procs.copy, pointer(c), C.uint64_t(src), C.uint64_t(dst), C.uint64_t(srcOffset), C.uint64_t(dstOffset), C.uint64_t(size))
}

func (d *device) Submit(c CommandBuffer, f Fence) error {
	r := C.shim_submit(d.procs.submit, unsafe.Pointer(d.queue), pointer(c), C.uint64_t(f))
	return Check("vkQueueSubmit", Result(r))
}
