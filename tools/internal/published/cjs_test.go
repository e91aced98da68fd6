package published

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"netllm/netllm/cjs"
)

// saved is a file of numpy.
func saved(descr, shape, body string) string {
	header := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n"
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + body
}

// object is such a file with one Python object, given as the opcodes of pickle that make it.
func object(value string) string {
	return saved("|O", "()", "\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01)cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R"+
		"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]"+value+"atb.")
}

// dict and list make opcodes; n is a small number.
func dict(pairs ...string) string { return "}(" + strings.Join(pairs, "") + "u" }
func list(items ...string) string { return "](" + strings.Join(items, "") + "e" }
func n(v byte) string             { return "K" + string([]byte{v}) }
func name(s string) string        { return "U" + string([]byte{byte(len(s))}) + s }

// waves are the tables of a stage with the levels 5 and 2, in that order.
func waves() string {
	return dict(
		name("first_wave"), dict(n(5), list(n(7), n(8)), n(2), list(n(9))),
		name("fresh_durations"), dict(n(2), list(n(9)), n(5), list(n(8))),
		name("rest_wave"), dict(n(5), list(n(3)), n(2), list(n(1), n(1))),
	)
}

// chain are the files of query 3 of size 10g: two stages, one after the other.
func chain() map[string]string {
	return map[string]string{
		tpch + "/10g/adj_mat_3.npy":                  saved("|u1", "(2, 2)", "\x00\x01\x00\x00"),
		tpch + "/10g/task_duration_3.npy":            object(dict(n(0), waves(), n(1), waves())),
		tpch + "/10g/stage_id_to_node_idx_map_3.npy": object(dict(n(4), n(0), n(6), n(1))),
	}
}

func TestQueries(t *testing.T) {
	c, _ := clone(t, chain())
	p := planOf(t, c)
	to := t.TempDir()
	if err := p.Write(t.Context(), to, false, nil); err != nil {
		t.Fatal(err)
	}
	profiles, err := cjs.ReadProfiles(filepath.Join(to, "cjs"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := profiles.Query(3, "10g")
	if err != nil {
		t.Fatal(err)
	}
	// Three tasks by level 5, which stands first; the mean of what is left of first waves, here 7 alone for both levels as that of
	// level 2 is fresh and the one below is empty, of fresh ones and of the rest.
	if len(q.Stages) != 2 || q.Stages[0].Tasks != 3 || fmt.Sprint(q.Stages[1].Parents) != "[0]" || q.Stages[0].Rough != (7+8+9+3+1+1)/6. {
		t.Errorf("got %+v", q.Stages)
	}
}

// TestQueryGaps harms the files of the one query and wants a word about it.
func TestQueryGaps(t *testing.T) {
	const at = tpch + "/10g/"
	for _, c := range []struct {
		name, file, text, missing, refused string
	}{
		{"half a query", "adj_mat_3.npy", "", "cjs 10g query 3: of its three files the clone has task_duration_3.npy, stage_id_to_node_idx_map_3.npy only", ""},
		{"a hostile pickle", "task_duration_3.npy", saved("|O", "()", "\x80\x02cos\nsystem\nU\x05touch\x85R."), "", `task_duration_3.npy": npy: pickle: byte `},
		{"no square", "adj_mat_3.npy", saved("|u1", "(1, 2)", "\x00\x00"), "", "want a square"},
		{"no matrix of edges", "adj_mat_3.npy", saved("|u1", "(2, 2)", "\x00\x02\x00\x00"), "", "row 0, column 1 is 2"},
		{"other stages", "stage_id_to_node_idx_map_3.npy", object(dict(n(4), n(2))), "", "stage 4 is 2"},
		{"no stages", "stage_id_to_node_idx_map_3.npy", object(list(n(4))), "", "want a dictionary"},
		{"a stage too few", "task_duration_3.npy", object(dict(n(0), waves())), "", "want a dictionary of 2 stages"},
		{"a stage without tables", "task_duration_3.npy", object(dict(n(0), waves(), n(1), n(3))), "", "stage 1: no dictionary of durations"},
		{"tables of other names", "task_duration_3.npy", object(dict(n(0), waves(), n(1), dict(name("x"), n(1)))), "", "stage 1: no dictionary first_wave"},
		{"durations that are no numbers", "task_duration_3.npy", object(dict(n(0), waves(), n(1), strings.ReplaceAll(waves(), n(7), "N"))), "", "level 5: duration <nil> is no whole number"},
		{"levels that are no numbers", "task_duration_3.npy", object(dict(n(0), waves(), n(1), strings.Replace(waves(), n(5), name("5"), 1))), "", "level 5 is no number"},
		{"levels that differ", "task_duration_3.npy", object(dict(n(0), waves(), n(1), strings.Replace(waves(), n(5), n(6), 1))), "", "level 6 has no list"},
		{"a cycle", "adj_mat_3.npy", saved("|u1", "(2, 2)", "\x00\x01\x01\x00"), "", "the graph has a cycle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := maps.Clone(chain())
			if files[at+c.file] = c.text; c.text == "" {
				delete(files, at+c.file)
			}
			from, _ := clone(t, files)
			p := planOf(t, from)
			if p.Files() != 0 {
				t.Errorf("got %d files", p.Files())
			}
			if got := strings.Join(lines(p.Missing), "\n"); !strings.Contains(got, c.missing) {
				t.Errorf("missing: got %q, want %q", got, c.missing)
			}
			if got := strings.Join(lines(p.Refused), "\n"); !strings.Contains(got, c.refused) || (c.refused == "") != (got == "") {
				t.Errorf("refused: got %q, want %q", got, c.refused)
			}
		})
	}
}
