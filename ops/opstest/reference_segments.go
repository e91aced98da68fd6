// Definitions of what brings the rows of segments together.

package opstest

import "math"

// inSegment returns the rows whose number is s, in their order.
func (c *call) inSegment(s int) (rows []int) {
	for i := range c.t[2].len() {
		if int(*c.t[2].at(i)) == s {
			rows = append(rows, i)
		}
	}
	return rows
}

// largestRow returns the first of the rows with the largest element of a column, or a NaN.
func largestRow(x *view, rows []int, column int) int {
	at := rows[0]
	for _, i := range rows[1:] {
		v, most := *x.el(0, 0, i, column), *x.el(0, 0, at, column)
		if !math.IsNaN(most) && (v > most || math.IsNaN(v)) {
			at = i
		}
	}
	return at
}

func refSegmentMax(c *call) {
	for s := range c.t[0].dim[2] {
		rows := c.inSegment(s)
		for j := range c.t[0].dim[3] {
			value, at := 0.0, -1
			if len(rows) > 0 {
				at = largestRow(&c.t[1], rows, j)
				value = *c.t[1].el(0, 0, at, j)
			}
			*c.t[0].el(0, 0, s, j), *c.t[3].el(0, 0, s, j) = value, float64(at)
		}
	}
}

func refSegmentMaxBackward(c *call) {
	for i := range c.t[0].dim[2] {
		s := int(*c.t[2].at(i))
		for j := range c.t[0].dim[3] {
			var g float64
			if int(*c.t[3].el(0, 0, s, j)) == i {
				g = *c.t[1].el(0, 0, s, j)
			}
			c.put(0, c.t[0].el(0, 0, i, j), g)
		}
	}
}

func refSegmentSoftmax(c *call) {
	for s := range int(c.I[0]) {
		rows := c.inSegment(s)
		for j := range c.t[0].dim[3] {
			if len(rows) == 0 {
				continue
			}
			most := *c.t[1].el(0, 0, largestRow(&c.t[1], rows, j), j)
			var sum float64
			for _, i := range rows {
				sum += math.Exp(*c.t[1].el(0, 0, i, j) - most)
			}
			for _, i := range rows {
				*c.t[0].el(0, 0, i, j) = math.Exp(*c.t[1].el(0, 0, i, j)-most) / sum
			}
		}
	}
}
