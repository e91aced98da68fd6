// TRACK, the recurrent predictor that the paper compares with.

package vp

import (
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// trackWidth is the width of all layers.
const trackWidth = 256

// TrackConfig is the shape of a [Track].
type TrackConfig struct {
	// Cells is how many gray values a picture of saliency has, row by row; 1 if there are none, which
	// is the same as many that are zero.
	Cells int `json:"cells"`

	// Honest has the decoder begin at the last row seen. As published it begins at the first row
	// to come, which nobody knows: its first answer is about a step old.
	Honest bool `json:"honest"`
}

// Track is the network of Rondón et al. 2021 as the paper's code has it: encoders of positions and of
// saliency and one that fuses both, decoders of the same kinds, and two dense layers that move the
// position. Inputs are normalised positions; answers are degrees, since that is what the loss
// compares them with, so the network learns to leap from one scale to the other. The
// decoder that fuses begins every step with the encoder's state.
type Track struct {
	Config                             TrackConfig
	positionIn, saliencyIn, fusedIn    *netllm.LSTM
	positionOut, saliencyOut, fusedOut *netllm.LSTM
	first, second                      *netllm.Dense
	saliency                           Saliency // nil: zeros
}

// Saliency gives pictures of what draws the eye.
type Saliency interface {
	// Cells is the number of gray values, 0 to 255, of a picture.
	Cells() int

	// Picture sets dst, of that length, to the picture at a row of a trace.
	Picture(dst []float32, video, row int) error
}

// NewTrack returns a network with weights drawn from seed. saliency gives its pictures, or is nil where
// there are none.
func NewTrack(b ops.Backend, config TrackConfig, saliency Saliency, seed uint64) (*Track, error) {
	switch {
	case config.Cells < 1:
		return nil, fmt.Errorf("vp: track: %d cells", config.Cells)
	case saliency == nil && config.Cells != 1:
		return nil, fmt.Errorf("vp: track: pictures of %d cells are needed", config.Cells)
	case saliency != nil && saliency.Cells() != config.Cells:
		return nil, fmt.Errorf("vp: track: pictures of %d cells for a network of %d", saliency.Cells(), config.Cells)
	}
	rng := rand.New(rand.NewPCG(seed, 0x747261636b)) // the stream is this network's own
	layer := func(name string, in int) *netllm.LSTM { return netllm.NewLSTM(b, name, trackWidth, in, rng) }
	return &Track{
		Config: config, saliency: saliency,
		positionIn: layer("encoder.position", len(ends)), saliencyIn: layer("encoder.saliency", config.Cells), fusedIn: layer("encoder.fused", 2*trackWidth),
		positionOut: layer("decoder.position", len(ends)), saliencyOut: layer("decoder.saliency", config.Cells), fusedOut: layer("decoder.fused", 2*trackWidth),
		first: netllm.NewDense(b, "head.0", trackWidth, trackWidth, rng), second: netllm.NewDense(b, "head.1", len(ends), trackWidth, rng),
	}, nil
}

// Params returns all parameters.
func (t *Track) Params() []*ops.Param {
	return paramsOf(t.positionIn, t.saliencyIn, t.fusedIn, t.positionOut, t.saliencyOut, t.fusedOut, t.first, t.second)
}

// Forward returns the answers [horizon*batch, 3] in degrees, row by row and, within a row to come,
// window by window. The windows have one shape.
func (t *Track) Forward(c *ops.Context, ws []Window) (tensor.Tensor, error) {
	batch, history, horizon := len(ws), ws[0].History, ws[0].Horizon
	seen, err := t.pictures(c, t.saliencyIn, ws, -history, history)
	if err != nil {
		return tensor.Tensor{}, err
	}
	coming, err := t.pictures(c, t.saliencyOut, ws, 0, horizon)
	if err != nil {
		return tensor.Tensor{}, err
	}

	// What does not wait for an answer is computed for all steps at once.
	var past []float32
	for i := range history {
		past = append(past, positions(ws, func(w Window) []Angles { return w.Past()[i : i+1] })...)
	}
	input := t.positionIn.Input(c, c.Float32s(past, history*batch, len(ends)))
	var position, saliency, fused tensor.Tensor // states
	both := c.New(tensor.F32, history*batch, 2*trackWidth)
	for i := range history {
		position = t.positionIn.Step(c, input.Slice(0, i*batch, (i+1)*batch), position)
		saliency = t.saliencyIn.Step(c, seen.at(i), saliency)
		t.join(c, both.Slice(0, i*batch, (i+1)*batch), saliency, position)
	}
	input = t.fusedIn.Input(c, both)
	for i := range history {
		fused = t.fusedIn.Step(c, input.Slice(0, i*batch, (i+1)*batch), fused)
	}

	begin := func(w Window) []Angles { return w.Trace.Rows[w.At : w.At+1] }
	if t.Config.Honest {
		begin = func(w Window) []Angles { return w.Trace.Rows[w.At-1 : w.At] }
	}
	x := c.Float32s(positions(ws, begin), batch, len(ends))
	recurrent := t.fusedOut.Recurrent(c, fused) // the same in every step
	out := c.New(tensor.F32, horizon*batch, len(ends))
	for k := range horizon {
		position = t.positionOut.Step(c, t.positionOut.Input(c, x), position)
		saliency = t.saliencyOut.Step(c, coming.at(k), saliency)
		pair := c.New(tensor.F32, batch, 2*trackWidth)
		t.join(c, pair, saliency, position)
		state := ops.LSTM(c, ops.Add(c, t.fusedOut.Input(c, pair), recurrent), fused)
		x = ops.Add(c, x, t.second.Forward(c, t.first.Forward(c, t.fusedOut.Hidden(c, state))))
		ops.CopyInto(c, out.Slice(0, k*batch, (k+1)*batch), x)
	}
	return out, nil
}

// join puts the hidden values of a saliency state, of all windows or the one of all, and a position state
// side by side into dst.
func (t *Track) join(c *ops.Context, dst, saliency, position tensor.Tensor) {
	hidden := t.saliencyIn.Hidden(c, saliency)
	if batch := dst.Dim(0); hidden.Dim(0) < batch {
		hidden = ops.Gather(c, hidden, c.Int32s(make([]int32, batch), batch))
	}
	ops.CopyInto(c, dst.Slice(1, 0, trackWidth), hidden)
	ops.CopyInto(c, dst.Slice(1, trackWidth, 2*trackWidth), t.positionIn.Hidden(c, position))
}

// pictureGates are what the pictures of some rows add to a layer's gates.
type pictureGates struct {
	gates tensor.Tensor // [steps*batch, 4*width], or [1, 4*width] for all
	batch int           // 0: one for all
}

func (g pictureGates) at(step int) tensor.Tensor {
	if g.batch == 0 {
		return g.gates
	}
	return g.gates.Slice(0, step*g.batch, (step+1)*g.batch)
}

// pictures returns the gates of rows w.At+from on, so many of them. Without pictures all windows have
// the same, those of zeros.
func (t *Track) pictures(c *ops.Context, l *netllm.LSTM, ws []Window, from, rows int) (pictureGates, error) {
	if t.saliency == nil {
		return pictureGates{gates: l.Bias(c)}, nil
	}
	cells := t.Config.Cells
	values := make([]float32, rows*len(ws)*cells)
	for i := range rows {
		for j, w := range ws {
			if err := t.saliency.Picture(values[(i*len(ws)+j)*cells:][:cells], w.Trace.Video, w.At+from+i); err != nil {
				return pictureGates{}, err
			}
		}
	}
	return pictureGates{l.Input(c, c.Float32s(values, rows*len(ws), cells)), len(ws)}, nil
}

// truth are the rows to come of all windows, in degrees, in the order of Forward.
func truth(ws []Window) []float32 {
	var values []float32
	for k := range ws[0].Horizon {
		for _, w := range ws {
			row := w.Future()[k]
			values = append(values, row[:]...)
		}
	}
	return values
}

// Loss returns the mean absolute error in degrees; as published it knows nothing of turns.
func (t *Track) Loss(c *ops.Context, ws []Window) (tensor.Tensor, error) {
	y, err := t.Forward(c, ws)
	if err != nil {
		return y, err
	}
	return ops.MAE(c, y, c.Float32s(truth(ws), y.Shape()...), 0), nil
}

// Name is the predictor's in results: "track", which as published is told the first row to come, or
// "track-honest".
func (t *Track) Name() string {
	if t.Config.Honest {
		return "track-honest"
	}
	return "track"
}

// Factory returns the predictor, see [Adapter.Factory].
func (t *Track) Factory(workers int, open func() ops.Backend) Factory {
	return Factory{Name: t.Name(), Workers: workers, Batch: trackBatch, New: func() (Predictor, error) {
		return &trackPredictor{t, ops.NewContext(open())}, nil
	}}
}

// trackBatch is how many questions are answered in one pass.
const trackBatch = 128

type trackPredictor struct {
	t *Track
	c *ops.Context
}

// Predict implements [Predictor].
func (p *trackPredictor) Predict(dst [][]Angles, ws []Window) error {
	for len(ws) > 0 {
		n := alike(ws)
		p.c.Reset()
		y, err := p.t.Forward(p.c, ws[:n])
		if err != nil {
			return err
		}
		values := make([]float32, y.Len())
		if err := p.c.Read(values, y.Reshape(len(values))); err != nil {
			return err
		}
		for i := range n {
			for k := range dst[i] {
				copy(dst[i][k][:], values[(k*n+i)*len(ends):])
			}
		}
		dst, ws = dst[n:], ws[n:]
	}
	return nil
}

// alike is how many windows from the first on have its shape.
func alike(ws []Window) int {
	n := 1
	for n < len(ws) && ws[n].History == ws[0].History && ws[n].Horizon == ws[0].Horizon {
		n++
	}
	return n
}
