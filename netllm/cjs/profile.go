// What is known of a query: stages, their order, and how long their tasks took.

package cjs

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Query is a kind of job: a graph of stages with measured durations.
type Query struct {
	Number int    // 1 to 22 for TPC-H
	Size   string // of the data it ran on, such as "10g"
	Stages []Stage
}

// Stage is a bag of equal tasks that may start when the stages before it are done.
type Stage struct {
	Tasks             int
	Parents, Children []int // ascending

	// Rough is the duration assumed before a task has started: the mean of all measured ones.
	Rough float64

	levels   []level           // ascending
	measured [len(drawn)]uint8 // the level that each number drawn stands for: its own, or the largest
}

// level are the durations measured with a number of executors, in three tables.
type level struct {
	executors          int
	fresh, first, rest []int32 // ms
}

// Profiles are the queries of one or several data sizes.
type Profiles struct {
	Sizes   []string // ascending by number
	Queries map[string][]*Query
}

// Query returns a query of a size. It fails, naming both, if there is none.
func (p *Profiles) Query(number int, size string) (*Query, error) {
	queries, ok := p.Queries[size]
	if !ok {
		return nil, fmt.Errorf("cjs: query %d of size %q: no such size, known: %s", number, size, strings.Join(p.Sizes, ", "))
	}
	for _, q := range queries {
		if q.Number == number {
			return q, nil
		}
	}
	return nil, fmt.Errorf("cjs: size %q has no query %d", size, number)
}

// profileFormat is what a file says that it is.
const profileFormat = "cjs-tpch-1"

// maxProfile bounds an unpacked profile: ten times the largest published.
const maxProfile = 16 << 20

// ReadProfiles reads all files tpch_*.json.gz of the folder dir, whatever sizes there are.
func ReadProfiles(dir string) (*Profiles, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "tpch_*.json.gz"))
	if err != nil {
		return nil, fmt.Errorf("cjs: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("cjs: %s: no file tpch_*.json.gz", dir)
	}
	p := &Profiles{Queries: map[string][]*Query{}}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cjs: %w", err)
		}
		size, queries, err := ParseProfile(data)
		if err != nil {
			return nil, fmt.Errorf("cjs: %s: %w", path, err)
		}
		if _, ok := p.Queries[size]; ok {
			return nil, fmt.Errorf("cjs: %s: size %q occurs twice", path, size)
		}
		p.Queries[size] = queries
		p.Sizes = append(p.Sizes, size)
	}
	slices.SortFunc(p.Sizes, func(a, b string) int {
		x, errA := strconv.Atoi(strings.TrimSuffix(a, "g"))
		y, errB := strconv.Atoi(strings.TrimSuffix(b, "g"))
		if errA != nil || errB != nil || x == y {
			return strings.Compare(a, b)
		}
		return x - y
	})
	return p, nil
}

// rawProfile is a file as it is written.
type rawProfile struct {
	Format  string `json:"format"`
	Size    string `json:"size"`
	Queries []struct {
		Query  int      `json:"query"`
		Edges  [][2]int `json:"edges"`
		Stages []struct {
			Levels []int   `json:"levels"` // in the order of the source, which is not ascending
			Fresh  [][]int `json:"fresh"`
			First  [][]int `json:"first"` // the fresh ones among them
			Rest   [][]int `json:"rest"`
			Tasks  *int    `json:"num_tasks"`
		} `json:"stages"`
	} `json:"queries"`
}

// ParseProfile reads a gzipped profile: the size of its data and its queries, ready to be drawn from.
// It refuses what cannot be simulated: cycles, stages without tasks or durations.
func ParseProfile(data []byte) (size string, queries []*Query, err error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return "", nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxProfile+1))
	if err != nil {
		return "", nil, err
	}
	if len(text) > maxProfile {
		return "", nil, fmt.Errorf("more than %d bytes when unpacked", maxProfile)
	}
	var raw rawProfile
	if err := json.Unmarshal(text, &raw); err != nil {
		return "", nil, err
	}
	if raw.Format != profileFormat {
		return "", nil, fmt.Errorf("format %q, want %q", raw.Format, profileFormat)
	}
	if raw.Size == "" || len(raw.Queries) == 0 {
		return "", nil, fmt.Errorf("size %q with %d queries", raw.Size, len(raw.Queries))
	}
	for i := range raw.Queries {
		r := &raw.Queries[i]
		q := &Query{Number: r.Query, Size: raw.Size, Stages: make([]Stage, len(r.Stages))}
		fail := func(err error) error { return fmt.Errorf("query %d: %w", r.Query, err) }
		if r.Query < 1 || slices.ContainsFunc(queries, func(other *Query) bool { return other.Number == r.Query }) {
			return "", nil, fail(errors.New("numbers are positive and occur once"))
		}
		for s := range r.Stages {
			from := &r.Stages[s]
			if q.Stages[s], err = newStage(from.Levels, from.Fresh, from.First, from.Rest, from.Tasks); err != nil {
				return "", nil, fail(fmt.Errorf("stage %d: %w", s, err))
			}
		}
		if err := q.connect(r.Edges); err != nil {
			return "", nil, fail(err)
		}
		queries = append(queries, q)
	}
	return raw.Size, queries, nil
}

