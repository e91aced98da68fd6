package transformer

import (
	"reflect"
	"strconv"
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

// Weight describes one tensor of a model: its names in files and its shape.
type Weight struct {
	// GGUF and HF are the full names in a GGUF file and in a Hugging Face
	// folder. HF is empty for what the folder's config.json says otherwise.
	GGUF, HF string

	// Shape is row-major, as GGUF has it.
	Shape []int

	// Tied: files may lack it, and then the embedding serves. A Hugging Face
	// folder may also hold this tensor and lack the embedding.
	Tied bool

	// RowHeads, if not 0, is the number of heads whose rows stand in the order of
	// ops.RoPEInterleaved in GGUF and of ops.RoPEHalves in Hugging Face folders;
	// the first RopeDim rows of each head do. The numbers of a bias are its rows.
	RowHeads, RopeDim int

	// Transposed: Hugging Face folders hold [in, out].
	Transposed bool
}

// Weights returns every tensor of a model of this shape, in file order. f must
// be valid.
func (f Config) Weights() []Weight {
	var list []Weight
	for _, s := range slots(newNetwork(f)) {
		list = append(list, s.Weight)
	}
	return list
}

// slot is a weight of a network and where it is kept.
type slot struct {
	Weight
	tensor   *tensor.Tensor
	linear   *linear // that it belongs to, or nil
	residual bool    // writes to the residual stream
	host     bool    // is small and computed with on the host
}

// name is the weight's Hugging Face name without ".weight", as hashes and errors
// call it.
func (s *slot) name() string {
	if s.HF == "" {
		return s.GGUF
	}
	return strings.TrimSuffix(s.HF, ".weight")
}

// slots lists a network's weights in the order of its fields, as their tags
// describe them:
//
//	gguf, hf   names in files, without ".weight"
//	shape      names of sizes, for Config.dim
//	bias       when a linear layer has one, for Config.has
//	if         when there is such a weight at all, for Config.has
//	tied       the embedding may serve
//	rotated    rows are turned by position
//	residual   writes to the residual stream
//	transposed Hugging Face holds [in, out]
func slots(m network) []slot {
	var list []slot
	collect(&list, m.base(), reflect.ValueOf(m).Elem(), "", "")
	return list
}

func collect(list *[]slot, f *core, v reflect.Value, gguf, hf string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag := field.Tag
		g, ok := tag.Lookup("gguf")
		if !ok {
			continue
		}
		if part, conditional := tag.Lookup("if"); conditional && !f.has(part) {
			continue
		}
		g, h := gguf+g, hf+tag.Get("hf")
		if field.Type.Kind() == reflect.Slice {
			for j := range v.Field(i).Len() {
				n := "." + strconv.Itoa(j) + "."
				collect(list, f, v.Field(i).Index(j), g+n, h+n)
			}
			continue
		}
		s := slot{Weight: Weight{GGUF: g + ".weight", HF: h + ".weight"}}
		for name := range strings.FieldsSeq(tag.Get("shape")) {
			s.Shape = append(s.Shape, f.dim(name))
		}
		_, tied := tag.Lookup("tied")
		s.Tied = tied && f.Tied
		_, s.residual = tag.Lookup("residual")
		_, s.Transposed = tag.Lookup("transposed")
		if _, rotated := tag.Lookup("rotated"); rotated && f.permutes() {
			s.RowHeads, s.RopeDim = s.Shape[0]/f.HeadDim, f.RopeDim
		}
		bias := s
		bias.GGUF, bias.HF, bias.Shape = g+".bias", h+".bias", s.Shape[:1]
		bias.Transposed, bias.residual = false, false

		switch p := v.Field(i).Addr().Interface().(type) {
		case *tensor.Tensor:
			s.tensor = p
			if tag.Get("hf") == "" {
				s.HF, s.host = "", true
			}
			*list = append(*list, s)
		case *rmsNorm:
			s.tensor = &p.weight
			*list = append(*list, s)
		case *layerNorm:
			s.tensor, bias.tensor = &p.weight, &p.bias
			*list = append(*list, s, bias)
		case *linear:
			p.name, p.gguf = h, g
			if f.style == ops.RoPEInterleaved {
				p.heads = s.RowHeads
			}
			s.tensor, s.linear = &p.weight, p
			*list = append(*list, s)
			if part, ok := tag.Lookup("bias"); ok && f.has(part) {
				bias.tensor, bias.linear = &p.bias, p
				*list = append(*list, bias)
			}
		}
	}
}

// tables returns the slots of a network's embedding and output matrix.
func tables(m network) (embed, output *slot) {
	list := slots(m)
	for i := range list {
		switch list[i].GGUF {
		case "token_embd.weight":
			embed = &list[i]
		case "output.weight":
			output = &list[i]
		}
	}
	return embed, output
}

// linears lists a network's linear layers in the order of its fields.
func linears(m network) []*linear {
	var list []*linear
	for _, s := range slots(m) {
		if s.linear != nil && len(s.Shape) == 2 {
			list = append(list, s.linear)
		}
	}
	return list
}

// clone returns a network with the same weights and layers of its own.
func clone(m network) network {
	old := reflect.ValueOf(m).Elem()
	copied := reflect.New(old.Type())
	copied.Elem().Set(old)
	blocks := copied.Elem().FieldByName("Blocks")
	blocks.Set(reflect.AppendSlice(reflect.MakeSlice(blocks.Type(), 0, blocks.Len()), blocks))
	return copied.Interface().(network)
}
