// The result is written.

package convert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"netllm/internal/atomicfile"
	"netllm/tensor/gguf"
	"netllm/tensor/safetensors"
)

// write writes the file or folder.
func (p *plan) write(ctx context.Context) error {
	c := newConverter(ctx, p.options.Threads, func(n int) {
		p.written += int64(n)
		if p.options.Progress != nil {
			p.options.Progress(p.written, p.result.Bytes)
		}
	})
	if p.to == HuggingFace {
		return atomicfile.WriteDir(p.out, p.options.Replace, func(dir string) error { return p.writeFolder(c, dir) })
	}
	if err := os.MkdirAll(filepath.Dir(p.out), 0o777); err != nil {
		return err
	}
	entries := make([]gguf.Entry, len(p.jobs))
	for i, j := range p.jobs {
		entries[i] = gguf.Entry{Name: j.name, DType: j.to, Shape: j.shape, Stream: p.stream(c, i)}
	}
	if p.options.Replace {
		return gguf.Replace(p.out, p.values, entries)
	}
	return gguf.Write(p.out, p.values, entries)
}

// stream returns what writes job i.
func (p *plan) stream(c *converter, i int) func(io.Writer) error {
	return func(w io.Writer) error {
		j := &p.jobs[i]
		lost, err := c.write(w, j.rows)
		if lost.nonFinite > 0 {
			p.warn("tensor %q: %d of %d elements are not finite", j.name, lost.nonFinite, j.count*j.width)
		}
		if lost.overflow > 0 {
			p.warn("tensor %q: %d of %d elements are too large for %v and became infinite", j.name, lost.overflow, j.count*j.width, j.to)
		}
		return err
	}
}

// writeFolder fills a folder of Hugging Face.
func (p *plan) writeFolder(c *converter, dir string) error {
	files := map[string][]byte{}
	if p.vocab != nil {
		list, err := p.vocab.HF()
		if err != nil {
			return err
		}
		maps.Copy(files, list)
	}
	if p.known && !p.options.VocabOnly {
		text, err := p.configFile()
		if err != nil {
			return err
		}
		files["config.json"] = text
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := atomicfile.Write(filepath.Join(dir, name), false, func(w io.Writer) error {
			_, err := w.Write(files[name])
			return err
		}); err != nil {
			return err
		}
	}
	if p.options.VocabOnly {
		return nil
	}
	entries := make([]safetensors.Entry, len(p.jobs))
	for i, j := range p.jobs {
		entries[i] = safetensors.Entry{Name: j.name, DType: j.to, Shape: j.shape, Stream: p.stream(c, i)}
	}
	metadata := map[string]string{"format": "pt"} // what Hugging Face's own loader asks for
	path := filepath.Join(dir, "model.safetensors")
	if p.result.Bytes > p.options.MaxShard {
		return safetensors.WriteSharded(path+".index.json", p.options.MaxShard, metadata, entries)
	}
	return safetensors.Write(path, metadata, entries)
}

// configFile is the config.json: the model's shape, and the tokens that begin and
// end a text.
func (p *plan) configFile() ([]byte, error) {
	text, err := p.config.HF(p.folder)
	if err != nil || p.vocab == nil {
		return text, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for name, id := range map[string]int32{"bos_token_id": p.vocab.BOS, "eos_token_id": p.vocab.EOS, "pad_token_id": p.vocab.Pad} {
		if id >= 0 {
			fields[name] = fmt.Append(nil, id)
		}
	}
	text, err = json.MarshalIndent(fields, "", "  ")
	return append(text, '\n'), err
}
