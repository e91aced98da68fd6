// Which layers low-rank matrices usually go beside.

package transformer

import (
	"slices"
	"strings"
)

// QueryValue returns the names, as targets of [LoRAConfig], of the layers of body that
// compute queries and values, the usual choice (Hu et al. 2021, section 7.1): where one
// layer computes queries, keys and values, that one. It returns nil for a body with
// layers of other names.
func QueryValue(body Adaptable) []string {
	for _, targets := range [][]string{{"q_proj", "v_proj"}, {"c_attn"}} {
		found := map[string]bool{}
		for _, l := range body.Linears() {
			if t := matchTarget(l.Name, targets); t != "" {
				found[t] = true
			}
		}
		if len(found) == len(targets) {
			return targets
		}
	}
	return nil
}

// EveryLinear returns the names, as targets of [LoRAConfig], of all linear layers of body, each once: the choice that
// learns most per pass (Dettmers et al. 2023, section 4).
func EveryLinear(body Adaptable) []string {
	var targets []string
	for _, l := range body.Linears() {
		if name := l.Name[strings.LastIndexByte(l.Name, '.')+1:]; !slices.Contains(targets, name) {
			targets = append(targets, name)
		}
	}
	return targets
}
