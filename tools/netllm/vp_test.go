package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gold "netllm/internal/golden"
	"netllm/netllm/vp"
)

// TestEvalVP compares with the reference.
func TestEvalVP(t *testing.T) {
	var ref struct {
		Numbers []struct {
			Split        string
			Tail         int `json:"trim_tail"`
			Windows      int
			LR, Velocity struct {
				MAE float64 `json:"mae_deg"`
			}
		}
	}
	readJSON(t, gold.Spec(t, "vp_reference.json"), &ref)
	data := gold.Data(t, ".")
	for _, n := range ref.Numbers {
		stdout, stderr := succeed(t, "eval", "vp", "--policy", "lr,velocity", "--data", data, "--split", n.Split, "--trim-tail", fmt.Sprint(n.Tail), "--threads", "1", "--json", "-")
		var got evalResult
		decode(t, stdout, &got)
		if got.Task != "vp" || got.Setting != "custom" || len(got.Results) != 2 || !strings.Contains(stderr, "mean error") {
			t.Fatalf("got %+v, stderr %s", got, stderr)
		}
		for i, want := range []float64{n.LR.MAE, n.Velocity.MAE} {
			r := got.Results[i]
			if r.Metric != "mae_deg" || r.N != n.Windows || math.Abs(r.Mean-want) > 1e-3 || len(r.Items) != 126 || r.Items[0].ID[:5] != "video" || len(r.Steps) != 20 {
				t.Errorf("%s of %s, trim %d: got %v over %d, want %v over %d", r.Policy, n.Split, n.Tail, r.Mean, r.N, want, n.Windows)
			}
		}
	}
	gold.Cases(t, 2*len(ref.Numbers))
	stdout, stderr := succeed(t, "eval", "vp", "--policy", "hold-last", "--data", data, "--setting", "unseen3", "--json", "-")
	var got evalResult
	decode(t, stdout, &got)
	if got.Setting != "unseen3" || got.Results[0].N != 954 || len(got.Results[0].Steps) != 30 || !strings.Contains(stderr, "12 of 18 pairs") {
		t.Errorf("got %+v, stderr %s", got.Results[0].N, stderr)
	}
}

// viewers writes a data set of one's own: viewers who turn steadily.
func viewers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for video := 1; video <= 3; video++ {
		for user := 1; user <= 6; user++ {
			var text strings.Builder
			for i := range 150 {
				yaw := math.Remainder(float64(50*user+video)+2*float64(user-3)*float64(i), 360)
				fmt.Fprintf(&text, "%.3f,%d,%.4f,%.4f\n", 0.2*float64(i), user, 10*math.Sin(float64(i)/20), yaw)
			}
			path := filepath.Join(dir, fmt.Sprintf("video%d", video), fmt.Sprintf("user%d.csv", user))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text.String()), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	splits := map[string]vp.Split{"train": {Videos: []int{1}, Users: []int{1, 4}}, "valid": {Videos: []int{2}, Users: []int{2, 5}}, "test": {Videos: []int{3}, Users: []int{3, 6}}}
	text, err := json.Marshal(splits)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "splits.json"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAdaptVP goes the whole way with somebody's own traces, with a frozen model and with
// every control.
func TestAdaptVP(t *testing.T) {
	model, dir, data := byteModel(t), t.TempDir(), viewers(t)
	for _, body := range []string{"pretrained", "random:3", "trained:3", "none", "attention"} {
		adapter, record := filepath.Join(dir, body), filepath.Join(dir, body+".json")
		succeed(t, "adapt", "vp", "--model", model, "--dataset", data, "--threads", "1", "--body", body, "--epochs", "25", "--learning-rate", "0.02", "--out", adapter, "--json", record)
		var made adaptVPResult
		readJSON(t, record, &made)
		if made.Task != "vp" || !strings.HasPrefix(made.Body, body) || made.Windows < 30 || made.Best <= 0 || len(made.Valid) == 0 || made.Recipe.LearningRate != 0.02 {
			t.Errorf("%s: got %+v", body, made)
		}
		page := filepath.Join(dir, body+".html")
		stdout, _ := succeed(t, "eval", "vp", "--policy", "hold-last,netllm", "--model", model, "--adapter", adapter, "--dataset", data, "--report", page, "--json", "-")
		var got evalResult
		decode(t, stdout, &got)
		if hold, learned := got.Results[0].Mean, got.Results[1].Mean; !(learned < 0.8*hold) {
			t.Errorf("%s: got error %v, hold-last has %v", body, learned, hold)
		}
		if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "seconds ahead") || !strings.Contains(string(text), "hold-last") {
			t.Errorf("%s: the page: %v", body, err)
		}
	}
	paper := filepath.Join(dir, "paper")
	succeed(t, "adapt", "vp", "--model", model, "--dataset", data, "--recipe", "paper", "--threads", "1", "--epochs", "1", "--out", paper)
	var errors [2]float64
	for i, flags := range [][]string{nil, {"--no-cache"}} {
		stdout, _ := succeed(t, append([]string{"eval", "vp", "--policy", "netllm", "--model", model, "--adapter", paper, "--dataset", data, "--json", "-"}, flags...)...)
		var got evalResult
		decode(t, stdout, &got)
		errors[i] = got.Results[0].Mean
	}
	if math.Abs(errors[0]-errors[1]) > 1e-4 {
		t.Errorf("with and without the cache: got errors %v", errors)
	}
}

