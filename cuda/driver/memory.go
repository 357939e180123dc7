//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
import "C"

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// Address is an address in device memory; 0 is none.
type Address uint64

// Allocate returns device memory, aligned to 256 bytes or more, whose content is undefined. bytes > 0.
// The error wraps ErrOutOfMemory if there is not enough.
func (c *Context) Allocate(bytes int) (Address, error) {
	if bytes <= 0 {
		return 0, fmt.Errorf("cuda/driver: Allocate: %d bytes: %w", bytes, ErrInvalid)
	}
	var a Address
	err := c.locked("cuMemAlloc", func() error {
		p, err := cu.MemAlloc(int64(bytes))
		a = Address(p)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%w, for %d bytes", err, bytes)
	}
	return a, nil
}

// Free frees what Allocate returned. It waits for work on the device that is under way.
func (c *Context) Free(a Address) error {
	return c.locked("cuMemFree", func() error { return cu.MemFree(cu.DevicePtr(a)) })
}

// Pinned is page-locked memory of the host: the only memory that asynchronous copies work on.
type Pinned struct {
	context *Context
	memory  unsafe.Pointer
	bytes   int
}

// AllocatePinned returns page-locked memory. bytes > 0. The content is undefined.
func (c *Context) AllocatePinned(bytes int) (*Pinned, error) {
	if bytes <= 0 {
		return nil, fmt.Errorf("cuda/driver: AllocatePinned: %d bytes: %w", bytes, ErrInvalid)
	}
	if err := c.use("AllocatePinned"); err != nil {
		return nil, err
	}
	p := &Pinned{context: c, bytes: bytes}
	if err := call("cuMemHostAlloc", C.fovea_host_allocate(c.ctx, C.size_t(bytes), &p.memory)); err != nil {
		return nil, fmt.Errorf("%w, for %d bytes", err, bytes)
	}
	return p, nil
}

// Bytes returns the memory itself, nil after Close. Whoever reads or writes it waits for copies under way first.
func (p *Pinned) Bytes() []byte { return unsafe.Slice((*byte)(p.memory), p.bytes) }

// Floats returns the memory as float32 values; a remainder of fewer than four bytes is left out.
func (p *Pinned) Floats() []float32 { return unsafe.Slice((*float32)(p.memory), p.bytes/4) }

// Close frees the memory. No copy may be under way.
func (p *Pinned) Close() error {
	if p.memory == nil {
		return nil
	}
	if err := p.context.use("Pinned.Close"); err != nil {
		return err
	}
	m := p.memory
	p.memory, p.bytes = nil, 0
	return call("cuMemFreeHost", C.fovea_host_free(p.context.ctx, m))
}

// part returns the address of n bytes from offset, or an error.
func (p *Pinned) part(what string, offset, n int) (unsafe.Pointer, error) {
	if offset < 0 || n < 0 || n > p.bytes-offset {
		return nil, fmt.Errorf("cuda/driver: %s: %d bytes at %d of %d pinned bytes: %w", what, n, offset, p.bytes, ErrInvalid)
	}
	return unsafe.Add(p.memory, offset), nil
}
