package gpu

import (
	"errors"
	"math/rand/v2"
	"testing"

	"netllm/gpu/internal/vk"
)

// noDevice makes buffers and memories that are only numbers.
type noDevice struct {
	vk.Device
	alive int
	fail  bool
}

func (d *noDevice) CreateBuffer(size uint64, _ vk.BufferUsage) (vk.Buffer, vk.Requirements, error) {
	d.alive++
	return vk.Buffer(d.alive), vk.Requirements{Size: size, Alignment: 1, MemoryTypes: 1}, nil
}

func (d *noDevice) AllocateMemory(uint64, int) (vk.Memory, error) {
	if d.fail {
		return 0, vk.Check("vkAllocateMemory", vk.OutOfDeviceMemory)
	}
	d.alive++
	return vk.Memory(d.alive), nil
}

func (d *noDevice) DestroyBuffer(vk.Buffer)                             { d.alive-- }
func (d *noDevice) FreeMemory(vk.Memory)                                { d.alive-- }
func (d *noDevice) BindBufferMemory(vk.Buffer, vk.Memory, uint64) error { return nil }

func TestPool(t *testing.T) {
	dev := &noDevice{}
	p := pool{dev: dev, max: 256 << 20}
	rng := rand.New(rand.NewPCG(1, 2))
	var live []span
	for range 20_000 {
		if len(live) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(live))
			p.release(live[i])
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			continue
		}
		want := rng.Uint64N(1 << rng.UintN(22))
		s, err := p.alloc(want)
		if err != nil {
			t.Fatal(err)
		}
		if s.size < want || s.offset%allocAlign != 0 || s.offset+s.size > s.block.size {
			t.Fatalf("alloc(%d): got offset %d, size %d in a block of %d", want, s.offset, s.size, s.block.size)
		}
		for _, other := range live {
			if s.overlaps(other) {
				t.Fatalf("alloc(%d): bytes %d to %d are in use", want, s.offset, s.offset+s.size)
			}
		}
		live = append(live, s)
	}
	for _, s := range live {
		p.release(s)
	}
	for i, b := range p.blocks {
		if len(b.free) != 1 || b.free[0] != (extents{0, b.size}) {
			t.Errorf("block %d, all of it free: got gaps %v", i, b.free)
		}
	}
	if p.trim(); dev.alive != 0 || p.bytes() != 0 {
		t.Errorf("after trim: %d objects and %d bytes are left", dev.alive, p.bytes())
	}
}

func TestPoolLarge(t *testing.T) {
	dev := &noDevice{}
	p := pool{dev: dev, max: 256 << 20, limit: 400 << 20}
	if _, err := p.alloc(300 << 20); !errors.Is(err, errTooLarge) {
		t.Errorf("more than one memory may be: got %v", err)
	}
	s, err := p.alloc(200 << 20)
	if err != nil || s.block.size != 200<<20 {
		t.Fatalf("a large tensor: got %+v, %v, want a block of its own", s, err)
	}
	var e *vk.Error
	if _, err := p.alloc(201 << 20); !errors.As(err, &e) || e.Result != vk.OutOfDeviceMemory {
		t.Errorf("above the limit: got %v", err)
	}
	dev.fail = true
	if _, err := p.alloc(100 << 20); !errors.As(err, &e) || e.Result != vk.OutOfDeviceMemory {
		t.Errorf("out of memory: got %v", err)
	}
	if dev.alive != 2 {
		t.Errorf("after a failure: %d objects, want buffer and memory of the first block", dev.alive)
	}
}

func TestHazards(t *testing.T) {
	a, b := &block{}, &block{}
	var h hazards
	h.add(span{a, 0, 100}, true, false)
	h.add(span{a, 200, 100}, false, true)
	h.add(span{b, 0, 10}, true, true)
	for _, c := range []struct {
		name          string
		s             span
		reads, writes bool
		want          bool
	}{
		{"read what is read", span{a, 50, 10}, true, false, false},
		{"write what is read", span{a, 50, 10}, false, true, true},
		{"write beside what is read", span{a, 100, 100}, false, true, false},
		{"read what is written", span{a, 299, 1}, true, false, true},
		{"write what is written", span{a, 299, 1}, false, true, true},
		{"read after what is written", span{a, 300, 10}, true, false, false},
		{"another block", span{b, 100, 10}, true, true, false},
		{"read what is updated", span{b, 9, 10}, true, false, true},
	} {
		if got := h.meets(c.s, c.reads, c.writes); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if h.clear(); h.meets(span{a, 0, 1000}, true, true) {
		t.Error("after a barrier: still waits")
	}
}
