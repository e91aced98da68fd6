//go:build unix && !linux

package tensor

// adviseLargePages does nothing: only Linux asks by address.
func adviseLargePages([]byte) {}
