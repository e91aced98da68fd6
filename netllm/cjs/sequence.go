// The jobs of an episode: read, or generated.

package cjs

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Cluster is what jobs run on.
type Cluster struct {
	Executors   int     `json:"num_executors"`
	MovingDelay float64 `json:"moving_delay_ms"` // an executor's way to another job
	WarmUpDelay float64 `json:"warmup_delay_ms"` // added to an executor's first task at a job where no such task was measured
}

// DefaultCluster is the paper's default: 50 executors.
func DefaultCluster() Cluster { return Cluster{Executors: 50, MovingDelay: 2000, WarmUpDelay: 1000} }

// maxExecutors bounds clusters.
const maxExecutors = 1 << executorBits

// Validate reports what makes no cluster.
func (c Cluster) Validate() error {
	if c.Executors < 1 || c.Executors > maxExecutors {
		return fmt.Errorf("cjs: cluster: %d executors, want 1 to %d", c.Executors, maxExecutors)
	}
	if !duration(c.MovingDelay) || !duration(c.WarmUpDelay) {
		return fmt.Errorf("cjs: cluster: delays of %v and %v ms", c.MovingDelay, c.WarmUpDelay)
	}
	return nil
}

// duration says whether v is a time that is not negative.
func duration(v float64) bool { return v >= 0 && v <= 1e15 }

// Job is one job of a sequence.
type Job struct {
	Arrival float64 // ms
	Query   *Query
}

// Sequence are the jobs of an episode and the cluster they run on.
type Sequence struct {
	ID      string
	Cluster Cluster
	Jobs    []Job // by arrival; a job's number is its place here

	// Stream starts the numbers that durations are drawn with; nil: from the seed of the run.
	Stream func() Uniforms
}

// Validate reports what makes no sequence.
func (s *Sequence) Validate() error {
	if err := s.Cluster.Validate(); err != nil {
		return err
	}
	if len(s.Jobs) == 0 {
		return fmt.Errorf("cjs: sequence %s: no jobs", s.ID)
	}
	for i, j := range s.Jobs {
		if !duration(j.Arrival) || i > 0 && j.Arrival < s.Jobs[i-1].Arrival {
			return fmt.Errorf("cjs: sequence %s: job %d arrives at %v ms, after one at %v: want times from 0 on, ascending", s.ID, i, j.Arrival, s.Jobs[max(i-1, 0)].Arrival)
		}
		if j.Query == nil {
			return fmt.Errorf("cjs: sequence %s: job %d has no query", s.ID, i)
		}
	}
	return nil
}

// MeanGap is the published mean time between arrivals, ms.
const MeanGap = 25000.0

// Generate draws a sequence of so many jobs as published: each a query and a size, uniform among those of
// profiles, and exponential gaps of [MeanGap] between arrivals, the first at 0.
func Generate(profiles *Profiles, cluster Cluster, jobs int, seed uint64) (*Sequence, error) {
	if jobs < 1 {
		return nil, fmt.Errorf("cjs: %d jobs", jobs)
	}
	rng := rand.New(rand.NewPCG(seed, 0x6172726976616c73))
	s := &Sequence{ID: fmt.Sprintf("seed%d", seed), Cluster: cluster}
	at := 0.0
	for range jobs {
		pick := rng.Float64() // before the size, as published; sizes may have unlike numbers of queries
		queries := profiles.Queries[profiles.Sizes[rng.IntN(len(profiles.Sizes))]]
		s.Jobs = append(s.Jobs, Job{at, queries[int(pick*float64(len(queries)))]})
		at += rng.ExpFloat64() * MeanGap
	}
	return s, s.Validate()
}

