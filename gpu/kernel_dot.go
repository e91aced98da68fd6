// Products by packed 8-bit dot products.

package gpu

import "netllm/tensor"

// dotShaders are the shaders of the types whose codes fit signed bytes.
var dotShaders = [len(layouts)]string{
	tensor.Q8_0: "dot_mat_q8_0", tensor.Q4_0: "dot_mat_q4_0", tensor.Q4_K: "dot_mat_q4_k", tensor.Q6_K: "dot_mat_q6_k",
	tensor.Q2_K: "dot_mat_q2_k", tensor.Q3_K: "dot_mat_q3_k", tensor.IQ4_NL: "dot_mat_iq4_nl", tensor.IQ4_XS: "dot_mat_iq4_xs",
}

const dotGroup = 256 // invocations of a workgroup of dot_mat

// dotTiles are sixteenths of the rows and columns that a workgroup computes.
var dotTiles = [][2]int{{8, 4}, {4, 4}, {2, 2}}

// dotMatMul computes a product with activations rounded to 8 bits, in the largest
// tiles that give enough workgroups.
func (b *Backend) dotMatMul(p weightProduct) {
	i := 0
	for ; i < len(dotTiles)-1; i++ {
		if down, across := dotGroups(p, dotTiles[i]); down*across >= tilesWant {
			break
		}
	}
	b.dotProduct(p, dotTiles[i])
}

// dotGroups returns how many tiles a result has.
func dotGroups(p weightProduct, tile [2]int) (down, across int) {
	rows, cols := 16*tile[0], 16*tile[1]
	return (p.y.Dim(0) + rows - 1) / rows, (p.y.Dim(1) + cols - 1) / cols
}

func (b *Backend) dotProduct(p weightProduct, tile [2]int) {
	blocks := p.x.Len() / 32
	r := b.round(p, "dot_round", 10*blocks, (blocks+roundGroup-1)/roundGroup)
	d := b.fastDispatch(p, r, 8*blocks, dotShaders[p.w.DType()], dotGroup, uint32(tile[0]), uint32(tile[1]))
	down, across := dotGroups(p, tile)
	d.run(across, down, 1)
}
