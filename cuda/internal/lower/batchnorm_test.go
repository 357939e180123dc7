package lower

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
	"fovea/kernels"
)

func normalisation(s ...int) *backend.BatchNorm {
	c := s[len(s)-1]
	return &backend.BatchNorm{Y: array(1, s...), Mean: array(2, c), Variance: array(3, c), X: array(4, s...), Gamma: array(5, c), Beta: array(6, c), Epsilon: 1e-5}
}

func normalisationGrad(s ...int) *backend.BatchNormGrad {
	c := s[len(s)-1]
	return &backend.BatchNormGrad{DX: array(1, s...), DGamma: array(2, c), DBeta: array(3, c), DY: array(4, s...), X: array(5, s...),
		Gamma: array(6, c), Mean: array(7, c), Variance: array(8, c), Epsilon: 1e-5}
}

// TestChannelSlices: the slices cover all rows, each has something to do, and they do
// not depend on where the operands lie.
func TestChannelSlices(t *testing.T) {
	for _, c := range []struct {
		shape  backend.Shape
		slices int
		busy   int // threads of the first launch, at least
	}{
		{backend.Shape{2, 1}, 1, 0},
		{backend.Shape{128, 84}, 1, 0},
		{backend.Shape{511, 64}, 1, 0},
		{backend.Shape{512, 64}, 2, 0},
		{backend.Shape{1 << 14, 1}, 2, 0},
		{backend.Shape{128, 28, 28, 64}, 256, 1 << 17},
		{backend.Shape{1 << 20, 3}, 256, 1 << 16},
		{backend.Shape{1 << 14, 1 << 16}, 1, 1 << 17},
		{backend.Shape{1<<31 - 1, 1}, 256, 1 << 16},
		{backend.Shape{2, 1<<30 - 1}, 1, 1 << 17},
		{backend.Shape{1000003, 7}, 256, 1 << 16},
	} {
		g, slices := newChannels(c.shape).sums()
		assert.Equal(t, c.slices, slices, c.shape)
		assert.GreaterOrEqual(t, slices*int(g.Chunk), int(g.Rows), "%v: what the slices cover", c.shape)
		assert.Less(t, (slices-1)*int(g.Chunk), int(g.Rows), "%v: the last slice has something to do", c.shape)

		forward, backward := normalisation(c.shape...), normalisationGrad(c.shape...)
		for _, skew := range []kernels.Pointer{0, 4} {
			f, _ := launches(t, forward, Device{}, skew)
			b, _ := launches(t, backward, Device{}, skew)
			assert.GreaterOrEqual(t, int(f[0].Grid[0]*f[0].Grid[1])*kernels.NormThreads, c.busy, c.shape)
			assert.EqualValues(t, slices, f[0].Grid[1], c.shape)
			assert.Equal(t, f[0].Grid, b[0].Grid, c.shape)
			names := [2][]string{{"batchNorm"}, {"batchNormGrad"}}
			if slices > 1 {
				names = [2][]string{{"batchNormSlices", "batchNormStatistics", "batchNormApply"}, {"batchNormGradSlices", "batchNormGradSums", "batchNormGradApply"}}
			}
			assert.Equal(t, names[0], called(t, forward, skew), c.shape)
			assert.Equal(t, names[1], called(t, backward, skew), c.shape)
		}
		channels := c.shape[len(c.shape)-1]
		for op, want := range map[backend.Op]int{forward: slices * 3 * channels * 4, backward: (slices + 1) * 2 * channels * 4} {
			_, workspace := launches(t, op, Device{}, 0)
			if slices == 1 {
				want = 0
			}
			assert.Equal(t, want, workspace, c.shape)
		}
	}
}

// TestNormalisedChannels: four channels a thread where rows and operands allow it.
func TestNormalisedChannels(t *testing.T) {
	for _, c := range []struct {
		shape backend.Shape
		skew  kernels.Pointer
		grid  [3]uint32
	}{
		{backend.Shape{256, 64}, 0, [3]uint32{2, 1, 1}}, // 32 lanes of 8 rows, 8 threads of 4 channels
		{backend.Shape{256, 64}, 4, [3]uint32{2, 4, 1}}, // 8 lanes of 8 rows, 32 threads
		{backend.Shape{256, 65}, 0, [3]uint32{3, 4, 1}}, //
		{backend.Shape{257, 64}, 0, [3]uint32{2, 2, 1}}, //
		{backend.Shape{1024, 4}, 0, [3]uint32{1, 1, 1}}, // 256 lanes
		{backend.Shape{1024, 3}, 0, [3]uint32{1, 2, 1}}, // 64 lanes
		{backend.Shape{1<<31 - 1, 1}, 0, [3]uint32{1, 65535, 1}},
	} {
		n := c.shape[len(c.shape)-1]
		op := &backend.BatchNormInference{Y: array(1, c.shape...), X: array(2, c.shape...), Gamma: array(3, n), Beta: array(4, n), Mean: array(5, n), Variance: array(6, n), Epsilon: 1}
		all, _ := launches(t, op, Device{}, c.skew)
		assert.Equal(t, c.grid, all[0].Grid, "%v + %d", c.shape, c.skew)
	}
}
