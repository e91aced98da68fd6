// Pipelines, made when they are first used, and the descriptor sets that bind
// tensors to them.

package gpu

import (
	"fmt"
	"strings"

	"netllm/gpu/internal/vk"
	"netllm/gpu/shaders"
)

// pipelineKey names a pipeline: a shader, how many tensors it has, and its
// specialization constants.
type pipelineKey struct {
	shader    string
	bindings  int
	constants [maxConstants]uint32
}

type pipeline struct {
	handle vk.Pipeline
	layout vk.PipelineLayout
	shader string
}

// pipelines are all that were made, and what they share.
type pipelines struct {
	dev     vk.Device
	cache   vk.PipelineCache
	modules map[string]vk.ShaderModule
	made    map[pipelineKey]*pipeline
	sets    [maxBindings + 1]vk.SetLayout      // of so many storage buffers
	layouts [maxBindings + 1]vk.PipelineLayout // of such a set, and of the parameters
	params  vk.SetLayout
}

func newPipelines(dev vk.Device, cache []byte) (*pipelines, error) {
	p := &pipelines{dev: dev, modules: map[string]vk.ShaderModule{}, made: map[pipelineKey]*pipeline{}}
	var err error
	if p.cache, err = dev.CreatePipelineCache(cache); err != nil {
		return p, err
	}
	if p.params, err = dev.CreateSetLayout(vk.UniformBufferDynamic, 1); err != nil {
		return p, err
	}
	for n := 1; n <= maxBindings; n++ {
		if p.sets[n], err = dev.CreateSetLayout(vk.StorageBuffer, n); err != nil {
			return p, err
		}
		if p.layouts[n], err = dev.CreatePipelineLayout(p.sets[n], p.params); err != nil {
			return p, err
		}
	}
	return p, nil
}

// get returns the pipeline that a dispatch needs.
func (p *pipelines) get(d *dispatch) (*pipeline, error) {
	key := pipelineKey{d.shader, d.nbind, d.spec}
	if found, ok := p.made[key]; ok {
		return found, nil
	}
	module, ok := p.modules[d.shader]
	if !ok {
		code, found := shaders.Code(d.shader)
		if !found {
			panic(fmt.Sprintf("gpu: no shader %q", d.shader))
		}
		var err error
		if module, err = p.dev.CreateShaderModule(code); err != nil {
			return nil, fmt.Errorf("shader %s: %w", d.shader, err)
		}
		p.modules[d.shader] = module
	}
	made := &pipeline{layout: p.layouts[d.nbind], shader: d.shader}
	var err error
	info := vk.PipelineInfo{Module: module, Layout: made.layout, Cache: p.cache, Constants: d.spec[:d.nspec]}
	if strings.HasPrefix(d.shader, coopPrefix) && d.b.facts.Subgroup.Max > 0 {
		info.SubgroupSize = uint32(d.b.caps.subgroup) // each has its part of the tile
	}
	made.handle, err = p.dev.CreateComputePipeline(info)
	if err != nil {
		return nil, fmt.Errorf("shader %s, constants %v: %w", d.shader, d.spec[:d.nspec], err)
	}
	p.made[key] = made
	return made, nil
}

func (p *pipelines) close() {
	for _, made := range p.made {
		p.dev.DestroyPipeline(made.handle)
	}
	for _, m := range p.modules {
		p.dev.DestroyShaderModule(m)
	}
	for n := range p.sets {
		if p.layouts[n] != 0 {
			p.dev.DestroyPipelineLayout(p.layouts[n])
		}
		if p.sets[n] != 0 {
			p.dev.DestroySetLayout(p.sets[n])
		}
	}
	if p.params != 0 {
		p.dev.DestroySetLayout(p.params)
	}
	if p.cache != 0 {
		p.dev.DestroyPipelineCache(p.cache)
	}
}

const (
	setsPerPool = 512
	maxPools    = 32 // then all sets are made anew
)

// setKey names a descriptor set by what it binds.
type setKey struct {
	n      int
	ranges [maxBindings]vk.BufferRange
}

// sets are the descriptor sets made so far. Those of a repeated computation are
// the same each time, since its tensors lie where they lay before.
type sets struct {
	dev    vk.Device
	layout *[maxBindings + 1]vk.SetLayout
	made   map[setKey]vk.DescriptorSet
	pools  []vk.DescriptorPool
	left   int // sets that the last pool still has room for
}

// get returns the set of a dispatch; full tells that there are too many.
func (s *sets) get(d *dispatch) (set vk.DescriptorSet, full bool, err error) {
	key := setKey{n: d.nbind}
	for i, b := range d.bind[:d.nbind] {
		key.ranges[i] = vk.BufferRange{Buffer: b.block.buffer, Offset: b.offset, Size: b.size}
	}
	if set, ok := s.made[key]; ok {
		return set, false, nil
	}
	return s.create(key)
}

// create makes a set. It is a function of its own so that the key of one that is
// found does not go to the heap.
func (s *sets) create(key setKey) (set vk.DescriptorSet, full bool, err error) {
	if s.left == 0 {
		if len(s.pools) == maxPools {
			return 0, true, nil
		}
		pool, err := s.dev.CreateDescriptorPool(setsPerPool, setsPerPool*maxBindings, 0)
		if err != nil {
			return 0, false, err
		}
		s.pools, s.left = append(s.pools, pool), setsPerPool
	}
	if set, err = s.dev.AllocateDescriptorSet(s.pools[len(s.pools)-1], s.layout[key.n]); err != nil {
		return 0, false, err
	}
	s.left--
	s.dev.UpdateDescriptorSet(set, vk.StorageBuffer, key.ranges[:key.n])
	s.made[key] = set
	return set, false, nil
}

// clear forgets all sets. Nothing recorded may refer to them.
func (s *sets) clear() {
	for _, p := range s.pools {
		s.dev.DestroyDescriptorPool(p)
	}
	s.pools, s.left = nil, 0
	clear(s.made)
}
