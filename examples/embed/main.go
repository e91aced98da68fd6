// Command embed is the smallest program that decides with an adapted model: it
// loads the model, attaches the adapter, and asks for the quality of the next
// chunk of one streaming session.
//
//	go run . MODEL ADAPTER
//
// MODEL is a GGUF file or a Hugging Face folder, ADAPTER the folder that
// `netllm adapt abr` wrote around it.
package main

import (
	"fmt"
	"log"
	"os"

	"netllm/netllm/abr"
	"netllm/ops"
	"netllm/transformer"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: embed MODEL ADAPTER")
	}
	policy, err := load(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if err := play(policy); err != nil {
		log.Fatal(err)
	}
}

// load is the ten lines: model, adapter, policy.
func load(model, adapter string) (*abr.Learned, error) {
	backend := ops.NewCPU(0)
	body, err := transformer.Load(backend, model)
	if err != nil {
		return nil, err
	}
	a, err := abr.LoadAdapter(backend, body, adapter)
	if err != nil {
		return nil, err
	}
	return abr.NewLearned(ops.NewContext(backend), a.Network, a.Cond, a.Cond.MaxReturn), nil
}

// play streams a synthetic video over a synthetic trace. A player would fill
// the observation from what it measures.
func play(policy *abr.Learned) error {
	traces, err := abr.SynthTraces(abr.DefaultSynth())
	if err != nil {
		return err
	}
	env, err := abr.NewEnv(abr.EnvConfig{Video: abr.SynthVideo("synth1", 1, 1)})
	if err != nil {
		return err
	}
	o, err := env.ResetSession(abr.Session{Trace: traces[0], StartRow: 1}, 0)
	if err != nil {
		return err
	}
	policy.Reset()
	for o.Remaining > 0 {
		quality, err := policy.Decide(o)
		if err != nil {
			return err
		}
		fmt.Printf("chunk %2d: %4d kbit/s, buffer %4.1f s\n", o.Last.Index+1, abr.BitratesKbps[quality], o.Last.BufferSec)
		if _, err := env.Step(quality); err != nil {
			return err
		}
	}
	return nil
}
