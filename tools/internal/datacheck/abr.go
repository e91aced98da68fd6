// Adaptive bitrate streaming: abr/traces/<set>/NAME and its start rows, abr/videos,
// abr/genet.

package datacheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netllm/netllm/abr"
	"netllm/tensor/safetensors"
)

const startRowsSuffix = "_start_index.json"

// publishedTraces are the numbers of traces of the published sets.
var publishedTraces = map[string]int{"fcc-train": 235, "fcc-valid": 150, "fcc-test": 100}

func findABR(c *check, dir string) {
	found := len(c.report.Parts)
	findTraces(c, filepath.Join(dir, "traces"))
	findVideos(c, filepath.Join(dir, "videos"))
	findGenet(c, filepath.Join(dir, "genet"))
	if len(c.report.Parts) == found {
		c.fault(c.part("abr", "all"), dir, errors.New("neither traces nor videos in it"))
	}
}

// findTraces looks for sets of traces, and for start rows.
func findTraces(c *check, dir string) {
	if !isDir(dir) {
		c.note("abr: no folder traces/")
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.fault(c.part("abr", "traces"), dir, err)
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if set, ok := strings.CutSuffix(e.Name(), startRowsSuffix); ok {
			if !isDir(filepath.Join(dir, set)) {
				c.fault(c.part("abr", e.Name()), path, fmt.Errorf("start rows without the folder %s beside them", set))
			}
			continue
		}
		if isDir(path) && !strings.HasPrefix(e.Name(), ".") {
			findTraceSet(c, path)
		}
	}
}

func findTraceSet(c *check, dir string) {
	name := filepath.Base(dir)
	part := c.part("abr", name)
	rows := map[string]int{} // by trace; 0 for one that could not be read
	seconds := 0.0
	formats := map[abr.TraceFormat]int{}
	for _, e := range c.list(part, dir) {
		path := filepath.Join(dir, e.Name())
		rows[e.Name()] = 0
		c.report.Parts[part].Files++
		c.later(1, func() {
			if !c.regular(part, path) {
				return
			}
			t, err := abr.ReadTrace(path)
			if err != nil {
				c.fault(part, path, err)
				return
			}
			rows[t.Name] = t.Rows()
			formats[t.Format]++
			c.report.Parts[part].Rows += t.Rows()
			seconds += t.TimeSec[t.Rows()-1] - t.TimeSec[0]
		})
	}
	if len(rows) == 0 {
		c.fault(part, dir, errors.New("no traces in it"))
	}
	if want := publishedTraces[name]; len(rows) < want {
		c.note("abr %s: %d of %d published traces", name, len(rows), want)
	}
	c.later(0, func() {
		holds := fmt.Sprintf("%.1f hours", seconds/3600)
		for _, format := range slices.Sorted(maps.Keys(formats)) {
			if format != abr.FormatColumns {
				holds += fmt.Sprintf(", %d %s", formats[format], format)
			}
		}
		c.report.Parts[part].Holds = holds
	})
	findStartRows(c, dir, rows)
}

// findStartRows checks the rows that the sessions of the traces in dir start at. rows
// are filled when the traces have been read.
func findStartRows(c *check, dir string, rows map[string]int) {
	path := dir + startRowsSuffix
	name := filepath.Base(dir)
	if _, err := os.Lstat(path); err != nil {
		if name == "fcc-test" {
			c.note("abr %s: no start rows, so that sessions start at row 1", name)
		}
		return
	}
	part := c.part("abr", name+" start rows")
	c.report.Parts[part].Files = 1
	c.later(1, func() {
		if !c.regular(part, path) {
			return
		}
		text, err := os.ReadFile(path)
		var starts map[string]int
		if err == nil {
			err = json.Unmarshal(text, &starts)
		}
		if err == nil && starts == nil {
			err = errors.New("null, want an object of traces and rows")
		}
		if err != nil {
			c.fault(part, path, err)
			return
		}
		c.report.Parts[part].Rows = len(starts)
		c.report.Parts[part].Holds = "for " + counted(len(rows), "trace")
		for _, trace := range slices.Sorted(maps.Keys(rows)) {
			switch row, ok := starts[trace]; {
			case !ok:
				c.fault(part, path, fmt.Errorf("no start row for trace %q", trace))
			case row < 1 || rows[trace] > 0 && row >= rows[trace]:
				c.fault(part, path, fmt.Errorf("trace %q starts at row %d, want 1 to %d", trace, row, max(rows[trace]-1, 1)))
			}
		}
		var extra []string
		for _, trace := range slices.Sorted(maps.Keys(starts)) {
			if _, ok := rows[trace]; !ok {
				extra = append(extra, trace)
			}
		}
		if len(extra) > 0 {
			c.note("abr %s: start rows of traces that are not there: %s", name, some(extra))
		}
	})
}

