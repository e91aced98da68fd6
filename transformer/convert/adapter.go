package convert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"netllm/internal/atomicfile"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// IsAdapter reports whether the file or folder holds low-rank matrices instead of a
// model: a folder with an adapter_config.json, or a GGUF file whose general.type is
// "adapter".
func IsAdapter(path string) (bool, error) {
	is, err := isAdapter(path)
	if err != nil {
		return false, fmt.Errorf("convert: %w", err)
	}
	return is, nil
}

// Adapter converts the low-rank matrices at in, a folder of PEFT or a GGUF file, to
// out, the other of the two: a GGUF file if that name ends in .gguf. base is the
// model they are for, a GGUF file or a folder of Hugging Face, of which only the
// shape is read. Matrices keep their types, but blocks become F32 in a folder. Of o
// only Replace and DryRun count. The result is there whole or not at all.
func Adapter(in, out, base string, o Options) (_ *Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("convert: %w", err)
		}
	}()
	if o.Type != "" && o.Type != Auto {
		return nil, fmt.Errorf("%w: an adapter's matrices keep their types: %s is not possible", ErrUsage, o.Type)
	}
	to := HuggingFace
	if strings.EqualFold(filepath.Ext(out), ".gguf") {
		to = GGUF
	}
	from, err := FormatOf(in)
	if err != nil {
		return nil, err
	}
	if from == to {
		return nil, fmt.Errorf("%w: %s: the adapter %s is of that format already (%s)", ErrUsage, out, in, to)
	}
	if err := checkAdapterOut(out, to, o.Replace); err != nil {
		return nil, err
	}
	config, err := configAt(base)
	if err != nil {
		return nil, err
	}
	a, err := transformer.OpenAdapter(in, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	r := &Result{In: in, Out: out, From: from, To: to, Arch: config.Arch, Type: Auto, DryRun: o.DryRun, Tensors: []Tensor{}, Warnings: []string{}}
	for i := range a.Pairs {
		r.add(&a.Pairs[i])
	}
	if n := a.Uneven(); n > 0 && to == GGUF {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: %d of %d layers have a scale that one alpha does not give: it went into their B", in, n, len(a.Pairs)))
	}
	switch {
	case o.DryRun:
	case to == GGUF:
		err = a.WriteGGUF(out, o.Replace)
	default:
		err = atomicfile.WriteDir(out, o.Replace, a.WritePEFT)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// checkAdapterOut is [checkOut] for adapters: a folder that is replaced must hold
// one, or nothing.
func checkAdapterOut(out string, to Format, replace bool) error {
	if to == HuggingFace && replace {
		list, err := os.ReadDir(out)
		if err == nil && len(list) > 0 {
			if _, err := os.Stat(filepath.Join(out, "adapter_config.json")); err != nil {
				return fmt.Errorf("%s: not replaced: the folder holds no adapter", out)
			}
			return nil
		}
	}
	return checkOut(out, to, replace)
}

// add notes the matrices of a layer.
func (r *Result) add(p *transformer.AdapterPair) {
	names := []string{p.NameA, p.NameB}
	if r.To == GGUF {
		names = []string{p.Layer.GGUF + ".weight.lora_a", p.Layer.GGUF + ".weight.lora_b"}
	}
	for i, t := range []tensor.Tensor{p.A, p.B} {
		kind := t.DType()
		if r.To == HuggingFace && kind.IsBlock() {
			kind = tensor.F32
		}
		r.Tensors = append(r.Tensors, Tensor{Name: names[i], Shape: t.Shape(), From: t.DType().String(), To: kind.String(), Bytes: int64(kind.Bytes(t.Len()))})
		r.Elements += int64(t.Len())
		r.BytesIn += int64(t.DType().Bytes(t.Len()))
		r.Bytes += int64(kind.Bytes(t.Len()))
	}
}

// configAt reads the shape of the model at path, and nothing else.
func configAt(path string) (transformer.Config, error) {
	format, err := FormatOf(path)
	if err != nil {
		return transformer.Config{}, err
	}
	switch format {
	case HuggingFace:
		return transformer.ConfigFromHF(path)
	case GGUF:
		f, err := gguf.Open(path)
		if err != nil {
			return transformer.Config{}, err
		}
		config, err := transformer.ConfigFromGGUF(f)
		return config, errors.Join(err, f.Close())
	}
	return transformer.Config{}, fmt.Errorf("%s: the shape of a %s file is not read here; convert it first", path, format)
}
