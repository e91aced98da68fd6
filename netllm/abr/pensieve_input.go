// What a trained Pensieve sees of a session.

package abr

import (
	"errors"
	"fmt"
)

// PensieveConfig shapes a [PensieveNetwork], whose actions are the qualities. The published agents (Mao et al., SIGCOMM 2017, as
// Xia et al., SIGCOMM 2022, have it, see [Actor]) have a history of 6, a width of 128, no places, and move by one quality at
// most.
type PensieveConfig struct {
	History int  `json:"history"` // throughputs, and download times, that it sees: 6, those of the state, to 48
	Width   int  `json:"width"`   // outputs of a branch, and of the hidden layer
	Places  bool `json:"places"`  // the last quality and the chunks left are one of so many places, not a number
}

// DefaultPensieve returns this project's choice: the history that recipe best has, and half the published width, which costs
// about a quarter.
func DefaultPensieve() PensieveConfig {
	return PensieveConfig{History: 16, Width: 64, Places: true}
}

// Validate reports every field that makes no network.
func (f PensieveConfig) Validate() error {
	var errs []error
	if f.History < History || f.History > Chunks {
		errs = append(errs, fmt.Errorf("abr: pensieve: history %d, want %d to %d", f.History, History, Chunks))
	}
	if f.Width < 1 || f.Width > 4096 {
		errs = append(errs, fmt.Errorf("abr: pensieve: width %d, want 1 to 4096", f.Width))
	}
	return errors.Join(errs...)
}

// inputs returns how many numbers each branch sees of the state.
func (f PensieveConfig) inputs() [Features]int {
	n := [Features]int{RowBitrate: 1, RowBuffer: 1, RowThroughput: f.History, RowDownload: f.History, RowNextSizes: Qualities, RowRemaining: 1}
	if f.Places {
		n[RowBitrate], n[RowRemaining] = Qualities, Chunks
	}
	return n
}

// length is how many numbers all branches together see.
func (f PensieveConfig) length() int {
	sum := 0
	for _, n := range f.inputs() {
		sum += n
	}
	return sum
}

// pensieveInput follows a session. Its numbers are those of the branches, one branch behind the other; a history is
// oldest first, and zero where there is none yet.
type pensieveInput struct {
	config PensieveConfig
	x      []float32
	rows   [Features][]float32 // parts of x
}

func newPensieveInput(config PensieveConfig) *pensieveInput {
	in := &pensieveInput{config: config, x: make([]float32, config.length())}
	at := 0
	for i, n := range config.inputs() {
		in.rows[i] = in.x[at : at+n]
		at += n
	}
	return in
}

// reset forgets the session.
func (in *pensieveInput) reset() { clear(in.x) }

// push takes in the next state, row by row, and returns the numbers, which the next push overwrites.
func (in *pensieveInput) push(state *[Features * History]float32) []float32 {
	newest := func(row int) float32 { return state[row*History+History-1] }
	for _, row := range []int{RowThroughput, RowDownload} {
		r := in.rows[row]
		copy(r, r[1:])
		r[len(r)-1] = newest(row)
	}
	in.rows[RowBuffer][0] = newest(RowBuffer)
	copy(in.rows[RowNextSizes], state[RowNextSizes*History:])
	if !in.config.Places {
		in.rows[RowBitrate][0], in.rows[RowRemaining][0] = newest(RowBitrate), newest(RowRemaining)
		return in.x
	}
	clear(in.rows[RowBitrate])
	clear(in.rows[RowRemaining])
	in.rows[RowBitrate][qualityOf(newest(RowBitrate))] = 1
	in.rows[RowRemaining][min(int(newest(RowRemaining)*Chunks+0.5), Chunks-1)] = 1
	return in.x
}

// qualityOf is the quality that a state's bitrate belongs to.
func qualityOf(bitrate float32) int {
	kbps := int(bitrate*float32(BitratesKbps[Qualities-1]) + 0.5)
	for q, k := range BitratesKbps {
		if kbps <= k {
			return q
		}
	}
	return Qualities - 1
}
