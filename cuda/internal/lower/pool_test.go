package lower

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/kernels"
)

// TestPoolingKernels: a window that is the image is a reduction, few large windows are
// shared by threads, and all others have a thread each.
func TestPoolingKernels(t *testing.T) {
	for _, c := range []struct {
		x            backend.Shape
		k            int
		win          backend.Window
		most, mean   string
		lanes, grid0 int // of the kernels that share windows
	}{
		{backend.Shape{64, 28, 28, 6}, 2, square(2, 1, 0), "maxPool", "averagePool", 1, 0},
		{backend.Shape{32, 112, 112, 64}, 3, square(2, 1, 1), "maxPool", "averagePool", 1, 0},
		{backend.Shape{1, 4, 4, 8}, 2, square(2, 1, 0), "maxPool", "averagePool", 1, 0},
		{backend.Shape{1, 8, 8, 3}, 4, square(4, 1, 0), "maxPoolShared", "averagePoolShared", 4, 1},
		{backend.Shape{1, 512, 512, 1}, 64, square(64, 1, 0), "maxPoolShared", "averagePoolShared", 256, 64},
		{backend.Shape{1, 512, 512, 64}, 64, square(64, 1, 0), "maxPoolShared", "averagePoolShared", 8, 128},
		{backend.Shape{127, 512, 512, 64}, 64, square(64, 1, 0), "maxPool", "averagePool", 1, 0},
		{backend.Shape{8, 7, 7, 512}, 7, square(1, 1, 0), "reduceMax", "reduceSum", 1, 0},
		{backend.Shape{2, 3, 3, 4}, 5, square(1, 1, 2), "maxPoolShared", "averagePoolShared", 2, 1},
	} {
		s, err := backend.PoolShape(c.x, c.k, c.k, c.win)
		require.NoError(t, err)
		x, y := backend.View{Buffer: 1, Shape: c.x}, backend.View{Buffer: 2, Shape: s}
		argmax := backend.View{Buffer: 3, DType: backend.Int32, Shape: s}
		mean := &backend.AvgPool2D{Y: y, X: x, KernelH: c.k, KernelW: c.k, Window: c.win}
		assert.Equal(t, c.mean, called(t, mean, 0)[0], "%v", c.x)
		for _, argmax := range []backend.View{argmax, {}} {
			op := &backend.MaxPool2D{Y: y, Argmax: argmax, X: x, KernelH: c.k, KernelW: c.k, Window: c.win}
			assert.Equal(t, c.most, called(t, op, 4)[0], "%v", c.x)
			p, err := newPooling(op, x, y, c.k, c.k, c.win)
			require.NoError(t, err)
			if c.most != "reduceMax" {
				assert.Equal(t, c.lanes, p.lanes(), "%v", c.x)
			}
			if c.lanes > 1 {
				assert.EqualValues(t, c.grid0, firstGrid(t, op)[0], "%v", c.x)
			}
		}
	}
}

// TestPooledImagesMayBeTooLarge: positions in a padded image are counted in 32 bits.
func TestPooledImagesMayBeTooLarge(t *testing.T) {
	w := square(1, 1, 0)
	w.PadBottom = 1
	pool := func(h int) *backend.MaxPool2D {
		return &backend.MaxPool2D{Y: array(1, 1, h, 1, 1), X: array(2, 1, h, 1, 1), KernelH: 2, KernelW: 1, Window: w}
	}
	called(t, pool(1<<31-2), 0)
	_, err := Lower(pool(1<<31-1), Device{})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	assert.ErrorContains(t, err, "MaxPool2D")
	assert.ErrorContains(t, err, "2147483648×1")
}

// TestPoolingArgument: strides, paddings and the divisor of a mean.
func TestPoolingArgument(t *testing.T) {
	win := backend.Window{StrideH: 2, StrideW: 3, DilationH: 1, DilationW: 2, PadTop: 1, PadBottom: 0, PadLeft: 2, PadRight: 1}
	x := array(1, 5, 9, 11, 7)
	s, err := backend.PoolShape(x.Shape, 3, 2, win)
	require.NoError(t, err)
	p, err := newPooling(&backend.AvgPool2D{}, x, backend.View{Shape: s}, 3, 2, win)
	require.NoError(t, err)
	assert.Equal(t, kernels.Pooling{
		Height: 9, Width: 11, OutHeight: 4, OutWidth: 4, KernelHeight: 3, KernelWidth: 2,
		Down: divisor(2), Across: divisor(3), DilationHeight: divisor(1), DilationWidth: divisor(2), Top: 1, Left: 2,
		Rows: divisor(4), Columns: divisor(4), Channels: divisor(7), Divisor: 6,
	}, p.average(true).argument(s))
	g := p.average(false).argument(x.Shape)
	assert.Zero(t, g.Divisor)
	assert.Equal(t, []kernels.Divisor{divisor(9), divisor(11), divisor(7)}, []kernels.Divisor{g.Rows, g.Columns, g.Channels})
}
