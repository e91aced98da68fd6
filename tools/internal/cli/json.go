// JSON for people and programs: broken into lines only where a line is full.

package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// jsonWidth is how long a line of JSON may be.
const jsonWidth = 100

// EncodeJSON writes v as JSON, indented by two spaces, with what fits one line
// on one line.
func EncodeJSON(w io.Writer, v any) error {
	var compact bytes.Buffer
	e := json.NewEncoder(&compact)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var out bytes.Buffer
	layOut(&out, bytes.TrimSpace(compact.Bytes()), 0)
	out.WriteByte('\n')
	_, err := w.Write(out.Bytes())
	return err
}

// layOut writes the compact JSON value v, whose first line begins after indent
// columns.
func layOut(out *bytes.Buffer, v []byte, indent int) {
	if len(v)+indent <= jsonWidth || v[0] != '{' && v[0] != '[' {
		out.Write(v)
		return
	}
	out.WriteByte(v[0])
	inner := "\n" + strings.Repeat(" ", indent+2)
	for i, part := range elements(v[1 : len(v)-1]) {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(inner)
		key := 0
		if v[0] == '{' {
			key = stringEnd(part) + 1 // the colon is part of it
			out.Write(part[:key])
			out.WriteByte(' ')
		}
		layOut(out, part[key:], indent+2)
	}
	out.WriteString(inner[:len(inner)-2])
	out.WriteByte(v[len(v)-1])
}

// elements splits the inside of an array or object at its own commas.
func elements(inside []byte) [][]byte {
	var parts [][]byte
	depth, from := 0, 0
	for i := 0; i < len(inside); i++ {
		switch inside[i] {
		case '"':
			i += stringEnd(inside[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, inside[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, inside[from:])
}

// stringEnd returns the length of the JSON string that b begins with.
func stringEnd(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}
