// Adaptive bitrate streaming: traces and videos, copied; start rows and the
// checkpoints of GENET, converted.

package published

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"netllm/tools/internal/cli"
	"netllm/tools/internal/pickle"
)

const (
	streaming  = "adaptive_bitrate_streaming/data"
	startRows  = "mahimahi_ptrs.pkl"
	maxPickle  = 16 << 20
	videoFiles = 6
)

// traceSets are the sets of traces, with the folder that each lies in.
var traceSets = []struct{ name, dir string }{
	{"fcc-train", streaming + "/traces/train/fcc-train"},
	{"fcc-valid", streaming + "/traces/valid/fcc-valid"},
	{"fcc-test", streaming + "/traces/test/fcc-test"},
}

func planABR(ctx context.Context, c *Clone, p *Plan) error {
	for _, set := range traceSets {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.planTraces(p, set.name, set.dir)
	}
	for _, video := range []string{"video1", "video2"} {
		c.planVideo(p, video)
	}
	return c.planGenet(ctx, p)
}

// planTraces copies a set of traces. fcc-test comes with start rows.
func (c *Clone) planTraces(p *Plan, set, dir string) {
	part := Part{Task: "abr", Name: set}
	var traces []string
	pickled, refused := false, len(p.Refused)
	for _, name := range c.list(p, dir) {
		if name == startRows {
			pickled = true
			continue
		}
		traces = append(traces, name)
		c.copied(p, &part, dir+"/"+name, "abr/traces/"+set+"/"+name)
	}
	if len(traces) == 0 && len(p.Refused) == refused {
		p.missing("abr "+set, "the clone has no traces in %s", dir)
	}
	p.add(part)
	if set != "fcc-test" {
		return
	}
	if !pickled {
		p.missing("abr start rows", "the clone has no %s/%s", dir, startRows)
		return
	}
	from := dir + "/" + startRows
	text, err := c.startRows(from, traces)
	if err != nil {
		p.refuse(from, err)
		return
	}
	p.add(Part{Task: "abr", Name: "start rows", Items: []Item{{
		From: from, To: "abr/traces/" + set + "_start_index.json", Bytes: int64(len(text)),
		write: func(_ context.Context, path string, replace bool) error {
			return cli.WriteFile(path, replace, func(w io.Writer) error {
				_, err := w.Write(text)
				return err
			})
		},
	}}})
}

// startRows reads the pickled list of numbers and returns JSON that gives each
// trace, in the order of the bytes of their names, its number.
func (c *Clone) startRows(name string, traces []string) ([]byte, error) {
	data, err := c.read(name, maxPickle)
	if err != nil {
		return nil, err
	}
	v, err := pickle.Decode(data, 0)
	if err != nil {
		return nil, err
	}
	list, ok := v.(*pickle.List)
	if !ok {
		return nil, errors.New("the pickle is not a list")
	}
	if len(list.Items) != len(traces) {
		return nil, fmt.Errorf("%d start rows for %d traces", len(list.Items), len(traces))
	}
	rows := map[string]int64{} // written in the order of its keys' bytes
	for i, item := range list.Items {
		row, ok := item.(int64)
		if !ok || row < 1 {
			return nil, fmt.Errorf("item %d is %v, want a row from 1 on", i, item)
		}
		rows[traces[i]] = row
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(rows); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// planVideo copies the sizes of a video's chunks.
func (c *Clone) planVideo(p *Plan, video string) {
	dir := streaming + "/videos/" + video + "_sizes"
	if !c.has(dir) {
		p.missing("abr "+video, "the clone has no %s", dir)
		return
	}
	part := Part{Task: "abr", Name: video}
	for q := range videoFiles {
		name := fmt.Sprintf("video_size_%d", q)
		if !c.has(dir + "/" + name) {
			p.missing("abr "+video, "the clone has no %s/%s", dir, name)
			continue
		}
		c.copied(p, &part, dir+"/"+name, "abr/videos/"+video+"_sizes/"+name)
	}
	p.add(part)
}