// maxStages bounds the stages of a query; TPC-H has at most 18.
const maxStages = 1000

// connect gives the stages their parents and children, and refuses graphs that never end.
func (q *Query) connect(edges [][2]int) error {
	n := len(q.Stages)
	if n == 0 || n > maxStages {
		return fmt.Errorf("%d stages, want 1 to %d", n, maxStages)
	}
	for _, e := range edges {
		from, to := e[0], e[1]
		if from < 0 || from >= n || to < 0 || to >= n || from == to {
			return fmt.Errorf("edge from stage %d to %d, of %d stages", from, to, n)
		}
		if slices.Contains(q.Stages[from].Children, to) {
			return fmt.Errorf("edge from stage %d to %d occurs twice", from, to)
		}
		q.Stages[from].Children = append(q.Stages[from].Children, to)
		q.Stages[to].Parents = append(q.Stages[to].Parents, from)
	}
	waiting, ready := make([]int, n), []int(nil)
	for i := range q.Stages {
		s := &q.Stages[i]
		slices.Sort(s.Parents)
		slices.Sort(s.Children)
		if waiting[i] = len(s.Parents); waiting[i] == 0 {
			ready = append(ready, i)
		}
	}
	done := 0
	for ; done < len(ready); done++ {
		for _, child := range q.Stages[ready[done]].Children {
			if waiting[child]--; waiting[child] == 0 {
				ready = append(ready, child)
			}
		}
	}
	if done < n {
		return fmt.Errorf("stage %d waits for itself: the graph has a cycle", slices.IndexFunc(waiting, func(w int) bool { return w > 0 }))
	}
	return nil
}

// newStage prepares tables for drawing: fresh durations are taken out of the first wave's, and an empty
// first wave is replaced by that of the next level below.
func newStage(executors []int, fresh, first, rest [][]int, tasks *int) (Stage, error) {
	var s Stage
	if len(executors) == 0 || len(executors) > math.MaxUint8 || len(fresh) != len(executors) || len(first) != len(executors) || len(rest) != len(executors) {
		return s, fmt.Errorf("%d levels, but %d, %d and %d tables of durations", len(executors), len(fresh), len(first), len(rest))
	}
	s.Tasks = len(first[0]) + len(rest[0]) // of the level that stands first, as levels may disagree
	if s.Tasks == 0 || tasks != nil && *tasks != s.Tasks {
		return s, fmt.Errorf("%d durations at the first level make that many tasks; want 1 or more, and as many as num_tasks says", s.Tasks)
	}
	for i, n := range executors {
		if n < 1 || slices.Contains(executors[:i], n) {
			return s, fmt.Errorf("level %d: levels are positive and occur once", n)
		}
		l := level{executors: n}
		for _, t := range []struct {
			from []int
			to   *[]int32
		}{{fresh[i], &l.fresh}, {without(first[i], fresh[i]), &l.first}, {rest[i], &l.rest}} {
			for _, ms := range t.from {
				if ms < 0 || ms > math.MaxInt32 {
					return s, fmt.Errorf("level %d: a duration of %d ms", n, ms)
				}
				*t.to = append(*t.to, int32(ms))
			}
		}
		s.levels = append(s.levels, l)
	}
	slices.SortFunc(s.levels, func(a, b level) int { return a.executors - b.executors })
	var sum, count float64
	for i := range s.levels {
		l := &s.levels[i]
		if len(l.first) == 0 && i > 0 {
			l.first = s.levels[i-1].first
		}
		// Levels that no draw reaches may be empty: those under the lowest of the simulator's, unless they are the stage's largest.
		if len(l.first)+len(l.fresh) == 0 && (l.executors >= drawn[0] || i == len(s.levels)-1) {
			return s, fmt.Errorf("level %d has no first-wave durations, nor has any below", l.executors)
		}
		for _, table := range [][]int32{l.fresh, l.first, l.rest} {
			for _, v := range table {
				sum += float64(v)
			}
			count += float64(len(table))
		}
	}
	s.Rough = sum / count
	for i, n := range drawn {
		at := slices.IndexFunc(s.levels, func(l level) bool { return l.executors == n })
		if at < 0 {
			at = len(s.levels) - 1
		}
		s.measured[i] = uint8(at)
	}
	return s, nil
}

// without returns list less the elements of taken, each as often as it occurs there.
func without(list, taken []int) (kept []int) {
	count := make(map[int]int, len(taken))
	for _, v := range taken {
		count[v]++
	}
	for _, v := range list {
		if count[v] > 0 {
			count[v]--
		} else {
			kept = append(kept, v)
		}
	}
	return kept
}
