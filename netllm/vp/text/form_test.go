package text

import (
	"math"
	"strings"
	"testing"

	"netllm/netllm/vp"
)

// turning is a window of a viewer who turns through the wrap and nods.
func turning(history, horizon int) vp.Window {
	t := &vp.Trace{Video: 1, User: 1}
	for i := range history + horizon {
		yaw := math.Remainder(160+3.4*float64(i), 360)
		t.Rows = append(t.Rows, vp.Angles{-1.2, float32(80 + 9*math.Sin(float64(i))), float32(yaw)})
	}
	return vp.Window{Trace: t, At: history, History: history, Horizon: horizon}
}

func TestQuestionAndAnswer(t *testing.T) {
	w := turning(3, 2)
	for _, c := range []struct {
		relative         bool
		question, answer string
	}{
		{false, "past:a-1,80,160b-1,88,163c-1,88,167:next:", "a-1,81,170b-1,73,174."},
		{true, "past:a0,-8,-7b0,-1,-3:at:-1,88,167:next:", "a0,-7,3b0,-15,7."},
	} {
		f := Form{Relative: c.relative, History: 3, Horizon: 2}
		question, err := f.Question(w)
		if err != nil || question != c.question {
			t.Errorf("got question %q, %v, want %q", question, err, c.question)
		}
		answer, err := f.Answer(w)
		if err != nil || answer != c.answer {
			t.Errorf("got answer %q, %v, want %q", answer, err, c.answer)
		}
		if q, a := f.longest(); len(question) > q || len(answer) > a {
			t.Errorf("got %d and %d characters, the longest have %d and %d", len(question), len(answer), q, a)
		}
		f.History = 4
		if _, err := f.Question(w); err == nil {
			t.Error("a question of more rows than the window has")
		}
		f.Horizon = 3
		if _, err := f.Answer(w); err == nil {
			t.Error("an answer of more rows than the window has")
		}
	}
}

// What is written is read again, to the half degree that whole numbers cost.
func TestParseWhatWasWritten(t *testing.T) {
	for _, relative := range []bool{false, true} {
		f := Form{Relative: relative, History: 10, Horizon: 20}
		w := turning(10, 20)
		answer, err := f.Answer(w)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := f.Parse(answer, w)
		if err != nil || len(rows) != 20 {
			t.Fatalf("got %d rows, %v", len(rows), err)
		}
		for i, row := range rows {
			for axis, d := range vp.Difference(row, w.Future()[i]) {
				if math.Abs(float64(d)) > 0.5001 {
					t.Errorf("relative %v, row %d, axis %d: got %v, want %v", relative, i, axis, row, w.Future()[i])
				}
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	w := turning(3, 2) // the last row is at -1.2, 88.2, 166.8
	absolute, rel := Form{History: 3, Horizon: 2}, Form{Relative: true, History: 3, Horizon: 2}
	for _, c := range []struct {
		name   string
		form   Form
		answer string
		kind   Kind
	}{
		{"as it should be", absolute, "a-1,90,180b0,-90,-180.", ""},
		{"nothing", absolute, ".", Malformed},
		{"blank before", absolute, " a1,2,3b4,5,6.", Malformed},
		{"blank between", absolute, "a1,2, 3b4,5,6.", Malformed},
		{"words", absolute, "Once upon a time.", Malformed},
		{"words behind", absolute, "a1,2,3b4,5,6and.", Malformed},
		{"no letter", absolute, "1,2,3b4,5,6.", Malformed},
		{"letters in another order", absolute, "b1,2,3a4,5,6.", Malformed},
		{"a letter twice", absolute, "a1,2,3a4,5,6.", Malformed},
		{"a large letter", absolute, "a1,2,3B4,5,6.", Malformed},
		{"letter without a row", absolute, "a1,2,3b.", Malformed},
		{"beyond the letters", absolute, lettered(26) + "{0,0,0.", Malformed},
		{"two commas", absolute, "a1,,3b4,5,6.", Malformed},
		{"fraction", absolute, "a1,2.5,3b4,5,6.", Malformed},
		{"plus", absolute, "a+1,2,3b4,5,6.", Malformed},
		{"zero before", absolute, "a01,2,3b4,5,6.", Malformed},
		{"no less than nothing", absolute, "a-0,2,3b4,5,6.", Malformed},
		{"sign alone", absolute, "a-,2,3b4,5,6.", Malformed},
		{"two signs", absolute, "a--1,2,3b4,5,6.", Malformed},
		{"other digits", absolute, "a١,2,3b4,5,6.", Malformed},
		{"one row too few", absolute, "a1,2,3.", Count},
		{"one row too many", absolute, "a1,2,3b4,5,6c7,8,9.", Count},
		{"all rows that there are letters for", absolute, lettered(26) + ".", Count},
		{"one number too few", absolute, "a1,2,3b4,5.", Count},
		{"one number too many", absolute, "a1,2,3,4b5,6,7.", Count},
		{"roll beyond", absolute, "a181,2,3b4,5,6.", Range},
		{"pitch beyond", absolute, "a1,2,3b4,-91,6.", Range},
		{"yaw beyond", absolute, "a1,2,3b4,5,-181.", Range},
		{"beyond all integers", absolute, "a1,2,3b4,5,99999999999999999999.", Range},
		{"displacements", rel, "a0,0,180b1,1,-180.", ""},
		{"displacement beyond half a turn", rel, "a0,0,0b0,0,181.", Range},
		{"further up than up", rel, "a0,0,0b0,3,0.", Range},
		{"half a degree of writing", rel, "a0,0,0b0,2,0.", ""},
		{"further down than down", rel, "a0,0,0b0,-179,0.", Range},
		{"no full stop", absolute, "a1,2,3b4,5,6", Unfinished},
		{"nothing at all", absolute, "", Unfinished},
		{"a full stop on the way", absolute, "a1,2,3.b4,5,6", Unfinished},
		{"two full stops", absolute, "a1,2,3b4,5,6..", Malformed},
		{"more behind the full stop", absolute, "a1,2,3b4,5,6.c1,2,3.", Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := c.form.Parse(c.answer, w)
			if KindOf(err) != c.kind || (err == nil) != (c.kind == "") {
				t.Errorf("got %v, %v, want kind %q", rows, err, c.kind)
			}
			if err != nil && (rows != nil || !strings.HasPrefix(err.Error(), "text: answer: "+string(c.kind))) {
				t.Errorf("got %v with error %v", rows, err)
			}
		})
	}
}

// lettered are n rows of zeros.
func lettered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(string(rune('a'+i)) + "0,0,0")
	}
	return b.String()
}
