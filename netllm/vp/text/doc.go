// Package text asks a language model where a viewer will look as one asks it anything: in words. The positions seen are
// written out as whole degrees, the model is tuned to continue with those to come, and its answer is read strictly: what
// the networking head of package vp is compared with (Wu et al. 2024, the difficulty called "prompt learning" there).
//
//   - A [Form] writes questions and answers, and [Form.Parse] reads an answer or says in which way it is invalid.
//   - A [Coder] puts them into a model's tokens.
//   - [Tune] teaches a body, frozen but for low-rank matrices, to continue questions with answers.
//   - A [Predictor] has it answer, greedily, token by token, with the body's cache.
//
// An answer takes a pass of the body for each of its tokens, of which there are about two hundred, and may be no answer at all.
//
//	tuned, _ := text.Tune(ctx, backend, model, words, windows, valid, text.DefaultConfig(model), nil)
//	p, _ := tuned.NewPredictor(ops.NewContext(backend))
//	answer, _ := p.Answer(window)
//	fmt.Println(answer.Text, answer.Invalid)
package text
