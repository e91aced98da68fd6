// What time costs.

package cjs

import "math"

// cost is what a job costs for the time since began: the time it spent in the cluster, or that discounted.
func (e *Env) cost(id int32, began float64) float64 {
	m := &e.sim
	arrival, end := m.seq.Jobs[id].Arrival, m.now
	if j := &m.jobs[id]; !j.active {
		end = j.completion
	}
	start := max(arrival, began)
	if beta := e.config.Discount; beta > 0 {
		return (math.Exp(-beta*1e-3*(start-began)) - math.Exp(-beta*1e-3*(end-began))) / beta
	}
	return end - start
}
