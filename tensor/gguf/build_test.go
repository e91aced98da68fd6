package gguf

// Files put together by hand, independently of the writer, so that tests can
// make each part wrong.

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// u is what the format is made of: numbers of a Go type, and strings.
func u(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		default:
			var err error
			if b, err = binary.Append(b, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	return b
}

func head(version uint32, tensors, keys uint64) []byte {
	return u([]byte("GGUF"), version, tensors, keys)
}

// kv is a key, the number of its value's type, and the value.
func kv(key string, typ uint32, value ...any) []byte { return u(key, typ, u(value...)) }

// info describes a tensor; dims are in the file's order.
func info(name string, typ uint32, offset uint64, dims ...uint64) []byte {
	return u(name, uint32(len(dims)), dims, typ, offset)
}

// file joins the parts; "pad" stands for zeros up to a multiple of 32 bytes.
func file(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		switch v := p.(type) {
		case []byte:
			b.Write(v)
		case string:
			b.WriteString(strings.Repeat("\x00", -b.Len()&31))
		}
	}
	return b.Bytes()
}

const pad = "pad"

// Numbers of value types, as in the format's description.
const (
	vUint8 uint32 = iota
	vInt8
	vUint16
	vInt16
	vUint32
	vInt32
	vFloat32
	vBool
	vString
	vArray
	vUint64
	vInt64
	vFloat64
)

// goodEnd is where the last tensor of good ends.
const goodEnd = 616

// good is a file with a value of every type and three tensors.
func good() []byte {
	return goodVersion(3)
}

func goodVersion(version uint32) []byte {
	f32 := []float32{1, 2, 3, 4, 5, 6}
	return file(
		head(version, 3, 15),
		kv("u8", vUint8, uint8(200)), kv("i8", vInt8, int8(-100)),
		kv("u16", vUint16, uint16(60000)), kv("i16", vInt16, int16(-30000)),
		kv("u32", vUint32, uint32(4e9)), kv("i32", vInt32, int32(-2e9)),
		kv("f32", vFloat32, float32(0.5)), kv("b", vBool, true), kv("s", vString, "text"),
		kv("u64", vUint64, uint64(1<<63)), kv("i64", vInt64, int64(-5)), kv("f64", vFloat64, 0.25),
		kv("ints", vArray, vInt16, uint64(3), int16(-1), int16(2), int16(3)),
		kv("strings", vArray, vString, uint64(2), "x", "yz"),
		kv("floats", vArray, vFloat32, uint64(2), float32(1.5), float32(-2)),
		info("a", 0, 0, 3, 2), info("q", 29, 32, 256), info("h", 1, 96, 4),
		pad, u(f32), pad, make([]byte, 56), pad, u([]uint16{0x3c00, 0xc000, 0, 0x7bff}), pad,
	)
}
