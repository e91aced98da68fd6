// The stack machine, with the opcodes that occur.

package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	maxDepth    = 16 // containers in containers, and marks on the stack
	maxProtocol = 3
	maxExpanded = 4 // values reached, also through shared parts, per byte of the pickle
)

// The opcodes, by the names and values of Python's pickletools.
const (
	opMark           = '('
	opStop           = '.'
	opNone           = 'N'
	opBinInt         = 'J'
	opBinInt1        = 'K'
	opBinInt2        = 'M'
	opShortBinString = 'U'
	opEmptyTuple     = ')'
	opEmptyList      = ']'
	opEmptyDict      = '}'
	opAppend         = 'a'
	opAppends        = 'e'
	opSetItems       = 'u'
	opTuple          = 't'
	opBinPut         = 'q'
	opLongBinPut     = 'r'
	opBinGet         = 'h'
	opGlobal         = 'c'
	opReduce         = 'R'
	opBuild          = 'b'
	opProto          = 0x80
	opTuple1         = 0x85
	opTuple3         = 0x87
	opNewFalse       = 0x89
)

// The globals, as module and name.
const (
	reconstruct global = "numpy.core.multiarray _reconstruct"
	ndarray     global = "numpy ndarray"
	dtypeGlobal global = "numpy dtype"
)

// objectType is the name of the type of an array of objects.
const objectType = "O8"

var (
	errKey   = errors.New("a dictionary's key is no number, string, None or False")
	errTwice = errors.New("a dictionary has a key twice")
)

type decoder struct {
	data  []byte
	base  int // where data begin in their file
	pos   int
	op    int // where the present opcode stands
	stack []any
	marks []int // heights of the stack
	memo  map[uint32]any
}

// Decode returns the value of the pickle, which must take all of data. base is
// where data begin in their file: errors name the byte from the file's start.
func Decode(data []byte, base int) (any, error) {
	d := &decoder{data: data, base: base, memo: map[uint32]any{}}
	v, err := d.run()
	if err != nil {
		return nil, fmt.Errorf("pickle: byte %d: %w", base+d.op, err)
	}
	return v, nil
}

func (d *decoder) run() (any, error) {
	for {
		d.op = d.pos
		code, err := d.take(1)
		if err != nil {
			return nil, err
		}
		if d.op == 0 && code[0] != opProto {
			return nil, fmt.Errorf("begins with %#02x, not with a protocol (is it a pickle?)", code[0])
		}
		if code[0] == opStop {
			return d.stop()
		}
		if err := d.step(code[0]); err != nil {
			return nil, err
		}
	}
}

// stop returns the one value left, if it is whole and of moderate size.
func (d *decoder) stop() (any, error) {
	if len(d.marks) > 0 || len(d.stack) != 1 {
		return nil, fmt.Errorf("STOP with %d values and %d marks on the stack, want one value", len(d.stack), len(d.marks))
	}
	if rest := len(d.data) - d.pos; rest > 0 {
		d.op = d.pos
		return nil, fmt.Errorf("%d bytes after the end", rest)
	}
	if _, values, err := d.measure(d.stack[0], 1); err != nil {
		return nil, err
	} else if limit := maxExpanded * int64(len(d.data)); values > limit {
		return nil, fmt.Errorf("%d values through shared parts, a pickle of %d bytes may have %d", values, len(d.data), limit)
	}
	return d.stack[0], nil
}

func (d *decoder) step(code byte) error {
	switch code {
	case opProto:
		version, err := d.take(1)
		if err != nil {
			return err
		}
		if d.op != 0 || version[0] > maxProtocol {
			return fmt.Errorf("protocol %d, want at most %d, and at the beginning", version[0], maxProtocol)
		}
	case opMark:
		if len(d.marks) == maxDepth {
			return fmt.Errorf("more than %d marks in each other", maxDepth)
		}
		d.marks = append(d.marks, len(d.stack))
	case opNone:
		d.push(nil)
	case opNewFalse:
		d.push(false)
	case opBinInt:
		return d.pushInt(4)
	case opBinInt1:
		return d.pushInt(1)
	case opBinInt2:
		return d.pushInt(2)
	case opShortBinString:
		n, err := d.take(1)
		if err != nil {
			return err
		}
		text, err := d.take(int(n[0]))
		if err != nil {
			return err
		}
		d.push(string(text))
	case opEmptyList:
		d.push(&List{node: node{at: d.op}})
	case opEmptyDict:
		d.push(&Dict{node: node{at: d.op}})
	case opEmptyTuple:
		d.push(&Tuple{node: node{at: d.op}})
	case opTuple1:
		return d.tuple(1)
	case opTuple3:
		return d.tuple(3)
	case opTuple:
		items, err := d.popMark()
		if err != nil {
			return err
		}
		d.push(&Tuple{Items: append([]any(nil), items...), node: node{at: d.op}})
	case opAppend:
		v, err := d.pop()
		if err != nil {
			return err
		}
		return d.extend([]any{v})
	case opAppends:
		items, err := d.popMark()
		if err != nil {
			return err
		}
		return d.extend(items)
	case opSetItems:
		return d.setItems()
	case opBinPut, opLongBinPut, opBinGet:
		return d.memoize(code)
	case opGlobal:
		return d.global()
	case opReduce:
		return d.reduce()
	case opBuild:
		return d.build()
	default:
		return fmt.Errorf("opcode %#02x is none of those that data consist of", code)
	}
	return nil
}

