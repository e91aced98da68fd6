// The learned baselines: agents that move the quality by at most one.

package abr

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// agents are the published agents: names of policies and of files of weights.
// GENET was trained on a curriculum of environments; UDR-1, -2 and -3 on
// environments drawn uniformly from ever wider ranges, UDR-real on recorded
// traces (Xia et al., SIGCOMM 2022).
var agents = []struct{ name, file string }{
	{"genet", "genet.safetensors"},
	{"udr1", "udr_1.safetensors"},
	{"udr2", "udr_2.safetensors"},
	{"udr3", "udr_3.safetensors"},
	{"udr-real", "udr_real.safetensors"},
}

const sampledSuffix = "-sampled"

// NeedsWeights says whether the policy called name reads PolicyConfig.Weights.
func NeedsWeights(name string) bool { return weightsFile(name) != "" }

// weightsFile is the file of weights of the policy called name, "" if it needs none.
func weightsFile(name string) string {
	for _, a := range agents {
		if name == a.name || name == a.name+sampledSuffix {
			return a.file
		}
	}
	return ""
}

// Draws says whether the decisions of the policy called name depend on
// PolicyConfig.Seed.
func Draws(name string) bool {
	return name == "random" || NeedsWeights(name) && strings.HasSuffix(name, sampledSuffix)
}

// agentFactory reads the weights once; the policies share them.
func agentFactory(name, file string, sampled bool) func(PolicyConfig) (Factory, error) {
	return func(config PolicyConfig) (Factory, error) {
		if config.Weights == "" {
			return Factory{}, errors.New("needs the folder of the agents' weights, abr/genet of the data")
		}
		actor, err := readActor(filepath.Join(config.Weights, file))
		if err != nil {
			return Factory{}, err
		}
		if sampled {
			return SampledFactory(name+sampledSuffix, actor, config.Seed), nil
		}
		return GreedyFactory(name, actor), nil
	}
}

// GreedyFactory makes policies that take the most probable move of actor, the
// first of equals.
func GreedyFactory(name string, actor *Actor) Factory {
	return Factory{Name: name, New: func() (Policy, error) { return &greedyAgent{actor}, nil }}
}

// SampledFactory makes a policy that draws its moves from the distribution of
// actor, in thousandths as the published evaluation does. One MT19937 stream of
// seed runs on through all sessions.
func SampledFactory(name string, actor *Actor, seed uint64) Factory {
	return Factory{Name: name, Stateful: true, New: func() (Policy, error) {
		return &sampledAgent{actor, NewMT19937(fold32(seed))}, nil
	}}
}

type greedyAgent struct{ actor *Actor }

func (*greedyAgent) Reset() {}

func (p *greedyAgent) Decide(o *Observation) (int, error) {
	logits, err := agentLogits(p.actor, o)
	if err != nil {
		return 0, err
	}
	move := 0
	for i, v := range logits {
		if v > logits[move] {
			move = i
		}
	}
	return moved(o, move), nil
}

type sampledAgent struct {
	actor *Actor
	rng   *MT19937
}

func (*sampledAgent) Reset() {}

// Decide draws once, the discarded question included.
func (p *sampledAgent) Decide(o *Observation) (int, error) {
	logits, err := agentLogits(p.actor, o)
	if err != nil {
		return 0, err
	}
	u := float64(p.rng.IntRange(1, 999)) / 1000
	sum := float32(0)
	for i, v := range MoveProbabilities(logits) {
		if sum += v; float64(sum) > u {
			return moved(o, i), nil
		}
	}
	return moved(o, 0), nil // the published code's answer where rounding leaves the sum below u
}

// MoveProbabilities is the softmax of logits.
func MoveProbabilities(logits [ActorMoves]float32) [ActorMoves]float32 {
	top := max(logits[0], logits[1], logits[2])
	var p [ActorMoves]float32
	sum := float32(0)
	for i, v := range logits {
		p[i] = float32(math.Exp(float64(v - top)))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func agentLogits(a *Actor, o *Observation) ([ActorMoves]float32, error) {
	logits := a.Logits(o)
	for _, v := range logits {
		if d := float64(v); math.IsNaN(d) || math.IsInf(d, 0) {
			return logits, fmt.Errorf("abr: agent: logits %v after chunk %d", logits, o.Last.Index)
		}
	}
	return logits, nil
}

// moved is the quality one move from the last chunk's, on the ladder.
func moved(o *Observation, move int) int {
	return min(max(o.Last.Quality+move-1, 0), Qualities-1)
}
