// Package gpu computes on any GPU with a Vulkan driver: its [Backend] is an
// [ops.Backend], so that the same model code runs on it as on the CPU.
//
//	b, err := gpu.Open()
//	if err != nil {
//		// no library, no device: the error says which; ops.NewCPU serves
//	}
//	defer b.Close()
//	model, err := transformer.Load(b, "model.gguf")
//
// Weights stay quantised in the device's memory, and tensors stay there between
// operations: the host sends token numbers or inputs, and reads logits or a loss.
// Primitives are not carried out one by one. Their kernels are put together in
// batches, with barriers only where one reads or overwrites what another wrote,
// and a batch that is the same as an earlier one but for its numbers (the next token, the next
// training step) is not recorded again. The host waits only in Sync and Download.
//
// A build with cgo calls Vulkan through github.com/vulkan-go/vulkan, one without
// through github.com/ebitengine/purego, and one with the tag nogpu not at all. The library
// is libvulkan.so.1, or what the environment's NETLLM_VULKAN_LIB names.
//
// Errors of the device, such as no memory left or a device lost, are kept: the
// backend does nothing any more, and Sync and Download return the first one.
package gpu
