// Which kernels run: the level chosen at start, the NETLLM_CPU cap, and the
// switch that tests use to run every implementation in turn.

package asm

import (
	"fmt"
	"os"
	"strings"
)

// A level is a set of CPU features that kernels are written for. Levels are
// ordered: every kernel of a lower level may be used at a higher one.
type level int8

const (
	levelGeneric level = iota // pure Go
	levelAVX2                 // AVX2 + FMA + F16C
	levelAVX512               // AVX-512 F, BW, DQ, VL on top of AVX2
)

var levelNames = [...]string{"generic", "avx2", "avx512"}

func (l level) String() string { return levelNames[l] }

var (
	// Kernels test these two in a switch, highest first; useAVX512 implies useAVX2.
	useAVX2, useAVX512 bool
	// useVNNI is set where the avx512 level also has VPDPBUSD.
	useVNNI bool

	startLevel level // what init chose; Implementations never goes above it
	envErr     error // what was wrong with NETLLM_CPU
)

func init() {
	startLevel, envErr = capLevel(detectLevel(), os.Getenv("NETLLM_CPU"))
	setLevel(startLevel)
}

// capLevel applies the value of NETLLM_CPU to what the CPU and the build offer.
// A level that is not there leaves the highest one below it; an unknown value is
// reported and caps to generic, so that a misspelt cap never runs what it meant to avoid.
func capLevel(have level, env string) (level, error) {
	if env == "" {
		return have, nil
	}
	for l, name := range levelNames {
		if env != name {
			continue
		}
		if level(l) > have {
			return have, fmt.Errorf("asm: NETLLM_CPU=%s: not available here, using %s", env, have)
		}
		return level(l), nil
	}
	return levelGeneric, fmt.Errorf("asm: NETLLM_CPU=%q: want one of %s; using %s",
		env, strings.Join(levelNames[:], ", "), levelGeneric)
}

func setLevel(l level) {
	useAVX2 = l >= levelAVX2
	useAVX512 = l >= levelAVX512
	useVNNI = useAVX512 && hasVNNI()
}

func currentLevel() level {
	switch {
	case useAVX512:
		return levelAVX512
	case useAVX2:
		return levelAVX2
	}
	return levelGeneric
}

// Level names the kernels in use: "avx512", "avx2" or "generic". It is what the
// CPU, the build tag noasm and NETLLM_CPU together allow, not what was asked for.
func Level() string { return currentLevel().String() }

// LevelErr is not nil if NETLLM_CPU held an unknown value (then the level is
// generic) or one that this CPU or build lacks (then it is the highest there is).
// The package works all the same; a command should report it.
func LevelErr() error { return envErr }

// Implementations lists the levels that can run here, highest first. The last is
// always "generic". A level above the one chosen at start is not listed.
func Implementations() []string {
	var names []string
	for l := startLevel; l >= levelGeneric; l-- {
		names = append(names, l.String())
	}
	return names
}

// ForceLevel switches all kernels to one of [Implementations] until the test
// (a *testing.T or *testing.B) ends. It is for tests and benchmarks alone: no
// other goroutine may be inside this package, so the test must not be parallel.
// It panics if the level cannot run here.
func ForceLevel(tb interface {
	Helper()
	Cleanup(func())
}, name string) {
	tb.Helper()
	for l := startLevel; l >= levelGeneric; l-- {
		if l.String() == name {
			before := currentLevel()
			tb.Cleanup(func() { setLevel(before) })
			setLevel(l)
			return
		}
	}
	panic(fmt.Sprintf("asm: ForceLevel: %q is not one of %q", name, Implementations()))
}
