// Definitions of what works element by element, on matrices, and on rows by number.

package opstest

import (
	"math"

	"netllm/ops"
)

func refFill(c *call) {
	for i := range c.t[0].len() {
		*c.t[0].at(i) = c.f(0)
	}
}

func refCopy(c *call) {
	for i := range c.t[0].len() {
		c.put(0, c.t[0].at(i), *c.t[1].at(i)*c.f(0))
	}
}

func refAdd(c *call) {
	for i := range c.t[0].len() {
		*c.t[0].at(i) = *c.t[1].at(i) + *c.t[2].at(i)
	}
}

func refMul(c *call) {
	for i := range c.t[0].len() {
		c.put(0, c.t[0].at(i), *c.t[1].at(i)**c.t[2].at(i))
	}
}

func refAddRow(c *call) {
	for i := range c.t[0].len() {
		*c.t[0].at(i) = *c.t[1].at(i) + *c.t[2].at(i % c.t[2].len())
	}
}

func refSumRows(c *call) {
	n := c.t[0].len()
	for j := range n {
		var sum, size float64
		for r := range c.t[1].rows() {
			sum += *c.t[1].at(r*n + j)
			size += math.Abs(*c.t[1].at(r*n + j))
		}
		c.term(0, size)
		c.put(0, c.t[0].at(j), sum)
	}
}

func refMatMul(c *call) {
	out, x, w := &c.t[0], &c.t[1], &c.t[2]
	for b := range out.dim[1] {
		for i := range out.dim[2] {
			for j := range out.dim[3] {
				var sum, size float64
				for k := range x.dim[3] {
					row, column := k, j
					if c.I[0] == 1 {
						row, column = j, k
					}
					product := *x.el(0, b, i, k) * *w.el(0, b, row, column)
					sum += product
					size += math.Abs(product)
				}
				c.term(0, c.f(0)*size)
				c.put(0, out.el(0, b, i, j), c.f(0)*sum)
			}
		}
	}
}

func refGather(c *call) {
	for i := range c.t[0].dim[2] {
		id := int(*c.t[2].at(i))
		for j := range c.t[0].dim[3] {
			*c.t[0].el(0, 0, i, j) = *c.t[1].el(0, 0, id, j)
		}
	}
}

func refScatterAdd(c *call) {
	for i := range c.t[1].dim[2] {
		id := int(*c.t[2].at(i))
		for j := range c.t[1].dim[3] {
			c.term(0, *c.t[1].el(0, 0, i, j))
			*c.t[0].el(0, 0, id, j) += *c.t[1].el(0, 0, i, j)
		}
	}
}

// sigmoid is 1/(1+exp(-x)).
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func refSwiGLU(c *call) {
	for i := range c.t[0].len() {
		gate := *c.t[1].at(i)
		*c.t[0].at(i) = gate * sigmoid(gate) * *c.t[2].at(i)
	}
}

func refSwiGLUBackward(c *call) {
	for i := range c.t[2].len() {
		dout, gate, up := *c.t[2].at(i), *c.t[3].at(i), *c.t[4].at(i)
		s := sigmoid(gate)
		if c.has(0) {
			c.put(0, c.t[0].at(i), dout*up*(s+gate*s*(1-s)))
		}
		if c.has(1) {
			c.put(1, c.t[1].at(i), dout*gate*s)
		}
	}
}

func refLeakyReLU(c *call) {
	for i := range c.t[0].len() {
		x := *c.t[1].at(i)
		if !(x > 0) {
			x *= c.f(0)
		}
		*c.t[0].at(i) = x
	}
}

func refLeakyReLUBackward(c *call) {
	for i := range c.t[0].len() {
		dout := *c.t[1].at(i)
		if !(*c.t[2].at(i) > 0) {
			dout *= c.f(0)
		}
		c.put(0, c.t[0].at(i), dout)
	}
}

// gelu returns GELU and its derivative, in the form that the call asks for.
func (c *call) gelu(x float64) (y, slope float64) {
	if ops.GELUForm(c.I[0]) == ops.GELUErf {
		below := math.Erfc(-x/math.Sqrt2) / 2
		return x * below, below + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	}
	u := math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
	s := sigmoid(2 * u) // 0 or 1 where u is infinite
	y, slope = x*s, s
	if rest := sigmoid(-2 * u); rest > 0 { // else x is too large for what follows
		slope += x * s * rest * 2 * math.Sqrt(2/math.Pi) * (1 + 3*0.044715*x*x)
	}
	return y, slope
}

func refGELU(c *call) {
	for i := range c.t[0].len() {
		*c.t[0].at(i), _ = c.gelu(*c.t[1].at(i))
	}
}

func refGELUBackward(c *call) {
	for i := range c.t[0].len() {
		_, slope := c.gelu(*c.t[2].at(i))
		c.put(0, c.t[0].at(i), *c.t[1].at(i)*slope)
	}
}

func refDropout(c *call) {
	for i := range c.t[0].len() {
		var value float64
		if ops.DropoutKeeps(c.F[0], uint64(c.I[0]), uint64(c.I[1]), uint64(c.I[2]), i) {
			value = *c.t[1].at(i) / (1 - c.f(0))
		}
		c.put(0, c.t[0].at(i), value)
	}
}

func refScale(c *call) {
	for i := range c.t[0].len() {
		*c.t[0].at(i) *= *c.t[1].at(0)
	}
}

func refAdamW(c *call) {
	rate, beta1, beta2, eps, decay := c.f(0), c.f(1), c.f(2), c.f(3), c.f(4)
	for i := range c.t[0].len() {
		p, m, v, g := c.t[0].at(i), c.t[1].at(i), c.t[2].at(i), *c.t[3].at(i)
		*m = beta1**m + (1-beta1)*g
		*v = beta2**v + (1-beta2)*g*g
		*p -= rate * decay * *p
		*p -= rate * (*m / c.f(5)) / (math.Sqrt(*v/c.f(6)) + eps)
	}
}
