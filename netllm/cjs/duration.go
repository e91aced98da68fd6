// How long a task takes: drawn from what was measured.

package cjs

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
	return float64(mixed(uint64(*s))>>11) * 0x1p-53
}

// mixed spreads every bit of z over all.
func mixed(z uint64) uint64 {
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// newStream is the stream of an episode that was given a seed. Seeds next to each other give streams that have
// nothing to do with each other.
func newStream(seed uint64) Uniforms {
	s := SplitMix64(seed)
	s.Float64()
	s = SplitMix64(mixed(uint64(s)))
	return &s
}

// drawn are the numbers of executors between which a draw chooses.
var drawn = [...]int{5, 10, 20, 40, 50, 60, 80, 100}

// neighbours are the places in drawn of the numbers next to n executors; equal if there is nothing to choose.
type neighbours struct{ l, r uint8 }

// brackets are the neighbours of every n up to the largest number drawn.
var brackets = func() (list [101]neighbours) {
	for n := range list {
		at := uint8(0)
		for drawn[at] < n {
			at++
		}
		list[n] = neighbours{at, at}
		if at > 0 && drawn[at] > n {
			list[n].l--
		}
	}
	return list
}()

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
	near := brackets[min(n, len(brackets)-1)]
	at := near.l
	if near.l != near.r {
		// The nearer n is to r, the likelier is l. It looks the wrong way round; Decima's simulator has it so, and
		// published results with it.
		l, r := drawn[near.l], drawn[near.r]
		if p := 1 + int(u.Float64()*float64(r-l)); p > n-l {
			at = near.r
		}
	}
	t := &s.levels[s.measured[at]]
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
	any   Uniforms
	split *SplitMix64 // any, if it is of that kind, which most are: it is asked without a detour
	draws int
}

func count(u Uniforms) counted {
	split, _ := u.(*SplitMix64)
	return counted{any: u, split: split}
}

// Float64 returns the next number.
func (c *counted) Float64() float64 {
	c.draws++
	if c.split != nil {
		return c.split.Float64()
	}
	return c.any.Float64()
}

// element returns one of list.
func (c *counted) element(list []int32) float64 {
	return float64(list[int(c.Float64()*float64(len(list)))])
}
