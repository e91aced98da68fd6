// The programs that are run: this project's tools/gguf, and llama.cpp.

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// programs are the paths of what was built.
type programs struct{ gguf, llama string }

// build makes tools/gguf, and logits.c with llama.cpp's libraries under dir.
func build(dir, work string) (p programs, err error) {
	p = programs{filepath.Join(work, "gguf"), filepath.Join(work, "logits")}
	lib := filepath.Join(dir, "npm", "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64")
	source := filepath.Join(dir, "lcpp_src")
	var shared []string
	for _, pattern := range []string{"libllama.v*.so", "libggml.v*.so", "libggml-base.so"} {
		found, err := filepath.Glob(filepath.Join(lib, pattern))
		if err != nil || len(found) != 1 {
			return p, errors.Join(fmt.Errorf("missing: %s in %s (npm package node-llama-cpp)", pattern, lib), err)
		}
		shared = append(shared, found[0])
	}
	args := []string{"-O2", "-o", p.llama, filepath.Join("bench", "peers", "formats", "llama", "logits.c"),
		"-I" + filepath.Join(source, "include"), "-I" + filepath.Join(source, "ggml", "include"), "-DBACKENDS=\"" + lib + "\""}
	args = append(append(args, shared...), "-Wl,-rpath,"+lib, "-Wl,--allow-shlib-undefined", "-lm")
	return p, errors.Join(output("gcc", args...), output("go", "build", "-o", p.gguf, "./tools/gguf"))
}

// output runs a program; what it says is the error's if it fails.
func output(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return nil
}

// logits returns llama.cpp's logits after each of ids, one row after the other.
// adapter may be empty.
func (p programs) logits(model, adapter string, ids []int32) ([]float32, error) {
	if adapter == "" {
		adapter = "-"
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = strconv.Itoa(int(id))
	}
	cmd := exec.Command(p.llama, model, adapter, strings.Join(words, ","))
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("llama.cpp: %s: %w", filepath.Base(model), err)
	}
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values, nil
}

// difference returns the largest and the root mean square difference of two rows.
func difference(a, b []float32) (largest, rms float64, err error) {
	if len(a) != len(b) || len(a) == 0 {
		return 0, 0, fmt.Errorf("%d and %d logits", len(a), len(b))
	}
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return 0, 0, fmt.Errorf("logit %d: %v and %v", i, a[i], b[i])
		}
		largest = max(largest, d)
		rms += d * d
	}
	return largest, math.Sqrt(rms / float64(len(a))), nil
}
