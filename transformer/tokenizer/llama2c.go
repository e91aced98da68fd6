package tokenizer

// tokenizer.bin, the table of llama2.c: the length of the longest token, then a
// score, a length and that many bytes for each. It has plain blanks, and says
// nothing of types.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
)

// ReadLlama2C reads llama2.c's tokenizer.bin. Tokens 0, 1 and 2 are the unknown
// one, BOS and EOS.
func ReadLlama2C(path string) (*Vocab, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	v, err := parseLlama2C(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return v, nil
}

func parseLlama2C(data []byte) (*Vocab, error) {
	if len(data) < 4 {
		return nil, errors.New("it ends in its first number")
	}
	count := 0
	for at := 4; at < len(data); count++ {
		if len(data)-at < 8 {
			return nil, fmt.Errorf("offset %d: token %d is cut off", at, count)
		}
		n := binary.LittleEndian.Uint32(data[at+4:])
		if uint64(n) > uint64(len(data)-at-8) {
			return nil, fmt.Errorf("offset %d: token %d has %d bytes, more than the file", at, count, n)
		}
		at += 8 + int(n)
	}
	v := &Vocab{
		Model: SentencePiece, BOS: 1, EOS: 2, Unknown: 0, Pad: -1, AddBOS: true, AddSpacePrefix: true,
		Tokens: make([]string, count), Scores: make([]float32, count), Types: make([]TokenType, count),
	}
	if count < 3 {
		return nil, fmt.Errorf("%d tokens, want 3 at least", count)
	}
	data = data[4:]
	for i := range count {
		n := 8 + int(binary.LittleEndian.Uint32(data[4:]))
		v.Scores[i] = math.Float32frombits(binary.LittleEndian.Uint32(data))
		text := string(data[8:n])
		v.Tokens[i], v.Types[i] = strings.ReplaceAll(text, " ", space), Normal
		if _, isByte := byteOf(text); isByte {
			v.Types[i] = Byte
		}
		data = data[n:]
	}
	copy(v.Tokens, []string{"<unk>", "<s>", "</s>"}) // the file has line ends round some
	copy(v.Types, []TokenType{Unknown, Control, Control})
	if _, err := v.check(); err != nil {
		return nil, err
	}
	return v, nil
}
