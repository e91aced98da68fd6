package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/ops/opstest"
	"netllm/tensor"
)

// attentionCase is a size of attention; spare keys are in memory but seen by no query.
type attentionCase struct{ batch, seq, heads, kvHeads, d, past, spare int }

// forwardDiffers and backwardDiffers are how far results may be from the float64
// reference, as a part of the largest element.
const (
	forwardDiffers  = 3e-6
	backwardDiffers = 1e-5
)

func TestAttentionSizes(t *testing.T) {
	b := open(t)
	defer b.Close()
	for _, c := range []attentionCase{
		{1, 1, 1, 1, 5, 0, 0}, {2, 1, 3, 1, 80, 5, 1}, {1, 1, 8, 8, 64, 300, 0}, {2, 1, 8, 1, 128, 300, 3}, // few queries
		{1, 2, 16, 2, 100, 600, 0}, {1, 4, 3, 1, 255, 300, 1}, {1, 3, 2, 2, 256, 5, 0}, {1, 4, 20, 2, 5, 70, 0}, {1, 7, 6, 2, 96, 300, 0},
		{1, 1, 2, 1, 257, 300, 0}, {2, 7, 3, 1, 64, 5, 0}, {1, 30, 2, 2, 128, 0, 1}, {1, 9, 2, 2, 300, 40, 0}, // blocks of 32
		{1, 7, 8, 1, 64, 200, 0}, {1, 63, 3, 1, 80, 0, 2}, {1, 65, 1, 1, 128, 5, 0}, {2, 130, 3, 3, 5, 0, 70}, // blocks of 64
		{1, 33, 2, 1, 160, 3, 0}, {2, 65, 8, 1, 80, 5, 1}, {1, 67, 6, 3, 20, 3, 70}, {1, 130, 3, 1, 64, 300, 0},
	} {
		for _, window := range []int{0, noMask} {
			t.Run(fmt.Sprintf("%v/window=%d", c, window), func(t *testing.T) { checkAttention(t, b, c, window, true) })
		}
	}
}

// noMask is the window with which every query sees all keys.
const noMask = -1

// TestAttentionLimits computes on a device with little shared memory that binds only parts
// of the tensors: sequences, heads and queries are taken in parts, and keys packed.
func TestAttentionLimits(t *testing.T) {
	b := open(t, WithLimits(Limits{Binding: 32 << 10, SharedMemory: 16 << 10, Invocations: 128}))
	defer b.Close()
	for _, c := range []attentionCase{
		{1, 1, 8, 1, 64, 100, 0}, {3, 1, 8, 2, 64, 100, 0}, {1, 2, 6, 2, 32, 200, 0}, // few queries
		{1, 4, 16, 1, 16, 446, 0}, // the parts of the keys give more than what can be bound
		{5, 20, 4, 2, 32, 3, 1}, {1, 100, 8, 1, 32, 10, 9}, {1, 90, 6, 3, 32, 5, 1}, {2, 65, 2, 1, 96, 3, 0},
	} {
		for _, cache := range []bool{true, false} {
			for _, window := range []int{0, noMask} {
				t.Run(fmt.Sprintf("%v/window=%d/cache=%v", c, window, cache), func(t *testing.T) { checkAttention(t, b, c, window, cache) })
			}
		}
	}
}

// windowCases are windows that begin and end within blocks of keys, that leave out whole
// blocks and parts, that hold few keys, and that hold them all.
var windowCases = []struct {
	attentionCase
	window int
}{
	{attentionCase{1, 1, 8, 2, 64, 300, 3}, 2}, {attentionCase{2, 1, 3, 1, 80, 700, 0}, 257}, {attentionCase{1, 4, 4, 2, 20, 90, 0}, 3}, // few queries
	{attentionCase{1, 16, 4, 1, 32, 600, 1}, 300}, {attentionCase{1, 3, 2, 2, 16, 5, 0}, 100}, {attentionCase{1, 9, 6, 3, 64, 400, 0}, 5},
	{attentionCase{2, 130, 3, 1, 64, 0, 2}, 40}, {attentionCase{1, 130, 2, 2, 20, 100, 0}, 2}, {attentionCase{1, 200, 4, 2, 33, 150, 70}, 129}, // blocks
	{attentionCase{1, 70, 2, 1, 130, 300, 0}, 64}, {attentionCase{1, 40, 1, 1, 16, 10, 0}, 50}, {attentionCase{1, 9, 2, 2, 300, 40, 0}, 7},
}

