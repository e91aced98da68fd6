// The sources, what is made of them, and the notes about it.

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// variant is one SPIR-V file: a source with definitions.
type variant struct {
	name, source, tool string
	defines            []string
	hash               string // of the source, what it includes, and the options
}

// list returns all variants of the *.comp files in dir, by name.
func list(dir string) ([]variant, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.comp"))
	if err != nil {
		return nil, err
	}
	var all []variant
	for _, path := range sources {
		text, err := withIncludes(path)
		if err != nil {
			return nil, err
		}
		found, err := variantsOf(filepath.Base(path), text)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b variant) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(all); i++ {
		if all[i].name == all[i-1].name {
			return nil, fmt.Errorf("%s and %s both make %s", all[i-1].source, all[i].source, all[i].name)
		}
	}
	return all, nil
}

var (
	buildLine   = regexp.MustCompile(`(?m)^//build:(.*)$`)
	includeLine = regexp.MustCompile(`(?m)^\s*#include\s+"([^"]+)"`)
)

func variantsOf(source, text string) (found []variant, err error) {
	lines := buildLine.FindAllStringSubmatch(text, -1)
	if lines == nil {
		lines = [][]string{{"", strings.TrimSuffix(source, ".comp")}}
	}
	for _, line := range lines {
		words := strings.Fields(line[1])
		if len(words) == 0 {
			return nil, fmt.Errorf("%s: //build: without a name", source)
		}
		v := variant{name: words[0], source: source, tool: "glslc"}
		for _, word := range words[1:] {
			if tool, ok := strings.CutPrefix(word, "tool="); ok {
				v.tool = tool
			} else if strings.HasPrefix(word, "-D") {
				v.defines = append(v.defines, word)
			} else {
				return nil, fmt.Errorf("%s: //build: %s: %q is neither a -D nor a tool", source, v.name, word)
			}
		}
		v.hash = hash([]byte(strings.Join(append([]string{v.tool, text}, v.defines...), "\x00")))
		found = append(found, v)
	}
	return found, nil
}

// withIncludes returns the text of a source and of all that it includes.
func withIncludes(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := string(raw)
	for _, m := range includeLine.FindAllStringSubmatch(string(raw), -1) {
		included, err := withIncludes(filepath.Join(filepath.Dir(path), m[1]))
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		text += included
	}
	return text, nil
}

func hash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:16])
}

// sum is what spirv/SUMS notes of a file: a line of its name, the hashes of what it
// was made from and of itself, and the compiler.
type sum struct{ source, binary, compiler string }

func readSums(path string) (map[string]sum, error) {
	sums := map[string]sum{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sums, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) != 4 {
			return nil, fmt.Errorf("%s:%d: %d words, want name, two hashes and a compiler", path, n, len(words))
		}
		sums[words[0]] = sum{words[1], words[2], words[3]}
	}
	return sums, lines.Err()
}

func writeSums(path string, sums map[string]sum) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		fmt.Fprintln(&text, name, s.source, s.binary, s.compiler)
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}
