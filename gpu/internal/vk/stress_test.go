// The garbage collector against the drivers: what C reads must live while it
// reads.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"runtime"
	"sync"
	"testing"
)

func TestCollector(t *testing.T) {
	i, _ := openTest(t, false)
	r := newRig(t, i, nil)
	defer r.close()
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	defer collector.Wait()
	defer close(stop)

	for n := range uint32(500) {
		module := must[ShaderModule](t)(r.CreateShaderModule(addCode))
		layout := must[SetLayout](t)(r.CreateSetLayout(StorageBuffer, 3))
		pipeline := must[Pipeline](t)(r.CreateComputePipeline(PipelineInfo{Module: module, Layout: r.layout, Constants: []uint32{64, n}}))
		r.DestroyPipeline(pipeline)
		r.DestroySetLayout(layout)
		r.DestroyShaderModule(module)
	}

	from, _ := r.buffer(64, TransferSrc)
	to, _ := r.buffer(64, TransferDst|StorageUsage)
	set := must[DescriptorSet](t)(r.AllocateDescriptorSet(r.pool, r.storage))
	c := must[CommandBuffer](t)(r.AllocateCommandBuffer(r.commands))
	for n := range uint64(100) {
		check(t, r.BeginCommandBuffer(c))
		for range 50 {
			r.CmdBarrier(c, StageTransfer, StageTransfer, TransferWrite, TransferWrite)
			r.CmdCopyBuffer(c, from, to, n%8*4, 0, 16)
			r.UpdateDescriptorSet(set, StorageBuffer, []BufferRange{{to, 0, 64}, {to, 0, 64}, {to, 0, 64}})
			check(t, r.FlushMemory(r.memory, 0, rigBytes))
		}
		check(t, r.EndCommandBuffer(c))
	}
	check(t, r.BeginCommandBuffer(c))
	check(t, r.EndCommandBuffer(c))
	for n := range 50_000 {
		if n%100 == 99 {
			r.run(c)
			continue
		}
		check(t, r.Submit(c, 0))
	}
	check(t, r.WaitIdle())
}
