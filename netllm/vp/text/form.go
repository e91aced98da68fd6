// Questions and answers in words.

package text

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"netllm/netllm/vp"
)

// Form is how a window is written. All numbers are whole degrees, roll, pitch and yaw between commas: digits are tokens of
// their own in the vocabularies of small models, so that every digit saved is a pass saved, and an error of half a degree is
// small beside the ten that predictions are off by. Every row begins with its letter, a, b, c and so on, where another sign would
// have to stand between rows anyway: small models do not count to twenty, but know what comes after t. An answer ends with a
// full stop, which every model has learned; many have never seen the token that ends a text, and its row of the frozen output
// matrix is what it was drawn as. No blank is written, which vocabularies differ about.
//
// Absolute, as published ones are, the positions themselves are written:
//
//	past:a0,12,-170b1,12,-172:next:
//	a1,12,-174b1,11,-176c1,11,-178.
//
// Relative, rows are displacements from the last one seen, the short way round, as the project's own network has them;
// the last itself follows the others:
//
//	past:a-1,0,2:at:1,12,-172:next:
//	a0,0,-2b0,-1,-4c0,-1,-6.
type Form struct {
	Relative bool `json:"relative"`
	History  int  `json:"history"` // rows seen
	Horizon  int  `json:"horizon"` // rows to come
}

// end is what an answer ends with.
const end = "."

// letters is how many there are.
const letters = 'z' - 'a' + 1

// Validate fails if there is nothing to write, or more than there are letters.
func (f Form) Validate() error {
	if f.History < 1 || f.Horizon < 1 || f.History > letters || f.Horizon > letters {
		return fmt.Errorf("text: form: %d rows seen and %d to come, each must be 1 to %d", f.History, f.Horizon, letters)
	}
	return nil
}

// axes is how many numbers a row has.
const axes = len(vp.Angles{})

// ends are the largest magnitudes of positions, degrees, and turn that of displacements, the short way round.
var ends = [axes]int{180, 90, 180}

const turn = 180

// whole is an angle in whole degrees.
func whole(v float32) int { return int(math.Round(float64(v))) }

// writeRows appends rows with their letters.
func writeRows(b *strings.Builder, rows []vp.Angles) {
	for i, row := range rows {
		b.WriteByte('a' + byte(i))
		writeRow(b, row)
	}
}

// writeRow appends a row's numbers.
func writeRow(b *strings.Builder, row vp.Angles) {
	for axis, v := range row {
		if axis > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(whole(v)))
	}
}

// relative returns rows as displacements from at.
func relative(rows []vp.Angles, at vp.Angles) []vp.Angles {
	list := make([]vp.Angles, len(rows))
	for i, row := range rows {
		list[i] = vp.Difference(row, at)
	}
	return list
}

// Question writes the rows seen. Of a window with more of them than the form has the newest are taken. It fails if there
// are fewer.
func (f Form) Question(w vp.Window) (string, error) {
	past := w.Past()
	if len(past) < f.History {
		return "", fmt.Errorf("text: a window of %d rows seen, the form has %d", len(past), f.History)
	}
	past = past[len(past)-f.History:]
	var b strings.Builder
	b.WriteString("past:")
	if f.Relative {
		last := past[f.History-1]
		writeRows(&b, relative(past[:f.History-1], last))
		b.WriteString(":at:")
		writeRow(&b, last)
	} else {
		writeRows(&b, past)
	}
	b.WriteString(":next:")
	return b.String(), nil
}

// Answer writes the rows to come. It fails if the window has fewer than the form.
func (f Form) Answer(w vp.Window) (string, error) {
	if w.Horizon < f.Horizon {
		return "", fmt.Errorf("text: a window of %d rows to come, the form has %d", w.Horizon, f.Horizon)
	}
	rows := w.Future()[:f.Horizon]
	if f.Relative {
		past := w.Past()
		rows = relative(rows, past[len(past)-1])
	}
	var b strings.Builder
	writeRows(&b, rows)
	b.WriteString(end)
	return b.String(), nil
}

