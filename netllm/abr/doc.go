// Package abr is adaptive bitrate streaming: which quality of the next video
// chunk should a player fetch, given the bandwidth and the buffer it has seen?
//
// It holds the chunk-level streaming simulator of Pensieve and Genet (the one
// that NetLLM's evaluation uses), the QoE score, bandwidth traces and video
// size tables (read, or generated from a seed), the rule-based policies, and
// the loops that evaluate a policy or collect experience with it.
//
//   - [Trace], [Video]: what a session is made of; [OpenTraces] and
//     [OpenVideo] find them by the names of the command line. [TraceFormat]
//     has the formats of trace files, [ReadVideoFile] those of videos.
//   - [TraceSet.Sessions] turns a set into [Session] values: trace + start row.
//   - [Env] is the simulator, a netllm.Env[*Observation, int].
//   - [Policy] decides; [NewFactory] makes one by name.
//   - [Evaluate] scores a policy, [Collect] records its transitions.
//   - [Planner] says what every quality is worth to somebody who knows the
//     trace; [Oracle] finds the best session there is, or nearly so, and what
//     no session exceeds. [OracleFactory] makes a policy of it, a [Foreseer].
//   - [Adapter] is what a language model learns from such a record: low-rank
//     matrices, the [Encoder] of states, and a head, together a [Network];
//     [Recipe] says how, and [Learned] is the policy that comes of it.
//   - [Planner] knows a trace and what each quality is worth on it: a teacher.
//     [Rebuild] makes traces of what the sessions of a pool recorded, and [Replay]
//     experience of these. [Randomize] makes other links and videos of those there are.
//   - [PensieveNetwork] is a small network to compare with, trained as
//     [PensieveRecipe] says; [Actor] a published one.
//
// A session has 48 chunks of 4 s in 6 qualities. Chunk 0 is always fetched at
// quality 0, by Reset; the other 47 are the agent's, and their 47 rewards are
// the score. Without noise the simulator's arithmetic is reproducible bit for
// bit on every architecture: no product is fused into an addition.
//
//	set, _ := abr.OpenTraces("", "synth:seed=7,n=10")
//	video, _ := abr.OpenVideo("", "synth1")
//	sessions, _ := set.Sessions(abr.Plan{})
//	mpc, _ := abr.NewFactory("mpc", abr.PolicyConfig{})
//	result, _ := abr.Evaluate(ctx, mpc, video, sessions, abr.EvalOptions{})
//	fmt.Println(result.Mean, result.StdErr)
package abr
