package netllm

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// PatchConfig is the shape of a [PatchEncoder].
type PatchConfig struct {
	Channels int `json:"channels"` // 1 or 3
	Side     int `json:"side"`     // pixels of a picture's side
	Patch    int `json:"patch"`    // and of a square's, of which Side is a multiple
	Width    int `json:"width"`    // numbers per square
	Out      int `json:"out"`      // numbers per picture
}

// DefaultPatches is the shape for pictures of 64 x 64 in colour: 16 squares, 64 numbers each.
func DefaultPatches() PatchConfig {
	return PatchConfig{Channels: 3, Side: 64, Patch: 16, Width: 64, Out: 64}
}

// Validate reports every field that makes no encoder.
func (f PatchConfig) Validate() error {
	var errs []error
	if f.Channels < 1 || f.Side < 1 || f.Patch < 1 || f.Width < 1 || f.Out < 1 {
		errs = append(errs, fmt.Errorf("patches: %+v: each must be 1 or more", f))
	} else if f.Side%f.Patch != 0 {
		errs = append(errs, fmt.Errorf("patches: pictures of %d are no whole number of squares of %d", f.Side, f.Patch))
	}
	return errors.Join(errs...)
}

// PatchEncoder is a small trained encoder of pictures, for those who have no weights of a large one: the
// squares of a picture, each with a vector for its place, go through two layers with rectifiers, and
// their mean through a third.
type PatchEncoder struct {
	Config PatchConfig

	square, mix, out *Dense
	place            *ops.Param // [squares, width]
}

// NewPatchEncoder returns an encoder with weights drawn as [NewDense] does, places too. A shape that
// is not valid is a programmer's error.
func NewPatchEncoder(b ops.Backend, name string, f PatchConfig, rng *rand.Rand) *PatchEncoder {
	if err := f.Validate(); err != nil {
		panic("netllm: NewPatchEncoder: " + err.Error())
	}
	return &PatchEncoder{
		Config: f,
		square: NewDense(b, name+".square", f.Width, f.Channels*f.Patch*f.Patch, rng),
		place:  uniform(b, name+".place", 1, rng, f.squares(), f.Width),
		mix:    NewDense(b, name+".mix", f.Width, f.Width, rng),
		out:    NewDense(b, name+".out", f.Out, f.Width, rng),
	}
}

func (f PatchConfig) squares() int { return (f.Side / f.Patch) * (f.Side / f.Patch) }

// Params returns all parameters.
func (e *PatchEncoder) Params() []*ops.Param {
	return append(append(e.square.Params(), e.place), append(e.mix.Params(), e.out.Params()...)...)
}

// Forward returns [batch, Out] for pictures [Channels, Side, Side], one behind the other.
func (e *PatchEncoder) Forward(c *ops.Context, pixels []float32) tensor.Tensor {
	f := e.Config
	size, squares := f.Channels*f.Side*f.Side, f.squares()
	batch := len(pixels) / size
	if batch*size != len(pixels) || batch == 0 {
		panic(fmt.Sprintf("netllm: PatchEncoder: %d pixels are no pictures of %d x %d x %d", len(pixels), f.Channels, f.Side, f.Side))
	}
	const slope = 0.01
	x := c.Float32s(transformer.Squares(pixels, f.Channels, f.Side, f.Patch), batch*squares, f.Channels*f.Patch*f.Patch)
	h := e.square.Forward(c, x).Reshape(batch, squares*f.Width)
	h = ops.AddRow(c, h, e.place.Value.Reshape(squares*f.Width)).Reshape(batch*squares, f.Width)
	h = e.mix.Forward(c, ops.LeakyReLU(c, h, slope))
	h = ops.LeakyReLU(c, h, slope).Reshape(batch, squares, f.Width)
	share := make([]float32, batch*squares)
	for i := range share {
		share[i] = 1 / float32(squares)
	}
	mean := ops.MatMul(c, c.Float32s(share, batch, 1, squares), h)
	return e.out.Forward(c, mean.Reshape(batch, f.Width))
}
