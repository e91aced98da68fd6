// Package gputest opens a GPU for tests, on which the Khronos validation layer
// watches every call.
package gputest

import (
	"errors"
	"os"
	"testing"

	"netllm/gpu"
)

// Open opens a device, and fails the test for each message of the validation layer,
// synchronisation validation included; where that is not installed, the calls are not
// watched, unless NETLLM_REQUIRE_DATA is 1. Where there is no device, the test is
// skipped, or fails if NETLLM_REQUIRE_DATA is 1.
func Open(t testing.TB, options ...gpu.Option) *gpu.Backend {
	t.Helper()
	report := gpu.WithValidation(func(message string) { t.Errorf("validation: %s", message) })
	b, err := gpu.Open(append([]gpu.Option{report}, options...)...)
	if errors.Is(err, gpu.ErrNoValidation) && os.Getenv("NETLLM_REQUIRE_DATA") != "1" {
		t.Log("nothing watches the calls: ", err)
		b, err = gpu.Open(options...)
	}
	if err != nil {
		Missing(t, err)
	}
	return b
}

// Missing skips the test since there is no device, or fails. A build without Vulkan
// never fails.
func Missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("NETLLM_REQUIRE_DATA") == "1" && !errors.Is(err, gpu.ErrNoVulkan) {
		t.Fatal("no Vulkan device, and NETLLM_REQUIRE_DATA=1 requires one: ", err)
	}
	t.Skip("skip: no Vulkan device: ", err)
}
