// The weights of Pensieve-style agents: which tensors there are, their file,
// and what a network makes of a state.

package abr

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"netllm/tensor"
	"netllm/tensor/safetensors"
)

const (
	// ActorMoves is the number of actions: 0 = one quality down, 1 = stay,
	// 2 = one quality up.
	ActorMoves = 3

	// ActorWidth is the number of outputs of a branch and of the hidden layer.
	ActorWidth = 128

	actorTaps = 4 // of the published kernels, of which ActorTap alone meets data

	// ActorTap is the kernel position that is used, and trained. The published
	// networks convolve a signal of length 1, whose channels are the six steps
	// of history, with a kernel of length 4 and one zero before the signal.
	ActorTap = 1
)

// branches are the parts of a network that read one row of the state each, in
// order of the rows: three see its newest element, three the whole row.
var branches = [Features]struct {
	name string
	in   int
}{
	{"last_bitrate_fc", 1}, {"buffer_fc", 1}, {"throughput_conv", History},
	{"download_time_conv", History}, {"next_sizes_conv", History}, {"remaining_fc", 1},
}

// ActorLayer is one dense layer, or one convolution.
type ActorLayer struct {
	Weight []float32 // [in, out], of a convolution [taps 4, 1, in, out]
	Bias   []float32 // [out]
}

// ActorTower is one network: six branches side by side, a hidden layer on all
// their outputs, a linear layer on that; relu follows all but the last.
type ActorTower struct {
	Branches [Features]ActorLayer // out = ActorWidth
	Hidden   ActorLayer           // [6*ActorWidth, ActorWidth]
	Out      ActorLayer           // [ActorWidth, ActorMoves], of a critic [ActorWidth, 1]
}

// Actor is a Pensieve-style agent: a network for the logits of the moves and
// one for the value of a state. Source: Mao, Netravali and Alizadeh, "Neural
// Adaptive Video Streaming with Pensieve", SIGCOMM 2017; the moves instead of
// qualities are those of Xia et al., "Genet: Automatic Curriculum Generation
// for Learning Adaptation in Networking", SIGCOMM 2022.
//
// Logits and Value may be called by several goroutines while nobody writes to
// the weights; they do not allocate.
type Actor struct {
	Policy, Critic ActorTower
}

// ActorTensor is a tensor of an agent's file.
type ActorTensor struct {
	Name  string // such as "actor.hidden_fc.weight"
	Shape []int
	Data  []float32 // the agent's own memory, row-major
}

// NewActor returns an agent whose weights are all zero.
func NewActor() *Actor {
	a := new(Actor)
	a.each(func(_ string, shape []int, data *[]float32) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		*data = make([]float32, n)
	})
	return a
}

// Tensors lists all weights in the order of the network, the critic's last:
// what a file of an agent holds and what training changes.
func (a *Actor) Tensors() []ActorTensor {
	var list []ActorTensor
	a.each(func(name string, shape []int, data *[]float32) {
		list = append(list, ActorTensor{name, shape, *data})
	})
	return list
}

func (a *Actor) each(visit func(name string, shape []int, data *[]float32)) {
	for _, tower := range []struct {
		name string
		t    *ActorTower
		out  int
	}{{"actor", &a.Policy, ActorMoves}, {"critic", &a.Critic, 1}} {
		layer := func(name string, l *ActorLayer, shape ...int) {
			name = tower.name + "." + name
			visit(name+".weight", shape, &l.Weight)
			visit(name+".bias", shape[len(shape)-1:], &l.Bias)
		}
		for i, branch := range branches {
			shape := []int{1, ActorWidth}
			if branch.in > 1 {
				shape = []int{actorTaps, 1, branch.in, ActorWidth}
			}
			layer(branch.name, &tower.t.Branches[i], shape...)
		}
		layer("hidden_fc", &tower.t.Hidden, Features*ActorWidth, ActorWidth)
		layer("out_fc", &tower.t.Out, ActorWidth, tower.out)
	}
}

// ReadActor reads the safetensors file of an agent. A tensor that is missing,
// of another shape or type than its layer's, not finite or not of an agent is
// an error that names the file and the tensor.
func ReadActor(path string) (*Actor, error) {
	a, err := readActor(path)
	if err != nil {
		return nil, fmt.Errorf("abr: %w", err)
	}
	return a, nil
}

