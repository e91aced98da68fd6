// A training step in the steady state allocates nothing.

package ops_test

import (
	"fmt"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// trainer is a small network with everything that a training step has: norms,
// rotations, attention over shared key heads, a gated network with a low-rank
// update on a frozen quantised layer, dropout, a loss, clipping, AdamW.
type trainer struct {
	c       *ops.Context
	params  []*ops.Param
	adamw   *ops.AdamW
	frozen  tensor.Tensor
	table   tensor.Tensor
	tokens  []int32
	targets []int32
}

const (
	trainSeq, trainWidth, trainHidden, trainVocab = 40, 64, 96, 50
)

func newTrainer(tb testing.TB, b ops.Backend) *trainer {
	tr := &trainer{c: ops.NewContext(b)}
	tr.c.Training = true
	tr.c.Tape = ops.NewTape()
	for i, shape := range [][]int{
		{trainVocab, trainWidth}, {trainWidth}, {2 * trainWidth, trainWidth}, {trainWidth, trainWidth}, {trainWidth},
		{trainHidden, trainWidth}, {4, trainWidth}, {trainHidden, 4}, {trainWidth, trainHidden}, {trainVocab, trainWidth},
	} {
		p := ops.NewParam(b, fmt.Sprint("p", i), shape...)
		values := make([]float32, p.Value.Len())
		for j := range values {
			values[j] = float32((j*7919+i*104729)%1000)/5000 - 0.1
		}
		upload(b, p.Value, values)
		tr.params = append(tr.params, p)
	}
	w := tensor.New(tensor.Q8_0, trainHidden, trainWidth)
	values := make([]float32, w.Len())
	for j := range values {
		values[j] = float32(j*31%200)/1000 - 0.1
	}
	tensor.Quantize(tensor.Q8_0, w.Bytes(), values)
	var err error
	if tr.frozen, err = b.Prepare(w); err != nil {
		tb.Fatal(err)
	}
	tr.table = tensor.Of(b.Alloc(4*trainSeq*8), tensor.F32, trainSeq, 4, 2)
	angles := make([]float32, tr.table.Len())
	for i := range angles {
		angles[i] = float32(1 - i%2)
	}
	upload(b, tr.table, angles)
	for i := range trainSeq {
		tr.tokens = append(tr.tokens, int32(i*13%trainVocab))
		tr.targets = append(tr.targets, int32(i*13%trainVocab))
	}
	tr.targets[0] = -1
	tr.adamw = ops.NewAdamW(b, tr.params, 1e-2)
	return tr
}

func upload(b ops.Backend, x tensor.Tensor, values []float32) {
	b.Upload(x, tensor.FromFloat32(values, len(values)).Bytes())
}

// step does one training step and returns the loss before it.
func (tr *trainer) step(tb testing.TB) float32 {
	c, p := tr.c, tr.params
	c.Reset()
	c.Tape.Watch(p...)
	ops.ZeroGrad(c, p)
	x := ops.Gather(c, p[0].Value, c.Int32s(tr.tokens, 1, trainSeq))
	h := ops.Linear(c, ops.RMSNorm(c, x, p[1].Value, 1e-5), p[2].Value).Reshape(1, trainSeq, 16, 8) // 8 + 4 + 4 heads
	q := ops.RoPE(c, h.Slice(2, 0, 8), tr.table, 0, ops.RoPEHalves)
	k := ops.RoPE(c, h.Slice(2, 8, 12), tr.table, 0, ops.RoPEHalves)
	a := ops.Attention(c, q, k, h.Slice(2, 12, 16), 0).Reshape(1, trainSeq, trainWidth)
	x = ops.Add(c, x, ops.Dropout(c, ops.Linear(c, a, p[3].Value), 0.1))
	y := ops.RMSNorm(c, x, p[4].Value, 1e-5)
	up := ops.Linear(c, y, tr.frozen)
	ops.LinearAdd(c, up, ops.Linear(c, y, p[6].Value), p[7].Value, 2)
	x = ops.Add(c, x, ops.Linear(c, ops.SwiGLU(c, ops.Linear(c, y, p[5].Value), up), p[8].Value))
	loss := ops.CrossEntropy(c, ops.Linear(c, x, p[9].Value), c.Int32s(tr.targets, trainSeq))
	c.Tape.Backward(c, loss)
	ops.ClipGradNorm(c, p, 1)
	tr.adamw.Step(c, 1)
	c.RNG.Step++
	value, err := c.ReadScalar(loss)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

func TestTrainingStepAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprint("threads=", threads), func(t *testing.T) {
			b := ops.NewCPU(threads)
			defer b.Close()
			tr := newTrainer(t, b)
			first := tr.step(t)
			tr.step(t)
			if got := testing.AllocsPerRun(10, func() { tr.step(t) }); got > 0 {
				t.Errorf("allocations per step: got %v, want 0", got)
			}
			if last := tr.step(t); !(last < first) {
				t.Errorf("loss after %d steps: got %v, want less than %v", tr.adamw.Steps(), last, first)
			}
		})
	}
}
