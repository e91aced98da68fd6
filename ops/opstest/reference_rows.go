// Definitions of what reduces rows or whole tensors: normalisations and losses.

package opstest

import "math"

func meanOf(n int, f func(i int) float64) float64 {
	var sum float64
	for i := range n {
		sum += f(i)
	}
	return sum / float64(n)
}

func refRMSNorm(c *call) {
	n := c.t[2].len()
	for r := range c.t[0].rows() {
		x := c.t[1].row(r)
		rms := math.Sqrt(meanOf(n, func(i int) float64 { return x[i] * x[i] }) + c.f(0))
		for i := range x {
			*c.t[0].at(r*n + i) = *c.t[2].at(i) * x[i] / rms
		}
	}
}

// With y_i = g_i x_i / s and s = sqrt(mean(x²)+eps), ds/dx_j = x_j/(n s):
// dx_j = g_j dy_j/s - x_j/(n s³) Σ_i g_i dy_i x_i.
func refRMSNormBackward(c *call) {
	n := c.t[4].len()
	dweight := make([]float64, n)
	for r := range c.t[3].rows() {
		dy, x := c.t[2].row(r), c.t[3].row(r)
		s := math.Sqrt(meanOf(n, func(i int) float64 { return x[i] * x[i] }) + c.f(0))
		shared := meanOf(n, func(i int) float64 { return *c.t[4].at(i) * dy[i] * x[i] }) / (s * s * s)
		for j := range x {
			if c.has(0) {
				c.term(0, *c.t[4].at(j)*dy[j]/s)
				c.put(0, c.t[0].at(r*n+j), *c.t[4].at(j)*dy[j]/s-x[j]*shared)
			}
			c.term(1, dy[j]*x[j]/s)
			dweight[j] += dy[j] * x[j] / s
		}
	}
	c.putRow(1, dweight)
}

// putRow writes the wanted output i, a row of numbers.
func (c *call) putRow(i int, values []float64) {
	if !c.has(i) {
		return
	}
	for j, value := range values {
		c.put(i, c.t[i].at(j), value)
	}
}

// normalized returns a row less its mean over its deviation, and the latter.
func normalized(x []float64, eps float64) (u []float64, deviation float64) {
	n := len(x)
	mean := meanOf(n, func(i int) float64 { return x[i] })
	deviation = math.Sqrt(meanOf(n, func(i int) float64 { return (x[i] - mean) * (x[i] - mean) }) + eps)
	u = make([]float64, n)
	for i := range u {
		u[i] = (x[i] - mean) / deviation
	}
	return u, deviation
}

func refLayerNorm(c *call) {
	n := c.t[2].len()
	for r := range c.t[0].rows() {
		u, _ := normalized(c.t[1].row(r), c.f(0))
		for i := range u {
			*c.t[0].at(r*n + i) = *c.t[2].at(i)*u[i] + *c.t[3].at(i)
		}
	}
}

// With h = g*dy and u the normalised row of deviation s:
// dx_j = (h_j - mean(h) - u_j mean(h*u)) / s.
func refLayerNormBackward(c *call) {
	n := c.t[5].len()
	dweight, dbias := make([]float64, n), make([]float64, n)
	for r := range c.t[4].rows() {
		dy := c.t[3].row(r)
		u, s := normalized(c.t[4].row(r), c.f(0))
		h := func(i int) float64 { return *c.t[5].at(i) * dy[i] }
		mean := meanOf(n, h)
		along := meanOf(n, func(i int) float64 { return h(i) * u[i] })
		for j := range u {
			if c.has(0) {
				c.term(0, h(j)/s)
				c.put(0, c.t[0].at(r*n+j), (h(j)-mean-u[j]*along)/s)
			}
			c.term(1, dy[j]*u[j])
			c.term(2, dy[j])
			dweight[j] += dy[j] * u[j]
			dbias[j] += dy[j]
		}
	}
	c.putRow(1, dweight)
	c.putRow(2, dbias)
}

// logSumExp is the logarithm of the sum of exponentials.
func logSumExp(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, v)
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

func refCrossEntropy(c *call) {
	var sum, count float64
	for r := range c.t[1].dim[2] {
		x := c.t[1].row(r)
		lse := logSumExp(x)
		*c.t[3].at(r) = lse
		if target := int(*c.t[2].at(r)); target >= 0 {
			sum += lse - x[target]
			count++
		}
	}
	*c.t[0].at(0) = sum / count
}

func refCrossEntropyBackward(c *call) {
	rows, classes := c.t[2].dim[2], c.t[2].dim[3]
	var count float64
	for r := range rows {
		if *c.t[3].at(r) >= 0 {
			count++
		}
	}
	for r := range rows {
		x, target := c.t[2].row(r), int(*c.t[3].at(r))
		lse := logSumExp(x)
		for i := range classes {
			if target < 0 {
				c.put(0, c.t[0].at(r*classes+i), 0)
				continue
			}
			g := math.Exp(x[i] - lse)
			if i == target {
				g--
			}
			c.term(0, *c.t[1].at(0)/count)
			c.put(0, c.t[0].at(r*classes+i), g**c.t[1].at(0)/count)
		}
	}
}

func refMSE(c *call) {
	*c.t[0].at(0) = meanOf(c.t[1].len(), func(i int) float64 {
		d := *c.t[1].at(i) - *c.t[2].at(i)
		return d * d
	})
}

func refMSEBackward(c *call) {
	n := c.t[0].len()
	for i := range n {
		c.put(0, c.t[0].at(i), c.f(0)**c.t[1].at(0)*2/float64(n)*(*c.t[2].at(i)-*c.t[3].at(i)))
	}
}

// difference is that of two points on a line, or on a circle of length period.
func difference(a, b, period float64) float64 {
	d := a - b
	for _, other := range []float64{a - b - period, a - b + period} {
		if period > 0 && math.Abs(other) < math.Abs(d) {
			d = other
		}
	}
	return d
}

func refMAE(c *call) {
	*c.t[0].at(0) = meanOf(c.t[1].len(), func(i int) float64 {
		return math.Abs(difference(*c.t[1].at(i), *c.t[2].at(i), c.f(0)))
	})
}

func refMAEBackward(c *call) {
	n := c.t[0].len()
	for i := range n {
		var sign float64
		if d := difference(*c.t[2].at(i), *c.t[3].at(i), c.f(1)); d != 0 {
			sign = math.Copysign(1, d)
		}
		c.put(0, c.t[0].at(i), c.f(0)**c.t[1].at(0)/float64(n)*sign)
	}
}

func refSumSquares(c *call) {
	var sum float64
	for i := range c.t[1].len() {
		sum += *c.t[1].at(i) * *c.t[1].at(i)
	}
	c.put(0, c.t[0].at(0), sum)
}

func refClipFactor(c *call) {
	*c.t[0].at(0) = math.Min(1, c.f(0)/(math.Sqrt(*c.t[1].at(0))+1e-6))
}
