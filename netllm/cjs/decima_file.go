// Decima's published weights.

package cjs

import (
	"fmt"

	"netllm/netllm"
	"netllm/ops"
)

// ReadDecima reads the network's weights: the three linear layers, NAME.0 to NAME.2, of node.prep, node.msg,
// node.update, dag, glob, stage_score and exec_score, each with weight [out, in] and bias [out], float32. It fails,
// naming the file and the tensor, if one is missing, is not known, or has another shape or an element
// that is no number.
func ReadDecima(path string) (*Decima, error) {
	var d *Decima
	err := readWeights(path, func(read netllm.TensorReader) (err error) {
		d, err = newDecima(read)
		return err
	})
	return d, err
}

// Read gives the network the weights in a file, see [ReadDecima]. If it fails, some may have been changed.
func (d *DecimaNetwork) Read(b ops.Backend, path string) error {
	return readWeights(path, func(read netllm.TensorReader) error {
		for _, p := range d.Params() {
			values, err := read(p.Name, p.Value.Shape()...)
			if err != nil {
				return err
			}
			if err := netllm.Restore(b, []*ops.Param{p}, [][]float32{values}); err != nil {
				return err
			}
		}
		return nil
	})
}

// readWeights opens a file for take, which is to read all its tensors.
func readWeights(path string, take func(netllm.TensorReader) error) error {
	err := netllm.ReadWeights(path, func(_ map[string]string, read netllm.TensorReader) error { return take(read) })
	if err != nil {
		return fmt.Errorf("cjs: decima: %w", err)
	}
	return nil
}

// newDecima makes a network of the tensors that read returns.
func newDecima(read netllm.TensorReader) (*Decima, error) {
	d := &Decima{}
	for _, part := range []struct {
		name          string
		to            *mlp
		in, a, b, out int
	}{
		{"node.prep", &d.prep, StageFeatures, 32, 16, embedding},
		{"node.msg", &d.message, embedding, 32, 16, embedding},
		{"node.update", &d.update, embedding, 32, 16, embedding},
		{"dag", &d.job, described, 32, 16, embedding},
		{"glob", &d.global, embedding, 32, 16, embedding},
		{"stage_score", &d.stage, described + 2*embedding, 64, 64, 1},
		{"exec_score", &d.executor, jobPart + 2*embedding + 1, 64, 64, 1},
	} {
		m := part.to
		m.widths = [4]int{part.in, part.a, part.b, part.out}
		for l := range 3 {
			in, out := m.widths[l], m.widths[l+1]
			weight, err := read(fmt.Sprintf("%s.%d.weight", part.name, l), out, in)
			if err != nil {
				return nil, err
			}
			m.weight[l] = transpose(weight, out, in)
			if m.bias[l], err = read(fmt.Sprintf("%s.%d.bias", part.name, l), out); err != nil {
				return nil, err
			}
		}
	}
	d.stage.twice()
	d.executor.twice()
	return d, nil
}

// transpose returns w [rows, cols] as [cols, rows].
func transpose(w []float32, rows, cols int) []float32 {
	t := make([]float32, len(w))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = w[i*cols+j]
		}
	}
	return t
}