// findVideos looks for folders of the sizes of chunks, and for videos in one file.
func findVideos(c *check, dir string) {
	if !isDir(dir) {
		c.note("abr: no folder videos/")
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.fault(c.part("abr", "videos"), dir, err)
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if ext := filepath.Ext(path); (ext == ".json" || ext == ".mpd") && !strings.HasPrefix(e.Name(), ".") {
			findVideoFile(c, path)
			continue
		}
		name, ok := strings.CutSuffix(e.Name(), "_sizes")
		if !ok || !isDir(path) {
			continue
		}
		part := c.part("abr", name)
		c.report.Parts[part].Files = abr.Qualities
		c.later(abr.Qualities, func() {
			var files []string
			for q := range abr.Qualities {
				file := filepath.Join(path, fmt.Sprintf("video_size_%d", q))
				if !c.regular(part, file) {
					return
				}
				files = append(files, file)
			}
			if _, err := abr.ReadVideo(path, name); err != nil {
				at := path
				if i := slices.IndexFunc(files, func(file string) bool { return strings.Contains(err.Error(), file+":") }); i >= 0 {
					at = files[i]
				}
				c.fault(part, at, err)
				return
			}
			c.readVideo(part)
		})
	}
}

// findVideoFile looks at a video that is one file: a table of sizes, or a manifest.
func findVideoFile(c *check, path string) {
	part := c.part("abr", filepath.Base(path))
	c.report.Parts[part].Files = 1
	c.later(1, func() {
		if !c.regular(part, path) {
			return
		}
		v, err := abr.ReadVideoFile(path)
		if err != nil {
			c.fault(part, path, err)
			return
		}
		c.readVideo(part)
		if v.Note != "" {
			c.note("abr %s: %s", filepath.Base(path), v.Note)
		}
	})
}

// readVideo records that a video could be read.
func (c *check) readVideo(part int) {
	c.report.Parts[part].Rows = abr.Qualities * (abr.Chunks + 1)
	c.report.Parts[part].Holds = fmt.Sprintf("%d chunks in %d qualities", abr.Chunks, abr.Qualities)
}

// findGenet looks for converted checkpoints. Their tensors count as rows.
func findGenet(c *check, dir string) {
	if !isDir(dir) {
		c.note("abr: no policies of GENET")
		return
	}
	part := c.part("abr", "genet")
	var names []string
	for _, e := range c.list(part, dir) {
		path := filepath.Join(dir, e.Name())
		if filepath.Ext(path) != ".safetensors" {
			continue
		}
		c.report.Parts[part].Files++
		c.later(1, func() {
			if !c.regular(part, path) {
				return
			}
			f, err := safetensors.Open(path)
			if err != nil {
				c.fault(part, path, err)
				return
			}
			c.report.Parts[part].Rows += len(f.Tensors())
			names = append(names, strings.TrimSuffix(filepath.Base(path), ".safetensors"))
			if err := f.Close(); err != nil {
				c.fault(part, path, err)
			}
		})
	}
	c.later(0, func() { c.report.Parts[part].Holds = strings.Join(names, ", ") })
}
