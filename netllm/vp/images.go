// How pictures get into the networks.

package vp

import (
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// Images gives numbers for the pictures that viewers saw: features that a frozen encoder made, or, for a
// network that trains an encoder of its own, pixels. Several goroutines may use it at a time.
type Images interface {
	// Size is how many numbers a picture has, and Name says what makes them.
	Size() int
	Name() string

	// Features returns those of the picture at the last row seen of each window.
	Features(ws []Window) ([][]float32, error)
}

// pictureToken makes a token of the picture that belongs to a window.
type pictureToken struct {
	images  Images
	patches *netllm.PatchEncoder // nil: features come from images
	embed   *netllm.Dense
}

// newPictureToken returns a random encoder, or nil for a network without pictures.
func newPictureToken(b ops.Backend, body transformer.Body, f NetworkConfig, images Images, rng *rand.Rand) *pictureToken {
	if f.Image == 0 {
		return nil
	}
	t := &pictureToken{images: images}
	features := f.Image
	if f.Patches != nil {
		t.patches = netllm.NewPatchEncoder(b, "encoder.patches", *f.Patches, rng)
		features = f.Patches.Out
	}
	t.embed = netllm.NewDense(b, "encoder.image", body.Width(), features, rng)
	return t
}

// Params returns what is trained: nothing of what is not there.
func (t *pictureToken) Params() []*ops.Param {
	switch {
	case t == nil:
		return nil
	case t.patches == nil:
		return t.embed.Params()
	}
	return append(t.patches.Params(), t.embed.Params()...)
}

// before returns tokens [batch, rows, width] with that of each window's picture in front, if there are any.
func (t *pictureToken) before(c *ops.Context, ws []Window, tokens tensor.Tensor) (tensor.Tensor, error) {
	if t == nil {
		return tokens, nil
	}
	list, err := t.images.Features(ws)
	if err != nil {
		return tensor.Tensor{}, err
	}
	values := make([]float32, 0, len(ws)*t.images.Size())
	for _, f := range list {
		values = append(values, f...)
	}
	var features tensor.Tensor
	if t.patches != nil {
		features = t.patches.Forward(c, values)
	} else {
		features = c.Float32s(values, len(ws), t.images.Size())
	}
	return join(c, t.embed.Forward(c, features).Reshape(len(ws), 1, tokens.Dim(2)), tokens), nil
}
