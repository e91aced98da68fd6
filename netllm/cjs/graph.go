// The graphs of one or several observations, laid out for a network.

package cjs

// graph is the stages of observations, side by side, and the order in which what is known of stages flows from
// children to parents: the published message passing of Decima.
type graph struct {
	waiting  bool
	features []float32
	nodes    int
	jobOf    []int32 // of a node
	ofJob    []int32 // the observation of a job
	firstOf  []int32 // the first node of a job

	// alone are the nodes of observations without any edge, leaves those without children in the others.
	alone, leaves []int32

	levels []messages

	read  Features
	found Levels
	place []int32
}

// messages is one step of message passing: messages of targets flow along edges to sources.
type messages struct {
	sources, targets []int32 // nodes
	from, to         []int32 // of each edge: the place of its child among targets, of its parent among sources
}

// reset empties the graph, whose nodes will have the published features, or with waiting the one that is not
// published, too. Memory is kept.
func (g *graph) reset(waiting bool) {
	g.waiting, g.nodes = waiting, 0
	g.features, g.jobOf, g.ofJob, g.firstOf = g.features[:0], g.jobOf[:0], g.ofJob[:0], g.firstOf[:0]
	g.alone, g.leaves = g.alone[:0], g.leaves[:0]
	for i := range g.levels {
		l := &g.levels[i]
		l.sources, l.targets, l.from, l.to = l.sources[:0], l.targets[:0], l.from[:0], l.to[:0]
	}
	g.levels = g.levels[:0]
}

// add puts an observation beside those that are there.
func (g *graph) add(o *Observation) {
	base, jobs := int32(g.nodes), int32(len(g.ofJob))
	observation := int32(0)
	if jobs > 0 {
		observation = g.ofJob[jobs-1] + 1
	}
	g.read.Read(o, g.waiting)
	g.features = append(g.features, g.read.Rows...)
	for _, j := range o.Jobs {
		g.ofJob, g.firstOf = append(g.ofJob, observation), append(g.firstOf, base+int32(j.First))
	}
	for i := range o.Nodes {
		g.jobOf = append(g.jobOf, jobs+int32(o.Nodes[i].Job))
	}
	g.nodes += len(o.Nodes)
	g.found.Find(len(o.Nodes), o.Edges)
	if g.found.Len() == 0 {
		for i := range o.Nodes {
			g.alone = append(g.alone, base+int32(i))
		}
		return
	}
	g.place = sized(g.place, 2*len(o.Nodes))
	clear(g.place)
	for _, e := range o.Edges {
		g.place[e[0]] = 1
	}
	for i := range o.Nodes {
		if g.place[i] == 0 {
			g.leaves = append(g.leaves, base+int32(i))
		}
	}
	for k := range g.found.Len() {
		switch {
		case k < len(g.levels):
		case k < cap(g.levels):
			g.levels = g.levels[:k+1]
		default:
			g.levels = append(g.levels, messages{})
		}
		g.addLevel(&g.levels[k], o, g.found.Level(k), base)
	}
}

// addLevel adds some of an observation's edges to a level.
func (g *graph) addLevel(l *messages, o *Observation, edges []int, base int32) {
	source, target := g.place[:len(o.Nodes)], g.place[len(o.Nodes):]
	for i := range g.place {
		g.place[i] = -1
	}
	for _, i := range edges {
		e := o.Edges[i]
		if source[e[0]] < 0 {
			source[e[0]] = int32(len(l.sources))
			l.sources = append(l.sources, base+int32(e[0]))
		}
		if target[e[1]] < 0 {
			target[e[1]] = int32(len(l.targets))
			l.targets = append(l.targets, base+int32(e[1]))
		}
		l.to, l.from = append(l.to, source[e[0]]), append(l.from, target[e[1]])
	}
}
