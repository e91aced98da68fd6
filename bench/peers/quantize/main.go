// Command quantize compares the block types of package tensor with those of ggml, and
// prints the root mean square errors of ggml's quantisers that the tests of package
// tensor hold this project's against. Exit status 1 says that a block is read otherwise.
//
//	go run ./bench/peers/quantize
//
// The folder that the environment variable PEERS_DIR names (default: netllm-peers in the
// user's folder of caches) has llama.cpp, as bench/peers/formats needs it; gcc is needed.
package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"netllm/internal/samples"
	"netllm/tensor"
	"netllm/tensor/gguf"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "quantize:", err)
		os.Exit(1)
	}
}

// peer is ggml, as a program that works on files in dir.
type peer struct{ dir, binary string }

func run() error {
	work, err := os.MkdirTemp("", "quantize")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	p := peer{work, filepath.Join(work, "ggml")}
	if err := p.build(); err != nil {
		return err
	}
	for t := gguf.Type(0); t < 64; t++ {
		dtype := t.DType()
		if dtype == tensor.Invalid || !dtype.IsBlock() {
			continue
		}
		if err := p.sameBlocks(t, dtype); err != nil {
			return err
		}
		var row []string
		for _, kind := range samples.Kinds {
			theirs, ours, err := p.errors(t, dtype, samples.Weights(kind))
			if err != nil {
				return err
			}
			row = append(row, strconv.FormatFloat(theirs, 'g', 5, 64))
			fmt.Fprintf(os.Stderr, "%v, %s: %.5g, here %.5g: %.3f\n", dtype, kind, theirs, ours, ours/theirs)
		}
		fmt.Printf("\t{%v, [...]float64{%s}},\n", dtype, strings.Join(row, ", "))
	}
	return nil
}

func (p peer) build() error {
	dir := os.Getenv("PEERS_DIR")
	if dir == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		dir = filepath.Join(home, "netllm-peers")
	}
	lib := filepath.Join(dir, "npm", "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64")
	out, err := exec.Command("gcc", "-O2", "-o", p.binary, filepath.Join("bench", "peers", "quantize", "ggml", "ggml.c"),
		"-I"+filepath.Join(dir, "lcpp_src", "ggml", "include"), filepath.Join(lib, "libggml-base.so"), "-Wl,-rpath,"+lib, "-lm").CombinedOutput()
	if err != nil {
		return fmt.Errorf("gcc: %w\n%s", err, out)
	}
	return nil
}

// run converts by ggml.
func (p peer) run(verb string, t gguf.Type, data []byte) ([]byte, error) {
	in, out := filepath.Join(p.dir, "in"), filepath.Join(p.dir, "out")
	if err := os.WriteFile(in, data, 0o600); err != nil {
		return nil, err
	}
	if err := exec.Command(p.binary, verb, strconv.Itoa(int(t)), in, out).Run(); err != nil {
		return nil, fmt.Errorf("ggml %s %v: %w", verb, t, err)
	}
	return os.ReadFile(out)
}

// sameBlocks compares what blocks of random bytes are as numbers, bit for bit.
func (p peer) sameBlocks(t gguf.Type, dtype tensor.DType) error {
	r := rand.New(rand.NewPCG(1, 2))
	blocks := make([]byte, 256*dtype.BlockBytes())
	for i := range blocks {
		blocks[i] = byte(r.Uint32())
	}
	theirs, err := p.run("dequantize", t, blocks)
	if err != nil {
		return err
	}
	ours := make([]float32, 256*dtype.BlockLen())
	tensor.Dequantize(dtype, ours, blocks)
	for i, v := range ours {
		want := math.Float32frombits(binary.LittleEndian.Uint32(theirs[4*i:]))
		if math.Float32bits(v) != math.Float32bits(want) && (v == v || want == want) {
			return fmt.Errorf("%v: element %d: %v, ggml has %v", dtype, i, v, want)
		}
	}
	return nil
}

// errors returns the root mean square errors of both quantisers.
func (p peer) errors(t gguf.Type, dtype tensor.DType, x []float32) (theirs, ours float64, err error) {
	raw := make([]byte, 4*len(x))
	tensor.Quantize(tensor.F32, raw, x)
	blocks, err := p.run("quantize", t, raw)
	if err != nil {
		return 0, 0, err
	}
	own := make([]byte, dtype.Bytes(len(x)))
	tensor.Quantize(dtype, own, x)
	return rms(dtype, x, blocks), rms(dtype, x, own), nil
}

func rms(dtype tensor.DType, x []float32, blocks []byte) float64 {
	y := make([]float32, len(x))
	tensor.Dequantize(dtype, y, blocks)
	var sum float64
	for i := range x {
		e := float64(y[i]) - float64(x[i])
		sum += e * e
	}
	return math.Sqrt(sum / float64(len(x)))
}
