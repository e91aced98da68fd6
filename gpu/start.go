// What a backend needs before its first command, and the file of its pipelines.

package gpu

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"netllm/gpu/internal/vk"
	"netllm/internal/atomicfile"
)

// start makes the pools of everything.
func (b *Backend) start(s *settings) error {
	usage := vk.TransferSrc | vk.TransferDst | vk.UniformUsage | vk.StorageUsage
	probe, need, err := b.dev.CreateBuffer(allocAlign, usage)
	if err != nil {
		return err
	}
	b.dev.DestroyBuffer(probe)
	one := func(p *pool, want, nice vk.MemoryFlags, mapped bool) error {
		t, ok := memoryType(b.facts, need.MemoryTypes, want, nice)
		if !ok {
			return fmt.Errorf("no memory with properties %#x", want)
		}
		*p = pool{dev: b.dev, memoryType: t, mapped: mapped, usage: usage, max: b.facts.Limits.AllocationSize}
		return nil
	}
	if err := errors.Join(
		one(&b.memory, vk.DeviceLocal, 0, false),
		one(&b.hostMemory, vk.HostVisible|vk.HostCoherent, vk.DeviceLocal, true),
		one(&b.readbackMemory, vk.HostVisible|vk.HostCoherent, vk.HostCached, true),
	); err != nil {
		return err
	}
	b.memory.limit = uint64(s.limits.Memory)
	b.hostIsLocal = b.facts.Memory[b.hostMemory.memoryType].Flags&vk.DeviceLocal != 0
	if b.commandPool, err = b.dev.CreateCommandPool(); err != nil {
		return err
	}
	if b.paramPool, err = b.dev.CreateDescriptorPool(maxPrograms, 0, maxPrograms); err != nil {
		return err
	}
	var compiled []byte
	if s.cache != "" {
		f := b.facts
		b.cachePath = filepath.Join(s.cache, fmt.Sprintf("pipelines-%04x-%04x-%08x-%x.bin", f.Vendor, f.Device, f.DriverVersion, f.CacheUUID))
		if compiled, err = os.ReadFile(b.cachePath); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("pipeline cache: %w", err)
		}
	}
	if b.pipelines, err = newPipelines(b.dev, compiled); err != nil {
		return err
	}
	b.sets = sets{dev: b.dev, layout: &b.pipelines.sets, made: map[setKey]vk.DescriptorSet{}}
	b.batch.limit = firstBatch
	if s.profile {
		if b.facts.Families[family(b.facts)].TimestampBits == 0 {
			return errors.New("the device measures no times")
		}
		b.profile = &profile{}
	}
	if b.zeros, err = b.memory.alloc(allocAlign); err != nil {
		return err
	}
	b.transfer(command{kind: fillCommand}, b.zeros, true)
	return b.finish()
}

// savePipelines writes the pipeline cache, if one is kept and something was compiled.
func (b *Backend) savePipelines() error {
	if b.cachePath == "" || len(b.pipelines.made) == 0 {
		return nil
	}
	data, err := b.dev.PipelineCacheData(b.pipelines.cache)
	if err != nil {
		return fmt.Errorf("gpu: pipeline cache: %w", err)
	}
	if old, err := os.ReadFile(b.cachePath); err == nil && string(old) == string(data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.cachePath), 0o755); err != nil {
		return fmt.Errorf("gpu: pipeline cache: %w", err)
	}
	err = atomicfile.Write(b.cachePath, true, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("gpu: pipeline cache: %w", err)
	}
	return nil
}