// take returns the next n bytes.
func (d *decoder) take(n int) ([]byte, error) {
	if rest := len(d.data) - d.pos; n > rest {
		return nil, fmt.Errorf("needs %d more bytes, %d are left", n, rest)
	}
	b := d.data[d.pos : d.pos+n]
	d.pos += n
	return b, nil
}

func (d *decoder) push(v any) { d.stack = append(d.stack, v) }

// bottom is the height of the stack that the last mark keeps from below.
func (d *decoder) bottom() int {
	if len(d.marks) == 0 {
		return 0
	}
	return d.marks[len(d.marks)-1]
}

func (d *decoder) pop() (any, error) {
	if len(d.stack) <= d.bottom() {
		return nil, errors.New("takes a value that is not on the stack")
	}
	v := d.stack[len(d.stack)-1]
	d.stack = d.stack[:len(d.stack)-1]
	return v, nil
}

// top returns the uppermost value, which stays.
func (d *decoder) top() (any, error) {
	v, err := d.pop()
	if err == nil {
		d.stack = d.stack[:len(d.stack)+1]
	}
	return v, err
}

// popMark returns the values above the last mark, which are valid until the next
// push.
func (d *decoder) popMark() ([]any, error) {
	if len(d.marks) == 0 {
		return nil, errors.New("takes a mark that is not on the stack")
	}
	items := d.stack[d.bottom():]
	d.stack = d.stack[:d.bottom()]
	d.marks = d.marks[:len(d.marks)-1]
	return items, nil
}

func (d *decoder) pushInt(width int) error {
	b, err := d.take(width)
	if err != nil {
		return err
	}
	switch width {
	case 1:
		d.push(int64(b[0]))
	case 2:
		d.push(int64(binary.LittleEndian.Uint16(b)))
	default:
		d.push(int64(int32(binary.LittleEndian.Uint32(b))))
	}
	return nil
}

func (d *decoder) tuple(n int) error {
	t := &Tuple{Items: make([]any, n), node: node{at: d.op}}
	for i := n - 1; i >= 0; i-- {
		var err error
		if t.Items[i], err = d.pop(); err != nil {
			return err
		}
	}
	d.push(t)
	return nil
}

func (d *decoder) extend(items []any) error {
	v, err := d.top()
	if err != nil {
		return err
	}
	list, ok := v.(*List)
	if !ok {
		return fmt.Errorf("appends to %s, not to a list", kind(v))
	}
	list.Items = append(list.Items, items...)
	return nil
}

func (d *decoder) setItems() error {
	items, err := d.popMark()
	if err != nil {
		return err
	}
	v, err := d.top()
	if err != nil {
		return err
	}
	dict, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("sets items of %s, not of a dictionary", kind(v))
	}
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if err := dict.set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) memoize(code byte) error {
	width := 1
	if code == opLongBinPut {
		width = 4
	}
	b, err := d.take(width)
	if err != nil {
		return err
	}
	key := uint32(b[0])
	if width == 4 {
		key = binary.LittleEndian.Uint32(b)
	}
	if code == opBinGet {
		v, ok := d.memo[key]
		if !ok {
			return fmt.Errorf("recalls number %d, which was not kept", key)
		}
		d.push(v)
		return nil
	}
	v, err := d.top()
	if err != nil {
		return err
	}
	d.memo[key] = v
	return nil
}

func (d *decoder) line() (string, error) {
	rest := string(d.data[d.pos:min(len(d.data), d.pos+256)])
	text, _, ok := strings.Cut(rest, "\n")
	if !ok {
		return "", errors.New("a name that does not end")
	}
	d.pos += len(text) + 1
	return text, nil
}

func (d *decoder) global() error {
	module, err := d.line()
	if err != nil {
		return err
	}
	name, err := d.line()
	if err != nil {
		return err
	}
	switch g := global(module + " " + name); g {
	case reconstruct, ndarray, dtypeGlobal:
		d.push(g)
		return nil
	}
	return fmt.Errorf("global %q is not allowed", module+" "+name)
}
