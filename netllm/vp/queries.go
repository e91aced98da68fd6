// The project's own network: all rows at once, as displacements from the last one.

package vp

import (
	"math"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// Queries predicts displacements from the last position, so that an untrained network, whose
// last layer is zero, repeats it. All differences take the short way round. Tokens are the rows
// seen, each by its displacement from the last row and from the one before it, and then
// learned queries, each of which a few rows to come are read from; queries also carry a summary of the
// newest rows, so that the body has something to refine, and a linear layer leads from those
// rows to the answers directly: norms forget how fast a viewer moves.
type Queries struct {
	config NetworkConfig
	body   transformer.Body

	step    *netllm.Dense // of one row
	embed   *netllm.Dense
	motion  *netllm.Dense // of the newest rows together
	summary *netllm.Dense
	image   *pictureToken // or nil
	query   *netllm.Table
	norm    *netllm.LayerNorm
	hidden  *netllm.Dense
	head    *netllm.Dense
	direct  *netllm.Dense // from the newest rows to the answers, past body and norms
}

// stepFeatures are what a row is described by: its displacement from the last row, that
// from the row before it, roll and pitch.
const stepFeatures = 8

// Units of displacement from the last row, of displacement from the row before, and of
// answers, degrees: about the sizes that occur.
const (
	displacementUnit = 20
	velocityUnit     = 5
	answerUnit       = 20
)

func newQueries(b ops.Backend, body transformer.Body, f NetworkConfig, images Images, seed uint64) *Queries {
	rng := rand.New(rand.NewPCG(seed, 0x7170)) // the stream is this network's own
	width := body.Width()
	n := &Queries{
		config: f, body: body,
		step:  netllm.NewDense(b, "encoder.step", f.Features, stepFeatures, rng),
		embed: netllm.NewDense(b, "encoder.embed", width, f.Features, rng),
	}
	if !f.NoSummary {
		n.motion = netllm.NewDense(b, "encoder.motion", f.Features, f.motionFeatures(), rng)
		n.summary = netllm.NewDense(b, "encoder.summary", width, f.Features, rng)
	}
	n.image = newPictureToken(b, body, f, images, rng)
	n.query = netllm.NewTable(b, "encoder.query", f.queries(), width, rng)
	n.norm = netllm.NewLayerNorm(b, "encoder.norm", width)
	in := width
	if f.Hidden > 0 {
		n.hidden = netllm.NewDense(b, "head.hidden", f.Hidden, width, rng)
		in = f.Hidden
	}
	n.head = netllm.NewDense(b, "head", f.PerQuery*len(ends), in, rng)
	if f.Direct {
		n.direct = netllm.NewDense(b, "head.direct", f.queries()*f.PerQuery*len(ends), f.motionFeatures(), rng)
	}
	for _, p := range paramsOf(n.head, n.direct) {
		b.Upload(p.Value, make([]byte, 4*p.Value.Len()))
	}
	return n
}

// queries is the number of queries.
func (f NetworkConfig) queries() int { return (f.Horizon + f.PerQuery - 1) / f.PerQuery }

// motionFeatures are, for each row that may be seen but the last, its displacement from the row
// after it and whether it is there, and roll and pitch of the last.
func (f NetworkConfig) motionFeatures() int { return 4*(f.History-1) + 2 }

// Params implements [Network].
func (n *Queries) Params() []*ops.Param {
	return paramsOf(n.step, n.embed, n.motion, n.summary, n.image, n.query, n.norm, n.hidden, n.head, n.direct)
}

// Trained implements [Network].
func (n *Queries) Trained() []*ops.Param { return n.Params() }

// Positions implements [Network].
func (n *Queries) Positions(history, _ int) int {
	rows := min(history, n.config.History) + n.config.queries()
	if n.image != nil {
		rows++
	}
	return rows
}

// Difference is the displacement from one position to another, the short way round.
func Difference(to, from Angles) (d Angles) {
	for axis := range d {
		d[axis] = turned(to[axis], from[axis]) - from[axis]
	}
	return d
}

// view is how a window is shown: through a mirror if sign is -1, its motion size times as
// large.
type view struct{ sign, size float32 }

// plain shows a window as it is.
var plain = view{1, 1}

// axes are by what displacements are multiplied: a mirror turns roll and yaw.
func (v view) axes() Angles { return Angles{v.sign * v.size, v.size, v.sign * v.size} }

// describe appends the features of the rows of one window.
func (n *Queries) describe(steps, motion []float32, past []Angles, shown view) (s, m []float32) {
	past = past[max(0, len(past)-n.config.History):]
	end := len(past) - 1
	away := make([]Angles, len(past)) // from the last row, along the way
	for i := end - 1; i >= 0; i-- {
		d := Difference(past[i], past[i+1])
		for axis := range d {
			away[i][axis] = away[i+1][axis] + d[axis]
		}
	}
	flip := shown.axes()
	for i, row := range past {
		for axis, v := range away[i] {
			steps = append(steps, flip[axis]*v/displacementUnit)
		}
		for axis, v := range away[i] {
			before := v
			if i > 0 {
				before = away[i-1][axis]
			}
			steps = append(steps, flip[axis]*(v-before)/velocityUnit)
		}
		steps = append(steps, shown.sign*row[Roll]/ends[Roll], row[Pitch]/ends[Pitch])
	}
	for i := end - n.config.History + 1; i < end; i++ {
		if i < 0 {
			motion = append(motion, 0, 0, 0, 0)
			continue
		}
		for axis, v := range away[i] {
			motion = append(motion, flip[axis]*(away[i+1][axis]-v)/velocityUnit)
		}
		motion = append(motion, 1)
	}
	return steps, append(motion, shown.sign*past[end][Roll]/ends[Roll], past[end][Pitch]/ends[Pitch])
}

// displacements returns the answers [batch, horizon, 3] in units of answerUnit degrees.
func (n *Queries) displacements(c *ops.Context, ws []Window, shown []view) (tensor.Tensor, error) {
	batch, width, queries := len(ws), n.body.Width(), n.config.queries()
	var steps, motion []float32
	for i, w := range ws {
		steps, motion = n.describe(steps, motion, w.Past(), shown[i])
	}
	rows := len(steps) / stepFeatures / batch
	leaky := func(x tensor.Tensor) tensor.Tensor { return ops.LeakyReLU(c, x, leakySlope) }

	history := n.embed.Forward(c, leaky(n.step.Forward(c, c.Float32s(steps, batch*rows, stepFeatures))))
	ids, of := make([]int32, batch*queries), make([]int32, batch*queries)
	for i := range ids {
		ids[i], of[i] = int32(i%queries), int32(i/queries)
	}
	query := n.query.Forward(c, c.Int32s(ids, len(ids)))
	newest := c.Float32s(motion, batch, n.config.motionFeatures())
	if n.summary != nil {
		summary := n.summary.Forward(c, leaky(n.motion.Forward(c, newest)))
		query = ops.Add(c, query, ops.Gather(c, summary, c.Int32s(of, len(of))))
	}

	tokens := join(c, history.Reshape(batch, rows, width), query.Reshape(batch, queries, width))
	tokens, err := n.image.before(c, ws, tokens)
	if err != nil {
		return tensor.Tensor{}, err
	}
	y := n.body.Forward(c, n.norm.Forward(c, tokens), nil)
	y = ops.Contiguous(c, y.Slice(1, y.Dim(1)-queries, y.Dim(1)))
	if n.hidden != nil {
		y = leaky(n.hidden.Forward(c, y))
	}
	y = n.head.Forward(c, y).Reshape(batch, queries*n.config.PerQuery, len(ends))
	if n.direct != nil {
		y = ops.Add(c, y, n.direct.Forward(c, newest).Reshape(batch, queries*n.config.PerQuery, len(ends)))
	}
	return y, nil
}

// Loss implements [Network]: the mean absolute error of displacements, the short way round, in
// units of answerUnit, over the rows that the windows have, or their mean square.
func (n *Queries) Loss(c *ops.Context, ws []Window, _ bool) (tensor.Tensor, error) {
	shown := make([]view, len(ws))
	horizon := min(ws[0].Horizon, n.config.Horizon)
	truth := make([]float32, 0, len(ws)*horizon*len(ends))
	for i, w := range ws {
		shown[i] = plain
		if c.Training {
			shown[i] = n.drawn(c, i)
		}
		flip := shown[i].axes()
		at := w.Past()[w.History-1]
		for _, row := range w.Future()[:horizon] {
			d := Difference(row, at)
			for axis, v := range d {
				truth = append(truth, flip[axis]*v/answerUnit)
			}
		}
	}
	y, err := n.displacements(c, ws, shown)
	if err != nil {
		return y, err
	}
	y = ops.Contiguous(c, y.Slice(1, 0, horizon))
	if n.config.Loss == "mse" {
		return ops.MSE(c, y, c.Float32s(truth, y.Shape()...)), nil
	}
	return ops.MAE(c, y, c.Float32s(truth, y.Shape()...), 360./answerUnit), nil
}

// mirrors reports whether the mirror image of a window means anything: no picture goes with it.
func (n *Queries) mirrors() bool { return n.config.Mirror && n.image == nil }

// drawn returns how the step's window number i is shown in training.
func (n *Queries) drawn(c *ops.Context, i int) view {
	rng := rand.New(rand.NewPCG(c.RNG.Seed^0x76696577, c.RNG.Step<<16+uint64(i))) // the stream is this window's own
	shown := plain
	if n.mirrors() && rng.IntN(2) == 1 {
		shown.sign = -1
	}
	if n.config.Stretch > 0 {
		shown.size = float32(math.Exp(n.config.Stretch * (2*rng.Float64() - 1)))
	}
	return shown
}

// Predict implements [Network]. Rows beyond the network's horizon repeat the last it knows.
func (n *Queries) Predict(c *ops.Context, dst [][]Angles, ws []Window, _ *transformer.Cache) error {
	views := []view{plain}
	if n.mirrors() {
		views = append(views, view{-1, 1})
	}
	for _, out := range dst {
		clear(out)
	}
	for _, shown := range views {
		all := make([]view, len(ws))
		for i := range all {
			all[i] = shown
		}
		y, err := n.displacements(c, ws, all)
		if err != nil {
			return err
		}
		values := make([]float32, y.Len())
		if err := c.Read(values, y.Reshape(len(values))); err != nil {
			return err
		}
		rows := y.Dim(1)
		unit, flip := float32(answerUnit)/float32(len(views)), shown.axes()
		for i := range ws {
			for k := range dst[i] {
				at := values[(i*rows+min(k, n.config.Horizon-1))*len(ends):]
				for axis := range ends {
					dst[i][k][axis] += unit * flip[axis] * at[axis]
				}
			}
		}
	}
	for i, w := range ws {
		at := w.Past()[w.History-1]
		for k := range dst[i] {
			for axis, v := range at {
				dst[i][k][axis] += v
			}
		}
	}
	return nil
}
