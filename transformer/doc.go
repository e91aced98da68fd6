// Package transformer holds language models made of package ops' operations,
// and low-rank adapters for them.
//
// [Load] reads a [Model] of any family that [Config] describes - Llama 2 and 3,
// Mistral, Qwen2, GPT-2, OPT, and the language part of LLaVA - from a GGUF file or
// a Hugging Face folder. Its weights stay in the mapped file and are never
// changed. Input is token ids or embeddings of any origin:
//
//	backend := ops.NewCPU(0)
//	model, err := transformer.Load(backend, "model.gguf")
//	...
//	c := ops.NewContext(backend)
//	cache := model.NewCache(backend, 1, 64)
//	ids, err := transformer.Generate(c, model, []int32{1, 403}, cache, transformer.Greedy(16))
//
// [New] makes random weights of any shape, to be trained. A Config is read from
// files without their weights by [ConfigFromGGUF] and [ConfigFromHF], and lists
// the tensors that a model of its shape has under both formats' names.
//
// A [LoRA] is a set of low-rank matrices beside some of a model's linear
// layers. WithLoRA of an [Adaptable] returns the adapted model, which shares all
// its weights with the original: several adapters can serve at once.
//
// [Body] is what a task needs of a model: token vectors in, features out.
package transformer
