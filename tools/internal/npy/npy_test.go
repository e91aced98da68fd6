package npy

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/internal/measure"
	"netllm/tools/internal/pickle"
)

// file is a file with this header and body.
func file(header, body string) []byte {
	return fmt.Appendf(nil, "%s\x01\x00%c%c%s%s", magic, byte(len(header)), byte(len(header)>>8), header, body)
}

// array is a file of numbers.
func array(descr, shape, body string) []byte {
	return file("{'descr': '"+descr+"', 'fortran_order': False, 'shape': "+shape+", }\n", body)
}

func TestParse(t *testing.T) {
	one := "\x00\x00\x00\x00\x00\x00\xf0\x3f"
	zero := strings.Repeat("\x00", 8)
	six := func(width int) string {
		var b strings.Builder
		for i := range 6 {
			b.WriteByte(byte(i))
			b.WriteString(strings.Repeat("\x00", width-1))
		}
		return b.String()
	}
	for _, c := range []struct {
		name string
		data []byte
		want *Array
	}{
		{"doubles", array("<f8", "(1, 2)", zero+one), &Array{Shape: []int{1, 2}, Type: "<f8", Floats: []float64{0, 1}}},
		{"a number", array("<i2", "()", "\xfe\xff"), &Array{Shape: []int{}, Type: "<i2", Ints: []int64{-2}}},
		{"i1", array("|i1", "(2,)", "\xff\x7f"), &Array{Shape: []int{2}, Type: "|i1", Ints: []int64{-1, 127}}},
		{"u1", array("|u1", "(2,)", "\xff\x7f"), &Array{Shape: []int{2}, Type: "|u1", Ints: []int64{255, 127}}},
		{"u2", array("<u2", "(1,)", "\xff\xff"), &Array{Shape: []int{1}, Type: "<u2", Ints: []int64{65535}}},
		{"i4", array("<i4", "(1,)", "\xff\xff\xff\xff"), &Array{Shape: []int{1}, Type: "<i4", Ints: []int64{-1}}},
		{"u4", array("<u4", "(1,)", "\xff\xff\xff\xff"), &Array{Shape: []int{1}, Type: "<u4", Ints: []int64{1<<32 - 1}}},
		{"i8", array("<i8", "(1,)", "\xff\xff\xff\xff\xff\xff\xff\xff"), &Array{Shape: []int{1}, Type: "<i8", Ints: []int64{-1}}},
		{"u8", array("<u8", "(1,)", "\xff\xff\xff\xff\xff\xff\xff\x7f"), &Array{Shape: []int{1}, Type: "<u8", Ints: []int64{1<<63 - 1}}},
		{"none", array("<i4", "(3, 0)", ""), &Array{Shape: []int{3, 0}, Type: "<i4", Ints: []int64{}}},
		{"Fortran's order", file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", six(1)), &Array{Shape: []int{2, 3}, Type: "|u1", Ints: []int64{0, 2, 4, 1, 3, 5}}},
		{"Fortran's order, three dimensions", file("{'descr': '<u2', 'fortran_order': True, 'shape': (1, 3, 2), }", six(2)),
			&Array{Shape: []int{1, 3, 2}, Type: "<u2", Ints: []int64{0, 3, 1, 4, 2, 5}}},
		{"other ways to write a header", file(" {\n\"shape\":(1 , 2),\t'descr' : \"|u1\" , 'fortran_order':False}  \n", "\x01\x02"), &Array{Shape: []int{1, 2}, Type: "|u1", Ints: []int64{1, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	header := func(text string) []byte { return file(text, "") }
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "does not begin"},
		{"something else", []byte("PK\x03\x04 and more"), "does not begin"},
		{"version 2", []byte(magic + "\x02\x00\x00\x00\x00\x00"), "version 2.0"},
		{"header beyond the end", []byte(magic + "\x01\x00\xff\xff{}"), "a header of 65535 bytes, 2 are left"},
		{"no header", header(""), "byte 10: got '\\x00', want '{'"},
		{"no end", header("{'descr': '<f8'"), "byte 25: got '\\x00', want '}'"},
		{"more", header("{'descr': '<f8', 'fortran_order': False, 'shape': ()} x"), `"x" after the dictionary`},
		{"no shape", header("{'descr': '<f8', 'fortran_order': False}"), `no "shape"`},
		{"twice", header("{'descr': '<f8', 'descr': '<f8'}"), `"descr" stands twice`},
		{"unknown key", header("{'__import__': 1}"), `unknown key "__import__"`},
		{"escape", header(`{'de\x73cr': 1}`), "escape"},
		{"string without an end", header("{'descr: 1}"), "does not end"},
		{"no string", header("{descr: 1}"), "want a string"},
		{"fields", header("{'descr': [('a', '<f8')]}"), `got '[', want a string`},
		{"no bool", header("{'fortran_order': 1}"), "want True or False"},
		{"a list for a shape", header("{'shape': [1]}"), `got '[', want '('`},
		{"no tuple", header("{'shape': (1)}"), "followed by commas"},
		{"a comma alone", header("{'shape': (,)}"), "want a natural number"},
		{"negative", header("{'shape': (-1,)}"), "want a natural number"},
		{"large dimension", header("{'shape': (99999999999,)}"), "beyond 31 bits"},
		{"shape without an end", header("{'shape': (1, "), "want a natural number"},
		{"many dimensions", header("{'shape': (" + strings.Repeat("1,", maxDims+1) + ")}"), "more than 32 dimensions"},
		{"big-endian", array(">f8", "()", "12345678"), `type ">f8"`},
		{"floats", array("<f4", "()", "1234"), `type "<f4"`},
		{"too little", array("<f8", "(2,)", "12345678"), "more than the file holds"},
		{"too much", array("<f8", "(1,)", "123456789"), "takes 8 bytes, the file has 9"},
		{"overflow", array("|u1", "(2147483647, 2147483647, 2147483647)", "1"), "more than the file holds"},
		{"a dimension of nothing", array("|u1", "(0,)", "1"), "takes 0 bytes, the file has 1"},
		{"beyond 63 bits", array("<u8", "(1,)", "\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615 is beyond 63 bits"},
		{"objects", array("|O", "(2,)", "\x80\x02]."), "shape [2] of objects"},
		{"a list for an object", array("|O", "()", "\x80\x02]."), "holds no array"},
		{"a hostile object", array("|O", "()", "\x80\x02cos\nsystem\n."), fmt.Sprintf(`byte %d: global "os system"`, len(array("|O", "()", ""))+2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.data)
			if err == nil {
				t.Fatalf("got %v, want an error", got)
			}
			if !strings.HasPrefix(err.Error(), "npy: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	fsys := fstest.MapFS{"good.npy": {Data: array("|u1", "()", "\x07")}, "bad.npy": {Data: []byte("x")}}
	if a, err := Read(fsys, "good.npy"); err != nil || a.Ints[0] != 7 {
		t.Errorf("got %v, %v", a, err)
	}
	for _, name := range []string{"bad.npy", "missing.npy"} {
		if _, err := Read(fsys, name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// query is what the converted data say of one query.
type query struct {
	Query  int      `json:"query"`
	Edges  [][2]int `json:"edges"`
	Spark  [][2]int `json:"spark_stage_ids"`
	Stages []struct {
		Levels []int   `json:"levels"`
		Fresh  [][]int `json:"fresh"`
		First  [][]int `json:"first"`
		Rest   [][]int `json:"rest"`
	} `json:"stages"`
}

// TestPublished compares published files with what was converted from them.
func TestPublished(t *testing.T) {
	dir := golden.Data(t, "import_sample/cluster_job_scheduling/data/tpch/2g")
	f, err := os.Open(golden.Data(t, "cjs/tpch_2g.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Queries []query `json:"queries"`
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "adj_mat_*.npy"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got files %v, %v", files, err)
	}
	for _, path := range files {
		var number int
		if _, err := fmt.Sscanf(filepath.Base(path), "adj_mat_%d.npy", &number); err != nil {
			t.Fatal(err)
		}
		want := all.Queries[number-1]
		got := query{Query: number}
		read := func(kind string) *Array {
			t.Helper()
			a, err := Read(os.DirFS(dir), fmt.Sprintf("%s_%d.npy", kind, number))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		adjacent := read("adj_mat")
		n := adjacent.Shape[0]
		for i, v := range adjacent.Floats {
			if v == 1 {
				got.Edges = append(got.Edges, [2]int{i / n, i % n})
			}
		}
		ids := read("stage_id_to_node_idx_map").Object.(*pickle.Dict)
		for i, key := range ids.Keys {
			got.Spark = append(got.Spark, [2]int{int(key.(int64)), int(ids.Values[i].(int64))})
		}
		stages := read("task_duration").Object.(*pickle.Dict)
		got.Stages = want.Stages[:0:0]
		for i := range n {
			stage, ok := stages.Get(int64(i))
			if !ok {
				t.Fatalf("query %d: no stage %d", number, i)
			}
			s := want.Stages[i]
			s.Levels = nil
			for _, part := range []struct {
				key string
				to  *[][]int
			}{{"first_wave", &s.First}, {"fresh_durations", &s.Fresh}, {"rest_wave", &s.Rest}} {
				v, _ := stage.(*pickle.Dict).Get(part.key)
				waves := v.(*pickle.Dict)
				*part.to = nil
				for j, level := range waves.Keys {
					if part.key == "first_wave" {
						s.Levels = append(s.Levels, int(level.(int64)))
					}
					durations := []int{}
					for _, ms := range waves.Values[j].(*pickle.List).Items {
						durations = append(durations, int(ms.(int64)))
					}
					*part.to = append(*part.to, durations)
				}
			}
			got.Stages = append(got.Stages, s)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("query %d: -want +got:\n%s", number, diff)
		}
	}
	golden.Cases(t, 3*len(files))
}

// FuzzNPY looks for files that panic or take more memory than they justify.
func FuzzNPY(f *testing.F) {
	f.Add(array("<f8", "(1, 2)", strings.Repeat("\x00", 16)))
	f.Add(file("{'descr': '<u2', 'fortran_order': True, 'shape': (1, 3, 2), }", strings.Repeat("\x01", 12)))
	f.Add(array("<i4", "(3, 0)", ""))
	f.Add(array("|O", "()", "\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01)cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]}(K\x00K\x00K\x01K\x01uatb."))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a *Array
		var err error
		if n, limit := measure.Allocated(func() { a, err = Parse(data) }), 1<<16+192*uint64(len(data)); n > limit {
			t.Errorf("got %d bytes allocated for a file of %d", n, len(data))
		}
		if err != nil || a.Type == "|O" {
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if len(a.Floats)+len(a.Ints) != n {
			t.Errorf("shape %v has %d and %d numbers", a.Shape, len(a.Floats), len(a.Ints))
		}
	})
}
