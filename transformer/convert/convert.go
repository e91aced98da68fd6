package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// Options says how to convert. The zero value keeps the source's types.
type Options struct {
	// Type is one of [Types]: "" and [Auto] keep each matrix's type; a folder
	// written of block types is of F16 then. A folder can be f32, f16 and bf16.
	Type string

	// Mix takes the name of a block type as llama-quantize does, not as one type
	// for all matrices: the output matrix is better than the rest, and q3_k, q4_k
	// and q5_k are q3_k_m, q4_k_m and q5_k_m. Pure is the opposite, of mixtures too.
	Mix, Pure bool

	OutputType, EmbeddingType tensor.DType // of these two matrices; Invalid: not said
	LeaveOutput               bool         // the output matrix keeps its type
	Requantize                bool         // blocks may become blocks of another type

	Threads int // that convert; 0: as many as there are processors
	Replace bool
	DryRun  bool // nothing is written

	VocabOnly bool   // no weights
	Vocab     string // file or folder to take the vocabulary from; "": the model's own
	Name      string // general.name of a GGUF file; "": the source's

	// MaxShard is how many bytes of tensors a file of a folder may have. 0: 5 GB,
	// as Hugging Face's default long was.
	MaxShard int64

	// Progress is called after each piece of a tensor that was written.
	Progress func(done, total int64)
}

// Result is what was converted, or would be.
type Result struct {
	In       string   `json:"in"`
	Out      string   `json:"out"`
	From     Format   `json:"from"`
	To       Format   `json:"to"`
	Arch     string   `json:"architecture"`
	Type     string   `json:"type"`
	Tensors  []Tensor `json:"tensors"`
	Elements int64    `json:"elements"`
	BytesIn  int64    `json:"bytes_in"`
	Bytes    int64    `json:"bytes"`  // of the tensors written
	Tokens   int      `json:"tokens"` // of the vocabulary; 0: none
	DryRun   bool     `json:"dry_run"`
	Warnings []string `json:"warnings"`
}

// Tensor is a tensor of the result.
type Tensor struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes int64  `json:"bytes"`
	Note  string `json:"note,omitempty"` // why it is not the type that was asked for
}

const defaultShard = 5_000_000_000

// ErrUsage says that options contradict one another or the files.
var ErrUsage = errors.New("wrong options")

// misuse is an error that is [ErrUsage].
type misuse string

func (m misuse) Error() string      { return string(m) }
func (misuse) Is(target error) bool { return target == ErrUsage }

func misusef(format string, args ...any) error { return misuse(fmt.Sprintf(format, args...)) }

// Run converts the model at in, whose format is found by [FormatOf] (a folder's
// model.safetensors stands for the folder), to out: a GGUF file if that name ends
// in .gguf, else a folder of Hugging Face. The result is there whole or not at
// all. If out exists, and is not to be replaced, the error is [fs.ErrExist].
func Run(ctx context.Context, in, out string, o Options) (*Result, error) {
	result, err := run(ctx, in, out, o)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return result, nil
}

func run(ctx context.Context, in, out string, o Options) (_ *Result, err error) {
	kind, err := fileTypeOf(o.Type)
	if err != nil {
		return nil, err
	}
	to := HuggingFace
	if strings.EqualFold(filepath.Ext(out), ".gguf") {
		to = GGUF
	}
	if to == HuggingFace && (kind.dtype.IsBlock() || kind.mixture) {
		return nil, misusef("%s: a folder of Hugging Face has no type %s, only f32, f16 and bf16", out, kind.name)
	}
	if err := checkOut(out, to, o.Replace); err != nil {
		return nil, err
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.MaxShard == 0 {
		o.MaxShard = defaultShard
	}
	switch filepath.Base(in) {
	case "model.safetensors", "model.safetensors.index.json":
		in = filepath.Dir(in) // the rest of the model is beside it
	}
	if a, err := isAdapter(in); err != nil {
		return nil, err
	} else if a {
		return nil, misusef("%s is an adapter, no model", in)
	}
	s, err := open(in, o.Vocab, o.VocabOnly)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p := &plan{source: s, options: o, kind: kind, to: to, out: out,
		result: &Result{In: in, Out: out, From: s.format, To: to, Type: kind.name, DryRun: o.DryRun, Tensors: []Tensor{}, Warnings: []string{}}}
	if err := p.make(); err != nil {
		return nil, err
	}
	if !o.DryRun {
		if err := p.write(ctx); err != nil {
			return nil, err
		}
	}
	return p.result, nil
}

// checkOut fails if out must not be written, before there is work to lose.
func checkOut(out string, to Format, replace bool) error {
	info, err := os.Lstat(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !replace:
		return fmt.Errorf("%s: %w", out, fs.ErrExist)
	case to == GGUF && info.IsDir():
		return fmt.Errorf("%s: a folder stands where the file should", out)
	case to == GGUF:
		return nil
	case !info.IsDir():
		return fmt.Errorf("%s: a file stands where the folder should (GGUF files end in .gguf)", out)
	}
	// The whole folder goes: it must be a model's, or empty.
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json"} {
		if _, err := os.Stat(filepath.Join(out, name)); err == nil {
			return nil
		}
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s: not replaced: the folder holds no model", out)
	}
	return nil
}

