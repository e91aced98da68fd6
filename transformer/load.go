package transformer

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

// source is a file, or several, with named tensors.
type source interface {
	Path() string
	Names() []string
	Tensor(name string) (tensor.Tensor, error)
	Discard(name string)
	Close() error
}

// Load reads a model of any family from a GGUF file, which may be one of a split
// model's, or from a Hugging Face folder (config.json with model.safetensors,
// or its shards and their index). The weights are prepared for b, one after the
// other, and what b has a copy of is given back; the others stay in the mapped
// file until Close. It fails, naming file and tensor, if a tensor is missing, has
// another shape, or is not used by the model. See [Config.HFName] for the tensors
// that may be left.
func Load(b ops.Backend, path string) (Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	if info.IsDir() {
		return loadHF(b, path)
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return loadGGUF(b, f)
}

// ParseGGUF is [Load] for a GGUF file in memory, such as an embedded one. name
// stands for the path in errors.
func ParseGGUF(b ops.Backend, name string, data []byte) (Model, error) {
	f, err := gguf.Parse(name, data)
	if err != nil {
		return nil, err
	}
	return loadGGUF(b, f)
}

func loadGGUF(b ops.Backend, f *gguf.File) (Model, error) {
	config, err := ConfigFromGGUF(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return load(b, f, config, reader{
		find: func(name string) (string, bool) { return name, true },
		name: func(s *slot) string { return s.GGUF },
	})
}

func loadHF(b ops.Backend, dir string) (Model, error) {
	config, err := ConfigFromHF(dir)
	if err != nil {
		return nil, err
	}
	f, err := safetensors.Open(dir)
	if err != nil {
		return nil, err
	}
	return load(b, f, config, reader{find: config.HFName, name: func(s *slot) string { return s.HF }, hf: true})
}

// reader says how a kind of file calls and keeps weights.
type reader struct {
	find func(file string) (name string, used bool) // the weight's name for a tensor's
	name func(*slot) string
	hf   bool
}

// load reads all weights of a model and prepares them for b. The model's Close
// gives back src and what was prepared; so does an error.
func load(b ops.Backend, src source, config Config, r reader) (_ Model, err error) {
	var prepared []*tensor.Storage
	m := &decoder{}
	m.close = func() error {
		for _, store := range prepared {
			b.Free(store)
		}
		prepared = nil
		if m.net != nil && m.net.base().rope != nil {
			m.net.base().rope.free(b)
		}
		return src.Close()
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("transformer: %w", err), m.Close())
		}
	}()
	files, err := r.names(src)
	if err != nil {
		return nil, err
	}
	if config.Layers > len(files) { // before memory is taken for that many
		return nil, fmt.Errorf("%s: %d layers but only %d tensors", src.Path(), config.Layers, len(files))
	}
	if config.Tied { // a file that has both is taken at its word
		embed, output := tables(newNetwork(config))
		config.Tied = files[r.name(embed)] == "" || files[r.name(output)] == ""
	}
	m.net = newNetwork(config)
	m.net.base().style = ops.RoPEHalves
	if config.permutes() && !r.hf {
		m.net.base().style = ops.RoPEInterleaved
	}
	embed, output := tables(m.net)
	for _, s := range slots(m.net) {
		name := r.name(&s)
		if s.Tied || name == "" { // finish makes these
			continue
		}
		if twin := r.name(output); config.Tied && s.GGUF == embed.GGUF && files[name] == "" && files[twin] != "" {
			name = twin
		}
		file, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("%s: no tensor %q", src.Path(), name)
		}
		delete(files, name)
		t, err := src.Tensor(file)
		if err != nil {
			return nil, err
		}
		if t, err = s.fit(t, r.hf); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", src.Path(), file, err)
		}
		*s.tensor = t
		if s.host {
			continue
		}
		if *s.tensor, err = b.Prepare(t); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", src.Path(), file, err)
		}
		if store := s.tensor.Storage(); store != t.Storage() {
			prepared = append(prepared, store)
			src.Discard(file)
		}
	}
	for _, file := range src.Names() {
		if name, used := r.find(file); used && files[name] != "" {
			return nil, fmt.Errorf("%s: tensor %q belongs to no part of a model of architecture %s", src.Path(), file, config.Arch)
		}
	}
	if err := m.finish(b); err != nil {
		return nil, fmt.Errorf("%s: %w", src.Path(), err)
	}
	return m, nil
}