func TestAttentionWindows(t *testing.T) {
	for _, limits := range []Limits{{}, {Binding: 64 << 10, SharedMemory: 16 << 10, Invocations: 128}} {
		b := open(t, WithLimits(limits))
		for _, c := range windowCases {
			if keys := c.past + c.seq + c.spare; limits.Binding > 0 && 4*keys*c.d >= limits.Binding {
				continue // the keys of one head are larger than what is bound
			}
			t.Run(fmt.Sprintf("%v/window=%d/binding=%d", c.attentionCase, c.window, limits.Binding), func(t *testing.T) {
				checkAttention(t, b, c.attentionCase, c.window, true)
			})
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// With a window that is full, a token takes what was recorded for the one before, however
// many keys there are.
func TestAttentionWindowReplay(t *testing.T) {
	b := open(t)
	defer b.Close()
	const d, keys, window = 16, 2000, 300
	q, o := upload(b, tensor.New(tensor.F32, 1, 1, 1, d)), upload(b, tensor.New(tensor.F32, 1, 1, 1, d))
	k := upload(b, tensor.New(tensor.F32, 1, keys, 1, d))
	args := ops.Args{T: [9]tensor.Tensor{o, q, k, k}, F: [8]float32{1}}
	for past := 400; past < keys; past += 100 {
		all, replayed := b.Submissions()
		args.I = [4]int64{int64(past), window}
		b.Run(ops.OpAttention, &args)
		read(t, b, o)
		nowAll, nowReplayed := b.Submissions()
		if past > 500 && (nowAll == all || nowReplayed-replayed != nowAll-all) {
			t.Errorf("past %d: %d of %d batches were recorded before, want all", past, nowReplayed-replayed, nowAll-all)
		}
	}
}

// checkAttention compares both passes with the float64 reference. In a cache, keys and
// values are [batch, kvHeads, keys, d]; otherwise the heads of a key stand together. Keys
// and values before all windows are NaN: nothing comes of them but a gradient of zero.
func checkAttention(t *testing.T, b *Backend, c attentionCase, window int, cache bool) {
	ref := opstest.NewReference()
	rng := rand.New(rand.NewPCG(uint64(c.seq), uint64(c.d)))
	queries, keys := []int{c.batch, c.seq, c.heads, c.d}, []int{c.batch, c.kvHeads, c.past + c.seq + c.spare, c.d}
	if !cache {
		keys[1], keys[2] = keys[2], keys[1]
	}
	stats := []int{c.batch, c.heads, c.seq}
	var got, want ops.Args
	place := func(i int, value func(j int) float32, shape ...int) {
		values := tensor.New(tensor.F32, shape...)
		for j := range values.Float32s() {
			values.Float32s()[j] = value(j)
		}
		for _, x := range []struct {
			backend ops.Backend
			args    *ops.Args
		}{{b, &got}, {ref, &want}} {
			to := tensor.Of(x.backend.Alloc(4*values.Len()), tensor.F32, shape...)
			x.backend.Upload(to, values.Bytes())
			if cache && &shape[0] == &keys[0] {
				to = to.Transpose(1, 2)
			}
			x.args.T[i] = to
		}
	}
	normal := func(int) float32 { return float32(rng.NormFloat64()) }
	unset := func(int) float32 { return float32(math.NaN()) }
	before := 0 // all windows
	if window > 0 {
		before = max(0, c.past+1-window)
	}
	seen := func(j int) float32 {
		key := j / c.d
		if !cache {
			key /= c.kvHeads
		}
		if key%(c.past+c.seq+c.spare) < before {
			return unset(j)
		}
		return normal(j)
	}
	run := func(op ops.Op, differs float64, outputs ...int) {
		t.Helper()
		for _, a := range []*ops.Args{&got, &want} {
			a.F[0], a.I[0], a.I[1] = float32(1/math.Sqrt(float64(c.d))), int64(c.past), int64(window)
		}
		b.Run(op, &got)
		ref.Run(op, &want)
		for _, i := range outputs {
			attentionDiffers(t, fmt.Sprintf("%v T%d", op, i), attentionFloats(t, b, got.T[i]), attentionFloats(t, ref, want.T[i]), differs)
		}
	}

	place(0, unset, queries...)
	place(1, normal, queries...)
	place(2, seen, keys...)
	place(3, seen, keys...)
	place(4, unset, stats...)
	run(ops.OpAttention, forwardDiffers, 0, 4)

	for _, a := range []*ops.Args{&got, &want} {
		forward := a.T
		copy(a.T[4:], []tensor.Tensor{forward[1], forward[2], forward[3], forward[0], forward[4]})
		a.Acc = 1 << 1 // the gradient of the keys is added to
	}
	place(0, unset, queries...)
	place(1, normal, keys...)
	place(2, unset, keys...)
	place(3, normal, queries...)
	run(ops.OpAttentionBackward, backwardDiffers, 0, 1, 2)
	for i, a := range got.T {
		b.Free(a.Storage())
		got.T[i] = tensor.Tensor{}
	}
}

func attentionFloats(t *testing.T, b ops.Backend, x tensor.Tensor) []float32 {
	t.Helper()
	if !x.IsContiguous() {
		x = x.Transpose(1, 2)
	}
	values := tensor.New(tensor.F32, x.Len())
	if err := b.Download(values.Bytes(), x); err != nil {
		t.Fatal(err)
	}
	return values.Float32s()
}

// attentionDiffers reports the first element that is further from the one wanted than a part
// of the largest.
func attentionDiffers(t *testing.T, name string, got, want []float32, part float64) {
	t.Helper()
	var largest float64
	for _, x := range want {
		largest = max(largest, math.Abs(float64(x)))
	}
	for i := range want {
		if diff := math.Abs(float64(got[i]) - float64(want[i])); !(diff <= part*largest) {
			t.Errorf("%s: element %d of %d: got %v, want %v (largest %v)", name, i, len(want), got[i], want[i], largest)
			return
		}
	}
}

func TestDecodeParts(t *testing.T) {
	for _, c := range []struct{ keys, groups, span, parts int }{
		{1, 1, 128, 1}, {128, 8, 128, 1}, {129, 8, 64, 4}, {256, 8, 64, 4}, {257, 8, 64, 8}, {4096, 8, 128, 32}, {4097, 8, 256, 32}, {300, 1000, 256, 2},
	} {
		if span, parts := decodeParts(c.keys, c.groups); span != c.span || parts != c.parts {
			t.Errorf("decodeParts(%d, %d): got %d, %d, want %d, %d", c.keys, c.groups, span, parts, c.span, c.parts)
		}
	}
}
