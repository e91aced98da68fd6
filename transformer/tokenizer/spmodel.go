package tokenizer

// tokenizer.model: SentencePiece's file, a protocol buffer. Source:
// sentencepiece_model.proto of the sentencepiece project.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Numbers of fields.
const (
	modelPieces, modelTrainer, modelNormalizer = 1, 2, 3

	pieceText, pieceScore, pieceType = 1, 2, 3

	trainerType, trainerSize, trainerSuffix, trainerFallback      = 3, 4, 24, 35
	trainerUnknownID, trainerBOSID, trainerEOSID, trainerPadID    = 40, 41, 42, 43
	trainerUnknown, trainerBOS, trainerEOS, trainerPad            = 45, 46, 47, 48
	normalName, normalMap, normalPrefix, normalTrim, normalEscape = 1, 2, 3, 4, 5
)

var trainerTypes = map[uint64]string{1: "unigram", 2: "bpe", 3: "word", 4: "char"}

// field is one field of a message: a number or bytes.
type field struct {
	id    int
	n     uint64
	bytes []byte
}

// fields calls f for all fields of a message.
func fields(data []byte, f func(field) error) error {
	for at := 0; at < len(data); {
		start := at
		tag, n := binary.Uvarint(data[at:])
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return fmt.Errorf("byte %d: no field begins here", start)
		}
		at += n
		x := field{id: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			if x.n, n = binary.Uvarint(data[at:]); n <= 0 {
				return fmt.Errorf("byte %d: field %d is cut off", start, x.id)
			}
			at += n
		case 1, 5:
			size := 8 - int(tag&4)
			if len(data)-at < size {
				return fmt.Errorf("byte %d: field %d is cut off", start, x.id)
			}
			for i := range size {
				x.n |= uint64(data[at+i]) << (8 * i)
			}
			at += size
		case 2:
			size, n := binary.Uvarint(data[at:])
			if n <= 0 || size > uint64(len(data)-at-n) {
				return fmt.Errorf("byte %d: field %d is cut off", start, x.id)
			}
			at += n
			x.bytes = data[at : at+int(size)]
			at += int(size)
		default:
			return fmt.Errorf("byte %d: field %d has wire type %d", start, x.id, tag&7)
		}
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// parseModel reads a tokenizer.model.
func parseModel(data []byte) (*Vocab, error) {
	v := &Vocab{Model: SentencePiece, BOS: -1, EOS: -1, Unknown: -1, Pad: -1, AddSpacePrefix: true, TrimSpaces: true}
	count, size := 0, 0
	err := fields(data, func(f field) error {
		if f.id != modelPieces {
			return nil
		}
		count++
		empty := true
		err := fields(f.bytes, func(f field) error {
			if f.id == pieceText {
				size += len(f.bytes)
				empty = len(f.bytes) == 0
			}
			return nil
		})
		if err == nil && empty {
			err = errors.New("it has no text")
		}
		if err != nil {
			return fmt.Errorf("piece %d: %w", count-1, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	v.Tokens, v.Scores, v.Types = make([]string, 0, count), make([]float32, 0, count), make([]TokenType, 0, count)
	var text strings.Builder
	text.Grow(size)
	kind := uint64(1)
	names := [4]string{"<unk>", "<s>", "</s>", "<pad>"}
	err = fields(data, func(f field) error {
		switch f.id {
		case modelPieces:
			return v.piece(f.bytes, &text)
		case modelTrainer:
			return fields(f.bytes, func(f field) error {
				switch f.id {
				case trainerType:
					kind = f.n
				case trainerSuffix:
					if f.n != 0 {
						return fmt.Errorf("treat_whitespace_as_suffix is not supported (%w)", errors.ErrUnsupported)
					}
				case trainerUnknown, trainerBOS, trainerEOS, trainerPad:
					names[f.id-trainerUnknown] = string(f.bytes)
				}
				return nil
			})
		case modelNormalizer:
			return v.spNormalizer(f.bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if trainerTypes[kind] != "bpe" {
		return nil, fmt.Errorf("a SentencePiece model of type %d (%s) is not supported, want 2 (bpe) (%w)", kind, trainerTypes[kind], errors.ErrUnsupported)
	}
	t, err := v.check()
	if err != nil {
		return nil, err
	}
	for i, id := range []*int32{&v.Unknown, &v.BOS, &v.EOS, &v.Pad} {
		if *id = t.find(names[i]); *id >= 0 && v.Type(int(*id)) != Control && i > 0 {
			*id = -1
		}
	}
	v.Unknown = int32(slices.Index(v.Types, Unknown))
	v.AddBOS = v.BOS >= 0
	return v, nil
}

// piece reads one piece.
func (v *Vocab) piece(data []byte, text *strings.Builder) error {
	score, kind, from, to := float32(0), uint64(Normal), 0, 0
	err := fields(data, func(f field) error {
		switch f.id {
		case pieceText:
			from = text.Len()
			text.Write(f.bytes)
			to = text.Len()
		case pieceScore:
			score = math.Float32frombits(uint32(f.n))
		case pieceType:
			kind = f.n
		}
		return nil
	})
	if err == nil && (kind < uint64(Normal) || kind > uint64(Byte)) {
		err = fmt.Errorf("type %d, want %d to %d", kind, Normal, Byte)
	}
	if err != nil {
		return fmt.Errorf("piece %d: %w", len(v.Tokens), err)
	}
	v.Tokens = append(v.Tokens, text.String()[from:to])
	v.Scores = append(v.Scores, score)
	v.Types = append(v.Types, TokenType(kind))
	return nil
}

// spNormalizer reads how text is prepared.
func (v *Vocab) spNormalizer(data []byte) error {
	name := ""
	return fields(data, func(f field) error {
		switch f.id {
		case normalName:
			name = string(f.bytes)
		case normalMap:
			if len(f.bytes) > 0 {
				return fmt.Errorf("normalization %.40q is not supported, only \"identity\" (%w)", name, errors.ErrUnsupported)
			}
		case normalPrefix:
			v.AddSpacePrefix = f.n != 0
		case normalTrim:
			v.TrimSpaces = f.n != 0
		case normalEscape:
			if f.n == 0 {
				return fmt.Errorf("escape_whitespaces = false is not supported (%w)", errors.ErrUnsupported)
			}
		}
		return nil
	})
}

// model returns the vocabulary as a tokenizer.model, which [parseModel] reads
// with the same pieces, scores and types, without padding at the end.
func (v *Vocab) model() []byte {
	var out, sub []byte
	number := func(b []byte, id int, n uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(id)<<3), n)
	}
	text := func(b []byte, id int, s string) []byte {
		return append(binary.AppendUvarint(binary.AppendUvarint(b, uint64(id)<<3|2), uint64(len(s))), s...)
	}
	flag := func(b []byte, id int, on bool) []byte {
		if on {
			return number(b, id, 1)
		}
		return number(b, id, 0)
	}
	n := v.unpadded()
	for i, t := range v.Tokens[:n] {
		sub = text(sub[:0], pieceText, t)
		sub = binary.AppendUvarint(sub, pieceScore<<3|5)
		sub = binary.LittleEndian.AppendUint32(sub, math.Float32bits(v.Scores[i]))
		if v.Type(i) != Normal {
			sub = number(sub, pieceType, uint64(v.Type(i)))
		}
		out = text(out, modelPieces, string(sub))
	}
	sub = number(sub[:0], trainerType, 2)
	sub = number(sub, trainerSize, uint64(n))
	sub = flag(sub, trainerFallback, v.allBytes())
	for i, id := range []int32{v.Unknown, v.BOS, v.EOS, v.Pad} {
		sub = number(sub, trainerUnknownID+i, uint64(int64(id)))
		if id >= 0 {
			sub = text(sub, trainerUnknown+i, v.Tokens[id])
		}
	}
	out = text(out, modelTrainer, string(sub))
	sub = text(sub[:0], normalName, "identity")
	sub = text(sub, normalMap, "")
	sub = flag(sub, normalPrefix, v.AddSpacePrefix)
	sub = flag(sub, normalTrim, v.TrimSpaces)
	sub = flag(sub, normalEscape, true)
	return text(out, modelNormalizer, string(sub))
}

// unpadded returns the number of tokens before the padding at the end.
func (v *Vocab) unpadded() int {
	n := len(v.Tokens)
	for n > 0 && v.isPadding(n-1) {
		n--
	}
	return n
}
