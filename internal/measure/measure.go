// Package measure counts what tests set bounds to.
package measure

import "runtime"

// Allocated returns the bytes that f, and whatever runs beside it, takes from the heap; 0 under
// the race detector, which takes some for itself.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if raceDetector {
		return 0
	}
	return after.TotalAlloc - before.TotalAlloc
}
