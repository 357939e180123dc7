package lower

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/kernels"
)

func TestWalk(t *testing.T) {
	for _, c := range []struct {
		name    string
		w       *walk
		extent  []int
		strides [][]int
		dense   bool
		fours   bool
	}{
		{"scalar", broadcast(nil, nil), []int{1}, [][]int{{1}}, true, true},
		{"same shape", broadcast(backend.Shape{2, 3, 5}, backend.Shape{2, 3, 5}), []int{30}, [][]int{{1}}, true, true},
		{"scalar and array", broadcast(backend.Shape{2, 3}, nil, backend.Shape{2, 3}), []int{6}, [][]int{{0}, {1}}, false, true},
		{"channels", broadcast(backend.Shape{2, 3, 8}, backend.Shape{2, 3, 8}, backend.Shape{8}), []int{8, 6}, [][]int{{1, 8}, {1, 0}}, false, true},
		{"odd channels", broadcast(backend.Shape{2, 3}, backend.Shape{2, 3}, backend.Shape{3}), []int{3, 2}, [][]int{{1, 3}, {1, 0}}, false, false},
		{"rows", broadcast(backend.Shape{3, 8}, backend.Shape{3, 8}, backend.Shape{3, 1}), []int{8, 3}, [][]int{{1, 8}, {0, 1}}, false, true},
		{"axes of one", broadcast(backend.Shape{1, 4, 1, 4}, backend.Shape{4, 1, 4}), []int{16}, [][]int{{1}}, true, true},
		{"a box", newWalk(backend.Shape{2, 4}, []int{4, 1}, []int{6, 1}), []int{4, 2}, [][]int{{1, 4}, {1, 6}}, false, false},
		{"a box at multiples of four", newWalk(backend.Shape{2, 4}, []int{4, 1}, []int{8, 1}), []int{4, 2}, [][]int{{1, 4}, {1, 8}}, false, true},
		{"transposed", newWalk(backend.Shape{4, 8}, []int{8, 1}, []int{1, 4}), []int{8, 4}, [][]int{{1, 8}, {4, 1}}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.extent, c.w.extent)
			assert.Equal(t, c.strides, c.w.strides)
			assert.Equal(t, c.dense, c.w.dense())
			assert.Equal(t, c.fours, c.w.fours())
		})
	}
}

// TestVectorNeedsAlignment: what is repeated may lie anywhere.
func TestVectorNeedsAlignment(t *testing.T) {
	w := broadcast(backend.Shape{2, 3}, backend.Shape{2, 3}, nil)
	for _, c := range []struct {
		size    int
		y, a, b kernels.Pointer
		want    int32
	}{
		{4, 256, 512, 4, 1},
		{4, 256, 516, 4, 0},
		{4, 260, 512, 4, 0},
		{1, 4, 8, 3, 1},
		{1, 4, 9, 3, 0},
	} {
		assert.Equal(t, c.want, w.vector(c.size, c.y, c.a, c.b), "%+v", c)
	}
}

// TestStrided walks as kernels/strided.cuh does, and compares with plain indices.
func TestStrided(t *testing.T) {
	out, a, b := backend.Shape{2, 3, 4, 5}, backend.Shape{3, 1, 5}, backend.Shape{2, 1, 4, 1}
	s, err := broadcast(out, a, b).strided(&backend.Binary{})
	require.NoError(t, err)
	i := 0
	for n := range 2 {
		for h := range 3 {
			for w := range 4 {
				for c := range 5 {
					rest := i
					var at [2]int
					for axis := range int(s.Axes) {
						x := rest % int(s.Extent[axis].Divisor)
						rest /= int(s.Extent[axis].Divisor)
						at[0] += x * int(s.Stride[0][axis])
						at[1] += x * int(s.Stride[1][axis])
					}
					require.Equal(t, [2]int{h*5 + c, n*4 + w}, at, "%d %d %d %d", n, h, w, c)
					i++
				}
			}
		}
	}
}