// names maps the weights' names to those of the tensors in src.
func (r *reader) names(src source) (map[string]string, error) {
	files := map[string]string{}
	for _, file := range src.Names() {
		name, used := r.find(file)
		if !used {
			continue
		}
		if other, twice := files[name]; twice {
			return nil, fmt.Errorf("%s: tensors %q and %q are the same weight", src.Path(), other, file)
		}
		files[name] = file
	}
	return files, nil
}

// fit brings a tensor of a file to the weight's form, or says why it cannot be.
func (s *slot) fit(t tensor.Tensor, hf bool) (tensor.Tensor, error) {
	want := s.Shape
	if hf && s.Transposed {
		want = []int{s.Shape[1], s.Shape[0]}
	}
	if !slices.Equal(t.Shape(), want) {
		return t, fmt.Errorf("shape %v, want %v", t.Shape(), want)
	}
	if !t.DType().IsFloat() {
		return t, fmt.Errorf("type %v is no weight's", t.DType())
	}
	if len(want) == 1 && t.DType() != tensor.F32 {
		t = toFloat32(t) // vectors are small: the operations take F32
	}
	if hf && s.Transposed {
		return transposed(t)
	}
	return t, nil
}

// transposed returns a copy of a host matrix with rows and columns changed.
func transposed(t tensor.Tensor) (tensor.Tensor, error) {
	out := tensor.New(t.DType(), t.Dim(1), t.Dim(0))
	switch t.DType() {
	case tensor.F32:
		transpose(out.Float32s(), t.Float32s(), t.Dim(0), t.Dim(1))
	case tensor.F16, tensor.BF16:
		transpose(out.Uint16s(), t.Uint16s(), t.Dim(0), t.Dim(1))
	default:
		return t, fmt.Errorf("type %v cannot be transposed", t.DType())
	}
	return out, nil
}

func transpose[T float32 | uint16](dst, src []T, rows, columns int) {
	const tile = 16 // so that the lines written to stay in the cache
	for i := 0; i < rows; i += tile {
		for j := range columns {
			for k := i; k < min(i+tile, rows); k++ {
				dst[j*rows+k] = src[k*columns+j]
			}
		}
	}
}

// finish makes what follows from the weights: a tied output and the tables of
// positions.
func (m *decoder) finish(b ops.Backend) error {
	net := m.net.base()
	scaling := &net.Scaling
	var divisors []float32
	if scaling.Type != "" && scaling.known() {
		divisors = scaling.divisors(net.RopeDim, net.RopeTheta)
	}
	for _, s := range slots(m.net) {
		switch {
		case s.Tied:
			*s.tensor, _ = m.net.tokens()
		case s.host:
			switch {
			case !s.tensor.IsZero(): // as the file has it
				divisors = s.tensor.Float32s()
			case divisors == nil:
				return fmt.Errorf("the numbers of rope scaling %s are not known", scaling.Type)
			default:
				*s.tensor = tensor.FromFloat32(divisors, s.Shape...)
			}
			if i := slices.IndexFunc(divisors, func(v float32) bool { return !(v > 0) }); i >= 0 {
				return fmt.Errorf("tensor %q: element %d is %v", s.GGUF, i, divisors[i])
			}
		}
	}
	if net.RopeDim > 0 {
		net.rope = &rotations{config: &net.Config, divisors: divisors}
		net.rope.upTo(b, 1) // what most uses need, before they begin
		return nil
	}
	net.index = make([]int32, net.PositionRows)
	for i := range net.index {
		net.index[i] = int32(i)
	}
	return nil
}

// toFloat32 converts a small host tensor.
func toFloat32(t tensor.Tensor) tensor.Tensor {
	out := tensor.New(tensor.F32, t.Shape()...)
	tensor.Dequantize(t.DType(), out.Float32s(), t.Bytes())
	return out
}
