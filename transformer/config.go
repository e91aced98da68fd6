package transformer

import (
	"errors"
	"fmt"
	"math"
)

// Config is the shape of a model of any family. Fields that a family does not
// have are zero. It can be compared.
type Config struct {
	Arch string `json:",omitempty"` // GGUF's name of the family, such as "llama"

	Layers       int
	Width        int // of the vectors between the blocks
	FFN          int // width inside the feed-forward block
	Heads        int
	KVHeads      int // Heads is a multiple of it
	HeadDim      int
	Vocab        int
	MaxPositions int
	NormEps      float32
	RopeTheta    float64
	RopeDim      int  // how many elements of a head vector are rotated; 0: positions are learned
	Tied         bool // the embedding is the output matrix too

	QKVBias bool `json:",omitempty"` // of the query, key and value projections
	OutBias bool `json:",omitempty"` // of the attention's output projection
	FFNBias bool `json:",omitempty"` // of the feed-forward block

	Window  int         `json:",omitempty"` // how many tokens attention looks back, itself included; 0: all
	Scaling RopeScaling `json:",omitzero"`

	EmbedWidth   int  `json:",omitempty"` // of an embedding's row, if it is projected to Width; 0: it is Width
	PositionRows int  `json:",omitempty"` // of a learned position table; the last MaxPositions of them are used
	PostNorm     bool `json:",omitempty"` // blocks normalise what they add up, not their input
	NoFinalNorm  bool `json:",omitempty"`

	ModelType string `json:",omitempty"` // Hugging Face's model_type where it is not Arch, such as "mistral"
	Vision    bool   `json:",omitempty"` // the language part of a model that also sees: other tensors stand beside it
}

// The limits of what a header may ask for. They are far beyond every known
// model and keep sizes computed from them within an int64.
const (
	maxLayers    = 1 << 12
	maxWidth     = 1 << 18
	maxVocab     = 1 << 24
	maxPositions = 1 << 20
)

// Validate reports every field that makes no model of the family Arch.
func (f Config) Validate() error {
	fam, err := familyOf(f.Arch)
	if err != nil {
		return err
	}
	var errs []error
	within := func(name string, v, limit int) {
		if v <= 0 || v > limit {
			errs = append(errs, fmt.Errorf("%s is %d, want 1 to %d", name, v, limit))
		}
	}
	within("layers", f.Layers, maxLayers)
	within("width", f.Width, maxWidth)
	within("feed-forward width", f.FFN, maxWidth)
	within("heads", f.Heads, maxWidth)
	within("key/value heads", f.KVHeads, maxWidth)
	within("head size", f.HeadDim, maxWidth)
	within("vocabulary", f.Vocab, maxVocab)
	within("positions", f.MaxPositions, maxPositions)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(f.Heads*f.HeadDim > maxWidth, "%d heads of %d, together at most %d", f.Heads, f.HeadDim, maxWidth)
	refuse(f.Heads%f.KVHeads != 0, "%d heads are no multiple of %d key/value heads", f.Heads, f.KVHeads)
	refuse(!(f.NormEps > 0) || math.IsInf(float64(f.NormEps), 0), "norm epsilon is %v", f.NormEps)
	refuse(f.Window < 0, "attention window is %d", f.Window)
	if fam.rotates {
		refuse(f.RopeDim <= 0 || f.RopeDim%2 != 0 || f.RopeDim > f.HeadDim, "%d rotated elements of heads of %d", f.RopeDim, f.HeadDim)
		refuse(!(f.RopeTheta > 1) || math.IsInf(f.RopeTheta, 0), "rope base is %v", f.RopeTheta)
		refuse(f.EmbedWidth != 0 || f.PositionRows != 0 || f.PostNorm || f.NoFinalNorm, "learned positions, projected embeddings or post-norm in a %s", f.Arch)
		errs = append(errs, f.Scaling.validate())
	} else {
		refuse(f.RopeDim != 0 || f.Scaling != RopeScaling{} || f.Window != 0, "rotary positions or a window in a %s", f.Arch)
		refuse(f.Heads*f.HeadDim != f.Width || f.KVHeads != f.Heads, "%d heads, %d of keys and values, of %d for a width of %d", f.Heads, f.KVHeads, f.HeadDim, f.Width)
		refuse(f.PositionRows < f.MaxPositions || f.PositionRows > 2*maxPositions, "%d rows for %d positions", f.PositionRows, f.MaxPositions)
		refuse(f.EmbedWidth < 0 || f.EmbedWidth > maxWidth, "embedding width is %d", f.EmbedWidth)
	}
	return errors.Join(errs...)
}

// vectorWidth is the width of token vectors and features.
func (f *Config) vectorWidth() int {
	if f.EmbedWidth > 0 {
		return f.EmbedWidth
	}
	return f.Width
}

// dim returns the size that a name in a weight's shape tag stands for.
func (f *Config) dim(name string) int {
	switch name {
	case "vocab":
		return f.Vocab
	case "vector":
		return f.vectorWidth()
	case "width":
		return f.Width
	case "ffn":
		return f.FFN
	case "heads":
		return f.Heads * f.HeadDim
	case "kvheads":
		return f.KVHeads * f.HeadDim
	case "qkv":
		return (f.Heads + 2*f.KVHeads) * f.HeadDim
	case "positions":
		return f.PositionRows
	case "rope/2":
		return f.RopeDim / 2
	}
	panic(fmt.Sprintf("transformer: no size %q", name))
}

// has reports whether a model has what a weight's tag names as its condition.
func (f *Config) has(part string) bool {
	switch part {
	case "qkv":
		return f.QKVBias
	case "out":
		return f.OutBias
	case "ffn":
		return f.FFNBias
	case "projection":
		return f.EmbedWidth > 0
	case "finalnorm":
		return !f.NoFinalNorm
	case "llama3":
		return f.Scaling.Type == ScalingLlama3
	}
	panic(fmt.Sprintf("transformer: no part %q", part))
}
