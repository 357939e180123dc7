//go:build cuda

package cuda

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/cuda/driver"
)

// TestProfile: it does what Run does, and tells of every Op.
func TestProfile(t *testing.T) {
	d := closing(t, "cuda")
	const n = 1000
	x, y := newTensor(t, d, "x", n), newTensor(t, d, "y", n)
	exe, err := d.Compile(doubling(n), map[string]backend.Tensor{"x": x, "y": y})
	require.NoError(t, err)
	values := make([]float32, n)
	values[n-1] = 3
	require.NoError(t, x.Write(dense(values)))
	version := y.Version()
	p, err := exe.(backend.Profiler).Profile(context.Background())
	require.NoError(t, err)
	require.Len(t, p.Ops, 2)
	assert.Equal(t, "Copy", p.Ops[0].Kind)
	assert.Equal(t, "then", p.Ops[1].Label)
	assert.EqualValues(t, 2*4*n, p.Ops[1].Cost.Bytes)
	assert.GreaterOrEqual(t, p.Total(), p.Ops[0].Time)
	assert.EqualValues(t, 6, read(t, y)[n-1])
	assert.Greater(t, y.Version(), version)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = exe.(backend.Profiler).Profile(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, exe.Close())
	_, err = exe.(backend.Profiler).Profile(context.Background())
	require.ErrorIs(t, err, backend.ErrClosed)
}

// TestLimits compares with the data sheets of an H100 SXM (67 TFLOP/s, 3.35 TB/s) and
// an RTX 2080 Ti (13.4 TFLOP/s, 616 GB/s).
func TestLimits(t *testing.T) {
	h100 := limits(driver.DeviceInfo{Capability: 90, Multiprocessors: 132, Clock: 1980e3, MemoryClock: 2619e3, MemoryBus: 5120})
	assert.InEpsilon(t, 67e12, h100.FLOPs, 0.01)
	assert.InEpsilon(t, 3.35e12, h100.Bytes, 0.01)
	turing := limits(driver.DeviceInfo{Capability: 75, Multiprocessors: 68, Clock: 1545e3, MemoryClock: 7000e3, MemoryBus: 352})
	assert.InEpsilon(t, 13.4e12, turing.FLOPs, 0.01)
	assert.InEpsilon(t, 616e9, turing.Bytes, 0.01)
	assert.Zero(t, limits(driver.DeviceInfo{Capability: 90}).FLOPs, "a driver that does not tell clocks")
}
