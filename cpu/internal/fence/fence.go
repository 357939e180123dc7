//go:build unix

// Package fence gives tests memory between pages that do not exist: to read or write one byte too many is a fault, even where it would change no result.
package fence

import (
	"syscall"
	"testing"
	"unsafe"
)

// Side is where memory touches a fence; at the other side it does so only if it fills whole pages.
type Side int

// Sides of memory.
const (
	Begin Side = iota
	End
)

// String returns the name of a side.
func (s Side) String() string { return [...]string{"begin", "end"}[s] }

// Bytes returns n zero bytes that touch a fence on the given side. They are gone when the test ends.
func Bytes(t testing.TB, n int, side Side) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, page+size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("fence: %d bytes: %v", n, err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			t.Errorf("fence: %v", err)
		}
	})
	for _, fence := range [][]byte{all[:page], all[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatalf("fence: %v", err)
		}
	}
	from := page
	if side == End {
		from += size - n
	}
	return all[from : from+n : from+n]
}

// Floats returns n zeros that touch a fence on the given side.
func Floats(t testing.TB, n int, side Side) []float32 {
	t.Helper()
	b := Bytes(t, 4*n, side)
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
