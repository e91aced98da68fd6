// Builds without a driver.

//go:build nogpu || !linux || (!amd64 && !arm64)

package vk

// Open returns [ErrNoGPU]: this build has no driver.
func Open(Config) (Instance, error) { return nil, ErrNoGPU }
