package transformer_test

import (
	"fmt"

	"netllm/ops"
	"netllm/transformer"
)

// One model serves several adapters: each is a view of the same weights.
func ExampleAdaptable_withLoRA() {
	backend := ops.NewCPU(1)
	model, err := transformer.New(backend, transformer.Config{Arch: "llama", Layers: 1, Width: 16, FFN: 32, Heads: 2, KVHeads: 1,
		HeadDim: 8, RopeDim: 8, Vocab: 10, MaxPositions: 8, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for seed := range uint64(2) {
		adapter, err := transformer.NewLoRA(backend, model, transformer.LoRAConfig{Rank: 2, Alpha: 4, Targets: []string{"q_proj", "v_proj"}}, seed)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := model.WithLoRA(adapter)
		if err != nil {
			fmt.Println(err)
			return
		}
		c := ops.NewContext(backend)
		features := body.Forward(c, c.Float32s(make([]float32, 3*16), 1, 3, 16), nil)
		fmt.Println(features, "from", len(adapter.Params()), "matrices")
	}
	// Output:
	// F32[1x3x16] from 4 matrices
	// F32[1x3x16] from 4 matrices
}
