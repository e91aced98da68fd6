// Package vk is what package gpu needs of Vulkan: a few dozen calls as two
// interfaces, [Instance] and [Device], and the facts about a device that
// decide how it is used. The calls are those of the Vulkan 1.3 specification, with
// their structures flattened to arguments; handles are numbers.
//
// There are two implementations. Builds with cgo go through
// github.com/vulkan-go/vulkan, builds without it through
// github.com/ebitengine/purego; the build tag nogpu leaves both out. [Open]
// is the one that the build has.
//
// The way to C is narrow in both: without cgo, Go structures laid out as C's go
// straight to the functions; with cgo, vulkan-go makes the calls whose
// arguments are handles, numbers and single structures, and a shim makes those
// with arrays of structures, of which vulkan-go may free its copy while
// C reads it. What is newer than vulkan-go's headers (facts, features) is
// written and read as raw memory, once for both.
//
// Nothing here takes a lock: as in Vulkan, one goroutine at a time uses a queue,
// a command pool, a descriptor pool and a pipeline cache.
package vk
