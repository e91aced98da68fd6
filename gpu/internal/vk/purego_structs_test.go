// The layout of structures, as a C compiler sees it.

//go:build !cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"testing"
	"unsafe"
)

func TestLayout(t *testing.T) {
	var (
		submit  submitInfo
		compute computePipelineCreateInfo
		stage   stageCreateInfo
		special specializationInfo
		entry   specializationEntry
		write   writeDescriptorSet
		barrier memoryBarrier
		mapped  mappedMemoryRange
	)
	tests := []struct {
		name      string
		got, want uintptr
	}{
		{"VkSubmitInfo", unsafe.Sizeof(submit), 72},
		{"VkSubmitInfo.commandBufferCount", unsafe.Offsetof(submit.commandCount), 40},
		{"VkSubmitInfo.pCommandBuffers", unsafe.Offsetof(submit.commands), 48},
		{"VkComputePipelineCreateInfo", unsafe.Sizeof(compute), 96},
		{"VkComputePipelineCreateInfo.stage", unsafe.Offsetof(compute.stage), 24},
		{"VkComputePipelineCreateInfo.layout", unsafe.Offsetof(compute.layout), 72},
		{"VkPipelineShaderStageCreateInfo", unsafe.Sizeof(stage), 48},
		{"VkPipelineShaderStageCreateInfo.stage", unsafe.Offsetof(stage.stage), 20},
		{"VkPipelineShaderStageCreateInfo.module", unsafe.Offsetof(stage.module), 24},
		{"VkPipelineShaderStageCreateInfo.pName", unsafe.Offsetof(stage.name), 32},
		{"VkPipelineShaderStageCreateInfo.pSpecializationInfo", unsafe.Offsetof(stage.specialization), 40},
		{"VkSpecializationInfo", unsafe.Sizeof(special), 32},
		{"VkSpecializationInfo.pMapEntries", unsafe.Offsetof(special.entries), 8},
		{"VkSpecializationInfo.dataSize", unsafe.Offsetof(special.size), 16},
		{"VkSpecializationInfo.pData", unsafe.Offsetof(special.data), 24},
		{"VkSpecializationMapEntry", unsafe.Sizeof(entry), 16},
		{"VkSpecializationMapEntry.size", unsafe.Offsetof(entry.size), 8},
		{"VkWriteDescriptorSet", unsafe.Sizeof(write), 64},
		{"VkWriteDescriptorSet.dstSet", unsafe.Offsetof(write.set), 16},
		{"VkWriteDescriptorSet.dstBinding", unsafe.Offsetof(write.binding), 24},
		{"VkWriteDescriptorSet.descriptorCount", unsafe.Offsetof(write.count), 32},
		{"VkWriteDescriptorSet.descriptorType", unsafe.Offsetof(write.kind), 36},
		{"VkWriteDescriptorSet.pBufferInfo", unsafe.Offsetof(write.buffers), 48},
		{"VkDescriptorBufferInfo", unsafe.Sizeof(BufferRange{}), 24},
		{"VkMemoryBarrier", unsafe.Sizeof(barrier), 24},
		{"VkMemoryBarrier.srcAccessMask", unsafe.Offsetof(barrier.source), 16},
		{"VkMemoryBarrier.dstAccessMask", unsafe.Offsetof(barrier.destination), 20},
		{"VkBufferCopy", unsafe.Sizeof(bufferCopy{}), 24},
		{"VkMappedMemoryRange", unsafe.Sizeof(mapped), 40},
		{"VkMappedMemoryRange.memory", unsafe.Offsetof(mapped.memory), 16},
		{"VkPipelineShaderStageRequiredSubgroupSizeCreateInfo", unsafe.Sizeof(requiredSubgroupSize{}), 24},
		{"VkApplicationInfo", unsafe.Sizeof(applicationInfo{}), 48},
		{"VkInstanceCreateInfo", unsafe.Sizeof(instanceCreateInfo{}), 64},
		{"VkDebugReportCallbackCreateInfoEXT", unsafe.Sizeof(debugReportCreateInfo{}), 40},
		{"VkDeviceQueueCreateInfo", unsafe.Sizeof(queueCreateInfo{}), 40},
		{"VkDeviceCreateInfo", unsafe.Sizeof(deviceCreateInfo{}), 72},
		{"VkBufferCreateInfo", unsafe.Sizeof(bufferCreateInfo{}), 56},
		{"VkMemoryRequirements", unsafe.Sizeof(memoryRequirements{}), 24},
		{"VkMemoryAllocateInfo", unsafe.Sizeof(memoryAllocateInfo{}), 32},
		{"VkShaderModuleCreateInfo", unsafe.Sizeof(shaderModuleCreateInfo{}), 40},
		{"VkDescriptorSetLayoutBinding", unsafe.Sizeof(setLayoutBinding{}), 24},
		{"VkDescriptorSetLayoutCreateInfo", unsafe.Sizeof(setLayoutCreateInfo{}), 32},
		{"VkPipelineLayoutCreateInfo", unsafe.Sizeof(pipelineLayoutCreateInfo{}), 48},
		{"VkPipelineCacheCreateInfo", unsafe.Sizeof(pipelineCacheCreateInfo{}), 40},
		{"VkDescriptorPoolCreateInfo", unsafe.Sizeof(descriptorPoolCreateInfo{}), 40},
		{"VkDescriptorPoolSize", unsafe.Sizeof(poolSize{}), 8},
		{"VkDescriptorSetAllocateInfo", unsafe.Sizeof(setAllocateInfo{}), 40},
		{"VkCommandPoolCreateInfo", unsafe.Sizeof(commandPoolCreateInfo{}), 24},
		{"VkCommandBufferAllocateInfo", unsafe.Sizeof(commandBufferAllocateInfo{}), 32},
		{"VkCommandBufferBeginInfo", unsafe.Sizeof(commandBufferBeginInfo{}), 32},
		{"VkQueryPoolCreateInfo", unsafe.Sizeof(queryPoolCreateInfo{}), 32},
		{"VkFenceCreateInfo", unsafe.Sizeof(fenceCreateInfo{}), 24},
	}
	for _, c := range tests {
		if c.got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, c.got, c.want)
		}
	}
}
