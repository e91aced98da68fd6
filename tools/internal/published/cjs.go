// Cluster job scheduling: the queries of each data size become one file; the published
// policy is told of.

package published

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"netllm/netllm/cjs"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/npy"
	"netllm/tools/internal/pickle"
)

const (
	scheduling  = "cluster_job_scheduling"
	tpch        = scheduling + "/data/tpch"
	decimaModel = scheduling + "/models/decima/model.pt"
	queries     = 22
	maxArray    = 16 << 20
)

// sizes are those of the published queries.
var sizes = []string{"2g", "5g", "10g", "20g", "50g", "80g", "100g"}

// cjsFile is a file of queries, see [cjs.ParseProfile].
type cjsFile struct {
	Format  string     `json:"format"`
	Size    string     `json:"size"`
	Queries []cjsQuery `json:"queries"`
}

type cjsQuery struct {
	Query  int        `json:"query"`
	Count  int        `json:"num_stages"`
	Edges  [][2]int   `json:"edges"` // by parent, then child
	Spark  [][2]int64 `json:"spark_stage_ids"`
	Stages []cjsStage `json:"stages"`
}

type cjsStage struct {
	Levels []int64   `json:"levels"` // in the order of the source
	Fresh  [][]int64 `json:"fresh"`
	First  [][]int64 `json:"first"`
	Rest   [][]int64 `json:"rest"`
	Tasks  int       `json:"num_tasks"`
}

func planCJS(ctx context.Context, c *Clone, p *Plan) error {
	if c.has(decimaModel) {
		p.missing("cjs decima", "%s is a file of PyTorch, which is not converted: decima.safetensors holds the same weights", decimaModel)
	}
	if !c.has(tpch) {
		p.missing("cjs", "the clone has no %s", tpch)
		return nil
	}
	part := Part{Task: "cjs", Name: "tpch"}
	for _, name := range c.list(p, tpch) {
		if !slices.Contains(sizes, name) {
			p.leftOut(tpch, []string{name})
		}
	}
	for _, size := range sizes {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := tpch + "/" + size
		if !c.has(dir) {
			p.missing("cjs "+size, "the clone has no %s", dir)
			continue
		}
		data, err := c.profile(p, dir, size)
		if err != nil {
			p.refuse(dir, err)
		}
		if data == nil {
			continue
		}
		part.Items = append(part.Items, Item{From: dir, To: "cjs/tpch_" + size + ".json.gz", Bytes: int64(len(data)),
			write: func(_ context.Context, path string, replace bool) error {
				return cli.WriteFile(path, replace, func(w io.Writer) error {
					_, err := w.Write(data)
					return err
				})
			}})
	}
	p.add(part)
	return nil
}

// profile converts the queries of one size that the folder dir has. What is wrong with a query refuses it
// alone.
func (c *Clone) profile(p *Plan, dir, size string) ([]byte, error) {
	file := cjsFile{Format: "cjs-tpch-1", Size: size}
	names := c.list(p, dir)
	for number := 1; number <= queries; number++ {
		var have []string
		for _, kind := range []string{"adj_mat", "task_duration", "stage_id_to_node_idx_map"} {
			name := fmt.Sprintf("%s_%d.npy", kind, number)
			if i := slices.Index(names, name); i >= 0 {
				names = slices.Delete(names, i, i+1)
				have = append(have, name)
			}
		}
		switch {
		case len(have) == 3:
			q, bad, err := c.query(dir, number)
			if err != nil {
				p.refuse(dir+"/"+bad, err)
				continue
			}
			file.Queries = append(file.Queries, q)
		case len(have) > 0:
			p.missing(fmt.Sprintf("cjs %s query %d", size, number), "of its three files the clone has %s only", strings.Join(have, ", "))
		}
	}
	p.leftOut(dir, names)
	if n := len(file.Queries); n == 0 {
		p.missing("cjs "+size, "the clone has no query in %s", dir)
		return nil, nil
	} else if n < queries {
		p.Notes = append(p.Notes, fmt.Sprintf("cjs %s: %d of %d queries; jobs are drawn from what is there", size, n, queries))
	}
	text, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(text)
		err = errors.Join(err, z.Close())
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := cjs.ParseProfile(packed.Bytes()); err != nil {
		return nil, err // it would not be read again
	}
	return packed.Bytes(), nil
}

