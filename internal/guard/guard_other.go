//go:build !linux

// Operand memory with slack instead of inaccessible pages.

package guard

import "testing"

const slackBytes = 4096

// lend returns size bytes with slack on either side, which only view's filling protects.
// An overrun of less than the slack is found when the test ends.
func lend(tb testing.TB, size int) []byte {
	tb.Helper()
	mem := make([]byte, size+2*slackBytes)
	for i := range mem {
		mem[i] = filling
	}
	tb.Cleanup(func() {
		for i, b := range mem {
			if b != filling && (i < slackBytes || i >= slackBytes+size) {
				tb.Errorf("guard: byte %d outside of %d was overwritten", i-slackBytes, size)
				return
			}
		}
	})
	return mem[slackBytes : slackBytes+size : slackBytes+size]
}
