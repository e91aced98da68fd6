// The state encoder and token embeddings of the learned policy.

package abr

import (
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

const (
	// TokensPerStep is how many tokens describe a step to the model: target
	// return, six features of the state, action.
	TokensPerStep = 2 + Features

	// stateToken is the place, within a step, of the token that the answer
	// is read from: the last one that describes the state.
	stateToken = TokensPerStep - 2

	leakySlope = 0.01
	convWidth  = 4
)

// Encoder turns steps of a session into token vectors of a language model's
// width. It has an encoder for each row of the state - a dense layer for the
// scalars, a convolution for the series -, a linear layer that brings each of
// the eight inputs of a step to the model's width, a vector for the step's
// number, and a layer normalisation over all tokens.
type Encoder struct {
	bitrate, buffer, remaining *netllm.Dense  // 1 -> features
	throughput, download       *netllm.Conv1D // 6 -> 3 x features
	nextSizes                  *netllm.Conv1D // 6 -> features
	timestep                   *netllm.Table
	targetReturn, action       *netllm.Dense // 1 -> width
	state                      [Features]*netllm.Dense
	norm                       *netllm.LayerNorm
	features, width            int
}

// NewEncoder returns an encoder with features numbers per encoded row, tokens
// of the given width, and vectors for that many timesteps.
func NewEncoder(b ops.Backend, features, width, timesteps int, rng *rand.Rand) *Encoder {
	e := &Encoder{
		bitrate:      netllm.NewDense(b, "encoder.bitrate_fc", features, 1, rng),
		buffer:       netllm.NewDense(b, "encoder.buffer_fc", features, 1, rng),
		throughput:   netllm.NewConv1D(b, "encoder.throughput_conv", features, convWidth, rng),
		download:     netllm.NewConv1D(b, "encoder.download_time_conv", features, convWidth, rng),
		nextSizes:    netllm.NewConv1D(b, "encoder.next_sizes_conv", features, History, rng),
		remaining:    netllm.NewDense(b, "encoder.remaining_fc", features, 1, rng),
		timestep:     netllm.NewTable(b, "embed.timestep", timesteps, width, rng),
		targetReturn: netllm.NewDense(b, "embed.return", width, 1, rng),
		action:       netllm.NewDense(b, "embed.action", width, 1, rng),
		norm:         netllm.NewLayerNorm(b, "embed.layernorm", width),
		features:     features, width: width,
	}
	sizes := [Features]int{RowBitrate: 1, RowBuffer: 1, RowThroughput: History - convWidth + 1,
		RowDownload: History - convWidth + 1, RowNextSizes: 1, RowRemaining: 1}
	for i := range e.state {
		e.state[i] = netllm.NewDense(b, "embed.state"+string(rune('1'+i)), width, sizes[i]*features, rng)
	}
	return e
}

// Params returns all parameters.
func (e *Encoder) Params() []*ops.Param {
	var p []*ops.Param
	for _, m := range []interface{ Params() []*ops.Param }{
		e.bitrate, e.buffer, e.throughput, e.download, e.nextSizes, e.remaining, e.timestep, e.targetReturn, e.action,
		e.state[0], e.state[1], e.state[2], e.state[3], e.state[4], e.state[5], e.norm,
	} {
		p = append(p, m.Params()...)
	}
	return p
}

// Steps is a run of steps to be encoded, the same number for each of several
// sequences, in one order: sequence by sequence, step by step.
type Steps struct {
	Batch     int       // sequences
	States    []float32 // 36 per step
	Returns   []float32 // target return, as the model is told it
	Actions   []int32   // quality
	Timesteps []int32   // number of the step in its session, from 0
}

// Tokens returns the token vectors [batch, steps*8, width]. The order within a
// step is return, state rows 1 to 6, action.
func (e *Encoder) Tokens(c *ops.Context, s Steps) tensor.Tensor {
	n := len(s.Returns)
	per := n / s.Batch
	states := c.Float32s(s.States, n, Features, History)
	row := func(i int) tensor.Tensor { // [n, 6]
		return ops.Contiguous(c, states.Slice(1, i, i+1)).Reshape(n, History)
	}
	newest := func(i int) tensor.Tensor { // [n, 1]
		return ops.Contiguous(c, states.Slice(1, i, i+1).Slice(2, History-1, History)).Reshape(n, 1)
	}
	leaky := func(x tensor.Tensor) tensor.Tensor { return ops.LeakyReLU(c, x, leakySlope) }
	encoded := [Features]tensor.Tensor{
		RowBitrate:    leaky(e.bitrate.Forward(c, newest(RowBitrate))),
		RowBuffer:     leaky(e.buffer.Forward(c, newest(RowBuffer))),
		RowThroughput: channelMajor(c, leaky(e.throughput.Forward(c, row(RowThroughput)))),
		RowDownload:   channelMajor(c, leaky(e.download.Forward(c, row(RowDownload)))),
		RowNextSizes:  channelMajor(c, leaky(e.nextSizes.Forward(c, row(RowNextSizes)))),
		RowRemaining:  leaky(e.remaining.Forward(c, newest(RowRemaining))),
	}
	actions := make([]float32, n)
	for i, q := range s.Actions {
		actions[i] = float32(q+1) / Qualities
	}
	time := e.timestep.Forward(c, c.Int32s(s.Timesteps, n))
	tokens := c.New(tensor.F32, n, TokensPerStep, e.width)
	put := func(i int, d *netllm.Dense, x tensor.Tensor) {
		token := ops.Add(c, d.Forward(c, x), time)
		ops.CopyInto(c, tokens.Slice(1, i, i+1), token.Reshape(n, 1, e.width))
	}
	put(0, e.targetReturn, c.Float32s(s.Returns, n, 1))
	for i, x := range encoded {
		put(1+i, e.state[i], x)
	}
	put(TokensPerStep-1, e.action, c.Float32s(actions, n, 1))
	return e.norm.Forward(c, tokens.Reshape(s.Batch, per*TokensPerStep, e.width))
}

// channelMajor returns a convolution's result [n, positions, channels] as rows
// in which the positions of a channel stand together.
func channelMajor(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	n, positions, channels := x.Dim(0), x.Dim(1), x.Dim(2)
	return ops.Contiguous(c, x.Transpose(1, 2)).Reshape(n, channels*positions)
}
