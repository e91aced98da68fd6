// How long a task takes: drawn from what was measured.

package cjs

import "math/rand/v2"

// Uniforms is a stream of numbers in [0, 1): all that is random in an episode.
type Uniforms interface{ Float64() float64 }

// Constant is a stream of one number again and again.
type Constant float64

// Float64 returns the number.
func (c Constant) Float64() float64 { return float64(c) }

// SplitMix64 is the stream of the generator of that name, from a seed.
type SplitMix64 uint64

// Float64 returns the next number: 53 bits of it.
func (s *SplitMix64) Float64() float64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11) * 0x1p-53
}

// newStream is the stream of an episode that was given a seed.
func newStream(seed uint64) Uniforms { return rand.New(rand.NewPCG(seed, 0x6475726174696f6e)) }

// drawn are the numbers of executors between which a draw chooses.
var drawn = [...]int{5, 10, 20, 40, 50, 60, 80, 100}

// bracket returns the neighbours of n executors among those numbers; equal if there is nothing to choose.
func bracket(n int) (l, r int) {
	last := len(drawn) - 1
	if n >= drawn[last] {
		return drawn[last], drawn[last]
	}
	for i, d := range drawn {
		if n <= d {
			if i == 0 || n == d {
				return d, d
			}
			return drawn[i-1], d
		}
	}
	panic("unreachable")
}

// remembered says what an executor did before.
type remembered uint8

const (
	nothing      remembered = iota // it just joined the job
	anotherStage                   // of the same job
	sameStage
)

// draw returns the duration of a task of s on an executor of a job that has n of them. warmUp is added where an
// executor that just joined has no measured duration of that kind.
func (s *Stage) draw(u *counted, n int, memory remembered, warmUp float64) float64 {
	l, r := bracket(n)
	if l != r {
		// The nearer n is to r, the likelier is l. It looks the wrong way round; Decima's simulator has it so, and
		// published results with it.
		if p := 1 + int(u.Float64()*float64(r-l)); p > n-l {
			l = r
		}
	}
	t := &s.levels[len(s.levels)-1]
	for i := range s.levels {
		if s.levels[i].executors == l {
			t = &s.levels[i]
			break
		}
	}
	switch memory {
	case nothing:
		if len(t.fresh) > 0 {
			return u.element(t.fresh)
		}
		return u.element(t.first) + warmUp
	case sameStage:
		if len(t.rest) > 0 {
			return u.element(t.rest)
		}
	}
	if len(t.first) > 0 {
		return u.element(t.first)
	}
	return u.element(t.fresh)
}

// counted is a stream that knows how much of it was used.
type counted struct {
	Uniforms
	draws int
}

// Float64 returns the next number.
func (c *counted) Float64() float64 {
	c.draws++
	return c.Uniforms.Float64()
}

// element returns one of list.
func (c *counted) element(list []float64) float64 {
	return list[int(c.Float64()*float64(len(list)))]
}
