package transformer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

// ViT is the image encoder of "An Image is Worth 16x16 Words" (Dosovitskiy et al. 2021), with the
// weights of Hugging Face's ViTModel: squares of an image become tokens, a class token stands before
// them, and blocks as in GPT-2, but without a mask, follow.
type ViT struct {
	Config ViTConfig

	class, positions tensor.Tensor // [1, width], [1 + patches, width]
	patch            linear        // [width, channels*size*size]
	blocks           []vitBlock
	norm             layerNorm

	close func() error
}

// vitBlock is one layer: attention, then feed-forward.
type vitBlock struct {
	before, after layerNorm
	q, k, v, o    linear
	up, down      linear
}

// Forward returns the features after the last norm, [batch, 1 + patches, width]: first that of
// the class token. pixels are images [channels, side, side], one behind the other.
func (m *ViT) Forward(c *ops.Context, pixels []float32) tensor.Tensor {
	f := &m.Config
	size, patches := f.Channels*f.Image*f.Image, f.Patches()
	batch := len(pixels) / size
	if batch*size != len(pixels) || batch == 0 {
		panic(fmt.Sprintf("transformer: ViT: %d pixels are no images of %d x %d x %d", len(pixels), f.Channels, f.Image, f.Image))
	}
	x := m.patch.forward(c, c.Float32s(Squares(pixels, f.Channels, f.Image, f.Patch), batch, patches, f.Channels*f.Patch*f.Patch))

	tokens := c.New(tensor.F32, batch, 1+patches, f.Width)
	class := ops.Gather(c, m.class, c.Int32s(make([]int32, batch), batch))
	ops.CopyInto(c, tokens.Slice(1, 0, 1), class.Reshape(batch, 1, f.Width))
	ops.CopyInto(c, tokens.Slice(1, 1, 1+patches), x)
	x = ops.AddRow(c, tokens.Reshape(batch, (1+patches)*f.Width), m.positions.Reshape((1+patches)*f.Width)).Reshape(batch, 1+patches, f.Width)

	for i := range m.blocks {
		b := &m.blocks[i]
		if c.Tape == nil { // nothing but the result stays
			x = ops.KeepResult(c, x, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return m.block(c, x, b) })
			continue
		}
		x = m.block(c, x, b)
	}
	c.Label("layernorm")
	return m.norm.forward(c, x, f.NormEps)
}

func (m *ViT) block(c *ops.Context, x tensor.Tensor, b *vitBlock) tensor.Tensor {
	heads := func(l *linear, h tensor.Tensor) tensor.Tensor {
		return l.forward(c, h).Reshape(x.Dim(0), x.Dim(1), m.Config.Heads, m.Config.Width/m.Config.Heads)
	}
	h := b.before.forward(c, x, m.Config.NormEps)
	h = ops.AttentionAll(c, heads(&b.q, h), heads(&b.k, h), heads(&b.v, h)).Reshape(x.Shape()...)
	x = ops.Add(c, x, b.o.forward(c, h))

	h = b.after.forward(c, x, m.Config.NormEps)
	h = ops.GELU(c, b.up.forward(c, h), ops.GELUErf)
	return ops.Add(c, x, b.down.forward(c, h))
}

// Features returns the features of the class token, [batch, width].
func (m *ViT) Features(c *ops.Context, pixels []float32) tensor.Tensor {
	y := m.Forward(c, pixels)
	return ops.Contiguous(c, y.Slice(1, 0, 1)).Reshape(y.Dim(0), m.Config.Width)
}

// Squares returns the pixels of images [channels, side, side], one behind the other, square by
// square of patch x patch pixels, each in the order of the weights of a convolution: channel, row,
// column. side is a multiple of patch.
func Squares(pixels []float32, channels, side, patch int) []float32 {
	out := make([]float32, 0, len(pixels))
	plane := side * side
	for image := 0; image < len(pixels); image += channels * plane {
		for y := 0; y < side; y += patch {
			for x := 0; x < side; x += patch {
				for channel := range channels {
					for row := range patch {
						at := image + channel*plane + (y+row)*side + x
						out = append(out, pixels[at:at+patch]...)
					}
				}
			}
		}
	}
	return out
}

// vitWeight is a weight by its name in files.
type vitWeight struct {
	name   string
	tensor *tensor.Tensor
	file   []int // its shape in files
	shape  []int // and here
	random bool  // drawn, not set to a number, where a model is made anew
	fill   float32
}

