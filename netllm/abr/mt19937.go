// The Mersenne twister, so that synthetic traces and seeded policies draw the
// numbers of the published evaluation.

package abr

// MT19937 is the 32-bit Mersenne twister with Knuth's seeding. It draws the
// same numbers as numpy's legacy RandomState of the same seed. Source:
// Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998.
//
// It is used by one goroutine at a time. The zero value is not ready: call
// Seed, or use [NewMT19937].
type MT19937 struct {
	state [mtLen]uint32
	next  int // next word of state to hand out; mtLen = make new ones first
}

const (
	mtLen   = 624
	mtShift = 397
)

// NewMT19937 returns a generator seeded with seed.
func NewMT19937(seed uint32) *MT19937 {
	g := new(MT19937)
	g.Seed(seed)
	return g
}

// Seed restarts the stream.
func (g *MT19937) Seed(seed uint32) {
	g.state[0] = seed
	for i := 1; i < mtLen; i++ {
		prev := g.state[i-1]
		g.state[i] = 1812433253*(prev^prev>>30) + uint32(i)
	}
	g.next = mtLen
}

// Uint32 returns the next 32 random bits.
func (g *MT19937) Uint32() uint32 {
	if g.next == mtLen {
		g.refill()
	}
	x := g.state[g.next]
	g.next++
	x ^= x >> 11
	x ^= x << 7 & 0x9d2c5680
	x ^= x << 15 & 0xefc60000
	return x ^ x>>18
}

func (g *MT19937) refill() {
	for i := range mtLen {
		upper := g.state[i] & 0x80000000
		lower := g.state[(i+1)%mtLen] & 0x7fffffff
		y := upper | lower
		x := g.state[(i+mtShift)%mtLen] ^ y>>1
		if y&1 != 0 {
			x ^= 0x9908b0df
		}
		g.state[i] = x
	}
	g.next = 0
}

// Float64 returns a number in [0, 1) with 53 random bits, from two words.
func (g *MT19937) Float64() float64 {
	a, b := g.Uint32()>>5, g.Uint32()>>6
	return (float64(float64(a)*67108864) + float64(b)) / 9007199254740992
}

// Uniform returns a number in [lo, hi).
func (g *MT19937) Uniform(lo, hi float64) float64 {
	return lo + float64((hi-lo)*g.Float64())
}

// IntRange returns an integer in lo..hi, both included, by masked rejection.
// It draws nothing when lo == hi. It panics if hi < lo or the range does not
// fit 32 bits.
func (g *MT19937) IntRange(lo, hi int) int {
	if hi < lo || uint64(hi-lo) > 1<<32-1 {
		panic("abr: MT19937.IntRange: bad range")
	}
	span := uint32(hi - lo)
	if span == 0 {
		return lo
	}
	mask := span
	for s := 1; s < 32; s <<= 1 {
		mask |= mask >> s
	}
	for {
		if v := g.Uint32() & mask; v <= span {
			return lo + int(v)
		}
	}
}

// fold32 makes a 32-bit seed of a 64-bit one; small seeds stay what they are.
func fold32(seed uint64) uint32 { return uint32(seed ^ seed>>32) }

// mixSeed derives the seed of session i of a run, so that what a session draws
// depends neither on the sessions before it nor on who runs it. (SplitMix64:
// Steele, Lea and Flood, OOPSLA 2014.)
func mixSeed(seed uint64, i int) uint64 {
	z := seed + uint64(i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
