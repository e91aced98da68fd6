// Which way a product of two F32 matrices is computed.

package gpu

import "netllm/gpu/internal/vk"

// productWay is a family of shaders for products.
type productWay uint8

const (
	byTiles   productWay = iota // matmul: square tiles through shared memory
	byDots                      // matvec_dots: few rows, the other operand adjacent along k
	byColumns                   // matvec_columns: few rows, the other operand adjacent along columns
)

// productRoute says how a product [m, k] · [k, n] is computed.
type productRoute struct {
	way   productWay
	swap  bool // as the transposed product: what is few are the rows
	tile  int  // byTiles: 128, 64 or 32
	lanes int  // byDots: invocations that share a column, 32 or 128
	parts int  // of k, each a sum of its own; these are added up afterwards
	chunk int  // of k in each part, a multiple of chunkUnit if there are several
}

const (
	fewRows   = 8   // what the matvec shaders do at most
	leastPart = 256 // of k that is worth a part of its own
	chunkUnit = 16
)

// productShape is what a plan depends on: a batch of products [m, k] · [k, n], and along which
// axis the elements of each operand are adjacent.
type productShape struct {
	batch, m, n, k int
	xAlongK        bool
	wAlongK        bool
}

// planProduct chooses the route of a product. units is how many workgroups the device has
// at work at least when it is busy, room how many floats there may be in all the
// parts.
func planProduct(s productShape, units, room int) productRoute {
	var r productRoute
	if min(s.m, s.n) <= fewRows {
		r.swap = s.m > s.n
		many, alongK := s.n, s.wAlongK
		if r.swap {
			many, alongK = s.m, s.xAlongK
		}
		if alongK {
			r.way, r.lanes = byDots, 32
			if s.batch*((many+7)/8) < 2*units && s.k >= 1024 {
				r.lanes = 128
			}
			return r.cut(s, 1)
		}
		r.way = byColumns
		groups := s.batch * ((many + 127) / 128)
		return r.cut(s, min((2*units+groups-1)/groups, 64, s.k/(leastPart/4), room/(s.batch*s.m*s.n)))
	}
	// The largest tile that leaves work for all of the device, k cut if need be.
	// Small tiles are done by few invocations: it takes more of them.
	for _, tile := range []int{128, 64, 32} {
		groups := s.batch * ((s.m + tile - 1) / tile) * ((s.n + tile - 1) / tile)
		most := max(1, min(s.k/leastPart, room/(s.batch*s.m*s.n), 512/tile))
		if tile == 32 || 2*min(s.m, s.n) > tile && groups*most >= units {
			r.way, r.tile = byTiles, tile
			return r.cut(s, min((units*128/tile+groups-1)/groups, most))
		}
	}
	panic("unreachable")
}

// cut returns the route with k in at most so many parts.
func (r productRoute) cut(s productShape, parts int) productRoute {
	r.parts, r.chunk = 1, s.k
	if parts > 1 {
		r.chunk = ((s.k+parts-1)/parts + chunkUnit - 1) / chunkUnit * chunkUnit
		r.parts = (s.k + r.chunk - 1) / r.chunk
	}
	return r
}

// units guesses how many workgroups keep a device busy: Vulkan does not say how many
// processors it has.
func (b *Backend) units() int {
	switch b.facts.Type {
	case vk.DiscreteGPU:
		return 128
	case vk.SoftwareDevice:
		return 8
	}
	return 32
}
