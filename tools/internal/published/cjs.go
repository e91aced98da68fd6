// Cluster job scheduling: told of, not imported.

package published

import "context"

const tpch = "cluster_job_scheduling/data/tpch"

func planCJS(_ context.Context, c *Clone, p *Plan) error {
	if c.has(tpch) {
		p.missing("cjs", "the clone has %s, this version does not import it", tpch)
	} else {
		p.missing("cjs", "the clone has no %s", tpch)
	}
	return nil
}
