//go:build cuda

package cuda

import (
	"errors"
	"fmt"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/pool"
	"fovea/kernels"
)

// source is the driver as the pool's source of memory.
type source struct{ context *driver.Context }

// Allocate implements pool.Source.
func (s source) Allocate(bytes int) (kernels.Pointer, error) {
	a, err := s.context.Allocate(bytes)
	if errors.Is(err, driver.ErrOutOfMemory) {
		left := ""
		if free, total, err := s.context.MemoryInfo(); err == nil {
			left = fmt.Sprintf(", %s free of %s", size(free), size(total))
		}
		err = fmt.Errorf("%w: %s asked for%s: %w", backend.ErrMemory, size(int64(bytes)), left, err)
	}
	return kernels.Pointer(a), err
}

// Free implements pool.Source.
func (s source) Free(p kernels.Pointer) error { return s.context.Free(driver.Address(p)) }

// allocate returns memory with undefined contents. Where allocations are separate
// it gets a name, for what a simulated driver has to say about it.
func (d *device) allocate(bytes int, name string) (pool.Block, error) {
	b, err := d.memory.Allocate(bytes)
	if err != nil || !d.separate {
		return b, err
	}
	if err := d.context.NameRange(driver.Address(b.Address), b.Bytes, name, driver.Live); err != nil {
		return pool.Block{}, errors.Join(err, d.memory.Free(b))
	}
	return b, nil
}
