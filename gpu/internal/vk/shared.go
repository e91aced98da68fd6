// What the devices of both drivers have in common.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"fmt"
	"unsafe"
)

const (
	computeBind    = 1         // VK_PIPELINE_BIND_POINT_COMPUTE
	resettable     = 0x2       // VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT
	simultaneous   = 0x4       // VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT
	timestampQuery = 2         // VK_QUERY_TYPE_TIMESTAMP
	waitFor64Bits  = 0x1 | 0x2 // VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WAIT_BIT
)

// shaderWords copies SPIR-V to where words are aligned. It panics if that is
// not a positive number of words.
func shaderWords(code []byte) []uint32 {
	if len(code) == 0 || len(code)%4 != 0 {
		panic(fmt.Sprintf("vk: CreateShaderModule: %d bytes are no SPIR-V", len(code)))
	}
	words := make([]uint32, len(code)/4)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(code)), code)
	return words
}

// stageFlags asks for full subgroups where needed.
func (p PipelineInfo) stageFlags() uint32 {
	if p.FullSubgroups || p.SubgroupSize != 0 {
		return 2 // VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT
	}
	return 0
}

// poolSize is a VkDescriptorPoolSize.
type poolSize struct {
	kind  DescriptorType
	count uint32
}

// poolSizes leaves out what there is none of, as Vulkan demands.
func poolSizes(storage, uniformDynamic int) []poolSize {
	var sizes []poolSize
	if storage > 0 {
		sizes = append(sizes, poolSize{StorageBuffer, uint32(storage)})
	}
	if uniformDynamic > 0 {
		sizes = append(sizes, poolSize{UniformBufferDynamic, uint32(uniformDynamic)})
	}
	return sizes
}

// waited is the outcome of vkWaitForFences.
func waited(r Result) (bool, error) {
	if r == Timeout {
		return false, nil
	}
	err := Check("vkWaitForFences", r)
	return err == nil, err
}
