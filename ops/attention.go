package ops

import (
	"fmt"
	"math"

	"netllm/tensor"
)

// RoPE returns the head vectors x [batch, seq, heads, d] rotated by their
// positions pos, pos+1, ... (Su et al. 2021, eq. 34). table holds cosine and
// sine of position times frequency, [positions, r/2, 2]; the first r of d
// elements are rotated, paired as style says. x may be a view.
func RoPE(c *Context, x, table tensor.Tensor, pos int, style RoPEStyle) tensor.Tensor {
	if x.Rank() != 4 || table.Rank() != 3 || table.Dim(2) != 2 || 2*table.Dim(1) > x.Dim(3) {
		panic(fmt.Sprintf("ops: RoPE: %v with table %v", x, table))
	}
	if !table.IsContiguous() {
		panic(fmt.Sprintf("ops: RoPE: table %v is not contiguous", table))
	}
	if pos < 0 || pos+x.Dim(1) > table.Dim(0) {
		panic(fmt.Sprintf("ops: RoPE: positions %d to %d, table %v", pos, pos+x.Dim(1)-1, table))
	}
	out := newLike(c, x)
	n := node{name: "RoPE", out: out, in: [4]tensor.Tensor{x}, aux: table, i: [3]int64{int64(pos), int64(style)}, backward: ropeBackward}
	c.args.T[0], c.args.T[1] = out, x
	rope(c, &n, 1)
	if c.needs(x) {
		c.record(n)
	}
	return out
}

func rope(c *Context, n *node, sign float32) {
	c.args.T[2] = n.aux
	c.args.F[0] = sign
	c.args.I[0], c.args.I[1] = n.i[0], n.i[1]
	c.run(OpRoPE)
}

func ropeBackward(c *Context, n *node, dout tensor.Tensor) {
	if c.output(0, n.in[0]) {
		c.args.T[1] = dout
		rope(c, n, -1)
	}
}

// Attention returns causal scaled dot-product attention (Vaswani et al. 2017,
// eq. 1, scale 1/sqrt(d)): q [batch, seq, heads, d], k and v [batch, keys,
// kvHeads, d], result as q. heads is a multiple of kvHeads; neighbouring heads
// share a key head (Ainslie et al. 2023). Query t stands at position past+t
// and sees the keys 0 to past+t. All three may be views with adjacent d.
func Attention(c *Context, q, k, v tensor.Tensor, past int) tensor.Tensor {
	return AttentionWindow(c, q, k, v, past, 0)
}

// AttentionWindow is [Attention] in which query t sees only the last window keys of
// those, itself included (Beltagy et al. 2020): the keys past+t-window+1 to past+t.
// A window of 0 stands for all keys.
func AttentionWindow(c *Context, q, k, v tensor.Tensor, past, window int) tensor.Tensor {
	if window < 0 {
		panic(fmt.Sprintf("ops: Attention: a window of %d keys", window))
	}
	return attention(c, q, k, v, past, window)
}

// AttentionAll is [Attention] without a mask: each query sees all keys, of which there
// are as many as queries.
func AttentionAll(c *Context, q, k, v tensor.Tensor) tensor.Tensor {
	if q.Rank() == 4 && k.Rank() == 4 && q.Dim(1) != k.Dim(1) {
		panic(fmt.Sprintf("ops: Attention: queries %v, keys %v", q, k))
	}
	return attention(c, q, k, v, 0, allKeys)
}

// allKeys is the window of attention without a mask.
const allKeys = -1

func attention(c *Context, q, k, v tensor.Tensor, past, window int) tensor.Tensor {
	if q.Rank() != 4 || k.Rank() != 4 || !k.SameShape(v) || q.Dim(0) != k.Dim(0) || q.Dim(3) != k.Dim(3) ||
		k.Dim(2) == 0 || q.Dim(2)%k.Dim(2) != 0 || past < 0 || past+q.Dim(1) > k.Dim(1) {
		panic(fmt.Sprintf("ops: Attention: queries %v at %d with a window of %d, keys %v, values %v", q, past, window, k, v))
	}
	for _, x := range [...]tensor.Tensor{q, k, v} {
		if x.Dim(3) > 1 && x.Stride(3) != 1 {
			panic(fmt.Sprintf("ops: Attention: the elements of a head of %v are %d apart, not adjacent", x, x.Stride(3)))
		}
	}
	out := newLike(c, q)
	n := node{name: "Attention", out: out, in: [4]tensor.Tensor{q, k, v}, i: [3]int64{int64(past), int64(window)},
		f: [2]float32{float32(1 / math.Sqrt(float64(q.Dim(3))))}, backward: attentionBackward}
	if c.needs(q, k, v) {
		n.aux = c.New(tensor.F32, q.Dim(0), q.Dim(2), q.Dim(1))
		c.record(n)
	}
	c.args.T = [9]tensor.Tensor{out, q, k, v, n.aux}
	c.args.F[0], c.args.I[0], c.args.I[1] = n.f[0], n.i[0], n.i[1]
	c.run(OpAttention)
	return out
}

func attentionBackward(c *Context, n *node, dout tensor.Tensor) {
	q, k, v := c.output(0, n.in[0]), c.output(1, n.in[1]), c.output(2, n.in[2])
	if q || k || v {
		copy(c.args.T[3:], []tensor.Tensor{dout, n.in[0], n.in[1], n.in[2], n.out, n.aux})
		c.args.F[0], c.args.I[0], c.args.I[1] = n.f[0], n.i[0], n.i[1]
		c.run(OpAttentionBackward)
	}
}