// weights lists all weights, in the order of Hugging Face's files.
func (m *ViT) weights() []vitWeight {
	f := &m.Config
	w, patches := f.Width, f.Patches()
	var list []vitWeight
	add := func(name string, t *tensor.Tensor, random bool, fill float32, shape ...int) *vitWeight {
		list = append(list, vitWeight{name: name, tensor: t, file: shape, shape: shape, random: random, fill: fill})
		return &list[len(list)-1]
	}
	addLinear := func(name string, l *linear, bias bool, out, in int) {
		l.name = name
		add(name+".weight", &l.weight, true, 0, out, in)
		if bias {
			add(name+".bias", &l.bias, false, 0, out)
		}
	}
	addNorm := func(name string, n *layerNorm) {
		add(name+".weight", &n.weight, false, 1, w)
		add(name+".bias", &n.bias, false, 0, w)
	}
	add("embeddings.cls_token", &m.class, true, 0, 1, 1, w).shape = []int{1, w}
	add("embeddings.position_embeddings", &m.positions, true, 0, 1, 1+patches, w).shape = []int{1 + patches, w}
	m.patch.name = "embeddings.patch_embeddings.projection"
	add(m.patch.name+".weight", &m.patch.weight, true, 0, w, f.Channels, f.Patch, f.Patch).shape = []int{w, f.Channels * f.Patch * f.Patch}
	add(m.patch.name+".bias", &m.patch.bias, false, 0, w)
	for i := range m.blocks {
		b, name := &m.blocks[i], "encoder.layer."+strconv.Itoa(i)+"."
		addLinear(name+"attention.attention.query", &b.q, f.QKVBias, w, w)
		addLinear(name+"attention.attention.key", &b.k, f.QKVBias, w, w)
		addLinear(name+"attention.attention.value", &b.v, f.QKVBias, w, w)
		addLinear(name+"attention.output.dense", &b.o, true, w, w)
		addLinear(name+"intermediate.dense", &b.up, true, f.FFN, w)
		addLinear(name+"output.dense", &b.down, true, w, f.FFN)
		addNorm(name+"layernorm_before", &b.before)
		addNorm(name+"layernorm_after", &b.after)
	}
	addNorm("layernorm", &m.norm)
	return list
}

// NewViT returns an encoder with random weights drawn from seed: normal with deviation 0.02, norms
// one, biases zero.
func NewViT(b ops.Backend, config ViTConfig, seed uint64) (*ViT, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	m := &ViT{Config: config, blocks: make([]vitBlock, config.Layers)}
	rng := rand.New(rand.NewPCG(seed, 0x566954)) // the stream is this function's own
	for _, w := range m.weights() {
		values := make([]float32, count(w.shape))
		for i := range values {
			values[i] = w.fill
			if w.random {
				values[i] = float32(rng.NormFloat64() * 0.02)
			}
		}
		*w.tensor = tensor.Of(b.Alloc(4*len(values)), tensor.F32, w.shape...)
		b.Upload(*w.tensor, floatBytes(values))
	}
	return m, nil
}

// Trainable turns every weight into a parameter, to train an encoder that [NewViT] made.
func (m *ViT) Trainable(b ops.Backend) ([]*ops.Param, error) {
	var params []*ops.Param
	for _, w := range m.weights() {
		if m.close != nil {
			return nil, fmt.Errorf("transformer: ViT: %s cannot be trained in place", w.name)
		}
		params = append(params, &ops.Param{Name: w.name, Value: *w.tensor, Grad: w.tensor.With(b.Alloc(w.tensor.Storage().Size()))})
	}
	return params, nil
}

// Hash identifies the weights: the SHA-256 of their names, types, shapes and bytes.
func (m *ViT) Hash(b ops.Backend) (string, error) {
	h := sha256.New()
	for _, w := range m.weights() {
		if w.tensor.IsZero() {
			continue
		}
		buf := make([]byte, w.tensor.DType().Bytes(w.tensor.Len()))
		if err := b.Download(buf, *w.tensor); err != nil {
			return "", fmt.Errorf("transformer: hash %s: %w", w.name, err)
		}
		fmt.Fprintf(h, "%s %v\n", w.name, *w.tensor)
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Close gives back the mapped file and the prepared weights.
func (m *ViT) Close() error {
	if m.close == nil {
		return nil
	}
	return m.close()
}

// vitPart is a name's weight, without the prefix that files of whole classifiers have.
func vitPart(name string) string { return strings.TrimPrefix(name, "vit.") }

// unusedByViT reports whether a tensor belongs to what stands behind the encoder.
func unusedByViT(name string) bool {
	return strings.HasPrefix(name, "pooler.dense.") || strings.HasPrefix(name, "classifier.")
}

// Validate reports every field that makes no encoder.
func (f ViTConfig) Validate() error {
	limit := func(v int) bool { return v > 0 && v <= maxWidth }
	switch {
	case !limit(f.Width) || !limit(f.FFN) || !limit(f.Heads) || !limit(f.Layers) || !limit(f.Channels) || !limit(f.Image) || !limit(f.Patch):
		return fmt.Errorf("ViT: width %d, feed-forward %d, %d heads, %d layers, images of %d x %d x %d in squares of %d",
			f.Width, f.FFN, f.Heads, f.Layers, f.Channels, f.Image, f.Image, f.Patch)
	case f.Width%f.Heads != 0:
		return fmt.Errorf("ViT: width %d is no multiple of %d heads", f.Width, f.Heads)
	case f.Image%f.Patch != 0:
		return fmt.Errorf("ViT: images of %d are no whole number of squares of %d", f.Image, f.Patch)
	case !(f.NormEps > 0) || math.IsInf(float64(f.NormEps), 0):
		return fmt.Errorf("ViT: layer_norm_eps is %v", f.NormEps)
	}
	return nil
}
