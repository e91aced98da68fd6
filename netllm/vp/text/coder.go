// Words as a model's tokens.

package text

import (
	"fmt"
	"strings"

	"netllm/netllm/vp"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// Coder puts questions and answers of a form into the tokens of a model's vocabulary. It does not change, and may be used
// from several goroutines at once.
type Coder struct {
	Form  Form
	words *tokenizer.Tokenizer

	stops     []int32 // tokens with a full stop in them, and that which ends a text
	answer    int     // tokens of the longest answer, its end included
	positions int     // of the longest question with its answer
}

// alphabet has all that is written.
const alphabet = "past:at:next:a-0,1b2c3d4e5f6g7h8i9jklmnopqrstuvwxyz."

// NewCoder returns a coder. It fails if the vocabulary cannot write the form's characters, or if the model has too few
// positions for the longest question and answer.
func NewCoder(f Form, words *tokenizer.Tokenizer, model transformer.Body) (*Coder, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if got := words.Decode(words.Encode(alphabet, false)); got != alphabet {
		return nil, fmt.Errorf("text: the vocabulary writes %q as %q", alphabet, got)
	}
	// A character is at most one token; before the first there may be a token that begins a text and a blank.
	question, answer := f.longest()
	c := &Coder{Form: f, words: words, answer: answer + 2, positions: question + answer + 4}
	v := words.Vocab()
	for id := range v.Tokens {
		if int32(id) == v.EOS || v.Type(id) != tokenizer.Control && strings.Contains(words.Decode([]int32{int32(id)}), end) {
			c.stops = append(c.stops, int32(id))
		}
	}
	if c.positions > model.MaxPositions() {
		return nil, fmt.Errorf("text: %d rows seen and %d to come take up to %d tokens, the model has %d positions", f.History, f.Horizon, c.positions, model.MaxPositions())
	}
	return c, nil
}

// question returns the tokens of a window's question.
func (c *Coder) question(w vp.Window) ([]int32, error) {
	text, err := c.Form.Question(w)
	if err != nil {
		return nil, err
	}
	var ids []int32
	if v := c.words.Vocab(); v.AddBOS {
		ids = append(ids, v.BOS)
	}
	return append(ids, c.words.Encode(text, false)...), nil
}

// example is a question with its answer.
type example struct {
	tokens []int32
	answer int // place of the answer's first token
}

// example returns that of a window.
func (c *Coder) example(w vp.Window) (example, error) {
	ids, err := c.question(w)
	if err != nil {
		return example{}, err
	}
	text, err := c.Form.Answer(w)
	if err != nil {
		return example{}, err
	}
	return example{tokens: append(ids, c.words.Encode(text, false)...), answer: len(ids)}, nil
}

// read returns the text of an answer's tokens, and an error if some are no text.
func (c *Coder) read(ids []int32) (string, error) {
	v := c.words.Vocab()
	if n := len(ids); n > 0 && ids[n-1] == v.EOS {
		ids = ids[:n-1]
	}
	text := c.words.Decode(ids)
	for _, id := range ids {
		if int(id) >= len(v.Tokens) { // models have more rows than tokens
			return text, invalid(Malformed, "token %d is none of the vocabulary's", id)
		}
		if kind := v.Type(int(id)); kind == tokenizer.Control || kind == tokenizer.Unknown {
			return text, invalid(Malformed, "token %d, %q, is no text", id, v.Tokens[id])
		}
	}
	return text, nil
}
