package cjs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stageOf is a stage as a file has it.
func stageOf(levels []int, fresh, first, rest [][]int) map[string]any {
	return map[string]any{"levels": levels, "fresh": fresh, "first": first, "rest": rest}
}

func profileOf(edges [][2]int, stages ...map[string]any) map[string]any {
	return map[string]any{"format": profileFormat, "size": "1g", "queries": []map[string]any{{"query": 3, "edges": edges, "stages": stages}}}
}

// Tables are prepared as specified: fresh durations leave the first wave, each as often as it is there, and an empty wave is
// that of the level below.
func TestPreparation(t *testing.T) {
	_, list, err := ParseProfile(packed(t, profileOf(nil, stageOf([]int{40, 5, 10}, [][]int{{}, {7, 7}, {4}}, [][]int{{}, {7, 9, 7, 7}, {4}}, [][]int{{1, 2}, {}, {3}}))))
	if err != nil {
		t.Fatal(err)
	}
	s := list[0].Stages[0]
	if s.Tasks != 2 { // of level 40, which stands first
		t.Errorf("got %d tasks, want 2", s.Tasks)
	}
	for i, want := range [][]int32{{9, 7}, {9, 7}, {9, 7}} {
		if got := s.levels[i].first; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("level %d: got %v, want %v", s.levels[i].executors, got, want)
		}
	}
	if want := (7 + 7 + 4 + 3*(9+7) + 1 + 2 + 3) / 12.; s.Rough != want {
		t.Errorf("got rough duration %v, want %v", s.Rough, want)
	}
	if s.measured != [...]uint8{0, 1, 2, 2, 2, 2, 2, 2} { // 20 was not measured: the largest
		t.Errorf("got levels %v", s.measured)
	}
}

