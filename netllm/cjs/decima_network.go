// Decima as it is trained.

package cjs

import (
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// DecimaNetwork is [Decima] on a backend, as it is trained.
type DecimaNetwork struct {
	encoder          *graphEncoder
	stage, executors layers
}

func tanh(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.Tanh(c, x) }

// NewDecimaNetwork returns a network with weights drawn from seed, as PyTorch draws them.
func NewDecimaNetwork(b ops.Backend, seed uint64) *DecimaNetwork {
	rng := rand.New(rand.NewPCG(seed, 0x646563696d61))
	scoring := func(name string, in int) layers { return newLayers(b, name, rng, tanh, false, in, 64, 64, 1) }
	return &DecimaNetwork{newDecimaEncoder(b, StageFeatures, rng), scoring("stage_score", described+2*embedding), scoring("exec_score", jobPart+2*embedding+1)}
}

// Write writes the weights, to be read by [ReadDecima]. An old file is replaced only if replace is set.
func (d *DecimaNetwork) Write(b ops.Backend, path string, metadata map[string]string, replace bool) error {
	if err := netllm.WriteWeights(b, path, d.Params(), metadata, replace); err != nil {
		return fmt.Errorf("cjs: decima: %w", err)
	}
	return nil
}

// Decima returns the network as it is now, to decide by.
func (d *DecimaNetwork) Decima(b ops.Backend) (*Decima, error) {
	params := d.Params()
	values, err := netllm.Snapshot(b, params)
	if err != nil {
		return nil, fmt.Errorf("cjs: decima: %w", err)
	}
	byName := map[string][]float32{}
	for i, p := range params {
		byName[p.Name] = values[i]
	}
	return newDecima(func(name string, _ ...int) ([]float32, error) { return byName[name], nil })
}

// Params returns all parameters.
func (d *DecimaNetwork) Params() []*ops.Param {
	return append(append(d.encoder.params(), d.stage.params()...), d.executors.params()...)
}

// stageScores returns the scores [n, 1] of nodes of an encoded graph.
func (d *DecimaNetwork) stageScores(c *ops.Context, g *graph, e encoded, nodes []int32) tensor.Tensor {
	return d.stage.forward(c, e.ofStages(c, g, nodes))
}

// executorScores returns the scores [n, 1] of giving the jobs of nodes numbers of executors: fractions holds for each
// how many, less one, of all.
func (d *DecimaNetwork) executorScores(c *ops.Context, g *graph, e encoded, nodes []int32, fractions []float32) tensor.Tensor {
	return d.executors.forward(c, beside(c, e.ofJobs(c, g, nodes), c.Float32s(fractions, len(fractions), 1)))
}
