package asm

import (
	"slices"
	"strings"
	"testing"
)

func TestCapLevel(t *testing.T) {
	for _, c := range []struct {
		name   string
		have   level
		env    string
		want   level
		errHas string
	}{
		{"unset", levelAVX512, "", levelAVX512, ""},
		{"same", levelAVX512, "avx512", levelAVX512, ""},
		{"lower", levelAVX512, "avx2", levelAVX2, ""},
		{"lowest", levelAVX2, "generic", levelGeneric, ""},
		{"not there", levelAVX2, "avx512", levelAVX2, "using avx2"},
		{"nothing there", levelGeneric, "avx2", levelGeneric, "using generic"},
		{"unknown", levelAVX512, "sse9", levelGeneric, `"sse9": want one of generic, avx2, avx512`},
		{"wrong case", levelAVX512, "AVX2", levelGeneric, "want one of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := capLevel(c.have, c.env)
			if got != c.want {
				t.Errorf("level: got %s, want %s", got, c.want)
			}
			switch {
			case c.errHas == "" && err != nil:
				t.Errorf("error: got %v, want none", err)
			case c.errHas != "" && (err == nil || !strings.Contains(err.Error(), c.errHas)):
				t.Errorf("error: got %v, want one with %q", err, c.errHas)
			}
		})
	}
}

func TestForceLevel(t *testing.T) {
	before := Level()
	names := Implementations()
	if names[0] != before || names[len(names)-1] != "generic" {
		t.Errorf("implementations: got %q, want %q first and generic last", names, before)
	}
	forEachImpl(t, func(t *testing.T) {
		if want := strings.TrimPrefix(t.Name(), "TestForceLevel/isa="); Level() != want {
			t.Errorf("forced: got %s, want %s", Level(), want)
		}
	})
	if Level() != before {
		t.Errorf("after the tests: got %s, want %s", Level(), before)
	}
	defer func() {
		if recover() == nil {
			t.Error("unknown level: got no panic, want one")
		}
	}()
	ForceLevel(t, "sse9")
}

func TestCacheSizes(t *testing.T) {
	c := CacheSizes()
	if c.L1Data < 8<<10 || c.L2 < c.L1Data || c.L3 <= 0 {
		t.Errorf("got %+v, want sizes in bytes", c)
	}
	if !slices.IsSorted([]int{gemmKC, blockA, blockB}) || !slices.IsSorted([]int{gemmKC, blockBOnce, blockB}) {
		t.Errorf("blocks: got A %d, B %d, B once %d", blockA, blockB, blockBOnce)
	}
}