// shown writes a picture for each frame, or each row, that somebody of viewers sees: all are the same.
func shown(t *testing.T, perRow int) string {
	t.Helper()
	picture, err := os.ReadFile("../../netllm/picture/testdata/pictures/full.jpg")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for video := 1; video <= 3; video++ {
		for row := range 150 {
			path := filepath.Join(dir, fmt.Sprintf("video%d", video), fmt.Sprintf("%d.jpg", perRow*row))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, picture, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestPictures goes the whole way with frames: features of a ViT, kept in a folder, and an encoder that is
// trained with the rest.
func TestPictures(t *testing.T) {
	model, dir, data := byteModel(t), t.TempDir(), viewers(t)
	seen, cache := filepath.Join(dir, "seen"), filepath.Join(dir, "cache")
	common := []string{"--model", model, "--dataset", data, "--frames", shown(t, 6)}
	vit := append([]string{"--vit", "../../transformer/testdata/vit", "--feature-cache", cache}, common...)
	for _, recipe := range []string{"best", "paper"} {
		adapt := []string{"adapt", "vp", "--threads", "1", "--recipe", recipe, "--epochs", "1", "--force", "--out", seen}
		eval := []string{"eval", "vp", "--policy", "netllm", "--adapter", seen}
		succeed(t, append(adapt, vit...)...)
		succeed(t, append(eval, vit...)...)
		if code, _, stderr := command(t, append(eval, "--model", model, "--dataset", data)...); code != 1 || !strings.Contains(stderr, "made for 16 numbers of a picture") {
			t.Errorf("without frames: got exit code %d, %q", code, stderr)
		}
		succeed(t, append(append(adapt, "--encoder", "patches"), common...)...)
		succeed(t, append(eval, common...)...)
		if code, _, stderr := command(t, append(eval, vit...)...); code != 2 || !strings.Contains(stderr, "--vit is of no use to a patch encoder") {
			t.Errorf("with a ViT in the place of patches: got exit code %d, %q", code, stderr)
		}
	}
	if files, err := filepath.Glob(filepath.Join(cache, "*")); err != nil || len(files) != 1 {
		t.Errorf("the cache has %d files, %v, want one: all frames are the same", len(files), err)
	}
}

// TestTrack goes the whole way with the recurrent network, without and with saliency maps.
func TestTrack(t *testing.T) {
	dir, data := t.TempDir(), viewers(t)
	for name, c := range map[string]struct {
		adapt, eval []string
		parameters  int
	}{
		"zeros": {[]string{"--honest"}, nil, 2708483},
		"maps":  {[]string{"--honest", "--saliency", shown(t, 1), "--saliency-side", "4"}, []string{"--saliency", shown(t, 1)}, 2739203},
	} {
		track, record := filepath.Join(dir, "new", name), filepath.Join(dir, name+".json")
		succeed(t, append([]string{"adapt", "track", "--dataset", data, "--threads", "1", "--epochs", "2", "--out", track, "--json", record}, c.adapt...)...)
		var trained adaptTrackResult
		readJSON(t, record, &trained)
		stdout, _ := succeed(t, append([]string{"eval", "vp", "--policy", "track", "--track", track, "--dataset", data, "--json", "-"}, c.eval...)...)
		var scored evalResult
		decode(t, stdout, &scored)
		if trained.Parameters != c.parameters || len(trained.Valid) != 2 || scored.Results[0].Policy != "track-honest" {
			t.Errorf("%s: got %+v, policy %s", name, trained, scored.Results[0].Policy)
		}
	}
	code, _, stderr := command(t, "eval", "vp", "--policy", "track", "--track", filepath.Join(dir, "new", "maps"), "--dataset", data)
	if code != 1 || !strings.Contains(stderr, "pictures of 16 cells are needed") {
		t.Errorf("maps missing: got exit code %d, %q", code, stderr)
	}
}

func TestVPErrors(t *testing.T) {
	dir, data := t.TempDir(), viewers(t)
	splits := filepath.Join(data, "splits.json")
	for _, c := range []struct {
		name, args, want string
		code             int
	}{
		{"no policy", "eval vp", "--policy is needed", 2},
		{"policy", "eval vp --policy lr,magic", `unknown policy "magic"`, 2},
		{"twice", "eval vp --policy lr,lr", "given twice", 2},
		{"setting", "eval vp --policy lr --setting unseen9", "want default, unseen1, unseen2, unseen3", 2},
		{"windows", "eval vp --policy lr --horizon 99", "a horizon of 99 rows does not fit the last 30", 2},
		{"no adapter", "eval vp --policy netllm", "needs --adapter", 2},
		{"adapter unasked", "eval vp --policy lr --adapter x", "which is not asked for", 2},
		{"frames unasked", "eval vp --policy lr --frames x --vit x", "which is not asked for", 2},
		{"vit alone", "adapt vp --out x --vit x", "of no use without --frames", 2},
		{"encoder", "adapt vp --out x --frames x --encoder cnn", "want vit or patches", 2},
		{"encoder alone", "adapt vp --out x --encoder patches", "of no use without --frames", 2},
		{"no vit", "adapt vp --out x --frames x", "--frames needs --vit", 2},
		{"vit and patches", "adapt vp --out x --frames x --vit x --encoder patches", "of no use to a patch encoder", 2},
		{"no frames", "adapt vp --out x --encoder patches --frames " + filepath.Join(dir, "none") + " --dataset " + data, "--frames: stat", 1},
		{"saliency unasked", "eval vp --policy lr --saliency x", "which is not asked for", 2},
		{"saliency", "adapt track --out x --saliency " + filepath.Join(dir, "none"), "--saliency: stat", 1},
		{"saliency side", "adapt track --out x --saliency-side 0", "want 1 or more", 2},
		{"no track", "eval vp --policy track", "belong together", 2},
		{"track unasked", "eval vp --policy lr --track x", "belong together", 2},
		{"track file", "eval vp --policy track --track " + splits + " --dataset " + data, "splits.json", 1},
		{"track out", "adapt track", "--out is needed", 2},
		{"track epochs", "adapt track --out x --epochs 0", "want 1 or more", 2},
		{"no data", "eval vp --policy lr", "--data or NETLLM_DATA", 1},
		{"dataset", "eval vp --policy lr --dataset nothing", "neither one of", 1},
		{"split", "eval vp --policy lr --split best --dataset " + data, `no split "best"`, 1},
		{"too short", "eval vp --policy lr --trim-head 100 --trim-tail 100 --dataset " + data, "no trace is longer than the 200 rows", 1},
		{"adapter", "eval vp --policy netllm --adapter " + dir + " --dataset " + data, "netllm_adapter.json", 1},
		{"report", "eval vp --policy lr --report " + splits + " --dataset " + data, "--force replaces it", 1},
		{"no out", "adapt vp", "--out is needed", 2},
		{"body", "adapt vp --out x --body big", `body "big"`, 2},
		{"body seed", "adapt vp --out x --body none:3", "it has no seed", 2},
		{"recipe", "adapt vp --out x --recipe fast", "want paper or best", 2},
		{"rate", "adapt vp --out x --learning-rate -1", "want a positive number", 2},
		{"epochs", "adapt vp --out x --epochs -1", "want 1 or more", 2},
		{"out", "adapt vp --out " + data + " --dataset " + data, "--force replaces it", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := command(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(strings.TrimSpace(stderr), "\n") > 3 {
				t.Errorf("got exit code %d, %q; want %d, ... %s", code, stderr, c.code, c.want)
			}
		})
	}
	if err := os.Remove(splits); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := command(t, "adapt", "vp", "--out", filepath.Join(dir, "z"), "--dataset", data); code != 1 || !strings.Contains(stderr, `no split "train"`) {
		t.Errorf("no splits: got exit code %d, %q", code, stderr)
	}
}

// The experiment runs through, on data in the place of the published, and its table has a row for every variant.
func TestVPAblations(t *testing.T) {
	data := t.TempDir()
	for _, name := range []string{"Jin2022", "Wu2017"} {
		viewersOf(t, filepath.Join(data, "vp", name))
	}
	model := byteModel(t)
	record := filepath.Join(t.TempDir(), "ablations.json")
	stdout, _ := succeed(t, "experiment", "vp-ablations", "--model", model, "--data", data, "--allow-missing", "--epochs", "1", "--only", "2,9", "--folds", "3", "--json", record)
	var ablations vpAblationsResult
	readJSON(t, record, &ablations)
	if len(ablations.Runs) != 9 || len(ablations.HoldLast) != 3 || !strings.Contains(stdout, "one query for each row") || strings.Count(stdout, "\n") != 4 {
		t.Errorf("got %d runs, %d folds:\n%s", len(ablations.Runs), len(ablations.HoldLast), stdout)
	}
}

// viewersOf writes a few short traces where the published splits look for theirs.
func viewersOf(t *testing.T, dir string) {
	t.Helper()
	for video := 1; video <= 27; video++ {
		for user := 1; user <= 84; user++ {
			if user > 12 && user != 83 && user != 15 && user != 16 && user != 46 {
				continue
			}
			var text strings.Builder
			for i := range 100 {
				fmt.Fprintf(&text, "0,%d,%d,%.3f\n", user%5, i%9, math.Remainder(float64(user*video)+float64(user%7-3)*float64(i), 360))
			}
			path := filepath.Join(dir, fmt.Sprintf("video%d", video), fmt.Sprintf("user%d.csv", user))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text.String()), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}