// rawSequence is a file with one sequence, and where it says how durations are drawn, a run of it.
type rawSequence struct {
	Name      string   `json:"name"`
	Executors *int     `json:"num_executors"`
	Moving    *float64 `json:"moving_delay_ms"`
	WarmUp    *float64 `json:"warmup_delay_ms"`
	Rule      *struct {
		Kind string `json:"kind"`
		Seed string `json:"seed"`
	} `json:"duration_rule"`
	Jobs []struct {
		Arrival float64 `json:"arrival_ms"`
		Query   int     `json:"query"`
		Size    string  `json:"size"`
	} `json:"jobs"`

	Sequences map[string][][3]json.RawMessage `json:"sequences"` // of a file with several: [arrival_ms, query, size]
}

// ReadSequence reads the sequences of a JSON file: one with "jobs", objects of arrival_ms, query and size, or
// several under "sequences", by key, as lists of such triples. What a file does not say of the cluster is
// taken from cluster. "PATH#KEY" means one of several.
func ReadSequence(path string, profiles *Profiles, cluster Cluster) ([]*Sequence, error) {
	file, key, one := strings.Cut(path, "#")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cjs: %w", err)
	}
	list, err := parseSequences(data, profiles, cluster)
	if err != nil {
		return nil, fmt.Errorf("cjs: %s: %w", file, err)
	}
	if !one {
		return list, nil
	}
	for _, s := range list {
		if s.ID == key {
			return []*Sequence{s}, nil
		}
	}
	return nil, fmt.Errorf("cjs: %s: no sequence %q", file, key)
}

func parseSequences(data []byte, profiles *Profiles, cluster Cluster) ([]*Sequence, error) {
	var raw rawSequence
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	if (raw.Jobs == nil) == (raw.Sequences == nil) {
		return nil, fmt.Errorf("want either jobs or sequences")
	}
	for _, v := range []struct{ to, from *float64 }{{&cluster.MovingDelay, raw.Moving}, {&cluster.WarmUpDelay, raw.WarmUp}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	if raw.Executors != nil {
		cluster.Executors = *raw.Executors
	}
	stream, err := raw.stream()
	if err != nil {
		return nil, err
	}
	var list []*Sequence
	add := func(id string, n int, job func(i int) (arrival float64, query int, size string, err error)) error {
		s := &Sequence{ID: id, Cluster: cluster, Stream: stream}
		for i := range n {
			arrival, query, size, err := job(i)
			if err != nil {
				return fmt.Errorf("sequence %s: job %d: %w", id, i, err)
			}
			q, err := profiles.Query(query, size)
			if err != nil {
				return fmt.Errorf("sequence %s: job %d: %w", id, i, err)
			}
			s.Jobs = append(s.Jobs, Job{arrival, q})
		}
		list = append(list, s)
		return s.Validate()
	}
	if raw.Jobs != nil {
		err := add(raw.Name, len(raw.Jobs), func(i int) (float64, int, string, error) {
			j := raw.Jobs[i]
			return j.Arrival, j.Query, j.Size, nil
		})
		return list, err
	}
	keys := make([]string, 0, len(raw.Sequences))
	for key := range raw.Sequences {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // numbers in their order
		}
		return strings.Compare(a, b)
	})
	for _, key := range keys {
		jobs := raw.Sequences[key]
		err := add(key, len(jobs), func(i int) (arrival float64, query int, size string, err error) {
			for k, to := range []any{&arrival, &query, &size} {
				if err := json.Unmarshal(jobs[i][k], to); err != nil {
					return 0, 0, "", err
				}
			}
			return arrival, query, size, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// stream returns what a file's duration rule stands for.
func (r *rawSequence) stream() (func() Uniforms, error) {
	if r.Rule == nil {
		return nil, nil
	}
	switch r.Rule.Kind {
	case "half":
		return func() Uniforms { return Constant(0.5) }, nil
	case "splitmix64":
		seed, err := strconv.ParseUint(r.Rule.Seed, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("duration rule: seed %q is no number of 64 bits", r.Rule.Seed)
		}
		return func() Uniforms { s := SplitMix64(seed); return &s }, nil
	}
	return nil, fmt.Errorf("duration rule %q, known: half, splitmix64", r.Rule.Kind)
}
