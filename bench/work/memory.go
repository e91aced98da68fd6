// How much memory the process has had at most.

package work

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// ResetPeakMemory gives unused memory back and makes the present size of the
// process the one that [PeakMemory] starts from, where the system can do that.
func ResetPeakMemory() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // Linux; see proc(5)
}

// PeakMemory returns the most bytes that the process has had in memory since
// [ResetPeakMemory], mapped files included; 0 where the system does not tell.
func PeakMemory() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) < 2 || string(fields[1]) != "kB" {
		return 0
	}
	kb, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		return 0
	}
	return kb << 10
}