// longest returns the longest question and the longest answer that there are, in characters.
func (f Form) longest() (question, answer int) {
	absolute, relative := len("a-180,-90,-180"), len("a-180,-180,-180")
	question, answer = len("past::next:")+f.History*absolute, f.Horizon*absolute+len(end)
	if f.Relative {
		question, answer = len("past::at::next:")+(f.History-1)*relative+absolute, f.Horizon*relative+len(end)
	}
	return question, answer
}

// Kind is a way in which an answer is none.
type Kind string

// The kinds of invalid answers.
const (
	Malformed  Kind = "form"       // anything but letters in their order and numbers between commas
	Unfinished Kind = "unfinished" // no full stop within as many tokens as the longest answer has
	Count      Kind = "count"      // too few or too many numbers or rows
	Range      Kind = "range"      // an angle that there is not
)

// Kinds lists them all.
var Kinds = []Kind{Malformed, Unfinished, Count, Range}

// Invalid is the error of an answer that is none.
type Invalid struct {
	Kind   Kind
	Reason string
}

// Error implements error.
func (e *Invalid) Error() string { return fmt.Sprintf("text: answer: %s: %s", e.Kind, e.Reason) }

// KindOf returns the kind of an answer's error, or "" of another's.
func KindOf(err error) Kind {
	var invalid *Invalid
	if errors.As(err, &invalid) {
		return invalid.Kind
	}
	return ""
}

func invalid(kind Kind, format string, args ...any) error {
	return &Invalid{kind, fmt.Sprintf(format, args...)}
}

// Parse reads an answer to w, of exactly the form that [Form.Answer] writes: no blank, no sign or digit too many, no row
// more or less. The rows are positions in degrees. Every error is an [Invalid].
func (f Form) Parse(answer string, w vp.Window) ([]vp.Angles, error) {
	past := w.Past()
	last := past[len(past)-1]
	answer, finished := strings.CutSuffix(answer, end)
	if !finished {
		return nil, invalid(Unfinished, "no full stop after %.20q", answer[max(0, len(answer)-20):])
	}
	var rows []string
	for i, begin := 0, 0; begin < len(answer); i++ { // the form of all comes before their number
		if i == letters || answer[begin] != 'a'+byte(i) {
			return nil, invalid(Malformed, "row %d begins with %.20q", i+1, answer[begin:])
		}
		next := len(answer)
		if n := strings.IndexFunc(answer[begin+1:], func(c rune) bool { return c >= 'a' && c <= 'z' }); n >= 0 {
			next = begin + 1 + n
		}
		row := answer[begin+1 : next]
		for number := range strings.SplitSeq(row, ",") {
			if !isNumber(number) {
				return nil, invalid(Malformed, "row %d: %.20q is no number", i+1, number)
			}
		}
		rows, begin = append(rows, row), next
	}
	if len(rows) == 0 {
		return nil, invalid(Malformed, "nothing")
	}
	if len(rows) != f.Horizon {
		return nil, invalid(Count, "%d rows, want %d", len(rows), f.Horizon)
	}
	positions := make([]vp.Angles, len(rows))
	for i, row := range rows {
		numbers := strings.Split(row, ",")
		if len(numbers) != axes {
			return nil, invalid(Count, "row %d: %d numbers, want %d", i+1, len(numbers), axes)
		}
		for axis, number := range numbers {
			v, err := strconv.Atoi(number)
			limit := ends[axis]
			if f.Relative {
				limit = turn
			}
			if err != nil || v > limit || v < -limit {
				return nil, invalid(Range, "row %d: %.20s degrees, beyond %d", i+1, number, limit)
			}
			positions[i][axis] = float32(v)
			if !f.Relative {
				continue
			}
			positions[i][axis] += last[axis]
			// Nobody looks further up than up; half a degree is the writing's.
			if at := math.Abs(float64(positions[i][axis])); axis == vp.Pitch && at > float64(ends[axis])+0.5 {
				return nil, invalid(Range, "row %d: %.20s degrees of pitch from %.1f", i+1, number, last[axis])
			}
		}
	}
	return positions, nil
}

// isNumber reports whether s is a whole number as [strconv.Itoa] writes it.
func isNumber(s string) bool {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || digits[0] == '0' && (len(digits) > 1 || negative) {
		return false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
