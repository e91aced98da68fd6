// The search of the oracle: many sessions side by side, chunk after chunk.

package abr

import (
	"cmp"
	"math"
	"slices"
)

// Choices are the qualities of chunks 1 to 47 of a session.
type Choices [Decisions]int8

// node is a session that has come to some chunk.
type node struct {
	sim   simulator
	value float64 // QoE so far, the sum of rewards
	bound float64 // at least what value will be at the end, see [relaxed]
	clock float64 // of the trace since the start, laps counted, s
	kbps  int     // of the chunks so far, less the changes: value without the stalls

	parent int32 // among the nodes of the chunk before
}

// fetch takes n to the next chunk as the simulator does.
func (n *node) fetch(q int) {
	var c Chunk
	n.kbps += chunkKbps(q, n.sim.prevQ)
	n.sim.fetchTo(&c, q)
	n.value += c.Reward
	n.clock += (c.DelayMs - rttMs + c.SleepMs) / 1000
}

// fetchRelaxed takes n to the next chunk of the relaxed problem, which waits for a clock alone. The buffer has no cap.
func (n *node) fetchRelaxed(q int, wait float64) {
	n.kbps += chunkKbps(q, n.sim.prevQ)
	sec := n.sim.download(float64(n.sim.video.ChunkBytes[q][n.sim.chunk]))
	n.clock += sec
	delayMs := float64(sec*1000) + rttMs
	n.value += QoE(q, n.sim.prevQ, max(delayMs-n.sim.bufMs, 0)/1000)
	n.sim.bufMs = max(n.sim.bufMs-delayMs, 0) + chunkMs
	n.sim.prevQ = q
	n.sim.chunk++
	if sec = wait - n.clock; sec > 0 {
		n.sim.sleep(sec * 1000)
		n.clock += sec
		n.sim.bufMs -= sec * 1000
	}
}

func chunkKbps(q, prev int) int {
	return BitratesKbps[q] - max(BitratesKbps[q]-BitratesKbps[prev], BitratesKbps[prev]-BitratesKbps[q])
}

// noWorse says that whatever c can come to, n can come to at least: it has the same last quality, is no later in the trace, and is no
// worse off whether its stalls so far will be made up for by the buffer that they left or not. That is exact in the relaxed problem. With the
// buffer's cap it is nearly so: a player who stalled has to wait earlier, and waits are whole half seconds.
func (n *node) noWorse(c *node) bool {
	return n.clock <= c.clock && n.kbps >= c.kbps && n.value >= c.value
}

// link says how a kept node came about.
type link struct {
	parent  int32
	quality int8
}

// beam searches sessions that go on from one state, for which its table was made. Of each chunk it keeps the nodes that can come to most.
type beam struct {
	table relaxed

	nodes, next []node
	order       []int32            // of next, by bound
	kept        [Qualities][]int32 // of nodes, by last quality
	trail       [Chunks][]link
}

// search looks for a session that goes on from the state of s and brings more than floor, the real problem's or the relaxed one's. It keeps
// up to width nodes of each chunk. It writes the qualities of the best session found to choices, which are left alone if there is
// none, and returns what it brings, or floor. No session of the problem brings more than top: what was found, or what
// might have come of the nodes for which there was no room.
func (b *beam) search(s simulator, relaxed bool, width int, floor float64, choices *Choices) (best, top float64) {
	best, top = floor, math.Inf(-1)
	b.nodes = append(b.nodes[:0], node{sim: s})
	last := link{-1, 0}
	for k := s.chunk; k < Chunks; k++ {
		b.next = b.next[:0]
		for i := range b.nodes {
			for q := range Qualities {
				n := b.nodes[i]
				n.parent = int32(i)
				if relaxed {
					n.fetchRelaxed(q, b.table.lowest[k+1]-capSec)
				} else {
					n.fetch(q)
				}
				if k == Chunks-1 {
					if n.value > best {
						best, last = n.value, link{n.parent, int8(q)}
					}
					continue
				}
				if n.bound = n.value + b.table.bound(k+1, q, n.clock, n.sim.bufMs/1000); n.bound > best {
					b.next = append(b.next, n)
				}
			}
		}
		if k < Chunks-1 {
			top = max(top, b.thin(k, width))
		}
	}
	if last.parent >= 0 {
		for k := Chunks - 1; ; k-- {
			choices[k-1] = last.quality
			if k == s.chunk {
				break
			}
			last = b.trail[k-1][last.parent]
		}
	}
	return best, max(top, best)
}

// thin makes nodes of those of next that no other is as good as, at most width of them, those with the largest bounds. It
// returns the largest bound of those there was no room for.
func (b *beam) thin(k, width int) (left float64) {
	b.order = b.order[:0]
	for i := range b.next {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(i, j int32) int {
		return cmp.Or(cmp.Compare(b.next[j].bound, b.next[i].bound), cmp.Compare(i, j))
	})
	b.nodes, b.trail[k] = b.nodes[:0], b.trail[k][:0]
	for q := range b.kept {
		b.kept[q] = b.kept[q][:0]
	}
	for _, i := range b.order {
		n := &b.next[i]
		if b.matched(n) {
			continue
		}
		if len(b.nodes) == width {
			return n.bound
		}
		q := n.sim.prevQ
		b.kept[q] = append(b.kept[q], int32(len(b.nodes)))
		b.nodes = append(b.nodes, *n)
		b.trail[k] = append(b.trail[k], link{n.parent, int8(q)})
	}
	return math.Inf(-1)
}

// matched says that a node is kept that is no worse than n. Those have no smaller bound, as far as the table is exact.
func (b *beam) matched(n *node) bool {
	for _, i := range b.kept[n.sim.prevQ] {
		if b.nodes[i].noWorse(n) {
			return true
		}
	}
	return false
}