// query converts the three files of a query. bad is the file that an error is about.
func (c *Clone) query(dir string, number int) (q cjsQuery, bad string, err error) {
	q.Query = number
	for _, part := range []struct {
		kind string
		take func(*npy.Array) error
	}{{"adj_mat", q.edges}, {"stage_id_to_node_idx_map", q.spark}, {"task_duration", q.durations}} {
		bad = fmt.Sprintf("%s_%d.npy", part.kind, number)
		data, err := c.read(dir+"/"+bad, maxArray)
		if err != nil {
			return q, bad, err
		}
		a, err := npy.Parse(data)
		if err == nil {
			err = part.take(a)
		}
		if err != nil {
			return q, bad, err
		}
	}
	return q, "", nil
}

// edges reads a matrix of zeros and ones, of which a one is an edge from its row to its column.
func (q *cjsQuery) edges(a *npy.Array) error {
	if len(a.Shape) != 2 || a.Shape[0] != a.Shape[1] || a.Object != nil {
		return fmt.Errorf("an array of shape %v and type %s, want a square of numbers", a.Shape, a.Type)
	}
	q.Count, q.Edges = a.Shape[0], [][2]int{}
	for i := range q.Count * q.Count {
		v := 0.0
		if a.Floats != nil {
			v = a.Floats[i]
		} else {
			v = float64(a.Ints[i])
		}
		switch v {
		case 0:
		case 1:
			q.Edges = append(q.Edges, [2]int{i / q.Count, i % q.Count})
		default:
			return fmt.Errorf("row %d, column %d is %v, want 0 or 1", i/q.Count, i%q.Count, v)
		}
	}
	return nil
}

// spark reads a dictionary from Spark's numbers of stages to ours.
func (q *cjsQuery) spark(a *npy.Array) error {
	d, ok := a.Object.(*pickle.Dict)
	if !ok {
		return errors.New("want a dictionary of numbers of stages")
	}
	q.Spark = [][2]int64{}
	for i, key := range d.Keys {
		from, isInt := key.(int64)
		to, ok := d.Values[i].(int64)
		if !isInt || !ok || to < 0 || to >= int64(q.Count) {
			return fmt.Errorf("stage %v is %v, want a number under %d", key, d.Values[i], q.Count)
		}
		q.Spark = append(q.Spark, [2]int64{from, to})
	}
	return nil
}

// durations reads a dictionary from stages to their tables of durations.
func (q *cjsQuery) durations(a *npy.Array) error {
	all, ok := a.Object.(*pickle.Dict)
	if !ok || len(all.Keys) != q.Count {
		return fmt.Errorf("want a dictionary of %d stages", q.Count)
	}
	for i := range q.Count {
		v, _ := all.Get(int64(i))
		tables, ok := v.(*pickle.Dict)
		if !ok {
			return fmt.Errorf("stage %d: no dictionary of durations", i)
		}
		var s cjsStage
		if err := s.read(tables); err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
		q.Stages = append(q.Stages, s)
	}
	return nil
}

// read reads the three tables of a stage, which have the same levels.
func (s *cjsStage) read(tables *pickle.Dict) error {
	for _, t := range []struct {
		key string
		to  *[][]int64
	}{{"first_wave", &s.First}, {"fresh_durations", &s.Fresh}, {"rest_wave", &s.Rest}} {
		v, _ := tables.Get(t.key)
		levels, ok := v.(*pickle.Dict)
		if !ok {
			return fmt.Errorf("no dictionary %s", t.key)
		}
		if s.Levels == nil {
			s.Levels = []int64{}
			for _, key := range levels.Keys {
				level, ok := key.(int64)
				if !ok {
					return fmt.Errorf("%s: level %v is no number", t.key, key)
				}
				s.Levels = append(s.Levels, level)
			}
		}
		if len(levels.Keys) != len(s.Levels) {
			return fmt.Errorf("%s: %d levels, first_wave has %d", t.key, len(levels.Keys), len(s.Levels))
		}
		for _, level := range s.Levels {
			v, _ := levels.Get(level)
			list, ok := v.(*pickle.List)
			if !ok {
				return fmt.Errorf("%s: level %d has no list", t.key, level)
			}
			row := []int64{}
			for _, item := range list.Items {
				ms, ok := item.(int64)
				if !ok {
					return fmt.Errorf("%s: level %d: duration %v is no whole number", t.key, level, item)
				}
				row = append(row, ms)
			}
			*t.to = append(*t.to, row)
		}
	}
	if len(s.Levels) > 0 {
		s.Tasks = len(s.First[0]) + len(s.Rest[0])
	}
	return nil
}
