package cpu

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// TestExecutablesShareScratchMemory compiles steps for three batch sizes.
func TestExecutablesShareScratchMemory(t *testing.T) {
	d := closing(t, "cpu", 2)
	tensors := func() (n int64) {
		for h := range d.held {
			if x, ok := h.(*array); ok {
				n += int64(len(x.data))
			}
		}
		return n
	}
	middle, _ := compiled(t, d, lenet(32))
	assert.Equal(t, tensors()+middle.Memory(), d.Memory().InUse)
	small, _ := compiled(t, d, lenet(8))
	assert.Less(t, small.Memory(), middle.Memory())
	assert.Equal(t, tensors()+middle.Memory(), d.Memory().InUse, "it fits into what is there")
	large, _ := compiled(t, d, lenet(64))
	assert.Equal(t, tensors()+middle.Memory()+large.Memory(), d.Memory().InUse)
	require.NoError(t, middle.Close())
	assert.Equal(t, tensors()+middle.Memory()+large.Memory(), d.Memory().InUse, "small still needs it")
	require.NoError(t, small.Run(context.Background()))
	require.NoError(t, small.Close())
	assert.Equal(t, tensors()+large.Memory(), d.Memory().InUse)
	require.NoError(t, large.Run(context.Background()))
	require.NoError(t, large.Close())
	assert.Equal(t, tensors(), d.Memory().InUse)
	assert.Empty(t, d.arenas)
}

// TestExecutableMovesOutOfTheWay runs one while its scratch memory is in use.
func TestExecutableMovesOutOfTheWay(t *testing.T) {
	d := closing(t, "cpu", 2)
	alone, expected := compiled(t, closing(t, "cpu", 2), lenet(4))
	first, _ := compiled(t, d, lenet(4))
	second, tensors := compiled(t, d, lenet(4))
	shared := first.(*executable).arena
	require.Same(t, shared, second.(*executable).arena)
	memory := second.Memory()
	for i := range 4 {
		if i == 1 {
			shared.inUse.Lock()
		}
		require.NoError(t, alone.Run(context.Background()))
		require.NoError(t, second.Run(context.Background()))
		requireSameBits(t, contents(t, expected["parameters"]), contents(t, tensors["parameters"]))
		assert.Equal(t, i == 0, second.(*executable).arena == shared)
	}
	shared.inUse.Unlock()
	assert.Equal(t, memory, second.Memory())
	assert.Len(t, d.arenas, 2)
	require.NoError(t, second.Close())
	require.NoError(t, first.Run(context.Background()))
	require.NoError(t, first.Close())
	assert.Empty(t, d.arenas)
}

// TestExecutableWaitsWhereItCannotMove has a plan that fails the second time, as it does
// when there is no memory left.
func TestExecutableWaitsWhereItCannotMove(t *testing.T) {
	d := closing(t, "cpu", 1)
	p := lenet(2)
	_, bind := compiled(t, d, p)
	bound, err := backend.CheckBindings(p, bind)
	require.NoError(t, err)
	plans := 0
	exe, err := d.compile(p, bound, func(c *compiler, op backend.Op) *plan {
		if plans++; plans > len(p.Code) {
			return nil
		}
		return c.plan(op)
	})
	require.NoError(t, err)
	shared := exe.(*executable).arena
	shared.inUse.Lock()
	time.AfterFunc(10*time.Millisecond, shared.inUse.Unlock)
	require.NoError(t, exe.Run(context.Background()))
	assert.Greater(t, plans, len(p.Code), "it tried")
	assert.Same(t, shared, exe.(*executable).arena)
	require.NoError(t, exe.Run(context.Background()))
}
