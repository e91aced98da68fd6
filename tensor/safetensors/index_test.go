package safetensors

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func shard(names ...string) []byte {
	h := `{"__metadata__":{"format":"pt","first":"` + names[0] + `"}`
	for i, name := range names {
		h += "," + entry(name, "U8", "[1]", string(rune('0'+i)), string(rune('1'+i)))
	}
	return file(h+"}", len(names))
}

func TestIndex(t *testing.T) {
	dir := save(t, map[string][]byte{
		"m-2.safetensors": shard("c"),
		"m-1.safetensors": shard("b", "a"),
		indexName: []byte(`{"metadata":{"total_size":3,"x":[{}]},
			"weight_map":{"a":"m-1.safetensors","c":"m-2.safetensors","b":"m-1.safetensors"}}`),
	})
	for _, path := range []string{dir, filepath.Join(dir, indexName)} {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Path() != filepath.Join(dir, indexName) {
			t.Errorf("got path %q", f.Path())
		}
		if diff := cmp.Diff([]string{"b", "a", "c"}, f.Names()); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"format": "pt", "first": "b"}, f.Metadata()); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
		info, _ := f.Info("c")
		if filepath.Base(info.File) != "m-2.safetensors" {
			t.Errorf("c: got file %q", info.File)
		}
		a, err := f.Tensor("a")
		if err != nil || a.Bytes()[0] != 1 {
			t.Errorf("got %v, %v, want the byte 1", a, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBadIndex(t *testing.T) {
	shards := map[string][]byte{
		"1.safetensors": shard("a", "b"), "2.safetensors": shard("c"), "again.safetensors": shard("a"),
		"bad.safetensors": good[:20],
	}
	tests := []struct {
		name, index string
		want        []string
	}{
		{"empty", "", []string{indexName, "offset 0"}},
		{"not an object", "[]", []string{indexName, "offset 0", "want an object"}},
		{"no map", "{}", []string{indexName, "no weight_map"}},
		{"null", `{"weight_map":null}`, []string{indexName, "offset", "got null"}},
		{"not UTF-8", "{\"\xff\":1}", []string{indexName, "offset 2", "UTF-8"}},
		{"unfinished", `{"metadata":{`, []string{indexName, "offset"}},
		{"text after", `{"weight_map":{}} x`, []string{indexName, "offset", "after the object"}},
		{"two maps", `{"weight_map":{},"weight_map":{}}`, []string{indexName, `second "weight_map"`}},
		{"tensor twice", `{"weight_map":{"c":"2.safetensors","c":"2.safetensors"}}`, []string{indexName, "offset", `second tensor "c"`}},
		{"file not text", `{"weight_map":{"c":2}}`, []string{indexName, "weight_map", "want a string"}},
		{"file in another folder", `{"weight_map":{"c":"../2.safetensors"}}`, []string{indexName, `"c"`, "../2.safetensors"}},
		{"absolute file", `{"weight_map":{"c":"/etc/passwd"}}`, []string{indexName, `"c"`, "/etc/passwd"}},
		{"file below", `{"weight_map":{"c":"x/2.safetensors"}}`, []string{indexName, `"c"`, "x/2.safetensors"}},
		{"no file name", `{"weight_map":{"c":""}}`, []string{indexName, `"c"`}},
		{"folder itself", `{"weight_map":{"c":"."}}`, []string{"not a regular file"}},
		{"missing file", `{"weight_map":{"c":"3.safetensors"}}`, []string{"3.safetensors"}},
		{"bad file", `{"weight_map":{"c":"bad.safetensors"}}`, []string{"bad.safetensors", "offset 0"}},
		{"shard lacks it", `{"weight_map":{"c":"2.safetensors","d":"2.safetensors"}}`, []string{indexName, `"d" is not in 2.safetensors`}},
		{"in another shard", `{"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"2.safetensors"}}`, []string{indexName, `"b" is not in 2.safetensors`}},
		{"index lacks it", `{"weight_map":{"a":"1.safetensors"}}`, []string{indexName, `"b"`, "1.safetensors is not in the index"}},
		{"in two shards", `{"weight_map":{"a":"1.safetensors","b":"again.safetensors"}}`, []string{`"a" is in two shards`, "1.safetensors", "again.safetensors"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			shards[indexName] = []byte(c.index)
			dir := save(t, shards)
			f, err := Open(dir)
			if f != nil {
				t.Error("got a file")
			}
			says(t, err, append(c.want, "safetensors: ", dir)...)
		})
	}
}
