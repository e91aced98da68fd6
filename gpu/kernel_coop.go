// Products by cooperative matrices of f16.

package gpu

import (
	"netllm/gpu/internal/vk"
	"netllm/tensor"
)

// coopPrefix begins the names of shaders that count on the subgroup's size.
const coopPrefix = "coop_mat_"

// coopShaders are the shaders of the types whose numbers f16 has room for.
var coopShaders = [len(layouts)]string{
	tensor.F16: "coop_mat_f16", tensor.Q8_0: "coop_mat_q8_0", tensor.Q4_0: "coop_mat_q4_0", tensor.Q4_1: "coop_mat_q4_1", tensor.Q5_0: "coop_mat_q5_0",
	tensor.Q5_1: "coop_mat_q5_1", tensor.Q4_K: "coop_mat_q4_k", tensor.Q5_K: "coop_mat_q5_k", tensor.Q6_K: "coop_mat_q6_k",
	tensor.Q2_K: "coop_mat_q2_k", tensor.Q3_K: "coop_mat_q3_k", tensor.IQ4_NL: "coop_mat_iq4_nl", tensor.IQ4_XS: "coop_mat_iq4_xs",
}

// coopTile is how many rows and columns of the result a workgroup computes, and
// each of its subgroups.
type coopTile struct{ rows, cols, subRows, subCols int }

// The tiles, of four subgroups each. Small matrices, which drivers have that compute on
// the CPU, go with small tiles: 16 of them take such a driver half a minute to compile.
var (
	wideTile  = coopTile{128, 128, 64, 64} // loads least for each result
	tile64    = coopTile{64, 64, 32, 32}   // for results that are few
	flatTile  = coopTile{32, 128, 32, 32}  // for those of few rows
	smallTile = coopTile{32, 32, 16, 16}
)

// coopTile returns the tile for a product of m rows and n columns.
func (b *Backend) coopTile(m, n int, c vk.CooperativeMatrix) coopTile {
	switch {
	case c.M < 16:
		return smallTile
	case m <= flatTile.rows:
		return flatTile
	case wideTile.count(m, n) >= tilesWant && wideTile.fits(c, b.limits):
		return wideTile
	}
	return tile64
}

// count returns how many tiles a result has.
func (t coopTile) count(m, n int) int {
	return (m + t.rows - 1) / t.rows * ((n + t.cols - 1) / t.cols)
}

func (t coopTile) subgroups() int { return t.rows / t.subRows * (t.cols / t.subCols) }

// shared returns the bytes of shared memory of coop_mat.comp.
func (t coopTile) shared(c vk.CooperativeMatrix) int {
	return 80*(t.rows+t.cols) + 4*t.subgroups()*c.M*c.N
}

// fits reports whether a workgroup can hold the tiles, and a subgroup its results in
// registers: 16 matrices at most.
func (t coopTile) fits(c vk.CooperativeMatrix, l limits) bool {
	return t.shared(c) <= l.SharedMemory && t.subRows/c.M*(t.subCols/c.N) <= 16
}

// coopShape returns the largest matrices that divide the tiles. There is none if the
// device cannot run the workgroups of the smaller tiles.
func (b *Backend) coopShape() (best vk.CooperativeMatrix, ok bool) {
	if !b.facts.Features.Maintenance4 || b.facts.API < vk.Version(1, 3, 0) {
		return best, false
	}
	for _, c := range b.caps.cooperative {
		if c.M == 0 || c.N == 0 || c.K < 8 || 16%c.M != 0 || 16%c.N != 0 || 32%c.K != 0 {
			continue
		}
		if c.M*c.N*c.K > best.M*best.N*best.K && flatTile.fits(c, b.limits) && flatTile.subgroups()*b.caps.subgroup <= b.limits.WorkgroupInvocations {
			best, ok = c, true
		}
	}
	return best, ok
}

// coopMatMul computes a product with activations and weights rounded to f16.
func (b *Backend) coopMatMul(p weightProduct) {
	c, _ := b.coopShape()
	b.coopProduct(p, c, b.coopTile(p.y.Dim(0), p.y.Dim(1), c))
}

func (b *Backend) coopProduct(p weightProduct, c vk.CooperativeMatrix, t coopTile) {
	m, n, k := p.y.Dim(0), p.y.Dim(1), p.x.Dim(1)
	size := t.subgroups() * b.caps.subgroup
	words := m * k / 2
	r := b.round(p, "coop_round", words+m, m)
	d := b.fastDispatch(p, r, words, coopShaders[p.w.DType()], uint32(size), uint32(c.M), uint32(c.N), uint32(c.K),
		uint32(t.rows), uint32(t.cols), uint32(t.subRows), uint32(t.subCols), uint32(size))
	d.run((n+t.cols-1)/t.cols, (m+t.rows-1)/t.rows, 1)
}
