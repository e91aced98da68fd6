package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"netllm/netllm/pretrain"
	"netllm/ops"
	"netllm/ops/asm"
	"netllm/transformer"
)

// record is the part of model.gguf.json that the tests read.
type record struct {
	SHA256      string          `json:"sha256"`
	CPU         string          `json:"cpu"`
	TextSHA256  string          `json:"text_sha256"`
	Go          string          `json:"go"`
	Config      pretrain.Config `json:"config"`
	FirstLosses []float64       `json:"first_losses"`
	BitsPerByte float64         `json:"bits_per_byte"`
	Order2      float64         `json:"order2_bits_per_byte"`
}

func readRecord(t *testing.T) record {
	t.Helper()
	data, err := os.ReadFile("model.gguf.json")
	if err != nil {
		t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestModel(t *testing.T) {
	name, data := Model()
	if len(data) > 2_000_000 {
		t.Errorf("size: got %d bytes, want at most 2 MB", len(data))
	}
	r := readRecord(t)
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != r.SHA256 {
		t.Errorf("hash: got %s, recorded %s", got, r.SHA256)
	}
	b := ops.NewCPU(1)
	m, err := transformer.ParseGGUF(b, name, data)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Shape() != r.Config.Model {
		t.Errorf("shape: got %+v, recorded %+v", m.Shape(), r.Config.Model)
	}
	if !(r.BitsPerByte <= 2.8 && r.BitsPerByte < r.Order2) {
		t.Errorf("recorded bits per byte: got %v, want at most 2.8 and below order 2, %v", r.BitsPerByte, r.Order2)
	}
}

// TestBitsPerByte measures a part of the held-out text: the whole takes long.
func TestBitsPerByte(t *testing.T) {
	corpus, r := sameText(t)
	b := ops.NewCPU(0)
	defer b.Close()
	name, data := Model()
	m, err := transformer.ParseGGUF(b, name, data)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	got, err := pretrain.BitsPerByte(t.Context(), b, m, corpus.HeldOut[:16<<10])
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(got - r.BitsPerByte); d > 0.5 { // one part differs from the whole
		t.Errorf("bits per byte of the first 16 KiB: got %.3f, recorded for all %.3f", got, r.BitsPerByte)
	}
}

// TestTrainingRepeats trains the first steps again. With the kernels that
// trained the model every loss is the same to the last bit.
func TestTrainingRepeats(t *testing.T) {
	if testing.Short() {
		t.Skip("skip: training takes several seconds")
	}
	corpus, r := sameText(t)
	tolerance := 1e-4
	if strings.HasPrefix(r.CPU, asm.Level()+" ") {
		tolerance = 0
	}
	b := ops.NewCPU(0)
	defer b.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var losses []float64
	_, err := pretrain.Run(ctx, b, corpus, r.Config, func(step int, loss float64) {
		if losses = append(losses, loss); step == len(r.FirstLosses) {
			stop()
		}
	})
	if len(losses) != len(r.FirstLosses) || len(losses) < 20 {
		t.Fatalf("losses: got %d (%v), recorded %d", len(losses), err, len(r.FirstLosses))
	}
	for i, want := range r.FirstLosses {
		if d := math.Abs(losses[i] - want); !(d <= tolerance*want) {
			t.Errorf("loss of step %d: got %v, recorded %v", i+1, losses[i], want)
		}
	}
}

// sameText returns the text, if it is the one that the model was trained on.
func sameText(t *testing.T) (*pretrain.Corpus, record) {
	t.Helper()
	r := readRecord(t)
	goroot, err := pretrain.Goroot(t.Context())
	if err != nil {
		t.Skipf("skip: no Go: %v", err)
	}
	corpus, err := pretrain.GoDocs(goroot)
	if err != nil {
		t.Skipf("skip: no documentation of Go: %v", err)
	}
	if corpus.Hash() != r.TextSHA256 {
		t.Skipf("skip: the documentation of %s is not that of %s, which the model was trained on", runtime.Version(), r.Go)
	}
	return corpus, r
}
