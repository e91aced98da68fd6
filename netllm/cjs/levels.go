// In which order messages pass through the graph of stages.

package cjs

import "fmt"

// Levels are the edges over which messages pass at a time, as published. The nodes' generations are the lengths of
// the longest paths to them; each generation but the last makes a level: all edges between its nodes and their
// children, those from one child to another included. Messages go to parents: through the last level first.
//
// Slices are used again by the next [Levels.Find].
type Levels struct {
	edges      []int // places in the list of edges, level by level
	ends       []int // of a level, in edges
	generation []int32
	seen       []int32 // the last generation that a node is a child of
}

// Len is how many levels there are; 0 if there are no edges.
func (l *Levels) Len() int { return len(l.ends) }

// Level returns the places of level g's edges in the list that was given, ascending.
func (l *Levels) Level(g int) []int {
	from := 0
	if g > 0 {
		from = l.ends[g-1]
	}
	return l.edges[from:l.ends[g]]
}

// Find finds the levels of a graph with so many nodes. It is fastest if edges are in the order of their sources
// and go from lower to higher nodes. It panics if there is a cycle.
func (l *Levels) Find(nodes int, edges [][2]int) {
	l.edges, l.ends = l.edges[:0], l.ends[:0]
	if len(edges) == 0 {
		return
	}
	l.generation, l.seen = sized(l.generation, nodes), sized(l.seen, nodes)
	clear(l.generation)
	for i := range l.seen {
		l.seen[i] = -1
	}
	last := int32(0)
	// Edges in the order of their sources, up, are through in one pass; a second one sees that nothing changes.
	for passes, changed := 0, true; changed; passes++ {
		if passes > nodes {
			panic(fmt.Sprintf("cjs: a cycle among %d nodes, %d edges", nodes, len(edges)))
		}
		changed = false
		for _, e := range edges {
			if g := l.generation[e[0]] + 1; g > l.generation[e[1]] {
				l.generation[e[1]] = g
				last = max(last, g)
				changed = true
			}
		}
	}
	for g := range last {
		for _, e := range edges {
			if l.generation[e[0]] == g {
				l.seen[e[1]] = g
			}
		}
		for i, e := range edges {
			// No edge goes back into the generation: its end has to be a child.
			if l.seen[e[1]] == g && (l.generation[e[0]] == g || l.seen[e[0]] == g) {
				l.edges = append(l.edges, i)
			}
		}
		l.ends = append(l.ends, len(l.edges))
	}
}
