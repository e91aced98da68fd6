package tokenizer_test

import (
	"fmt"

	"netllm/transformer/tokenizer"
)

func Example() {
	t, err := tokenizer.New(&tokenizer.Vocab{
		Model:  tokenizer.SentencePiece,
		Tokens: []string{"<unk>", "<s>", "</s>", "▁", "n", "e", "t", "et", "net", "▁net"},
		Scores: []float32{0, 0, 0, -4, -5, -6, -7, 0, -1, -2},
		Types:  []tokenizer.TokenType{tokenizer.Unknown, tokenizer.Control, tokenizer.Control, 1, 1, 1, 1, 1, 1, 1},
		BOS:    1, EOS: 2, Pad: -1,
		AddBOS: true, AddSpacePrefix: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := t.EncodePrompt("net ten", false)
	fmt.Println(ids)
	fmt.Println(t.Decode(ids))
	// Output:
	// [1 9 3 6 5 4]
	// net ten
}
