package lower

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/kernels"
)

// TestReductionGeometry: whatever the shape, every element of every result belongs
// to one lane of one slice, and large inputs occupy a large device.
func TestReductionGeometry(t *testing.T) {
	for _, c := range []struct {
		x    backend.Shape
		axes []int
		busy int // threads, at least
	}{
		{backend.Shape{1}, []int{0}, 0},
		{backend.Shape{7}, []int{0}, 0},
		{backend.Shape{1 << 24}, []int{0}, 1 << 17},
		{backend.Shape{1<<31 - 1}, []int{0}, 1 << 17},
		{backend.Shape{1 << 20, 10}, []int{1}, 1 << 17},
		{backend.Shape{1 << 20, 3}, []int{0}, 1 << 14},
		{backend.Shape{128, 28, 28, 64}, []int{0, 1, 2}, 1 << 17},
		{backend.Shape{128, 28, 28, 64}, []int{3}, 1 << 17},
		{backend.Shape{128, 28, 28, 64}, []int{1, 2}, 1 << 15},
		{backend.Shape{2, 3, 4, 5}, []int{0, 2}, 0},
		{backend.Shape{2, 3, 4, 5}, nil, 0},
		{backend.Shape{1 << 16, 1<<15 - 1}, []int{0}, 1 << 17},
	} {
		s, count, err := backend.ReduceShape(c.x, c.axes)
		require.NoError(t, err)
		op := &backend.Reduce{X: backend.View{Buffer: 1, Shape: c.x}, Y: backend.View{Buffer: 2, Shape: s}, Axes: c.axes}
		w, err := Lower(op, Device{})
		require.NoError(t, err)
		nodes := w.Emit(&placed{}, 1<<40)
		for i, n := range nodes {
			require.NoError(t, valid(n), "%v %v: node %d", c.x, c.axes, i)
		}
		first := nodes[0].(Launch)
		assert.GreaterOrEqual(t, int(first.Grid[0]*first.Grid[1])*kernels.ReduceThreads, c.busy, "%v %v", c.x, c.axes)
		if len(nodes) == 2 {
			assert.Equal(t, int(first.Grid[1])*s.Elements()*4, w.Workspace, "%v %v", c.x, c.axes)
		}
		r := geometry(t, op)
		assert.Equal(t, s.Elements(), int(r.launch.Results))
		assert.Equal(t, count, int(r.launch.Count))
		assert.GreaterOrEqual(t, r.slices*int(r.launch.Chunk), count, "%v %v: what the slices cover", c.x, c.axes)
		assert.Less(t, (r.slices-1)*int(r.launch.Chunk), count, "%v %v: the last slice has something to do", c.x, c.axes)
		assert.Zero(t, kernels.ReduceThreads%r.launch.Lanes, "%v %v", c.x, c.axes)
	}
}

func geometry(t *testing.T, o *backend.Reduce) reduction {
	kept, reduced := reduceWalks(o)
	r, err := newReduction(o, kept, reduced)
	require.NoError(t, err)
	return r
}
