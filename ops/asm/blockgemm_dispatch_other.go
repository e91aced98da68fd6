//go:build !amd64 || noasm

// Without assembly every part of a product with quantised weights is its generic twin.

package asm

func blockIntegers() bool { return true }

func runBlockTile(t *blockTile) { blockTileGeneric(t) }

func quantizeRow(rows int, x []float32, codes []int8, scales, sums, halves []float32) {
	quantizeRowGeneric(rows, x, codes, scales, sums, halves)
}

func expandUnits(f BlockFormat, units int, strip *byte, p *blockPanel) {
	expandUnitsGeneric(f, units, strip, p)
}

func dequantizePanel(f BlockFormat, blocks int, p *blockPanel, dst *float32) {
	dequantizePanelGeneric(f, blocks, p, dst)
}
