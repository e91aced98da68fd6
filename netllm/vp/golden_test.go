package vp

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"netllm/internal/golden"
)

// readJSON decodes a golden file.
func readJSON(t *testing.T, rel string, v any) {
	t.Helper()
	data, err := os.ReadFile(golden.Spec(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// splitWindows are the windows of a part of a published data set.
func splitWindows(t *testing.T, dataset, split string, w Windowing) []Window {
	t.Helper()
	golden.Data(t, "vp") // or skips
	d, err := OpenDataset(golden.Data(t, ""), dataset)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Split(split)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := d.Traces(s, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	return w.Windows(traces)
}

// evaluate scores a predictor without training.
func evaluate(t *testing.T, name string, ws []Window, opt EvalOptions) *Result {
	t.Helper()
	f, err := NewFactory(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Evaluate(t.Context(), f, ws, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The numbers of windows of all parts, with both trims (spec, section 4).
func TestGoldenWindows(t *testing.T) {
	cases := 0
	for _, c := range []struct {
		dataset, split    string
		pairs, repo, want int
	}{
		{"jin2022", "train", 630, 8820, 10080}, {"jin2022", "valid", 126, 1754, 2006}, {"jin2022", "test", 126, 1698, 1950},
		{"wu2017", "train", 150, 16530, 16830}, {"wu2017", "valid", 18, 999, 1035}, {"wu2017", "test", 12, 930, 954},
	} {
		for trim, want := range map[int]int{60: c.repo, 30: c.want} {
			w := DefaultWindowing()
			w.TrimTail = trim
			ws := splitWindows(t, c.dataset, c.split, w)
			pairs := map[string]bool{}
			for _, w := range ws {
				pairs[w.Trace.ID()] = true
			}
			if len(ws) != want || len(pairs) > c.pairs {
				t.Errorf("%s %s, trim %d: got %d windows of %d pairs, want %d of %d", c.dataset, c.split, trim, len(ws), len(pairs), want, c.pairs)
			}
			// Longer questions are asked at the same rows.
			w.History, w.Horizon = 20, 30
			if long := splitWindows(t, c.dataset, c.split, w); len(long) != want || long[7].At != ws[7].At {
				t.Errorf("%s %s, trim %d: got %d long windows, want %d", c.dataset, c.split, trim, len(long), want)
			}
			cases += 2
		}
	}
	golden.Cases(t, cases)
}

// reference is what vp_reference.json holds of one predictor.
type reference struct {
	MAE       float64            `json:"mae_deg_float64_mean"`
	RMSE      float64            `json:"rmse_deg_no_wrap_rule"`
	Axis      [3]float64         `json:"mae_axis_roll_pitch_yaw"`
	Step      map[int]float64    `json:"mae_at_step"`
	Quartiles [3]float64         `json:"per_window_mae_quartiles"`
	Video     map[string]float64 `json:"mae_by_video"`
}

func TestGoldenReference(t *testing.T) {
	var file struct {
		Numbers []struct {
			Setting, Dataset, Split string
			History                 int `json:"history_steps"`
			Future                  int `json:"future_steps"`
			Stride                  int
			Head                    int `json:"trim_head"`
			Tail                    int `json:"trim_tail"`
			Windows                 int
			LR, Velocity            reference
		}
		Other struct {
			Hold      map[string]float64 `json:"hold_last_mae_deg"`
			Unwrapped struct {
				LR       map[string]float64 `json:"lr_mae_deg"`
				Velocity map[string]float64 `json:"velocity_mae_deg"`
			} `json:"yaw_unwrapped_inside_history_first"`
		} `json:"not_in_the_original"`
	}
	readJSON(t, "vp_reference.json", &file)
	cases := 0
	near := func(what string, got, want, within float64) {
		t.Helper()
		cases++
		if !(math.Abs(got-want) <= within) {
			t.Errorf("%s: got %.6f, want %.6f", what, got, want)
		}
	}
	for _, n := range file.Numbers {
		ws := splitWindows(t, n.Dataset, n.Split, Windowing{n.History, n.Future, n.Stride, n.Head, n.Tail})
		if len(ws) != n.Windows {
			t.Errorf("%s: got %d windows, want %d", n.Setting, len(ws), n.Windows)
		}
		for name, want := range map[string]reference{"lr": n.LR, "velocity": n.Velocity} {
			r := evaluate(t, name, ws, EvalOptions{})
			what := n.Setting + ", " + name
			near(what, r.Mean, want.MAE, 1e-3)
			near(what+", RMSE", r.RMSE, want.RMSE, 1e-3)
			for axis, v := range want.Axis {
				near(what+", "+axisNames[axis], r.Axis[axis], v, 1e-3)
			}
			for step, v := range want.Step {
				near(what+", a step", r.Horizon[step-1], v, 1e-3)
			}
			if want.Quartiles[1] != 0 {
				near(what+", median", r.P50, want.Quartiles[1], 1e-3)
			}
			for _, g := range r.Videos {
				near(what+", "+g.ID, g.Mean, want.Video[strings.TrimPrefix(g.ID, "video")], 1e-3)
			}
		}
	}
	for name, want := range file.Other.Hold {
		w, split := DefaultWindowing(), "test"
		if strings.HasPrefix(name, "valid") {
			split = "valid"
		}
		if strings.HasSuffix(name, "60") {
			w.TrimTail = 60
		}
		near("hold-last, "+name, evaluate(t, "hold-last", splitWindows(t, "jin2022", split, w), EvalOptions{}).Mean, want, 1e-3)
	}
	golden.Cases(t, cases)
}

// goldenWindow is a window of vp_golden.json.
type goldenWindow struct {
	Note, Dataset string
	Video, User   int
	Row           int
	History       []Angles `json:"history_deg"`
	Future        []Angles `json:"future_deg"`
	Normalised    []Angles `json:"history_normalised"`
	LR            []Angles `json:"lr_deg"`
	Velocity      []Angles `json:"velocity_deg"`
	LRMAE         float64  `json:"lr_mae"`
	VelocityMAE   float64  `json:"velocity_mae"`
}

// window is the same as a question.
func (g goldenWindow) window() Window {
	w := Ask(g.History, len(g.Future))
	w.Trace.Rows = append(w.Trace.Rows[:len(g.History):len(g.History)], g.Future...)
	return w
}

func TestGoldenPredictions(t *testing.T) {
	var file struct {
		Windows []goldenWindow
		Metric  []struct {
			Pred  Angles  `json:"pred_deg"`
			Truth Angles  `json:"truth_deg"`
			MAE   float64 `json:"mae"`
			RMSE  float64 `json:"rmse_as_original"`
		} `json:"metric_examples"`
	}
	readJSON(t, "vp_golden.json", &file)
	for _, g := range file.Windows {
		if rows, err := ReadTrace(golden.Data(t, "vp/"+g.Dataset+"/"+strings.Join([]string{"video" + itoa(g.Video), "user" + itoa(g.User) + ".csv"}, "/"))); err != nil {
			t.Error(err)
		} else if at := g.Row - len(g.History); !sameRows(rows[at:g.Row], g.History) || !sameRows(rows[g.Row:g.Row+len(g.Future)], g.Future) {
			t.Errorf("%s: other rows than those of the file", g.Note)
		}
		w := g.window()
		for i, row := range w.Past() {
			for axis, v := range row {
				if got := normalise(v, axis); math.Abs(float64(got-g.Normalised[i][axis])) > 5e-7 {
					t.Errorf("%s: row %d normalised: got %v, want %v", g.Note, i, got, g.Normalised[i])
				}
			}
		}
		for _, p := range []struct {
			rule rule
			want []Angles
			mae  float64
		}{{linearRegression, g.LR, g.LRMAE}, {velocity, g.Velocity, g.VelocityMAE}} {
			got := make([]Angles, w.Horizon)
			p.rule(got, w.Past())
			for k := range got {
				for axis := range ends {
					if math.Abs(float64(got[k][axis]-p.want[k][axis])) > 1e-3 {
						t.Errorf("%s, step %d: got %v, want %v", g.Note, k+1, got[k], p.want[k])
					}
				}
			}
			if r := score([]Window{w}, got); math.Abs(r.Mean-p.mae) > 1e-3 {
				t.Errorf("%s: error %.6f, want %.6f", g.Note, r.Mean, p.mae)
			}
		}
	}
	for _, m := range file.Metric {
		r := score([]Window{{Trace: &Trace{Rows: []Angles{m.Truth}}, Horizon: 1}}, []Angles{m.Pred})
		if math.Abs(r.Mean-m.MAE) > 1e-5 || math.Abs(r.RMSE-m.RMSE) > 1e-3 {
			t.Errorf("%v for %v: got %v and %v, want %v and %v", m.Pred, m.Truth, r.Mean, r.RMSE, m.MAE, m.RMSE)
		}
	}
	golden.Cases(t, 2*len(file.Windows)+len(file.Metric))
}
