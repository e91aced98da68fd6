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

	// stateToken is the place, within a step, of the last token that describes the state.
	stateToken = TokensPerStep - 2

	leakySlope = 0.01
	convWidth  = 4

	// hiddenWidth is that of the layer that sees all of a state that is shown alone.
	hiddenWidth = 128
)

// Encoder turns steps of a session into token vectors of a language model's
// width. It has an encoder for each row of the state - a dense layer for the
// scalars, a convolution for the series -, a linear layer that brings each of
// the eight inputs of a step to the model's width, a vector for the step's
// number, and a layer normalisation over all tokens.
type Encoder struct {
	bitrate, buffer, remaining *netllm.Dense  // 1 -> features
	throughput, download       *netllm.Conv1D // history -> (history-3) x features
	nextSizes                  *netllm.Conv1D // 6 -> features
	timestep                   *netllm.Table
	targetReturn, action       *netllm.Dense // 1 -> width
	state                      [Features]*netllm.Dense
	hidden, together           *netllm.Dense // of a state that is shown alone: from its tokens to one more
	norm                       *netllm.LayerNorm
	config                     NetworkConfig
	width                      int
}

// NewEncoder returns an encoder as config says, for tokens of the given width.
func NewEncoder(b ops.Backend, config NetworkConfig, width int, rng *rand.Rand) *Encoder {
	features, history := config.Features, config.history()
	e := &Encoder{
		bitrate:    netllm.NewDense(b, "encoder.bitrate_fc", features, 1, rng),
		buffer:     netllm.NewDense(b, "encoder.buffer_fc", features, 1, rng),
		throughput: netllm.NewConv1D(b, "encoder.throughput_conv", features, convWidth, rng),
		download:   netllm.NewConv1D(b, "encoder.download_time_conv", features, convWidth, rng),
		nextSizes:  netllm.NewConv1D(b, "encoder.next_sizes_conv", features, History, rng),
		remaining:  netllm.NewDense(b, "encoder.remaining_fc", features, 1, rng),
		timestep:   netllm.NewTable(b, "embed.timestep", config.Timesteps, width, rng),
		norm:       netllm.NewLayerNorm(b, "embed.layernorm", width),
		config:     config, width: width,
	}
	if !config.Alone {
		e.targetReturn = netllm.NewDense(b, "embed.return", width, 1, rng)
		e.action = netllm.NewDense(b, "embed.action", width, 1, rng)
	}
	sizes := [Features]int{RowBitrate: 1, RowBuffer: 1, RowThroughput: history - convWidth + 1,
		RowDownload: history - convWidth + 1, RowNextSizes: 1, RowRemaining: 1}
	for i := range e.state {
		e.state[i] = netllm.NewDense(b, "embed.state"+string(rune('1'+i)), width, sizes[i]*features, rng)
	}
	if config.Alone {
		e.hidden = netllm.NewDense(b, "embed.hidden", hiddenWidth, Features*width, rng)
		e.together = netllm.NewDense(b, "embed.together", width, hiddenWidth, rng)
	}
	return e
}

// Params returns all parameters.
func (e *Encoder) Params() []*ops.Param {
	var p []*ops.Param
	modules := []interface{ Params() []*ops.Param }{e.bitrate, e.buffer, e.throughput, e.download, e.nextSizes, e.remaining, e.timestep}
	if e.config.Alone {
		modules = append(modules, e.hidden, e.together)
	} else {
		modules = append(modules, e.targetReturn, e.action)
	}
	for _, d := range e.state {
		modules = append(modules, d)
	}
	for _, m := range append(modules, e.norm) {
		p = append(p, m.Params()...)
	}
	return p
}

// Steps is a run of steps to be encoded, the same number for each of several
// sequences, in one order: sequence by sequence, step by step.
type Steps struct {
	Batch     int       // sequences
	States    []float32 // 36 per step
	Earlier   []float32 // of networks with a longer history: throughputs before those of the state, then download times, the oldest first
	Returns   []float32 // target return, as the model is told it
	Actions   []int32   // quality
	Timesteps []int32   // number of the step in its session, from 0
}

// Tokens returns the token vectors [batch, steps*8, width]. The order within a
// step is return, state rows 1 to 6, action; a state that is shown alone has rows 1 to 6, and a token that is made of
// these: [batch, 7, width].
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
	series := func(i, kind int) tensor.Tensor { // [n, history]
		earlier := e.config.history() - History
		if earlier == 0 {
			return row(i)
		}
		all := c.New(tensor.F32, n, e.config.history())
		before := c.Float32s(s.Earlier, n, 2*earlier)
		ops.CopyInto(c, all.Slice(1, 0, earlier), before.Slice(1, kind*earlier, (kind+1)*earlier))
		ops.CopyInto(c, all.Slice(1, earlier, earlier+History), row(i))
		return all
	}
	leaky := func(x tensor.Tensor) tensor.Tensor { return ops.LeakyReLU(c, x, leakySlope) }
	encoded := [Features]tensor.Tensor{
		RowBitrate:    leaky(e.bitrate.Forward(c, newest(RowBitrate))),
		RowBuffer:     leaky(e.buffer.Forward(c, newest(RowBuffer))),
		RowThroughput: channelMajor(c, leaky(e.throughput.Forward(c, series(RowThroughput, 0)))),
		RowDownload:   channelMajor(c, leaky(e.download.Forward(c, series(RowDownload, 1)))),
		RowNextSizes:  channelMajor(c, leaky(e.nextSizes.Forward(c, row(RowNextSizes)))),
		RowRemaining:  leaky(e.remaining.Forward(c, newest(RowRemaining))),
	}
	time := e.timestep.Forward(c, c.Int32s(s.Timesteps, n))
	count, first := e.config.tokens(), 1
	if e.config.Alone {
		first = 0
	}
	tokens := c.New(tensor.F32, n, count, e.width)
	put := func(i int, d *netllm.Dense, x tensor.Tensor) {
		token := ops.Add(c, d.Forward(c, x), time)
		ops.CopyInto(c, tokens.Slice(1, i, i+1), token.Reshape(n, 1, e.width))
	}
	for i, x := range encoded {
		put(first+i, e.state[i], x)
	}
	if e.config.Alone {
		all := ops.Contiguous(c, tokens.Slice(1, 0, Features)).Reshape(n, Features*e.width)
		put(count-1, e.together, leaky(e.hidden.Forward(c, all)))
	} else {
		actions := make([]float32, n)
		for i, q := range s.Actions {
			actions[i] = float32(q+1) / Qualities
		}
		put(0, e.targetReturn, c.Float32s(s.Returns, n, 1))
		put(count-1, e.action, c.Float32s(actions, n, 1))
	}
	return e.norm.Forward(c, tokens.Reshape(s.Batch, per*count, e.width))
}

// channelMajor returns a convolution's result [n, positions, channels] as rows
// in which the positions of a channel stand together.
func channelMajor(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	n, positions, channels := x.Dim(0), x.Dim(1), x.Dim(2)
	return ops.Contiguous(c, x.Transpose(1, 2)).Reshape(n, channels*positions)
}
