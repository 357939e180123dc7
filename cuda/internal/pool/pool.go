// Package pool keeps device memory that was given back for those who ask for as
// much again, since the driver's own allocation waits for the device.
package pool

import (
	"errors"
	"slices"
	"sync"

	"fovea/backend"
	"fovea/kernels"
)

// Source is where memory comes from.
type Source interface {
	// Allocate returns so many bytes. Its error wraps backend.ErrMemory where there
	// are not as many left.
	Allocate(bytes int) (kernels.Pointer, error)
	// Free gives back what Allocate returned.
	Free(p kernels.Pointer) error
}

// Block is memory of a Pool.
type Block struct {
	Address kernels.Pointer
	Bytes   int // what was asked for, rounded up to what is accounted
}

// Pool is a caching allocator with accounts. It may be used from many goroutines.
// A block that is given back is handed out again at once: whatever still uses it
// must be ordered before whatever its next owner does.
type Pool struct {
	source Source
	keep   int64 // bytes that may lie idle

	mutex sync.Mutex
	idle  map[int][]kernels.Pointer // by bytes
	spare int64                     // bytes in idle
	use   backend.MemoryUse
}

// New returns a Pool over a source that keeps up to that many idle bytes; with 0,
// every block comes from the source and goes back there.
func New(source Source, keep int64) *Pool {
	return &Pool{source: source, keep: keep, idle: map[int][]kernels.Pointer{}}
}

// Allocate returns memory for so many bytes, at least one. What it holds is
// undefined. Where the source has none left, all idle memory is given back to it
// first.
func (p *Pool) Allocate(bytes int) (Block, error) {
	b := Block{Bytes: p.round(bytes)}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if blocks := p.idle[b.Bytes]; len(blocks) > 0 {
		b.Address = blocks[len(blocks)-1]
		p.idle[b.Bytes] = blocks[:len(blocks)-1]
		p.spare -= int64(b.Bytes)
	} else {
		var err error
		if b.Address, err = p.source.Allocate(b.Bytes); errors.Is(err, backend.ErrMemory) && p.spare > 0 {
			if err = p.trim(); err == nil {
				b.Address, err = p.source.Allocate(b.Bytes)
			}
		}
		if err != nil {
			return Block{}, err
		}
	}
	p.use.InUse += int64(b.Bytes)
	p.use.Peak = max(p.use.Peak, p.use.InUse)
	return b, nil
}

// Free takes a block back.
func (p *Pool) Free(b Block) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.use.InUse -= int64(b.Bytes)
	if p.spare+int64(b.Bytes) > p.keep {
		return p.source.Free(b.Address)
	}
	p.idle[b.Bytes] = append(p.idle[b.Bytes], b.Address)
	p.spare += int64(b.Bytes)
	return nil
}

// Use tells how many bytes are handed out. Idle ones do not count.
func (p *Pool) Use() backend.MemoryUse {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.use
}

// Trim gives all idle memory back to the source.
func (p *Pool) Trim() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.trim()
}

func (p *Pool) trim() error {
	var errs []error
	for _, blocks := range p.idle {
		for _, a := range slices.Backward(blocks) {
			errs = append(errs, p.source.Free(a))
		}
	}
	clear(p.idle)
	p.spare = 0
	return errors.Join(errs...)
}

const (
	word  = 4       // bytes that fills of device memory work on
	grain = 256     // what a block of a pool that keeps memory is a multiple of, in bytes
	large = 1 << 20 // from here on a block is a multiple of it
)

// round makes few sizes of many, so that what is idle fits again: multiples of
// grain, and from large on multiples of large. A pool that keeps nothing is for
// finding stray accesses, and rounds to words alone.
func (p *Pool) round(bytes int) int {
	unit := grain
	switch {
	case p.keep == 0:
		unit = word
	case bytes >= large:
		unit = large
	}
	return max(bytes+unit-1, unit) / unit * unit
}
