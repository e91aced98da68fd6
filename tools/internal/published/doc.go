// Package published turns a clone of the public NetLLM repository
// (github.com/duowuyms/NetLLM) into the layout of data that this project reads.
//
//	clone, err := published.Open("NetLLM")
//	plan, err := clone.Plan(ctx)
//	err = plan.Write(ctx, "data", false, nil)
//
// A [Plan] is all that will be done, found before the first byte is written: what
// each part consists of, what the clone does not have, and what of it is refused.
// Nothing of a clone is trusted: names that are no plain names, links that lead out
// of it, devices, pickles and checkpoints that are not what they should be are
// refused one by one, and the rest goes on.
//
// A task is one file here and one line in tasks.
package published
