package netllm

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// testPool has two episodes, of two and one transitions, with states [1, 2].
func testPool() *Pool {
	return &Pool{
		Meta: PoolMeta{Task: "test", Policies: []string{"a", "b"}, Seeds: []uint64{1, 2},
			Data: map[string]string{"x": "00"}, Command: "collect"},
		Shape: []int{1, 2}, States: []float32{1, 2, 3, 4, 5, 6},
		Actions: []int32{0, 5, 2}, Rewards: []float64{1, -2.5, 3}, Done: []uint8{0, 1, 1}, Episode: []int32{0, 0, 1},
	}
}

func TestPoolRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pool")
	want := testPool()
	if err := want.Write(path, false); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPool(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("pool differs (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{0, 2, 3}, got.Episodes()); d != "" {
		t.Errorf("episodes differ (-want +got):\n%s", d)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Write(path, false); err == nil {
		t.Error("writing over a pool: got no error")
	}
	if err := want.Write(path, true); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
		t.Errorf("the same pool written again differs (%v)", err)
	}
}

func TestPoolValidate(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*Pool)
		want string
	}{
		{"no transitions", func(p *Pool) { *p = Pool{} }, "without transitions"},
		{"rewards missing", func(p *Pool) { p.Rewards = p.Rewards[:2] }, "2 rewards"},
		{"states missing", func(p *Pool) { p.States = p.States[:5] }, "5 states"},
		{"NaN reward", func(p *Pool) { p.Rewards[1] = math.NaN() }, "transition 1: reward NaN"},
		{"infinite state", func(p *Pool) { p.States[3] = float32(math.Inf(1)) }, "transition 1: state element 1 is +Inf"},
		{"negative action", func(p *Pool) { p.Actions[2] = -1 }, "transition 2: action -1"},
		{"done inside", func(p *Pool) { p.Done[0] = 1 }, "transition 0 of episode 0: done is 1"},
		{"done missing", func(p *Pool) { p.Done[2] = 0 }, "transition 2 of episode 1: done is 0"},
		{"episodes fall", func(p *Pool) { p.Episode = []int32{1, 1, 0} }, "episode 0 after 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPool()
			test.harm(p)
			err := p.Validate()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			path := filepath.Join(t.TempDir(), "pool")
			if err := p.Write(path, false); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("writing: got %v, want an error that names the file", err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("a file was written")
			}
		})
	}
}

func TestReadPoolRefuses(t *testing.T) {
	dir := t.TempDir()
	column := func(name string, dtype tensor.DType, shape ...int) safetensors.Entry {
		return safetensors.EntryOf(name, tensor.New(dtype, shape...))
	}
	good := map[string]string{"format": "netllm.pool", "version": "1", "meta": `{"Task":"test"}`}
	with := func(key, value string) map[string]string {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		m[key] = value
		return m
	}
	columns := []safetensors.Entry{column("state", tensor.F32, 1, 2), column("action", tensor.I32, 1),
		column("reward", tensor.F64, 1), column("done", tensor.U8, 1), column("episode", tensor.I32, 1)}
	for _, test := range []struct {
		name    string
		meta    map[string]string
		entries []safetensors.Entry
		want    string
	}{
		{"another file", nil, columns, "not a pool"},
		{"another version", with("version", "2"), columns, `version "2"`},
		{"broken metadata", with("meta", "{"), columns, "metadata"},
		{"another task", with("meta", `{"Task":"vp"}`), columns, `task "vp"`},
		{"a column missing", good, columns[:4], "episode"},
		{"a column too many", good, append([]safetensors.Entry{column("x", tensor.F32, 1)}, columns...), `"x"`},
		{"a wrong type", good, append([]safetensors.Entry{column("action", tensor.F32, 1)}, append([]safetensors.Entry{columns[0]}, columns[2:]...)...), `tensor "action"`},
		{"an episode without end", good, columns, "done is 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(test.name, " ", "-"))
			if err := safetensors.Write(path, test.meta, test.entries); err != nil {
				t.Fatal(err)
			}
			_, err := ReadPool(path, "test")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the file's name", err, test.want)
			}
		})
	}
}

// FuzzPool feeds the reader with harmed pools: it must fail or give a valid
// one.
func FuzzPool(f *testing.F) {
	path := filepath.Join(f.TempDir(), "pool")
	if err := testPool().Write(path, false); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Add(bytes.Replace(data, []byte(`"I32"`), []byte(`"F32"`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePool("fuzz", data, "test")
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("a pool was read that is none: %v", err)
		}
	})
}
