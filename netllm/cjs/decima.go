// Decima's network: from an observation to the scores of stages and of numbers of executors.

package cjs

import "netllm/ops/asm"

// The widths of Decima's network.
const (
	embedding = 16                        // of a node, a job, everything
	described = StageFeatures + embedding // a node: features, then embedding
	jobPart   = 3                         // the features that all nodes of a job share
	slope     = 0.2                       // of a leaky rectifier, below 0
)

// Decima is the scheduler of "Learning Scheduling Algorithms for Data Processing Clusters" (Mao and others,
// SIGCOMM 2019): a network that passes messages through the graphs of stages from children to parents, and scores
// the stages that can be chosen, then the numbers of executors. It does not change: any number of
// goroutines may use it, each with an [Embedding] of its own.
type Decima struct {
	prep, message, update, job, global mlp // in -> 32 -> 16 -> 16, leaky rectifiers between
	stage, executor                    mlp // in -> 64 -> 64 -> 1, tanh between
}

// Embedding is what Decima makes of an observation, and the memory that it needs for that. The zero value is ready.
type Embedding struct {
	Features Features
	Levels   Levels

	nodes  []float32 // [nodes, described]
	jobs   []float32 // [jobs, embedding]
	global [embedding]float32

	first   []float32 // [nodes, embedding]: what prep made
	start   []bool    // the node has no children
	slots   []int32   // of a level's parents and children, by node
	parents []int32
	input   []float32
	output  []float32
	hidden  [2][]float32
	scores  []float32
	space   asm.Workspace
}

// Node returns the embedding of node i: 16 numbers, like those of jobs and of the cluster. The next [Decima.Embed]
// overwrites them.
func (e *Embedding) Node(i int) []float32 {
	return e.nodes[i*described+StageFeatures : (i+1)*described]
}

// Job returns the embedding of job j.
func (e *Embedding) Job(j int) []float32 { return e.jobs[j*embedding : (j+1)*embedding] }

// Global returns the embedding of the cluster.
func (e *Embedding) Global() []float32 { return e.global[:] }

// Embed makes e of o. Without edges a node's embedding is what prep makes of its features. Otherwise update makes it
// of that, for nodes without children, and is asked again for others as messages come up, level by level. An
// observation without nodes is no error.
func (d *Decima) Embed(e *Embedding, o *Observation) {
	n, jobs := len(o.Nodes), len(o.Jobs)
	e.Features.Read(o, false)
	e.Levels.Find(n, o.Edges)
	e.nodes, e.first, e.start = sized(e.nodes, n*described), sized(e.first, n*embedding), sized(e.start, n)
	e.jobs = sized(e.jobs, jobs*embedding)
	for i := range n {
		copy(e.nodes[i*described:], e.Features.Rows[i*StageFeatures:(i+1)*StageFeatures])
	}
	d.prep.leaky(e, n, e.nodes, described, e.first)
	if e.Levels.Len() == 0 {
		for i := range n {
			copy(e.Node(i), e.first[i*embedding:])
		}
	} else {
		d.begin(e, o)
		for g := e.Levels.Len() - 1; g >= 0; g-- {
			d.pass(e, o.Edges, e.Levels.Level(g))
		}
	}
	e.output = sized(e.output, max(n, jobs)*embedding)
	d.job.leaky(e, n, e.nodes, described, e.output)
	clear(e.jobs)
	for i := range o.Nodes {
		add(e.Job(o.Nodes[i].Job), e.output[i*embedding:])
	}
	d.global.leaky(e, jobs, e.jobs, embedding, e.output)
	clear(e.global[:])
	for j := range jobs {
		add(e.global[:], e.output[j*embedding:])
	}
}

