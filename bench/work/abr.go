// Adaptive bitrate streaming: the simulator, and a decision of the learned policy.

package work

import (
	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/embedded"
	"netllm/ops"
	"netllm/transformer"
)

// ChunksPerSession is how many chunks a session of the simulator has.
const ChunksPerSession = abr.Chunks

// Sessions returns the sessions and the video that the simulator is measured with:
// those of the FCC training traces in dataDir, or, if that is empty, generated ones.
func Sessions(dataDir string) ([]abr.Session, *abr.Video, error) {
	traces, video := "fcc-train", "video1"
	if dataDir == "" {
		traces, video = "synth:n=235", "synth1"
	}
	set, err := abr.OpenTraces(dataDir, traces)
	if err != nil {
		return nil, nil, err
	}
	sessions, err := set.Sessions(abr.Plan{})
	if err != nil {
		return nil, nil, err
	}
	v, err := abr.OpenVideo(dataDir, video)
	return sessions, v, err
}

// Simulator returns the playing of all sessions in one quality.
func Simulator(sessions []abr.Session, video *abr.Video, quality int) (*Work, error) {
	env, err := abr.NewEnv(abr.EnvConfig{Video: video, Sessions: sessions})
	if err != nil {
		return nil, err
	}
	return &Work{Unit: "chunks", Units: float64(abr.Chunks * len(sessions)), Do: func() error {
		for _, s := range sessions {
			if _, err := env.ResetSession(s, 1); err != nil {
				return err
			}
			for range abr.Decisions {
				if _, err := env.Step(quality); err != nil {
					return err
				}
			}
		}
		return nil
	}}, nil
}

// Decision returns one decision after another of the NetLLM policy with the
// embedded model, as the recipe "offline" shapes it, over sessions of the simulator.
// The adapter is not trained, which costs as much as one that is.
func Decision(b ops.Backend) (*Work, error) {
	name, data := embedded.Model()
	m, err := transformer.ParseGGUF(b, name, data)
	if err != nil {
		return nil, err
	}
	r, err := abr.NewRecipe("offline", m, netllm.BodySpec{Kind: netllm.PretrainedBody}, 1)
	if err != nil {
		return nil, err
	}
	adapted, err := netllm.Adapt(b, m, r.LoRA, r.Seed)
	if err != nil {
		return nil, err
	}
	network, err := abr.NewNetwork(b, adapted, r.Network, r.Seed)
	if err != nil {
		return nil, err
	}
	cond := abr.Conditioning{Gamma: r.Gamma, Scale: r.Scale, MinReward: -4, MaxReward: 4, MaxReturn: 10}
	c := ops.NewContext(b)
	policy := abr.NewLearned(c, network, cond, cond.MaxReturn)

	sessions, video, err := Sessions("")
	if err != nil {
		return nil, err
	}
	env, err := abr.NewEnv(abr.EnvConfig{Video: video, Sessions: sessions})
	if err != nil {
		return nil, err
	}
	var seed uint64
	var o *abr.Observation
	return &Work{Unit: "decisions", Units: 1, close: []func(){c.Arena.Free, func() { m.Close() }}, Do: func() error {
		var err error
		if o == nil || o.Remaining == 0 {
			seed++
			if o, err = env.Reset(seed); err != nil {
				return err
			}
			policy.Reset()
		}
		quality, err := policy.Decide(o)
		if err != nil {
			return err
		}
		_, err = env.Step(quality)
		return err
	}}, nil
}
