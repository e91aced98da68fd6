package ops_test

import (
	"slices"
	"strings"
	"testing"

	"netllm/internal/deferred"
	"netllm/ops"
	"netllm/tensor"
)

// checkpointed does a forward and a backward pass through three blocks with
// dropout and returns the loss, all gradients and the arena's size.
func checkpointed(t *testing.T, b ops.Backend, block func(c *ops.Context, x tensor.Tensor, f func(*ops.Context, tensor.Tensor) tensor.Tensor) tensor.Tensor) (values []float32, bytes int) {
	t.Helper()
	const rows, width, hidden = 300, 32, 1024
	c := ops.NewContext(b)
	c.Tape, c.Training = ops.NewTape(), true
	param := func(name string, shape ...int) *ops.Param {
		p := ops.NewParam(b, name, shape...)
		v := make([]float32, p.Value.Len())
		for i := range v {
			v[i] = float32((i*7919+len(name)*31)%1000)/5000 - 0.1
		}
		upload(b, p.Value, v)
		return p
	}
	x := param("x", rows, width)
	params := []*ops.Param{x}
	var up, down []*ops.Param
	for range 3 {
		up, down = append(up, param("up", hidden, width)), append(down, param("down", width, hidden))
		params = append(params, up[len(up)-1], down[len(down)-1])
	}
	for range 2 { // the second time the arena is warm, and gradients add up
		c.Reset()
		c.Tape.Watch(params...)
		h := x.Value
		for i := range up {
			h = block(c, h, func(c *ops.Context, h tensor.Tensor) tensor.Tensor {
				y := ops.LeakyReLU(c, ops.Linear(c, h, up[i].Value), 0.1)
				y = ops.Dropout(c, y, 0.2)
				return ops.Add(c, h, ops.Linear(c, y, down[i].Value))
			})
		}
		loss := ops.MSE(c, ops.Dropout(c, h, 0.1), c.Float32s(make([]float32, rows*width), rows, width))
		c.Tape.Backward(c, loss)
		v, err := c.ReadScalar(loss)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	for _, p := range params {
		g, err := c.Floats(p.Grad)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, g...)
	}
	return values, c.Arena.Bytes()
}

func TestCheckpointGivesTheSameGradients(t *testing.T) {
	plain := func(c *ops.Context, x tensor.Tensor, f func(*ops.Context, tensor.Tensor) tensor.Tensor) tensor.Tensor {
		return f(c, x)
	}
	for name, open := range map[string]func() ops.Backend{
		"cpu":      func() ops.Backend { return ops.NewCPU(2) },
		"deferred": func() ops.Backend { return deferred.New() },
	} {
		t.Run(name, func(t *testing.T) {
			b := open()
			defer b.Close()
			want, all := checkpointed(t, b, plain)
			got, fewer := checkpointed(t, b, ops.Checkpoint)
			if !slices.Equal(got, want) {
				t.Error("losses or gradients differ")
			}
			if fewer >= all {
				t.Errorf("arena: got %d bytes, want fewer than %d", fewer, all)
			}
		})
	}
}

func TestCheckpointRefusesOtherActivations(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	c := ops.NewContext(b)
	c.Tape = ops.NewTape()
	p := ops.NewParam(b, "p", 2, 3)
	c.Tape.Watch(p)
	other := ops.Add(c, p.Value, p.Value)
	x := ops.Add(c, p.Value, p.Value)
	y := ops.Checkpoint(c, x, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.Mul(c, x, other) })
	defer func() {
		if r, _ := recover().(string); !strings.Contains(r, "besides its input") {
			t.Errorf("got %q, want a panic about the other tensor", r)
		}
	}()
	c.Tape.Backward(c, ops.MSE(c, y, x))
}
