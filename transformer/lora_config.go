package transformer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// LoRAConfig says where low-rank matrices go and how large they are.
type LoRAConfig struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`   // the update is scaled by Alpha/Rank
	Dropout float32  `json:"dropout"` // probability, on the update's input, in training
	Targets []string `json:"targets"` // layer names, whole or their last parts, such as "q_proj"

	// RankStabilized scales by Alpha/sqrt(Rank) instead (Kalajdzievski 2023).
	RankStabilized bool `json:"rank_stabilized,omitempty"`

	// Ranks and Alphas are those of layers that have others, by names like
	// Targets. A whole name goes before a part, a longer part before a shorter.
	Ranks  map[string]int     `json:"ranks,omitempty"`
	Alphas map[string]float64 `json:"alphas,omitempty"`
}

// maxRank bounds the rank that a file may ask for.
const maxRank = maxWidth

// Validate reports every field that makes no adapter.
func (f LoRAConfig) Validate() error {
	var errs []error
	rank := func(what string, r int) {
		if r <= 0 || r > maxRank {
			errs = append(errs, fmt.Errorf("lora: %s is %d", what, r))
		}
	}
	alpha := func(what string, a float64) {
		if !(a > 0) || math.IsInf(a, 0) {
			errs = append(errs, fmt.Errorf("lora: %s is %v", what, a))
		}
	}
	rank("rank", f.Rank)
	alpha("alpha", f.Alpha)
	for name, r := range f.Ranks {
		rank(fmt.Sprintf("rank of %.80q", name), r)
	}
	for name, a := range f.Alphas {
		alpha(fmt.Sprintf("alpha of %.80q", name), a)
	}
	if !(f.Dropout >= 0 && f.Dropout < 1) {
		errs = append(errs, fmt.Errorf("lora: dropout is %v", f.Dropout))
	}
	if len(f.Targets) == 0 {
		errs = append(errs, errors.New("lora: no target layers"))
	}
	return errors.Join(errs...)
}

// sizes returns the rank of a layer's matrices and the scale of their product.
func (f *LoRAConfig) sizes(layer string) (rank int, scale float64) {
	rank, alpha := f.Rank, f.Alpha
	if r, ok := named(f.Ranks, layer); ok {
		rank = r
	}
	if a, ok := named(f.Alphas, layer); ok {
		alpha = a
	}
	return rank, scaleOf(rank, alpha, f.RankStabilized)
}

// scaleOf returns what B·A is multiplied by.
func scaleOf(rank int, alpha float64, stabilized bool) float64 {
	if stabilized {
		return alpha / math.Sqrt(float64(rank))
	}
	return alpha / float64(rank)
}

// named finds the layer's name, or the longest of its last parts, in m.
func named[T any](m map[string]T, layer string) (v T, ok bool) {
	for len(m) > 0 {
		if v, ok = m[layer]; ok {
			return v, true
		}
		_, rest, found := strings.Cut(layer, ".")
		if !found {
			break
		}
		layer = rest
	}
	return v, false
}

// MatchesTarget reports whether one of the targets names the layer: in full, or
// by its last dotted parts.
func MatchesTarget(layer string, targets []string) bool { return matchTarget(layer, targets) != "" }

// matchTarget returns the target that names the layer: in full, or by its last
// dotted parts.
func matchTarget(layer string, targets []string) string {
	i := slices.IndexFunc(targets, func(t string) bool { return isPart(layer, t) })
	if i < 0 {
		return ""
	}
	return targets[i]
}

// isPart reports whether part is the layer's name or its last dotted parts.
func isPart(layer, part string) bool {
	rest, ok := strings.CutSuffix(layer, part)
	return ok && (rest == "" || strings.HasSuffix(rest, "."))
}

// unknownTarget is the error for a target that names no layer.
func unknownTarget(target string) error {
	switch last := target[strings.LastIndex(target, ".")+1:]; last {
	case "lm_head", "embed_out", "output", "embed_tokens", "wte", "wpe", "embed_positions", "token_embd":
		return fmt.Errorf("lora: target %q is no linear layer of the body: adapters of embeddings and of the output matrix are not supported", target)
	}
	return fmt.Errorf("lora: the model has no linear layer %.80q", target)
}
