// Pools as files.

package cjs

import (
	"fmt"

	"netllm/netllm"
	"netllm/tensor/safetensors"
)

// columns are the tensors of the file.
func (p *Pool) columns() []netllm.Column {
	return []netllm.Column{
		{Name: "executors", Data: &p.Executors}, {Name: "committable", Data: &p.Committable}, {Name: "source", Data: &p.Source}, {Name: "jobs", Data: &p.Jobs},
		{Name: "action.stage", Data: &p.Stage}, {Name: "action.executors", Data: &p.Count},
		{Name: "reward", Data: &p.Rewards}, {Name: "done", Data: &p.Done}, {Name: "episode", Data: &p.Episode}, {Name: "sequence", Data: &p.Sequence},
		{Name: "job.supply", Data: &p.Supply}, {Name: "job.stages", Data: &p.Stages}, {Name: "job.edges", Data: &p.Links},
		{Name: "stage.remaining", Data: &p.Remaining}, {Name: "stage.recent", Data: &p.Recent}, {Name: "stage.flags", Data: &p.Flags},
		{Name: "edges", Data: &p.Edges},
	}
}

// Write writes the pool to a new file, or, if replace is set, over an old one: a safetensors file with a tensor for each
// column. The same pool gives the same bytes.
func (p *Pool) Write(path string, replace bool) error {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("cjs: pool %s: %w", path, err)
	}
	return netllm.WriteColumns(path, p.Meta, p.columns(), replace)
}

// ReadPool reads a pool. An error names the file and what is wrong in it.
func ReadPool(path string) (*Pool, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return poolOf(f)
}

func poolOf(f *safetensors.File) (*Pool, error) {
	p := &Pool{}
	var err error
	if p.Meta, err = netllm.ReadColumns(f, "cjs", p.columns()); err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("cjs: pool %s: %w", f.Path(), err)
	}
	return p, nil
}
