// The policies of GENET: checkpoints of TensorFlow become safetensors.

package published

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"netllm/tensor"
	"netllm/tensor/safetensors"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/tfbundle"
)

const (
	genetModels = streaming + "/all_models"
	indexSuffix = ".ckpt.index"
	dataSuffix  = ".ckpt.data-00000-of-00001"
	maxIndex    = 16 << 20
)

// genetLayers names the layers. A checkpoint has the names that TFLearn gives: the
// type of a layer with its number among those of the same type, in the order in
// which the network was made, below the scope "actor" or "critic"; W are weights, b
// the bias.
var genetLayers = []struct {
	from, to string
	shape    []int // of the weights
}{
	{"FullyConnected", "last_bitrate_fc", []int{1, 128}},
	{"FullyConnected_1", "buffer_fc", []int{1, 128}},
	{"Conv1D", "throughput_conv", []int{4, 1, 6, 128}},
	{"Conv1D_1", "download_time_conv", []int{4, 1, 6, 128}},
	{"Conv1D_2", "next_sizes_conv", []int{4, 1, 6, 128}},
	{"FullyConnected_2", "remaining_fc", []int{1, 128}},
	{"FullyConnected_3", "hidden_fc", []int{768, 128}},
	{"FullyConnected_4", "out_fc", []int{128, 0}}, // 0: as many as the scope's network has outputs
}

// genetScopes are the two networks of a checkpoint.
var genetScopes = []struct {
	name    string
	outputs int
}{{"actor", 3}, {"critic", 1}}

// planGenet converts the newest checkpoint of every model. Optimizer's slots and
// counters are left out.
func (c *Clone) planGenet(ctx context.Context, p *Plan) error {
	part := Part{Task: "abr", Name: "genet"}
	refused := len(p.Refused)
	for _, model := range c.list(p, genetModels) {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := genetModels + "/" + model
		if info, err := c.root.Stat(filepath.FromSlash(dir)); err == nil && !info.IsDir() {
			continue
		}
		checkpoint := c.newest(p, dir)
		if checkpoint == "" {
			continue
		}
		tensors, err := c.genetTensors(dir + "/" + checkpoint)
		if err != nil {
			p.refuse(dir+"/"+checkpoint+indexSuffix, err)
			continue
		}
		item := Item{From: dir + "/" + checkpoint + indexSuffix, To: "abr/genet/" + model + ".safetensors"}
		for _, t := range tensors {
			n := int64(4)
			for _, d := range t.Shape {
				n *= int64(d)
			}
			item.Bytes += n
		}
		metadata := map[string]string{
			"source": "TensorFlow bundle " + model + "/" + checkpoint + ".ckpt",
			"layout": "row-major; fc weight [in,out]; conv weight [tap,1,in_channel,out_channel]",
		}
		item.write = func(_ context.Context, path string, replace bool) error {
			if err := cli.CheckNew(path, replace); err != nil {
				return err
			}
			if err := cli.MakeFolder(path); err != nil {
				return err
			}
			if replace {
				return safetensors.Replace(path, metadata, tensors)
			}
			return safetensors.Write(path, metadata, tensors)
		}
		part.Items = append(part.Items, item)
	}
	if len(part.Items) == 0 && len(p.Refused) == refused {
		p.missing("abr genet", "the clone has no checkpoint in %s", genetModels)
	}
	p.add(part)
	return nil
}

// newest returns the name, without its ending, of the checkpoint in dir with the
// highest number, "" if there is none.
func (c *Clone) newest(p *Plan, dir string) string {
	var names []string
	for _, name := range c.list(p, dir) {
		if name, ok := strings.CutSuffix(name, indexSuffix); ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(epoch(a), epoch(b)) })
	last := names[len(names)-1]
	for _, name := range names[:len(names)-1] {
		p.Notes = append(p.Notes, fmt.Sprintf("%q is left out: %s is newer", dir+"/"+name+indexSuffix, last))
	}
	return last
}

// epoch returns the number that a name ends with, 0 if none.
func epoch(name string) uint64 {
	n, _ := strconv.ParseUint(name[len(strings.TrimRight(name, "0123456789")):], 10, 64)
	return n
}

// genetTensors reads the weights of a checkpoint under their new names.
func (c *Clone) genetTensors(checkpoint string) ([]safetensors.Entry, error) {
	index, err := c.read(checkpoint+indexSuffix, maxIndex)
	if err != nil {
		return nil, err
	}
	bundle, err := tfbundle.Parse(index)
	if err != nil {
		return nil, err
	}
	data, err := c.open(checkpoint + dataSuffix)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dataSuffix, err)
	}
	defer data.Close()
	info, err := data.Stat()
	if err != nil {
		return nil, err
	}
	var list []safetensors.Entry
	for _, scope := range genetScopes {
		for _, layer := range genetLayers {
			weight := slices.Clone(layer.shape)
			if last := &weight[len(weight)-1]; *last == 0 {
				*last = scope.outputs
			}
			for _, part := range []struct {
				from, to string
				shape    []int
			}{{"W", "weight", weight}, {"b", "bias", weight[len(weight)-1:]}} {
				t, err := genetTensor(bundle, data, info.Size(), scope.name+"/"+layer.from+"/"+part.from, part.shape)
				if err != nil {
					return nil, err
				}
				list = append(list, safetensors.EntryOf(scope.name+"."+layer.to+"."+part.to, t))
			}
		}
	}
	return list, nil
}

// genetTensor reads a tensor of float32 that must have this shape.
func genetTensor(bundle *tfbundle.Bundle, data io.ReaderAt, size int64, name string, shape []int) (tensor.Tensor, error) {
	t, ok := bundle.Get(name)
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("no tensor %q among its %d", name, len(bundle.Tensors))
	}
	if t.DType != tfbundle.Float32 || !slices.Equal(t.Shape, shape) {
		return tensor.Tensor{}, fmt.Errorf("tensor %q: type %d and shape %v, want %d and %v", name, t.DType, t.Shape, tfbundle.Float32, shape)
	}
	content, err := bundle.Read(data, size, t)
	if err != nil {
		return tensor.Tensor{}, err
	}
	values := make([]float32, len(content)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(content[4*i:]))
	}
	return tensor.FromFloat32(values, shape...), nil
}