// plan is a conversion: what is to be written, decided before anything is.
type plan struct {
	source  *source
	options Options
	kind    fileType
	to      Format
	out     string
	result  *Result

	config  transformer.Config // if the source or the result is no GGUF file
	known   bool               // there is a config
	vocab   *tokenizer.Vocab   // nil: none, or as source.values have it
	values  []gguf.KeyValue    // of a GGUF file
	jobs    []job
	folder  tensor.DType // torch_dtype
	written int64
}

// job is a tensor to be written.
type job struct {
	name  string
	shape []int
	rows
}

func (p *plan) warn(format string, args ...any) {
	p.result.Warnings = append(p.result.Warnings, fmt.Sprintf(format, args...))
}

// make decides everything.
func (p *plan) make() error {
	if p.source.format != GGUF || p.to != GGUF {
		config, err := p.source.config()
		switch {
		case err == nil:
			p.config, p.known = config, true
		case p.options.VocabOnly && p.source.format == HuggingFace && errors.Is(err, fs.ErrNotExist):
			// a folder of a vocabulary alone
		case p.options.VocabOnly && p.source.format == GGUF:
			// a file of a vocabulary alone
		default:
			return err
		}
	}
	if !p.options.VocabOnly { // first: a vocabulary is padded to what the tensors bear out
		if err := p.takeTensors(); err != nil {
			return err
		}
	}
	if err := p.takeVocab(); err != nil {
		return err
	}
	p.result.Arch = p.config.Arch
	if p.to == GGUF {
		p.takeValues()
	}
	for _, j := range p.jobs {
		n := int64(j.to.Bytes(j.count * j.width))
		p.result.Elements += int64(j.count * j.width)
		p.result.Bytes += n
		p.result.BytesIn += int64(len(j.src))
	}
	return nil
}

// takeVocab reads the vocabulary, if it has to be changed or checked.
func (p *plan) takeVocab() error {
	if p.source.format == GGUF && p.to == GGUF && p.options.Vocab == "" && !p.options.VocabOnly {
		return nil // its keys are copied
	}
	v, err := p.source.vocab()
	if errors.Is(err, tokenizer.ErrNone) && p.options.Vocab == "" && !p.options.VocabOnly {
		p.warn("%s: no vocabulary: the result has none", p.source.path)
		return nil
	}
	if err != nil {
		return err
	}
	if p.known {
		if len(v.Tokens) > p.config.Vocab {
			return fmt.Errorf("%s: a vocabulary of %d tokens for a model of %d", p.source.path, len(v.Tokens), p.config.Vocab)
		}
		v.PadTo(p.config.Vocab)
	}
	p.vocab = v
	p.result.Tokens = len(v.Tokens)
	return nil
}

// isAdapter reports whether in holds low-rank matrices instead of a model.
func isAdapter(in string) (bool, error) {
	format, err := FormatOf(in)
	if err != nil {
		return false, err
	}
	switch format {
	case HuggingFace:
		_, err := os.Stat(filepath.Join(in, "adapter_config.json"))
		return err == nil, nil
	case GGUF:
		f, err := gguf.Open(in)
		if err != nil {
			return false, err
		}
		defer f.Close()
		if !f.Has("general.type") {
			return false, nil
		}
		kind, err := f.String("general.type")
		return kind == "adapter", err
	}
	return false, nil
}