func readActor(path string) (*Actor, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer f.Close()
	a := NewActor()
	known := map[string]bool{}
	for _, want := range a.Tensors() {
		known[want.Name] = true
		if _, ok := f.Info(want.Name); !ok {
			return nil, fmt.Errorf("weights: %s: no tensor %q", path, want.Name)
		}
		t, err := f.Tensor(want.Name)
		if err != nil {
			return nil, fmt.Errorf("weights: %s: tensor %q: %w", path, want.Name, err)
		}
		if t.DType() != tensor.F32 || !slices.Equal(t.Shape(), want.Shape) {
			return nil, fmt.Errorf("weights: %s: tensor %q: %v, want %v %v", path, want.Name, t, tensor.F32, want.Shape)
		}
		data := t.Bytes()
		for i := range want.Data {
			v := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			if d := float64(v); math.IsNaN(d) || math.IsInf(d, 0) {
				return nil, fmt.Errorf("weights: %s: tensor %q: element %d is %v", path, want.Name, i, v)
			}
			want.Data[i] = v
		}
	}
	for _, name := range f.Names() {
		if !known[name] {
			return nil, fmt.Errorf("weights: %s: tensor %q is not an agent's", path, name)
		}
	}
	return a, nil
}

// Write writes the agent to a new safetensors file, or, if replace is set,
// over an old one.
func (a *Actor) Write(path string, replace bool) error {
	var entries []safetensors.Entry
	for _, t := range a.Tensors() {
		data := make([]byte, 0, 4*len(t.Data))
		for _, v := range t.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		entries = append(entries, safetensors.EntryOf(t.Name, tensor.Of(tensor.HostBytes(data), tensor.F32, t.Shape...)))
	}
	write := safetensors.Write
	if replace {
		write = safetensors.Replace
	}
	layout := "row-major; fc weight [in,out]; conv weight [tap,1,in_channel,out_channel]"
	if err := write(path, map[string]string{"layout": layout}, entries); err != nil {
		return fmt.Errorf("abr: weights: %w", err)
	}
	return nil
}

// Logits returns the logits of the moves in the state of o.
func (a *Actor) Logits(o *Observation) [ActorMoves]float32 {
	var state [Features * History]float32
	o.StateFloat32(state[:])
	var logits [ActorMoves]float32
	a.Policy.forward(&state, logits[:])
	return logits
}

// Value returns the critic's guess of the return from the state of o on.
func (a *Actor) Value(o *Observation) float32 {
	var state [Features * History]float32
	o.StateFloat32(state[:])
	var value [1]float32
	a.Critic.forward(&state, value[:])
	return value[0]
}

// forward writes the network's outputs for a state, row-major, to out.
func (t *ActorTower) forward(state *[Features * History]float32, out []float32) {
	var joined [Features * ActorWidth]float32
	for i := range branches {
		row := state[i*History : (i+1)*History]
		weight := t.Branches[i].Weight
		if branches[i].in > 1 {
			weight = weight[ActorTap*History*ActorWidth : (ActorTap+1)*History*ActorWidth]
		} else {
			row = row[History-1:]
		}
		to := joined[i*ActorWidth : (i+1)*ActorWidth]
		affine(to, row, weight, t.Branches[i].Bias)
		relu(to)
	}
	var hidden [ActorWidth]float32
	affine(hidden[:], joined[:], t.Hidden.Weight, t.Hidden.Bias)
	relu(hidden[:])
	affine(out, hidden[:], t.Out.Weight, t.Out.Bias)
}

// affine is out = in . weight + bias, weight being [in, out]. Zeros, of which
// relu makes many, cost nothing.
func affine(out, in, weight, bias []float32) {
	copy(out, bias)
	for i, x := range in {
		if x == 0 {
			continue
		}
		row := weight[i*len(out):][:len(out)]
		for j, w := range row {
			out[j] += float32(x * w)
		}
	}
}

func relu(v []float32) {
	for i := range v {
		v[i] = max(v[i], 0)
	}
}
