// A selection of the benchmarks in bench, under names that the pattern ./bench/...
// matches. "go test -bench ./bench/..." at the root of the module does not mean the
// packages below bench: -bench takes the next word, which is read level by level as
// "." / "bench" / "...", and the root's package is run.

package netllm_test

import (
	"flag"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"netllm/bench/suite"
	"netllm/bench/work"
	"netllm/ops"
	"netllm/tensor"
)

// typed is the command that the names below are made for.
var typed = []string{"test", "-bench", "./bench/..."}

// selection lists the cases of each benchmark: at least one, of three characters
// or more.
var selection = map[string][]suiteCase{
	"BenchmarkMatMul": {
		product("form=nn,m=1024,n=1024,k=1024", work.Product{M: 1024, K: 1024, N: 1024, Weights: tensor.F32}),
		product("form=nt,m=1,n=4096,k=4096", work.Product{M: 1, K: 4096, N: 4096, Transposed: true, Weights: tensor.F32, Prepared: true}),
		product("form=nt,m=64,n=4096,k=4096", work.Product{M: 64, K: 4096, N: 4096, Transposed: true, Weights: tensor.F32, Prepared: true}),
	},
	"BenchmarkQuantMatMul": {
		product("dtype=Q8_0,m=1,n=4096,k=4096", work.Product{M: 1, K: 4096, N: 4096, Transposed: true, Weights: tensor.Q8_0}),
		product("dtype=Q4_0,m=1,n=4096,k=4096", work.Product{M: 1, K: 4096, N: 4096, Transposed: true, Weights: tensor.Q4_0}),
		product("dtype=Q4_0,m=128,n=4096,k=4096", work.Product{M: 128, K: 4096, N: 4096, Transposed: true, Weights: tensor.Q4_0}),
	},
	"BenchmarkAttention": {
		attention("pass=prefill,seq=512", work.Attention{Seq: 512}),
		attention("pass=backward,seq=128", work.Attention{Seq: 128, Backward: true}),
	},
	"BenchmarkPrefill": {{"tokens=64", func(b *testing.B, backend ops.Backend) (*work.Work, error) {
		m, err := suite.Models(b, "Q4_0")[0].Open(b, backend)
		if err != nil {
			return nil, err
		}
		return m.Prefill(backend, 64)
	}}},
	"BenchmarkDecode": {{"tokens=64", func(b *testing.B, backend ops.Backend) (*work.Work, error) {
		m, err := suite.Models(b, "Q4_0")[0].Open(b, backend)
		if err != nil {
			return nil, err
		}
		return m.Decode(backend, 0, 64)
	}}},
	"BenchmarkLoRAStep": {{"batch=1,seq=120,rank=32", func(b *testing.B, backend ops.Backend) (*work.Work, error) {
		path, err := work.TrainingModel("")
		if err != nil {
			return nil, err
		}
		m, err := suite.Load(b, backend, path)
		if err != nil {
			return nil, err
		}
		return work.LoRAStep{Batch: 1, Seq: 120, Rank: 32}.New(backend, m)
	}}},
	"BenchmarkABRDecision": {{"model=embedded", func(_ *testing.B, backend ops.Backend) (*work.Work, error) {
		return work.Decision(backend)
	}}},
}

type suiteCase struct {
	name  string
	start func(b *testing.B, backend ops.Backend) (*work.Work, error)
}

func product(name string, p work.Product) suiteCase {
	return suiteCase{name, func(_ *testing.B, backend ops.Backend) (*work.Work, error) { return p.New(backend) }}
}

func attention(name string, a work.Attention) suiteCase {
	a.Batch, a.Heads, a.KVHeads, a.HeadDim = 1, 12, 12, 64
	return suiteCase{name, func(_ *testing.B, backend ops.Backend) (*work.Work, error) { return a.New(backend) }}
}

// run runs the cases of b.
func run(b *testing.B) {
	b.Run("suite=bench", func(b *testing.B) {
		for _, c := range selection[strings.Split(b.Name(), "/")[0]] {
			suite.Run(b, c.name, c.start)
		}
	})
}

func BenchmarkMatMul(b *testing.B)      { run(b) }
func BenchmarkQuantMatMul(b *testing.B) { run(b) }
func BenchmarkAttention(b *testing.B)   { run(b) }
func BenchmarkPrefill(b *testing.B)     { run(b) }
func BenchmarkDecode(b *testing.B)      { run(b) }
func BenchmarkLoRAStep(b *testing.B)    { run(b) }
func BenchmarkABRDecision(b *testing.B) { run(b) }

// BenchmarkSimulator plays sessions over generated traces; package bench has those
// over the published ones.
func BenchmarkSimulator(b *testing.B) {
	b.Run("suite=bench", func(b *testing.B) {
		suite.RunOne(b, "traces=synth", func(*testing.B) (*work.Work, error) {
			sessions, video, err := work.Sessions("")
			if err != nil {
				return nil, err
			}
			return work.Simulator(sessions, video, 1)
		})
	})
}

// TestTypedCommand runs the command that the names are made for, each benchmark
// once, and counts the results.
func TestTypedCommand(t *testing.T) {
	if flag.Lookup("test.bench").Value.String() != "" {
		t.Skip("skip: benchmarks are running, as in the command that this test runs")
	}
	if testing.Short() {
		t.Skip("skip: runs every benchmark of the selection once")
	}
	out, err := exec.Command("go", append(typed, "-benchtime=1x")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(typed, " "), err, out)
	}
	results := map[string]int{}
	for line := range strings.Lines(string(out)) {
		if name, _, ok := strings.Cut(line, "/suite=bench/"); ok && strings.Contains(line, " ns/op") {
			results[name]++
		}
	}
	threads := 0
	for _, n := range suite.Threads {
		if n <= runtime.NumCPU() {
			threads++
		}
	}
	want := map[string]int{"BenchmarkSimulator": 1}
	for name, cases := range selection {
		want[name] = threads * len(cases)
	}
	for name, n := range want {
		if results[name] != n {
			t.Errorf("%s: got %d result lines, want %d", name, results[name], n)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
}
