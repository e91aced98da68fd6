// Package experiment does the work of an experiment in units that are kept, so that an
// interrupted experiment goes on where it was and experiments share what they have in common.
//
// A [Unit] is a piece of work - train this body with this recipe and seed, have this policy play
// that setting - whose result follows from its key alone: settings, and hashes of the data and of the
// model. Its result is a JSON file in a [Store], named by a hash of kind, key and the units that it
// needs; files that it makes lie in a folder beside it. A [Runner] does what is not there yet, several
// units at a time with one thread each:
//
//	pool := &experiment.Unit{Kind: "pool", Label: "pool of rules", Key: settings, Files: true, Do: collect}
//	train := &experiment.Unit{Kind: "train", Label: "seed 1", Key: recipe, Needs: []*experiment.Unit{pool}, Files: true, Do: train}
//	err := runner.Do(ctx, train)
//	trained, err := experiment.Get[training](train)
//
// What came of all units is an [Outcome], which [Outcome.Write] puts into a folder as
// results.json, results.csv and index.html beside the config.json that it was made from. The
// paper's own numbers, and how sure each is, are in [Paper].
package experiment
