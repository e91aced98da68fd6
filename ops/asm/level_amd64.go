//go:build !noasm

// Feature tests for amd64: every feature that a kernel of a level uses.

package asm

import "golang.org/x/sys/cpu"

// detectLevel returns the highest level this CPU and operating system support.
// x/sys/cpu also tests that the system saves the vector registers.
func detectLevel() level {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA || !x.HasF16C {
		return levelGeneric
	}
	if !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL {
		return levelAVX2
	}
	return levelAVX512
}

// hasVNNI reports whether there is VPDPBUSD on 512-bit vectors.
func hasVNNI() bool { return cpu.X86.HasAVX512VNNI }
