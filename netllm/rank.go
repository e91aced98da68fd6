package netllm

import "netllm/transformer"

// QuarterRank is a quarter of the smaller side of the smallest matrix that the targets name, at
// least 1: the rank that published ranks, made for large models, are cut to.
func QuarterRank(body transformer.Adaptable, targets []string) int {
	rank := 1 << 30
	for _, l := range body.Linears() {
		if transformer.MatchesTarget(l.Name, targets) {
			rank = min(rank, l.In/4, l.Out/4)
		}
	}
	return max(rank, 1)
}
