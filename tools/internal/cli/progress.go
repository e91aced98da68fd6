// How far a long work has come: a bar on a terminal, plain lines elsewhere.

package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const lineEvery = 5 * time.Second // between plain lines

// Progress shows the progress of one work of known length. One goroutine uses
// it at a time.
type Progress struct {
	w           io.Writer
	what, unit  string
	total, done int
	note        string
	bar         *progressbar.ProgressBar // nil: plain lines
	began, told time.Time
}

// NewProgress starts a work that consists of total units, such as "sessions".
// What is shown goes to w, usually stderr.
func NewProgress(w io.Writer, what, unit string, total int) *Progress {
	now := time.Now()
	p := &Progress{w: w, what: what, unit: unit, total: total, began: now, told: now}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	}
	return p
}

// Set says how many units are done, and anything else worth a word.
func (p *Progress) Set(done int, note string) {
	p.done, p.note = done, note
	if p.bar != nil {
		p.bar.Describe(p.what + separated(note))
		_ = p.bar.Set(done) // a terminal that went away is no reason to stop
		return
	}
	if now := time.Now(); done < p.total && now.Sub(p.told) >= lineEvery {
		p.told = now
		p.line(now)
	}
}

// line writes count, rate, expected rest and note.
func (p *Progress) line(now time.Time) {
	spent := now.Sub(p.began).Seconds()
	rate := float64(p.done) / max(spent, 1e-9)
	rest := ""
	if p.done < p.total && rate > 0 {
		left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
		rest = fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	fmt.Fprintf(p.w, "%s: %d/%d %s, %.3g/s%s%s\n", p.what, p.done, p.total, p.unit, rate, rest, separated(p.note))
}

func separated(note string) string {
	if note == "" {
		return ""
	}
	return ", " + note
}

// Close ends the work, finished or not, with a last line.
func (p *Progress) Close() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	p.line(time.Now())
}
