// Errors.

package vk

import (
	"errors"
	"fmt"
)

// ErrNoGPU is returned by [Open] of a build without Vulkan (tag nogpu, or an
// operating system that the drivers do not know).
var ErrNoGPU = errors.New("this build has no Vulkan backend")

// Error is a failed Vulkan call.
type Error struct {
	Call   string // such as "vkQueueSubmit"
	Result Result
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Call, e.Result) }

// Result is a VkResult.
type Result int32

const (
	Success              Result = 0
	NotReady             Result = 1
	Timeout              Result = 2
	Incomplete           Result = 5
	OutOfHostMemory      Result = -1
	OutOfDeviceMemory    Result = -2
	InitializationFailed Result = -3
	DeviceLost           Result = -4
	LayerNotPresent      Result = -6
	ExtensionNotPresent  Result = -7
	FeatureNotPresent    Result = -8
	IncompatibleDriver   Result = -9
	TooManyObjects       Result = -10
)

var resultTexts = map[Result]string{
	OutOfHostMemory: "out of host memory", OutOfDeviceMemory: "out of device memory", InitializationFailed: "initialization failed",
	DeviceLost: "device lost", LayerNotPresent: "layer not present", ExtensionNotPresent: "extension not present",
	FeatureNotPresent: "feature not present", IncompatibleDriver: "no driver that fits", TooManyObjects: "too many objects",
	Timeout: "timeout", NotReady: "not ready", Incomplete: "incomplete",
}

// String returns the result in words, or its number.
func (r Result) String() string {
	if text, ok := resultTexts[r]; ok {
		return text
	}
	return fmt.Sprintf("VkResult %d", int32(r))
}

// Check returns nil for success and an [Error] for what is not.
func Check(call string, r Result) error {
	if r == Success {
		return nil
	}
	return &Error{call, r}
}