// begin gives the nodes without children their embeddings, and others zeros.
func (d *Decima) begin(e *Embedding, o *Observation) {
	n := len(o.Nodes)
	for i := range e.start {
		e.start[i] = true
	}
	for _, edge := range o.Edges {
		e.start[edge[0]] = false
	}
	e.input, e.output = sized(e.input, n*embedding), sized(e.output, n*embedding)
	e.slots, e.parents = sized(e.slots, 2*n), sized(e.parents, n)
	count := 0
	for i := range n {
		clear(e.Node(i))
		if e.start[i] {
			count += copy(e.input[count:count+embedding], e.first[i*embedding:])
		}
	}
	d.update.leaky(e, count/embedding, e.input, embedding, e.output)
	from := e.output
	for i := range n {
		if e.start[i] {
			copy(e.Node(i), from)
			from = from[embedding:]
		}
	}
}

// pass sends the messages of one level: a parent becomes what it was at first and what its children sum up to.
func (d *Decima) pass(e *Embedding, edges [][2]int, level []int) {
	n := len(e.start)
	parent, child := e.slots[:n], e.slots[n:]
	for _, i := range level {
		parent[edges[i][0]], child[edges[i][1]] = -1, -1
	}
	children := 0
	e.parents = e.parents[:0]
	for _, i := range level {
		from, to := edges[i][0], edges[i][1]
		if parent[from] < 0 {
			parent[from] = int32(len(e.parents))
			e.parents = append(e.parents, int32(from))
		}
		if child[to] < 0 {
			child[to] = int32(children)
			copy(e.input[children*embedding:], e.Node(to))
			children++
		}
	}
	d.message.leaky(e, children, e.input, embedding, e.output)
	sums := e.input[:len(e.parents)*embedding]
	clear(sums)
	for _, i := range level {
		add(sums[parent[edges[i][0]]*embedding:][:embedding], e.output[child[edges[i][1]]*embedding:])
	}
	d.update.leaky(e, len(e.parents), sums, embedding, e.output)
	for k, i := range e.parents {
		h := e.Node(int(i))
		copy(h, e.output[k*embedding:])
		add(h, e.first[i*embedding:])
	}
}

// StageScores returns the scores of o's schedulable stages, in their order. o is what e was made of; the
// scores are overwritten by the next ones.
func (d *Decima) StageScores(e *Embedding, o *Observation) []float32 {
	n := len(o.Schedulable)
	e.input = sized(e.input, n*described)
	for k, i := range o.Schedulable {
		copy(e.input[k*described:(k+1)*described], e.nodes[i*described:])
	}
	// What the job and the cluster add to the first layer is the same for all stages of a job.
	s := &d.stage
	width := s.widths[1]
	e.hidden[0], e.output = sized(e.hidden[0], n*width), sized(e.output, width)
	shared, job := e.output, -1
	for k, i := range o.Schedulable {
		if j := o.Nodes[i].Job; j != job {
			job = j
			copy(shared, s.bias[0])
			s.part(e, shared, e.Job(j), described)
			s.part(e, shared, e.global[:], described+embedding)
		}
		copy(e.hidden[0][k*width:], shared)
	}
	asm.Gemm(&e.space, n, width, described, 1, e.input, described, 1, s.weight[0], width, 1, 1, e.hidden[0], width)
	return s.scores(e, n)
}

// ExecutorScores returns the scores of giving job j one executor, two, and so on, as many as it can be given. o is
// what e was made of; the scores are overwritten by the next ones.
func (d *Decima) ExecutorScores(e *Embedding, o *Observation, j int) []float32 {
	n := e.Features.Caps[j]
	s := &d.executor
	width := s.widths[1]
	e.hidden[0], e.output = sized(e.hidden[0], n*width), sized(e.output, width)
	shared := e.output
	copy(shared, s.bias[0])
	s.part(e, shared, e.nodes[o.Jobs[j].First*described:][:jobPart], 0)
	s.part(e, shared, e.Job(j), jobPart)
	s.part(e, shared, e.global[:], jobPart+embedding)
	last := s.weight[0][(jobPart+2*embedding)*width:][:width]
	for i := range n {
		share := float32(float64(i) / float64(o.Executors))
		row := e.hidden[0][i*width:][:width]
		for k, v := range shared {
			row[k] = v + share*last[k]
		}
	}
	return s.scores(e, n)
}

// add adds b to a.
func add(a, b []float32) {
	b = b[:len(a)]
	for i := range a {
		a[i] += b[i]
	}
}
