package tensor

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"
)

func TestNewHost(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 65, 1000} {
		s := NewHost(size)
		b := s.Bytes()
		if len(b) != size || cap(b) != size || s.Size() != size || !s.OnHost() {
			t.Errorf("NewHost(%d): got %d bytes of %d, Size %d", size, len(b), cap(b), s.Size())
		}
		if size > 0 && uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Errorf("NewHost(%d): not aligned to 64 bytes", size)
		}
		if !bytes.Equal(b, make([]byte, size)) {
			t.Errorf("NewHost(%d): not zeroed", size)
		}
		if handle, base := s.Device(); handle != nil || base != 0 {
			t.Errorf("Device: got %v, %d", handle, base)
		}
	}
}

func TestHostBytes(t *testing.T) {
	b := []byte{1, 2, 3}
	s := HostBytes(b)
	b[1] = 9
	if s.Size() != 3 || s.Bytes()[1] != 9 {
		t.Errorf("got %v, want the same bytes", s.Bytes())
	}
}

func TestCarve(t *testing.T) {
	s := NewHost(100)
	s.Bytes()[40] = 7
	var part, inner Storage
	s.Carve(&part, 32, 16)
	part.Carve(&inner, 8, 0)
	if part.Size() != 16 || len(part.Bytes()) != 16 || cap(part.Bytes()) != 16 || part.Bytes()[8] != 7 || inner.Size() != 0 {
		t.Errorf("got %v", part.Bytes())
	}
	device := NewDevice("gpu", 100)
	if device.OnHost() {
		t.Error("OnHost of a device: got true")
	}
	device.Carve(&part, 32, 16)
	part.Carve(&inner, 8, 4)
	if handle, base := inner.Device(); handle != "gpu" || base != 40 || inner.Size() != 4 || inner.OnHost() {
		t.Errorf("got %v at %d, %d bytes", handle, base, inner.Size())
	}
	panics(t, "storage is on a device", func() { device.Bytes() })
	for _, c := range [][2]int{{-1, 4}, {0, 101}, {96, 5}, {4, -1}, {101, 0}, {8, int(^uint(0) >> 1)}} {
		panics(t, "Carve: ", func() { s.Carve(&part, c[0], c[1]) })
	}
	if n := testing.AllocsPerRun(10, func() { s.Carve(&part, 0, 64) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestMapFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data")
	want := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := MapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Path() != path || !bytes.Equal(m.Bytes(), want) {
		t.Errorf("got %d bytes of %q, want %d", len(m.Bytes()), m.Path(), len(want))
	}
	if runtime.GOOS != "windows" { // which keeps the name of a mapped file
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Bytes(), want) {
			t.Error("after the file was removed: got other bytes")
		}
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if m.Bytes() != nil {
			t.Error("after Close: got bytes")
		}
	}

	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err = MapFile(empty)
	if err != nil || len(m.Bytes()) != 0 {
		t.Errorf("empty file: got %v, %v", m, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := MapFile(dir); err == nil {
		t.Error("folder: got no error")
	}
	if _, err := MapFile(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}