func TestProfileErrors(t *testing.T) {
	good := stageOf([]int{5}, [][]int{{}}, [][]int{{1}}, [][]int{{2}})
	for want, v := range map[string]map[string]any{
		"the graph has a cycle":                  profileOf([][2]int{{0, 1}, {1, 2}, {2, 0}}, good, good, good),
		"edge from stage 0 to 5":                 profileOf([][2]int{{0, 5}}, good),
		"edge from stage 0 to 0":                 profileOf([][2]int{{0, 0}}, good),
		"edge from stage 0 to 1 occurs twice":    profileOf([][2]int{{0, 1}, {0, 1}}, good, good),
		"query 3: 0 stages":                      profileOf(nil),
		"0 levels":                               profileOf(nil, stageOf(nil, nil, nil, nil)),
		"1 levels, but 2, 1 and 1":               profileOf(nil, stageOf([]int{5}, [][]int{{}, {}}, [][]int{{1}}, [][]int{{2}})),
		"query 3: stage 0: 0 durations":          profileOf(nil, stageOf([]int{5}, [][]int{{}}, [][]int{{}}, [][]int{{}})),
		"a duration of -4 ms":                    profileOf(nil, stageOf([]int{5}, [][]int{{}}, [][]int{{-4}}, [][]int{{2}})),
		"level 5 has no first-wave durations":    profileOf(nil, stageOf([]int{5}, [][]int{{}}, [][]int{{}}, [][]int{{2}})),
		"level 5: levels are positive":           profileOf(nil, stageOf([]int{5, 5}, [][]int{{}, {}}, [][]int{{1}, {1}}, [][]int{{2}, {2}})),
		`format "x"`:                             {"format": "x"},
		`size "" with 0 queries`:                 {"format": profileFormat},
		"query 0: numbers are positive":          {"format": profileFormat, "size": "1g", "queries": []map[string]any{{"query": 0}}},
		"cannot unmarshal string into Go struct": {"format": profileFormat, "queries": "x"},
	} {
		if _, _, err := ParseProfile(packed(t, v)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s", err, want)
		}
	}
	if _, _, err := ParseProfile([]byte("no gzip")); err == nil {
		t.Error("no gzip: got no error")
	}
	dir := t.TempDir()
	if _, err := ReadProfiles(dir); err == nil || !strings.Contains(err.Error(), "no file tpch_") {
		t.Errorf("an empty folder: got %v", err)
	}
	for name, v := range map[string]any{"tpch_1g.json.gz": profileOf(nil, good), "tpch_2g.json.gz": profileOf(nil, good)} {
		if err := os.WriteFile(filepath.Join(dir, name), packed(t, v), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadProfiles(dir); err == nil || !strings.Contains(err.Error(), `tpch_2g.json.gz: size "1g" occurs twice`) {
		t.Errorf("a size twice: got %v", err)
	}
}

func TestSequenceErrors(t *testing.T) {
	p, dir := made(t), t.TempDir()
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", "{", "unexpected end"},
		{"no jobs", `{"num_executors": 5}`, "want either jobs or sequences"},
		{"unknown query", `{"num_executors": 5, "jobs": [{"arrival_ms": 0, "query": 77, "size": "1g"}]}`, `size "1g" has no query 77`},
		{"unknown size", `{"num_executors": 5, "jobs": [{"arrival_ms": 0, "query": 1, "size": "9g"}]}`, `no such size, known: 1g`},
		{"zero executors", `{"num_executors": 0, "jobs": [{"arrival_ms": 0, "query": 1, "size": "1g"}]}`, "0 executors"},
		{"negative delay", `{"num_executors": 5, "moving_delay_ms": -1, "jobs": [{"arrival_ms": 0, "query": 1, "size": "1g"}]}`, "delays of -1"},
		{"negative time", `{"num_executors": 5, "jobs": [{"arrival_ms": -3, "query": 1, "size": "1g"}]}`, "job 0 arrives at -3 ms"},
		{"times that fall", `{"num_executors": 5, "jobs": [{"arrival_ms": 9, "query": 1, "size": "1g"}, {"arrival_ms": 3, "query": 1, "size": "1g"}]}`, "job 1 arrives at 3 ms, after one at 9"},
		{"unknown rule", `{"duration_rule": {"kind": "x"}, "jobs": [{"arrival_ms": 9, "query": 1, "size": "1g"}]}`, `duration rule "x"`},
		{"a bad triple", `{"sequences": {"1": [[0, "x", "1g"]]}}`, "1g"},
	} {
		path := filepath.Join(dir, "jobs.json")
		if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		if list, err := ReadSequence(path, p, DefaultCluster()); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) && c.name != "a bad triple" {
			t.Errorf("%s: got %d sequences, %v, want ... %s", c.name, len(list), err, c.want)
		}
	}
	path := filepath.Join(dir, "jobs.json")
	if err := os.WriteFile(path, []byte(`{"sequences": {"a": [[0, 1, "1g"], [5, 2, "1g"]], "b": [[0, 3, "1g"]]}}`), 0o666); err != nil {
		t.Fatal(err)
	}
	list, err := ReadSequence(path+"#a", p, Cluster{Executors: 3})
	if err != nil || len(list) != 1 || list[0].ID != "a" || len(list[0].Jobs) != 2 || list[0].Cluster.Executors != 3 {
		t.Errorf("got %v, %v", list, err)
	}
	if _, err := ReadSequence(path+"#c", p, DefaultCluster()); err == nil || !strings.Contains(err.Error(), `no sequence "c"`) {
		t.Errorf("an unknown key: got %v", err)
	}
	if _, err := Generate(p, DefaultCluster(), 0, 1); err == nil {
		t.Error("no jobs generated: got no error")
	}
	if _, err := NewEnv(EnvConfig{Sequences: []*Sequence{{ID: "x", Cluster: DefaultCluster(), Jobs: []Job{{}}}}}); err == nil || !strings.Contains(err.Error(), "has no query") {
		t.Errorf("a job without a query: got %v", err)
	}
}

func FuzzProfile(f *testing.F) {
	good := stageOf([]int{5, 40}, [][]int{{1}, {}}, [][]int{{1}, {3, 4}}, [][]int{{2}, {}})
	f.Add(packed(f, profileOf([][2]int{{0, 1}}, good, good)))
	f.Add(packed(f, profileOf([][2]int{{0, 1}, {1, 0}}, good, good)))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, data []byte) {
		size, list, err := ParseProfile(data)
		if err != nil {
			return
		}
		// What is read can be played.
		s := &Sequence{ID: "fuzz", Cluster: Cluster{Executors: 3, MovingDelay: 1}}
		tasks := 0
		for _, q := range list {
			s.Jobs = append(s.Jobs, Job{0, q})
			for _, stage := range q.Stages {
				tasks += stage.Tasks
			}
		}
		if size == "" || tasks > 10000 {
			return
		}
		fifo, err := NewFactory("fifo", PolicyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Evaluate(t.Context(), fifo, []*Sequence{s}, EvalOptions{Workers: 1}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzSequence(f *testing.F) {
	f.Add([]byte(`{"num_executors": 5, "jobs": [{"arrival_ms": 0, "query": 1, "size": "1g"}]}`))
	f.Add([]byte(`{"sequences": {"1": [[0, 1, "1g"], [1e3, 2, "1g"]]}}`))
	f.Add([]byte(`{"duration_rule": {"kind": "splitmix64", "seed": "7"}, "jobs": []}`))
	p := made(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseSequences(data, p, DefaultCluster())
		if err != nil {
			return
		}
		for _, s := range list {
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}
