// The files of pools: columns of any task.

package netllm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// PoolVersion is the version of the file format of pools.
const PoolVersion = 1

// PoolMeta says where a pool comes from.
type PoolMeta struct {
	Task     string            // such as "abr"
	Policies []string          // that played
	Seeds    []uint64          // that they were given
	Data     map[string]string // SHA-256 of the data read, by name
	Command  string            // that collected it
	LeftOut  []string          `json:",omitempty"` // recordings of the data that were not used, by name

	// Recordings names, for each episode, the recording of the data that it was played on; nil if that is not known.
	Recordings []string `json:",omitempty"`
}

// AnyRow is a column's row of whatever shape.
var AnyRow = []int{-1}

// Column is a tensor of a pool's file: Data points to a slice of float32, float64, int32 or uint8, which is written, or
// read, whole. Row is the shape of one row, nil for one number.
type Column struct {
	Name string
	Data any
	Row  []int
}

// WriteColumns writes columns to a new file, or, if replace is set, over an old one: a safetensors file with a tensor for
// each and meta as metadata. The same columns give the same bytes.
func WriteColumns(path string, meta PoolMeta, columns []Column, replace bool) error {
	text, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("netllm: pool %s: %w", path, err)
	}
	write := safetensors.Write
	if replace {
		write = safetensors.Replace
	}
	var entries []safetensors.Entry
	for _, c := range columns {
		entries = append(entries, safetensors.EntryOf(c.Name, c.tensor()))
	}
	return write(path, map[string]string{"format": "netllm.pool", "version": strconv.Itoa(PoolVersion), "meta": string(text)}, entries)
}

func (c *Column) tensor() tensor.Tensor {
	switch data := c.Data.(type) {
	case *[]float32:
		return hostTensor(*data, tensor.F32, c.Row)
	case *[]float64:
		return hostTensor(*data, tensor.F64, c.Row)
	case *[]int32:
		return hostTensor(*data, tensor.I32, c.Row)
	case *[]uint8:
		return hostTensor(*data, tensor.U8, c.Row)
	}
	panic(fmt.Sprintf("netllm: column %q of %T", c.Name, c.Data))
}

// ReadColumns reads a pool of a task: all columns, each as it is declared, and no others. Row of a column is set from the
// file where it points to nothing; else the file must have it. What the values may be is the task's business.
func ReadColumns(f *safetensors.File, task string, columns []Column) (PoolMeta, error) {
	var meta PoolMeta
	text := f.Metadata()
	if text["format"] != "netllm.pool" {
		return meta, fmt.Errorf("not a pool: format %q", text["format"])
	}
	if v, err := strconv.Atoi(text["version"]); err != nil || v != PoolVersion {
		return meta, fmt.Errorf("version %q, known: %d", text["version"], PoolVersion)
	}
	if err := json.Unmarshal([]byte(text["meta"]), &meta); err != nil {
		return meta, fmt.Errorf("metadata: %w", err)
	}
	if meta.Task != task {
		return meta, fmt.Errorf("a pool for task %q, want %q", meta.Task, task)
	}
	var names []string
	for i := range columns {
		if err := columns[i].read(f); err != nil {
			return meta, err
		}
		names = append(names, columns[i].Name)
	}
	if got := f.Names(); len(got) != len(columns) {
		slices.Sort(names)
		return meta, fmt.Errorf("tensors %q, want %q", got, names)
	}
	return meta, nil
}

func (c *Column) read(f *safetensors.File) error {
	t, err := f.Tensor(c.Name)
	if err != nil {
		return err
	}
	var dtype tensor.DType
	switch c.Data.(type) {
	case *[]float32:
		dtype = tensor.F32
	case *[]float64:
		dtype = tensor.F64
	case *[]int32:
		dtype = tensor.I32
	case *[]uint8:
		dtype = tensor.U8
	default:
		panic(fmt.Sprintf("netllm: column %q of %T", c.Name, c.Data))
	}
	any := slices.Equal(c.Row, AnyRow)
	if t.DType() != dtype || t.Rank() < 1 || !any && !slices.Equal(t.Shape()[1:], c.Row) {
		return fmt.Errorf("tensor %q: %v, want %v with rows %v", c.Name, t, dtype, c.Row)
	}
	if any {
		c.Row = t.Shape()[1:]
	}
	switch data := c.Data.(type) {
	case *[]float32:
		*data = copyOf[float32](t)
	case *[]float64:
		*data = copyOf[float64](t)
	case *[]int32:
		*data = copyOf[int32](t)
	case *[]uint8:
		*data = copyOf[uint8](t)
	}
	return nil
}

func hostTensor[T float32 | float64 | int32 | uint8](data []T, dtype tensor.DType, row []int) tensor.Tensor {
	size, n := dtype.BlockBytes()*len(data), len(data)
	for _, d := range row {
		n /= max(d, 1)
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), size)
	return tensor.Of(tensor.HostBytes(b), dtype, append([]int{n}, row...)...)
}

// copyOf returns a contiguous tensor's elements in memory of their own.
func copyOf[T float32 | float64 | int32 | uint8](t tensor.Tensor) []T {
	b := t.Bytes()
	return slices.Clone(unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), t.Len()))
}
