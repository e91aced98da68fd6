//go:build race

package asm

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestRaceIsSeen runs itself in a process of its own, where two goroutines write the
// same C without order, and wants the detector to say so.
func TestRaceIsSeen(t *testing.T) {
	if os.Getenv("ASM_TEST_RACE") != "" {
		a, b, c := make([]float32, 64*64), make([]float32, 64*64), make([]float32, 64*64)
		done := make(chan bool)
		for range 2 {
			go func() {
				var ws Workspace
				Gemm(&ws, 64, 64, 64, 1, a, 64, 1, b, 64, 1, 0, c, 64)
				done <- true
			}()
		}
		<-done
		<-done
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRaceIsSeen$")
	cmd.Env = append(os.Environ(), "ASM_TEST_RACE=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DATA RACE") {
		t.Errorf("got error %v and output without a race, want a race:\n%s", err, out)
	}
}
