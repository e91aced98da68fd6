// Adapters in files, whatever the format: PEFT's folders and GGUF.

package transformer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

// Adapter is an open file of low-rank matrices, each pair placed at a layer of
// the model that it is for.
type Adapter struct {
	Config LoRAConfig
	Pairs  []AdapterPair // in the order of the model's layers
	Base   string        // what the file calls the model, or ""
	InGGUF bool          // rows of B stand as in GGUF files, else as in Hugging Face's

	path  string
	arch  string // GGUF's name of the family, or "" if not known
	text  []byte // adapter_config.json as it was written, or nil
	close func() error
}

// AdapterPair is the update Scale·B·A of one layer's matrix.
type AdapterPair struct {
	Layer        LinearInfo
	Scale        float64
	A, B         tensor.Tensor // [rank, in] and [out, rank] in host memory, as the file has them
	NameA, NameB string        // in a PEFT file
}

// Rank returns the number of rows of A.
func (p *AdapterPair) Rank() int { return p.A.Dim(0) }

// OpenAdapter opens the adapter at path, a folder of Hugging Face's PEFT or a
// GGUF file, for a model of the shape base, which must be valid. It fails, naming
// file and tensors, if the adapter is of a kind that cannot be computed here, if
// it does not fit the model, or if tensors are missing or left over.
func OpenAdapter(path string, base Config) (*Adapter, error) {
	return openAdapter(path, base.Linears(), &base)
}

// openAdapter opens an adapter for layers. shape may be nil: then the names in
// the file must be exactly those of the layers, and GGUF files cannot be read.
func openAdapter(path string, layers []LinearInfo, shape *Config) (*Adapter, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", err)
	}
	var a *Adapter
	if info.IsDir() {
		a, err = openPEFT(path, layers, shape)
	} else {
		a, err = openAdapterGGUF(path, layers, shape)
	}
	if err != nil {
		return nil, err
	}
	a.path = path
	if shape != nil {
		a.arch = shape.Arch
	}
	return a, nil
}

// Path returns the name of the file or folder that was opened.
func (a *Adapter) Path() string { return a.path }

// Close gives the mapped file back. The pairs cannot be used any more.
func (a *Adapter) Close() error {
	if a.close == nil {
		return nil
	}
	return a.close()
}

// b returns B with its rows as in GGUF files, or as in Hugging Face's.
func (a *Adapter) b(p *AdapterPair, inGGUF bool) tensor.Tensor {
	if a.InGGUF == inGGUF || p.Layer.RowHeads == 0 {
		return p.B
	}
	return reorderRows(p.B, p.Layer.RowHeads, p.Layer.RopeDim, inGGUF)
}

// ReadLoRA reads the adapter at path, a folder of Hugging Face's PEFT or a GGUF
// file, for body. It fails as [OpenAdapter] does. A GGUF file needs a body that
// tells its shape, as every [Model] does.
func ReadLoRA(b ops.Backend, body Adaptable, path string) (_ *LoRA, err error) {
	own := body.Linears()
	layers, shape := own, shapeOf(body)
	if shape != nil {
		layers = shape.Linears()
	}
	a, err := openAdapter(path, layers, shape)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	infos := map[string]LinearInfo{}
	for _, info := range own {
		infos[info.Name] = info
	}
	l := &LoRA{Config: a.Config, shape: shape}
	for i := range a.Pairs {
		p := &a.Pairs[i]
		info, ok := infos[p.Layer.Name]
		if !ok {
			l.Free(b)
			return nil, fmt.Errorf("lora: %s: the model has no linear layer %q", path, p.Layer.Name)
		}
		pair := newPair(b, info, p.Rank(), p.Scale, a.Config.Dropout)
		values := a.b(p, false)
		if info.RowHeads > 0 {
			values = p.B
			if !a.InGGUF {
				values = reorderRows(p.B, info.RowHeads, info.RopeDim, true)
			}
		}
		b.Upload(pair.a.Value, toFloat32(p.A).Bytes())
		b.Upload(pair.b.Value, toFloat32(values).Bytes())
		l.pairs = append(l.pairs, pair)
	}
	return l, nil
}

// adapter returns l as a file would have it, in the row order of Hugging Face.
func (l *LoRA) adapter(b ops.Backend, base string) (*Adapter, error) {
	infos := map[string]LinearInfo{}
	a := &Adapter{Config: l.Config, Base: base}
	if l.shape != nil {
		a.arch = l.shape.Arch
		for _, info := range l.shape.Linears() {
			infos[info.Name] = info
		}
	}
	for _, p := range l.pairs {
		var host [2]tensor.Tensor
		for i, param := range []*ops.Param{p.a, p.b} {
			host[i] = tensor.New(tensor.F32, param.Value.Shape()...)
			if err := b.Download(host[i].Bytes(), param.Value); err != nil {
				return nil, fmt.Errorf("lora: %s: %w", param.Name, err)
			}
		}
		_, scale := l.Config.sizes(p.layer.Name)
		pair := AdapterPair{Layer: p.layer, Scale: scale, A: host[0], B: host[1]}
		pair.NameA, pair.NameB = peftNames(p.layer.Name)
		if p.layer.RowHeads > 0 {
			pair.B = reorderRows(pair.B, p.layer.RowHeads, p.layer.RopeDim, false)
		}
		if info, ok := infos[p.layer.Name]; ok {
			pair.Layer = info
		}
		a.Pairs = append(a.Pairs, pair)
	}
	return a, nil
}

// Write writes l to the folder dir as Hugging Face PEFT does:
// adapter_config.json and adapter_model.safetensors. base names the model in
// the former. The files must not exist.
func (l *LoRA) Write(b ops.Backend, dir, base string) error {
	a, err := l.adapter(b, base)
	if err != nil {
		return err
	}
	return a.WritePEFT(dir)
}

// WriteGGUF writes l to a GGUF file as llama.cpp reads it. base names the model.
// An old file is replaced only if replace is set. It fails if the model that l was
// made for did not tell its shape.
func (l *LoRA) WriteGGUF(b ops.Backend, path, base string, replace bool) error {
	a, err := l.adapter(b, base)
	if err != nil {
		return err
	}
	return a.WriteGGUF(path, replace)
}

// misfits collects what is wrong with the tensors of a file.
type misfits struct {
	missing, extra, wrong []string
	tensors               int // that the adapted layers have
}

// err returns all of it in one line, or nil.
func (m *misfits) err(path string) error {
	var parts []string
	if n := len(m.missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d tensors missing: %s", n, m.tensors, handful(m.missing)))
	}
	if n := len(m.extra); n > 0 {
		parts = append(parts, fmt.Sprintf("%d tensors that belong to no adapted layer: %s", n, handful(m.extra)))
	}
	if n := len(m.wrong); n > 0 {
		parts = append(parts, fmt.Sprintf("%d tensors do not fit: %s", n, handful(m.wrong)))
	}
	if len(parts) == 0 {
		return nil
	}
	return fmt.Errorf("lora: %s: %s", path, strings.Join(parts, "; "))
}

// handful joins the first few of a list and counts the rest.
func handful(list []string) string {
	const few = 5
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}
