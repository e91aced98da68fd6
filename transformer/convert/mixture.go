// Which type a tensor gets. The rules are those of llama-quantize, so that
// files have the sizes and the quality that people know by these names
// (src/llama-quant.cpp of llama.cpp).

package convert

import (
	"fmt"
	"strconv"
	"strings"

	"netllm/tensor"
)

// chooser chooses the types of one file's tensors.
type chooser struct {
	fileType
	output, embedding tensor.DType // asked for; Invalid: not
	keepOutput        bool

	tied       bool // there is no output matrix: the embedding serves
	layers     int
	shared     int  // query heads to one of keys and values
	attentionV int  // how many tensors are like attn_v
	is70B      bool // 8 query heads share keys and values that are small beside the rest
}

// newChooser returns the chooser for a file with tensors of these names.
func newChooser(t fileType, o *Options, names []string, s shape) *chooser {
	if o.Mix { // the names' other meaning
		if m, err := fileTypeOf(t.name + "_m"); err == nil {
			t = m
		}
	}
	c := &chooser{fileType: t, output: o.OutputType, embedding: o.EmbeddingType, keepOutput: o.LeaveOutput,
		tied: true, layers: s.layers, shared: 1}
	if o.Mix && t.dtype.IsBlock() {
		c.mixture = true
	}
	if o.Pure {
		c.mixture = false
	}
	if s.kvHeads > 0 {
		c.shared = s.heads / s.kvHeads
	}
	c.is70B = s.layers == 80 && (s.arch == "llama" && s.heads != s.kvHeads || s.arch == "qwen2")
	for _, name := range names {
		if name == outputName {
			c.tied = false
		}
		if isAttentionV(name) {
			c.attentionV++
		}
	}
	return c
}

// shape is what the choice of types depends on.
type shape struct {
	arch                   string
	layers, heads, kvHeads int
}

const (
	outputName    = "output.weight"
	embeddingName = "token_embd.weight"
)

// quantizable reports whether a tensor is a matrix that a type is chosen for.
// Vectors, norms and tables of positions stay as they are: they are small, and
// what they do is not a product.
func quantizable(name string, shape []int) bool {
	return len(shape) > 1 && strings.HasSuffix(name, "weight") && !strings.Contains(name, "_norm.weight") &&
		!strings.Contains(name, "ffn_gate_inp.weight") && name != "position_embd.weight" && name != "token_types.weight"
}

// choose returns the type of a matrix.
func (c *chooser) choose(name string, shape []int, from tensor.DType) (to tensor.DType, note string) {
	switch {
	case c.dtype == tensor.Invalid, name == outputName && c.keepOutput:
		return from, ""
	case name == embeddingName && c.embedding != tensor.Invalid:
		to = c.embedding
	case name == outputName && c.output != tensor.Invalid:
		to = c.output
	case c.mixture:
		to = c.mixed(name, shape)
	default:
		to = c.dtype
	}
	fit := fallback(to, shape[len(shape)-1])
	if fit != to {
		note = fmt.Sprintf("rows of %d are no multiple of %d for %v", shape[len(shape)-1], to.BlockLen(), to)
	}
	return fit, note
}

// mixed is the type of a matrix in a mixture.
func (c *chooser) mixed(name string, shape []int) tensor.DType {
	layer := layerOf(name)
	attention := func(part string) bool { return strings.Contains(name, part+".weight") }
	switch {
	case name == outputName || c.tied && name == embeddingName:
		switch {
		case c.output != tensor.Invalid:
			return c.output
		case shape[len(shape)-1]%c.dtype.BlockLen() != 0 || c.dtype == tensor.Q8_0:
			return tensor.Q8_0
		}
		return tensor.Q6_K
	case isAttentionV(name):
		return c.attentionVType(layer)
	case strings.Contains(name, "ffn_down"):
		return c.downType(layer)
	case attention("attn_output"):
		switch c.name {
		case "q2_k":
			return tensor.Q3_K
		case "q3_k_m":
			return tensor.Q4_K
		case "q3_k_l":
			return tensor.Q5_K
		}
	}
	return c.dtype
}

func isAttentionV(name string) bool {
	return strings.Contains(name, "attn_v.weight") || strings.Contains(name, "attn_qkv.weight")
}

func (c *chooser) attentionVType(layer int) tensor.DType {
	to := c.dtype
	switch c.name {
	case "q2_k":
		to = tensor.Q3_K
		if c.shared >= 4 {
			to = tensor.Q4_K
		}
	case "q3_k_m":
		to = tensor.Q4_K
		if layer < 2 {
			to = tensor.Q5_K
		}
	case "q3_k_l":
		to = tensor.Q5_K
	case "iq4_nl", "iq4_xs":
		if c.shared >= 4 {
			to = tensor.Q5_K
		}
	case "q4_k_m", "q5_k_m":
		if moreBits(layer, c.attentionV) {
			to = tensor.Q6_K
		}
	case "q4_k_s":
		if layer < 4 {
			to = tensor.Q5_K
		}
	}
	if c.is70B && (to == tensor.Q3_K || to == tensor.Q4_K) {
		to = tensor.Q5_K
	}
	return to
}

func (c *chooser) downType(layer int) tensor.DType {
	first := layer < c.layers/8
	switch c.name {
	case "q2_k":
		return tensor.Q3_K
	case "q3_k_m":
		if layer < c.layers/16 {
			return tensor.Q5_K
		}
		return tensor.Q4_K
	case "q3_k_l":
		return tensor.Q5_K
	case "q4_k_m", "q5_k_m":
		if moreBits(layer, c.layers) {
			return tensor.Q6_K
		}
	case "q4_k_s", "iq4_nl", "iq4_xs":
		if first {
			return tensor.Q5_K
		}
	}
	return c.dtype
}

// moreBits names the layers that suffer most: the first and last eighth, and
// every third between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

// layerOf returns the number in "blk.3.attn_v.weight", or 0.
func layerOf(name string) int {
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// fallback returns a type like to whose blocks fit rows of width elements.
func fallback(to tensor.DType, width int) tensor.DType {
	if width%to.BlockLen() == 0 {
		return to
	}
	switch to {
	case tensor.Q2_K, tensor.Q3_K:
		to = tensor.Q4_0
	case tensor.IQ4_XS:
		to = tensor.IQ4_NL
	case tensor.Q4_K:
		to = tensor.Q5_0
	case tensor.Q5_K:
		to = tensor.Q5_1
	case tensor.Q6_K:
		to = tensor.Q8_0
	}
	if width%to.BlockLen() != 0 {
		return tensor.F16
	}
	return to
}
