package dry

import (
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// step is a training step of a product with a frozen weight beside one with a parameter.
func step(t *testing.T, b ops.Backend) (arena int) {
	t.Helper()
	frozen, err := b.Prepare(tensor.New(tensor.Q8_0, 96, 64))
	if err != nil {
		t.Fatal(err)
	}
	c := ops.NewContext(b)
	c.Tape = ops.NewTape()
	p := ops.NewParam(b, "p", 96, 64)
	optimizer := ops.NewAdamW(b, []*ops.Param{p}, 1e-3)
	for range 3 {
		c.Tape.Watch(p)
		x := c.New(tensor.F32, 300, 64)
		y := ops.Add(c, ops.Linear(c, x, frozen), ops.Linear(c, x, p.Value))
		loss := ops.MSE(c, y, c.New(tensor.F32, 300, 96))
		if _, err := c.ReadScalar(loss); err != nil {
			t.Fatal(err)
		}
		c.Tape.Backward(c, loss)
		optimizer.Step(c, 1)
		ops.ZeroGrad(c, []*ops.Param{p})
		c.Reset()
	}
	return c.Arena.Bytes()
}

// The same computation takes the same memory as on the CPU.
func TestCountsAsTheCPU(t *testing.T) {
	cpu := ops.NewCPU(1)
	defer cpu.Close()
	b := New(nil)
	got, want := step(t, b), step(t, cpu)
	if got != want {
		t.Errorf("arena: got %d bytes, want %d", got, want)
	}
	param := 4 * 96 * 64
	if b.Held() != want+4*param { // value, gradient, two moments
		t.Errorf("held: got %d bytes, want %d", b.Held(), want+4*param)
	}
	if b.Peak() != b.Held() || b.Weights() != 96*64/32*34 {
		t.Errorf("peak %d of %d, weights %d, want all held and %d", b.Peak(), b.Held(), b.Weights(), 96*64/32*34)
	}
}

func TestFree(t *testing.T) {
	b := New(func(w tensor.Tensor) int { return 7 })
	s := b.Alloc(100)
	w, err := b.Prepare(tensor.New(tensor.F32, 3))
	if err != nil {
		t.Fatal(err)
	}
	if b.Held() != 100 || b.Weights() != 7 {
		t.Errorf("got %d and %d bytes, want 100 and 7", b.Held(), b.Weights())
	}
	b.Free(s)
	b.Free(w.Storage())
	if b.Held() != 0 || b.Weights() != 0 || b.Peak() != 100 {
		t.Errorf("after Free: got %d and %d bytes, peak %d, want 0, 0, 100", b.Held(), b.Weights(), b.Peak())
	}
	defer func() {
		if recover() == nil {
			t.Error("Free of freed memory: got no panic")
		}
	}()
	b.Free(s)
}

func TestOfAnotherBackend(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic")
		}
	}()
	c := ops.NewContext(New(nil))
	ops.Add(c, c.New(tensor.F32, 2), tensor.New(tensor.F32, 2))
}

func TestPrepareType(t *testing.T) {
	if _, err := New(nil).Prepare(tensor.New(tensor.I32, 3)); err == nil {
		t.Error("I32: got no error")
	}
}
