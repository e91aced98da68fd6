// Runnable examples of the package's documentation; none needs data.

package abr_test

import (
	"context"
	"fmt"
	"log"

	"netllm/netllm/abr"
)

func ExampleEvaluate() {
	set, err := abr.OpenTraces("", "synth:seed=7,n=10")
	if err != nil {
		log.Fatal(err)
	}
	video, err := abr.OpenVideo("", "synth1")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := set.Sessions(abr.Plan{})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"constant:0", "bba", "mpc"} {
		policy, err := abr.NewFactory(name, abr.PolicyConfig{Seed: 100003})
		if err != nil {
			log.Fatal(err)
		}
		result, err := abr.Evaluate(context.Background(), policy, video, sessions, abr.EvalOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%-10s %.3f +- %.3f\n", name, result.Mean, result.StdErr)
	}
	// Output:
	// constant:0 0.295 +- 0.005
	// bba        1.162 +- 0.087
	// mpc        1.561 +- 0.051
}

func ExampleEnv() {
	set, err := abr.OpenTraces("", "synth")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := set.Sessions(abr.Plan{Start: abr.StartRandom, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	env, err := abr.NewEnv(abr.EnvConfig{Video: abr.SynthVideo("demo", 1, 1), Sessions: sessions})
	if err != nil {
		log.Fatal(err)
	}
	o, err := env.Reset(42)
	if err != nil {
		log.Fatal(err)
	}
	total := 0.0
	for done := false; !done; {
		quality := 0
		if o.Last.BufferSec > 10 {
			quality = 2
		}
		step, err := env.Step(quality)
		if err != nil {
			log.Fatal(err)
		}
		o, done = step.Obs, step.Terminated
		total += step.Reward
	}
	fmt.Printf("mean QoE %.3f, last buffer %.1f s\n", total/abr.Decisions, o.Last.BufferSec)
	// Output: mean QoE 1.143, last buffer 59.5 s
}

func ExampleCollect() {
	set, err := abr.OpenTraces("", "synth")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := set.Sessions(abr.Plan{Episodes: 25, Start: abr.StartRandom, Shuffle: true, Seed: 5})
	if err != nil {
		log.Fatal(err)
	}
	policy, err := abr.NewFactory("bba", abr.PolicyConfig{})
	if err != nil {
		log.Fatal(err)
	}
	video := abr.SynthVideo("demo", 1, 1)
	pool, err := abr.Collect(context.Background(), policy, video, sessions, abr.CollectOptions{Noise: true, Seed: 5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pool.Len(), "transitions, states of", len(pool.States)/pool.Len())
	// Output: 1175 transitions, states of 36
}
