package pool

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/kernels"
)

// device is a source of limited memory.
type device struct {
	free  int
	next  kernels.Pointer
	held  map[kernels.Pointer]int
	calls int
	lost  bool
}

var errLost = errors.New("lost")

func newDevice(bytes int) *device {
	return &device{free: bytes, next: 1 << 20, held: map[kernels.Pointer]int{}}
}

func (d *device) Allocate(bytes int) (kernels.Pointer, error) {
	d.calls++
	switch {
	case d.lost:
		return 0, errLost
	case bytes > d.free:
		return 0, fmt.Errorf("%w: %d bytes asked for, %d free", backend.ErrMemory, bytes, d.free)
	}
	d.free -= bytes
	d.next += 1 << 20
	d.held[d.next] = bytes
	return d.next, nil
}

func (d *device) Free(p kernels.Pointer) error {
	bytes, ok := d.held[p]
	if d.lost || !ok {
		return errLost
	}
	d.free += bytes
	delete(d.held, p)
	return nil
}

func allocate(t *testing.T, p *Pool, bytes int) Block {
	t.Helper()
	b, err := p.Allocate(bytes)
	require.NoError(t, err)
	require.GreaterOrEqual(t, b.Bytes, bytes)
	return b
}

func TestBlocksAreUsedAgain(t *testing.T) {
	d := newDevice(1 << 20)
	p := New(d, 1<<20)
	a, b := allocate(t, p, 1000), allocate(t, p, 1000)
	assert.NotEqual(t, a.Address, b.Address)
	assert.Equal(t, backend.MemoryUse{InUse: 2048, Peak: 2048}, p.Use())
	require.NoError(t, p.Free(a))
	require.NoError(t, p.Free(b))
	assert.Equal(t, backend.MemoryUse{InUse: 0, Peak: 2048}, p.Use())
	assert.Equal(t, b, allocate(t, p, 1024), "the last one given back")
	assert.Equal(t, a, allocate(t, p, 900))
	assert.Equal(t, 2, d.calls)
	allocate(t, p, 1024)
	assert.Equal(t, 3, d.calls, "nothing idle was left")
	assert.Equal(t, backend.MemoryUse{InUse: 3072, Peak: 3072}, p.Use())
}

func TestSizes(t *testing.T) {
	keeping, plain := New(newDevice(0), 1), New(newDevice(0), 0)
	for _, c := range []struct{ bytes, keeping, plain int }{
		{1, 256, 4}, {4, 256, 4}, {5, 256, 8}, {256, 256, 256}, {257, 512, 260},
		{1<<20 - 1, 1 << 20, 1 << 20}, {1 << 20, 1 << 20, 1 << 20}, {1<<20 + 1, 2 << 20, 1<<20 + 4},
	} {
		assert.Equal(t, c.keeping, keeping.round(c.bytes), "%d bytes", c.bytes)
		assert.Equal(t, c.plain, plain.round(c.bytes), "%d bytes", c.bytes)
	}
}

func TestIdleMemoryIsBounded(t *testing.T) {
	d := newDevice(1 << 20)
	p := New(d, 600)
	blocks := []Block{allocate(t, p, 256), allocate(t, p, 256), allocate(t, p, 256)}
	for _, b := range blocks {
		require.NoError(t, p.Free(b))
	}
	assert.Len(t, d.held, 2, "two blocks stay idle")
	require.NoError(t, p.Trim())
	assert.Empty(t, d.held)
	require.NoError(t, p.Trim())

	p = New(d, 0)
	require.NoError(t, p.Free(allocate(t, p, 3)))
	assert.Empty(t, d.held, "a pool that keeps nothing")
}

func TestIdleMemoryServesLargerBlocks(t *testing.T) {
	d := newDevice(1024)
	p := New(d, 1<<20)
	require.NoError(t, p.Free(allocate(t, p, 512)))
	b := allocate(t, p, 1024)
	assert.Len(t, d.held, 1)
	_, err := p.Allocate(1)
	require.ErrorIs(t, err, backend.ErrMemory)
	assert.ErrorContains(t, err, "256 bytes asked for, 0 free")
	assert.EqualValues(t, 1024, p.Use().InUse, "a block that was refused does not count")
	require.NoError(t, p.Free(b))
	require.NoError(t, p.Trim())
	assert.Equal(t, 1024, d.free)
}

// TestErrorsOfTheSource: only a lack of memory is worth a second try.
func TestErrorsOfTheSource(t *testing.T) {
	d := newDevice(1024)
	p := New(d, 1<<20)
	idle := allocate(t, p, 256)
	held := allocate(t, p, 512)
	require.NoError(t, p.Free(idle))
	d.lost = true
	calls := d.calls
	_, err := p.Allocate(300)
	require.ErrorIs(t, err, errLost)
	assert.Equal(t, calls+1, d.calls)
	require.NoError(t, p.Free(held), "it stays in the pool")
	require.ErrorIs(t, p.Trim(), errLost)
	assert.Zero(t, p.Use().InUse)
}

func TestManyGoroutines(t *testing.T) {
	d := newDevice(1 << 30)
	p := New(d, 1<<20)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				b, err := p.Allocate(1 + 100*i + n)
				assert.NoError(t, err)
				assert.NoError(t, p.Free(b))
			}
		})
	}
	all.Wait()
	assert.Zero(t, p.Use().InUse)
	require.NoError(t, p.Trim())
	assert.Empty(t, d.held)
}
