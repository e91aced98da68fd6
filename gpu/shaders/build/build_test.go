package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/gpu/shaders"
)

// What is embedded is what spirv/SUMS says was made from the sources as they are; no
// compiler is needed to see that a shader was changed and not compiled.
func TestCheckedIn(t *testing.T) {
	variants, err := list("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := readSums(filepath.Join("..", "spirv", "SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if len(variants) == 0 || len(sums) != len(variants) || len(shaders.Names()) != len(variants) {
		t.Errorf("%d shaders in the sources, %d in spirv/SUMS, %d embedded", len(variants), len(sums), len(shaders.Names()))
	}
	for _, v := range variants {
		code, ok := shaders.Code(v.name)
		if s := sums[v.name]; !ok || s.source != v.hash || s.binary != hash(code) {
			t.Errorf("%s: %s has changed, or the file has; make spirv compiles it", v.name, v.source)
		}
		if s := sums[v.name]; v.tool == "glslang" != strings.HasPrefix(s.compiler, "Glslang") {
			t.Errorf("%s: compiled with %s, want %s", v.name, s.compiler, v.tool)
		}
	}
}

func TestVariants(t *testing.T) {
	for _, c := range []struct{ name, text, want, err string }{
		{"none", "#version 450\n", "glslc a", ""},
		{"two", "//build: b -DX\n//build: c tool=glslang -DY=1 -DZ\n", "glslc b -DX, glslang c -DY=1 -DZ", ""},
		{"no name", "//build:\n", "", "without a name"},
		{"neither", "//build: b X\n", "", `"X" is neither`},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := variantsOf("a.comp", c.text)
			var got []string
			for _, v := range found {
				got = append(got, strings.Join(append([]string{v.tool, v.name}, v.defines...), " "))
			}
			switch {
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "a.comp")):
				t.Errorf("got error %v, want %q and the source", err, c.err)
			case c.err == "" && (err != nil || strings.Join(got, ", ") != c.want):
				t.Errorf("got %q, %v, want %q", strings.Join(got, ", "), err, c.want)
			}
		})
	}
}

// What a source includes, its options and its compiler are a part of its hash.
func TestHash(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	hashOf := func() string {
		t.Helper()
		all, err := list(dir)
		if err != nil || len(all) != 1 {
			t.Fatalf("got %v, %v", all, err)
		}
		return all[0].hash
	}
	seen := map[string]string{}
	see := func(what string) {
		t.Helper()
		h := hashOf()
		if before, ok := seen[h]; ok {
			t.Errorf("%s: the same hash as %s", what, before)
		}
		seen[h] = what
	}
	write("x.glsl", "one")
	write("a.comp", "//build: a\n#include \"x.glsl\"\n")
	see("first")
	write("x.glsl", "two")
	see("another include")
	write("a.comp", "//build: a -DX\n#include \"x.glsl\"\n")
	see("another option")
	write("a.comp", "//build: a -DX tool=glslang\n#include \"x.glsl\"\n")
	see("another compiler")
	write("a.comp", "#include \"missing.glsl\"\n")
	if _, err := list(dir); err == nil || !strings.Contains(err.Error(), "missing.glsl") {
		t.Errorf("a missing include: got %v", err)
	}
	write("a.comp", "//build: a\n//build: a -DX\n")
	if _, err := list(dir); err == nil || !strings.Contains(err.Error(), "both make a") {
		t.Errorf("one name twice: got %v", err)
	}
}

func TestReadSums(t *testing.T) {
	path := filepath.Join(t.TempDir(), "SUMS")
	want := map[string]sum{"a": {"1", "2", "c_1"}, "b": {"3", "4", "c_2"}}
	if err := writeSums(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := readSums(path)
	if err != nil || len(got) != 2 || got["a"] != want["a"] || got["b"] != want["b"] {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if err := os.WriteFile(path, []byte("a 1 2 c\nb 3\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readSums(path); err == nil || !strings.Contains(err.Error(), "SUMS:2") {
		t.Errorf("a short line: got %v", err)
	}
}
