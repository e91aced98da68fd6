// A session made easier for the player: what no real session can beat.

package abr

import "math"

const (
	chunkSec = chunkMs / 1000
	capSec   = bufferCapMs / 1000
	rttSec   = rttMs / 1000

	// Sums of bytes and times are rounded, a little otherwise than the simulator does it: downloads have a millionth less to fetch, and
	// times are a microsecond early.
	favour = 1e-6
	// favourQoE is more than what rounding to float32 can take from a number of a table: 47 chunks, four operations each, on
	// numbers of at most 412 (47 chunks at the top of the ladder, 48 s of stall).
	favourQoE = 5e-3
)

// extraSec are the excesses of a relaxed table, s.
var extraSec = [...]float64{0, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48}

const extras = len(extraSec)

// relaxed bounds from above what the rest of a session can bring. A state is the last quality, the trace's clock u since the start, and
// the clock e at which the buffer will have run out: e = u + buffer.
//
// The real problem. A chunk that is asked for at u in some quality has arrived at f(u). Then e becomes max(e - rtt, f) + 4 s, and what the
// maximum is above e - rtt is stall; u becomes f, or later where the player waits, which never makes it less than e - 60 s. Neither
// f nor e can be smaller because u or e before were larger. So nobody who has fetched as many chunks has a smaller u than earliest or a smaller e
// than lowest, those of a player who fetches the smallest sizes and waits only as long as lowest makes him.
//
// The relaxed problem waits until lowest - 60 s, whatever e is. With the same qualities every chunk has arrived no later than it has
// really; and as the sum of the stalls up to some chunk is the most that one of the chunks has been late for a player without stalls, it is no more
// than it is really. So the best of the relaxed problem is at least the best of the real one. A state of it is no worse than
// one with a later u, or with a smaller e; and a second of e is worth no more than the stall it can spare, 4.3.
//
// The table. Let the excess x of a state be e - lowest: all stalls together are those of lowest, which nobody avoids, and the last state's
// excess. For each state of a grid the table has the largest sum of what the bitrates bring, less the changes, less 4.3 times the last excess.
// That does not rise with u nor with x, and falls with x by at most 4.3 per second. For a state beside the grid the time before it
// is taken, and of what the excesses below and above it allow the smaller: never less than is true. By induction from the last chunk
// the table bounds the relaxed problem, and hence the real one.
type relaxed struct {
	sizes *[Chunks]chunkSizes
	lap   lap
	from  float64 // where in the trace the clock is 0, s
	step  float64 // between times, s

	// By the number of the next chunk:
	earliest [Chunks + 1]float64 // the least clock, where the grid begins, s
	lowest   [Chunks + 1]float64 // the least e, s
	stall    [Chunks + 1]float64 // that nobody avoids from here on, s
	times    [Chunks + 1]int     // of the grid
	rest     [Chunks + 1][]float32

	memory []float32
}

// reset makes the table for sessions that go on from the state of s, whose trace and video are valid.
func (r *relaxed) reset(s *simulator, step float64) {
	r.sizes, r.lap, r.from, r.step = sizesOf(s.video), newLap(s.trace), s.sec, step
	first := s.chunk
	r.earliest[first], r.lowest[first], r.times[first] = 0, s.bufMs/1000, 1
	size := Qualities * extras
	for k := first; k < Chunks; k++ {
		smallest := r.sizes[k].bytes[0]
		for _, b := range r.sizes[k].bytes[1:] {
			smallest = min(smallest, b)
		}
		end := r.arrival(r.earliest[k], smallest)
		r.lowest[k+1] = max(r.lowest[k]-rttSec, end) + chunkSec
		r.earliest[k+1] = max(end, r.lowest[k+1]-capSec)
		// A buffer is at least a chunk long when that has just arrived.
		latest := r.lowest[k+1] + extraSec[extras-1] - chunkSec
		r.times[k+1] = max(int((latest-r.earliest[k+1])/step)+2, 2)
		size += Qualities * extras * r.times[k+1]
	}
	if cap(r.memory) < size {
		r.memory = make([]float32, size)
	}
	memory := r.memory[:size]
	for k := Chunks; k >= first; k-- {
		n := Qualities * extras * r.times[k]
		r.rest[k], memory = memory[:n:n], memory[n:]
		if k == Chunks {
			r.stall[k] = 0
			for i := range r.rest[k] {
				r.rest[k][i] = float32(-rebufferPenalty * extraSec[i%extras])
			}
			continue
		}
		r.stall[k] = r.stall[k+1] + r.forced(k)
		r.fill(k)
	}
}

// forced is the stall of chunk k that nobody avoids.
func (r *relaxed) forced(k int) float64 { return r.lowest[k+1] - (r.lowest[k] - rttSec + chunkSec) }

// arrival is when so many bytes have come that are asked for at a clock.
func (r *relaxed) arrival(clock float64, bytes int) float64 {
	at, length := r.from+clock, r.lap.length()
	laps := math.Floor(at/length) * length
	return r.lap.after(min(max(at-laps, 0), length), float64(bytes)*(1-favour)) + laps - r.from
}

// between is an excess as the table has it: the level below it, and what it lacks to the next one, in QoE.
type between struct {
	level int
	lacks float32
}

func excess(x float64) between {
	j := 0
	for j+1 < extras && extraSec[j+1] <= x {
		j++
	}
	if j+1 == extras {
		return between{j, 0}
	}
	return between{j, float32(rebufferPenalty * (extraSec[j+1] - x))}
}

// most is what a row of the table allows at an excess.
func (b between) most(row []float32) float32 {
	if b.level+1 == extras {
		return row[b.level]
	}
	return min(row[b.level], row[b.level+1]+b.lacks)
}

// row is the part of rest[k] for a quality and a time, by excess.
func (r *relaxed) row(k, quality int, clock float64) []float32 {
	i := min(max(int((clock-favour-r.earliest[k])/r.step), 0), r.times[k]-1)
	return r.rest[k][(quality*r.times[k]+i)*extras:][:extras]
}

// fill makes rest[k] of rest[k+1].
func (r *relaxed) fill(k int) {
	var kept [extras]between // without a stall
	var keptSec [extras]float64
	for j, x := range extraSec {
		keptSec[j] = max(x-r.forced(k), 0)
		kept[j] = excess(keptSec[j])
	}
	size := r.times[k] * extras
	var rows [Qualities][]float32
	for q := range Qualities {
		rows[q] = r.rest[k][q*size:][:size]
		bitrate := float32(BitratesKbps[q]) / 1000
		for i := range r.times[k] {
			end := r.arrival(r.earliest[k]+float64(float64(i)*r.step), r.sizes[k].bytes[q])
			from := r.row(k+1, q, max(end, r.lowest[k+1]-capSec))
			x := end + chunkSec - r.lowest[k+1] // with a stall
			stalled := bitrate + excess(x).most(from)
			to := rows[q][i*extras:][:extras]
			for j := range to {
				if keptSec[j] < x {
					to[j] = stalled
				} else {
					to[j] = bitrate + kept[j].most(from)
				}
			}
		}
	}
	anyChange(&rows)
}

// bound is at least what the rest of a session brings from chunk k on, after a quality, at a clock and with a buffer, s.
func (r *relaxed) bound(k, quality int, clock, bufferSec float64) float64 {
	x := max(clock+bufferSec-r.lowest[k], 0)
	most := excess(x).most(r.row(k, quality, clock))
	return float64(most) + float64(rebufferPenalty*(x-r.stall[k])) + favourQoE
}
