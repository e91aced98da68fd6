// Package cjs is cluster job scheduling: which stage of which job should a cluster's free
// executors work on next, and how many of them?
//
// It holds the Spark-like discrete-event simulator that Decima and NetLLM are evaluated in, the
// measured durations of TPC-H queries that it replays, scheduling rules, Decima with its published
// weights and its training, and NetLLM's policy around a language model. All times are milliseconds unless a name says otherwise.
//
//   - [ReadProfiles]: queries, their stages and durations; [Generate] and [ReadSequence] make of them
//     the jobs of an episode.
//   - [Env] is the simulator, a netllm.Env[*Observation, Action].
//   - [Policy] decides; [NewFactory] makes one by name.
//   - [Evaluate] scores a policy by the mean job completion time, [Collect] records one in a [Pool].
//   - [ReadDecima] reads the published network; [DecimaNetwork] trains one on another cluster.
//   - [NewAdapter] puts a graph network and heads around a language model; [Adapter.Train] has it learn from
//     a pool, and from a teacher in states of its own.
//
// An episode ends when every job is complete. An action names one of the stages that the observation
// offers and a number of executors for it; several actions may follow one another at one moment.
//
//	profiles, _ := cjs.ReadProfiles("cjs")
//	seq, _ := cjs.Generate(profiles, cjs.DefaultCluster(), 200, 1)
//	fair, _ := cjs.NewFactory("fair", cjs.PolicyConfig{})
//	result, _ := cjs.Evaluate(ctx, fair, []*cjs.Sequence{seq}, cjs.EvalOptions{})
//	fmt.Println(result.Mean)
package cjs
