// The published network: position by position, each answer the next question's last token.

package vp

import (
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// leakySlope is that of all leaky rectifiers here.
const leakySlope = 0.01

// Published is the network of Wu et al. 2024 for viewport prediction. A position, its angles
// normalised to -1..1, becomes a token: a convolution of width 3 across roll, pitch and yaw with
// many channels, a leaky rectifier, a dense layer, a layer normalisation. A dense layer and tanh
// turn the feature at the last token into the next position, whose token, without the
// normalisation, is appended for the one after it.
type Published struct {
	body  transformer.Body
	conv  *netllm.Conv1D
	embed *netllm.Dense
	image *pictureToken // or nil
	norm  *netllm.LayerNorm
	head  *netllm.Dense

	frozenConv bool
}

// newPublished returns a network with random modules drawn from seed.
func newPublished(b ops.Backend, body transformer.Body, f NetworkConfig, images Images, seed uint64) *Published {
	rng := rand.New(rand.NewPCG(seed, 0x7670)) // the stream is this network's own
	n := &Published{
		body:  body,
		conv:  netllm.NewConv1D(b, "encoder.conv", f.Features, len(ends), rng),
		embed: netllm.NewDense(b, "encoder.embed", body.Width(), f.Features, rng),
	}
	n.image = newPictureToken(b, body, f, images, rng)
	n.norm = netllm.NewLayerNorm(b, "encoder.norm", body.Width())
	n.head = netllm.NewDense(b, "head", len(ends), body.Width(), rng)
	n.frozenConv = f.FrozenConv
	return n
}

// Params implements [Network].
func (n *Published) Params() []*ops.Param { return paramsOf(n.conv, n.embed, n.image, n.norm, n.head) }

// Trained implements [Network]. As published, the convolution stays as it was drawn.
func (n *Published) Trained() []*ops.Param {
	if n.frozenConv {
		return paramsOf(n.embed, n.image, n.norm, n.head)
	}
	return n.Params()
}

// clipped are the parameters of which, as published, gradients are bounded, and undecayed those
// without decay.
func (n *Published) clipped() []*ops.Param   { return n.head.Params() }
func (n *Published) undecayed() []*ops.Param { return []*ops.Param{n.head.Bias} }

// tokens returns the vectors [batch, rows, width] of normalised positions [batch, rows, 3],
// before the layer normalisation.
func (n *Published) tokens(c *ops.Context, positions tensor.Tensor) tensor.Tensor {
	batch, rows := positions.Dim(0), positions.Dim(1)
	x := n.conv.Forward(c, positions.Reshape(batch*rows, len(ends))) // [batch*rows, 1, features]
	x = ops.LeakyReLU(c, x.Reshape(batch*rows, x.Dim(2)), leakySlope)
	return n.embed.Forward(c, x).Reshape(batch, rows, n.body.Width())
}

// sequence returns the normalised tokens of pictures, if there are any, and positions.
func (n *Published) sequence(c *ops.Context, ws []Window, positions tensor.Tensor) (tensor.Tensor, error) {
	tokens, err := n.image.before(c, ws, n.tokens(c, positions))
	if err != nil {
		return tensor.Tensor{}, err
	}
	return n.norm.Forward(c, tokens), nil
}

// join returns a [batch, m, width] with b [batch, n, width] behind it.
func join(c *ops.Context, a, b tensor.Tensor) tensor.Tensor {
	m, n := a.Dim(1), b.Dim(1)
	out := c.New(tensor.F32, a.Dim(0), m+n, a.Dim(2))
	ops.CopyInto(c, out.Slice(1, 0, m), a)
	ops.CopyInto(c, out.Slice(1, m, m+n), b)
	return out
}

// answer turns features [batch, rows, width] into normalised positions [batch, rows, 3].
func (n *Published) answer(c *ops.Context, features tensor.Tensor) tensor.Tensor {
	return ops.Tanh(c, n.head.Forward(c, features))
}

// last is the row before the one number end of x [batch, rows, width]: [batch, 1, width].
func last(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	return ops.Contiguous(c, x.Slice(1, x.Dim(1)-1, x.Dim(1)))
}

// Teacher returns the predictions [batch, horizon, 3], normalised, when each sees the true
// positions before it.
func (n *Published) Teacher(c *ops.Context, ws []Window) (tensor.Tensor, error) {
	rows := positions(ws, func(w Window) []Angles { return w.Trace.Rows[w.At-w.History : w.At+w.Horizon] })
	x, err := n.sequence(c, ws, c.Float32s(rows, len(ws), ws[0].History+ws[0].Horizon, len(ends)))
	if err != nil {
		return tensor.Tensor{}, err
	}
	y := n.body.Forward(c, x, nil)
	f := ws[0].Horizon
	return n.answer(c, ops.Contiguous(c, y.Slice(1, y.Dim(1)-f-1, y.Dim(1)-1))), nil
}

// Rollout returns the predictions [batch, horizon, 3], normalised, when each sees those before
// it; gradients flow through all of them.
func (n *Published) Rollout(c *ops.Context, ws []Window) (tensor.Tensor, error) {
	x, err := n.sequence(c, ws, c.Float32s(positions(ws, Window.Past), len(ws), ws[0].History, len(ends)))
	if err != nil {
		return tensor.Tensor{}, err
	}
	f := ws[0].Horizon
	out := c.New(tensor.F32, len(ws), f, len(ends))
	for k := range f {
		y := n.answer(c, last(c, n.body.Forward(c, x, nil)))
		ops.CopyInto(c, out.Slice(1, k, k+1), y)
		if k+1 < f {
			x = join(c, x, n.tokens(c, y))
		}
	}
	return out, nil
}

// Loss implements [Network]: the mean squared error of normalised positions, which knows nothing
// of turns.
func (n *Published) Loss(c *ops.Context, ws []Window, rollout bool) (tensor.Tensor, error) {
	predict := n.Teacher
	if rollout {
		predict = n.Rollout
	}
	y, err := predict(c, ws)
	if err != nil {
		return y, err
	}
	return ops.MSE(c, y, c.Float32s(positions(ws, Window.Future), len(ws), ws[0].Horizon, len(ends))), nil
}

// Positions implements [Network].
func (n *Published) Positions(history, horizon int) int {
	if n.image != nil {
		history++
	}
	return history + horizon
}

// Predict implements [Network]. What the body computed for earlier tokens is reused from its
// cache, which gives the same numbers as computing it again.
func (n *Published) Predict(c *ops.Context, dst [][]Angles, ws []Window, cache *transformer.Cache) error {
	if need := n.Positions(ws[0].History, ws[0].Horizon); need > n.body.MaxPositions() {
		return fmt.Errorf("%d rows seen and %d predicted take %d positions, the model has %d", ws[0].History, ws[0].Horizon, need, n.body.MaxPositions())
	}
	x, err := n.sequence(c, ws, c.Float32s(positions(ws, Window.Past), len(ws), ws[0].History, len(ends)))
	if err != nil {
		return err
	}
	values := make([]float32, len(ws)*len(ends))
	for k := range ws[0].Horizon {
		y := n.answer(c, last(c, n.body.Forward(c, x, cache)))
		if err := c.Read(values, y.Reshape(len(values))); err != nil {
			return err
		}
		for i := range ws {
			for axis := range ends {
				dst[i][k][axis] = degrees(values[i*len(ends)+axis], axis)
			}
		}
		if k+1 == ws[0].Horizon {
			break
		}
		token := n.tokens(c, y)
		if cache == nil {
			token = join(c, x, token)
		}
		x = token
	}
	return nil
}

// positions are the normalised angles of some rows of all windows.
func positions(ws []Window, rows func(Window) []Angles) []float32 {
	var values []float32
	for _, w := range ws {
		for _, row := range rows(w) {
			for axis, v := range row {
				values = append(values, normalise(v, axis))
			}
		}
	}
	return values
}
