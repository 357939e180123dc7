package reference

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

func TestMaxPool2D(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name   string
		x      []float64
		window backend.Window
		k      int
		want   []float64
		argmax []int32
	}{
		{"halves", []float64{1, 2, 5, 3, 4, 0, 1, 1, -1, -2, 9, 8, -3, -4, 7, 6}, every2(), 2, []float64{4, 5, -1, 9}, []int32{4, 2, 8, 10}},
		{"first of equals", []float64{2, 2, 0, 0, 2, 2, 0, 0, 1, 3, 0, 0, 3, 3, 0, 0}, every2(), 2, []float64{2, 0, 3, 0}, []int32{0, 2, 9, 10}},
		{"the first NaN wins", []float64{inf, nan, -inf, -inf, nan, 1, -inf, -inf, nan, 0, inf, 1, 2, nan, inf, 2}, every2(), 2, []float64{nan, -inf, nan, inf}, []int32{1, 2, 8, 10}},
		{"padding never wins", []float64{-1, -2, -3, -4, -5, -6, -7, -8, -9, -1, -2, -3, -4, -5, -6, -7},
			backend.Window{StrideH: 3, StrideW: 3, DilationH: 1, DilationW: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}, 3, []float64{-1, -3, -1, -2}, []int32{0, 2, 9, 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			x := r.floats(c.x, 1, 4, 4, 1)
			y, argmax := r.out(1, 2, 2, 1), r.ints(0, make([]int32, 4), 1, 2, 2, 1)
			r.run(&backend.MaxPool2D{Y: y, Argmax: argmax, X: x, KernelH: c.k, KernelW: c.k, Window: c.window})
			for i, v := range r.get(y) {
				assert.True(t, v == c.want[i] || math.IsNaN(v) && math.IsNaN(c.want[i]), "element %d is %g, expected %g", i, v, c.want[i])
			}
			assert.Equal(t, c.argmax, r.getInts(argmax))
			dx := r.out(1, 4, 4, 1)
			r.run(&backend.MaxPool2DGrad{DX: dx, DY: r.floats([]float64{1, 2, 3, 4}, 1, 2, 2, 1), Argmax: argmax, KernelH: c.k, KernelW: c.k, Window: c.window})
			want := make([]float64, 16)
			for i, p := range c.argmax {
				want[p] += float64(i + 1)
			}
			assert.Equal(t, want, r.get(dx))
		})
	}
}

func TestMaxPool2DGradOfOverlappingWindows(t *testing.T) {
	r := newRig(t)
	x, y, argmax := r.normal(2, 6, 7, 3), r.out(2, 3, 5, 3), r.ints(0, make([]int32, 90), 2, 3, 5, 3)
	window := backend.Window{StrideH: 2, StrideW: 1, DilationH: 1, DilationW: 2, PadTop: 1, PadLeft: 1, PadRight: 1}
	dy, dx := r.normal(2, 3, 5, 3), r.out(2, 6, 7, 3)
	r.gradient(&backend.MaxPool2D{Y: y, Argmax: argmax, X: x, KernelH: 3, KernelW: 3, Window: window}, x, y,
		&backend.MaxPool2DGrad{DX: dx, DY: dy, Argmax: argmax, KernelH: 3, KernelW: 3, Window: window}, dy, dx)
}

// Positions that MaxPool2D cannot have written must not lead outside the image.
func TestMaxPool2DGradOfForeignPositions(t *testing.T) {
	r := newRig(t)
	dx := r.out(1, 2, 2, 1)
	r.run(&backend.MaxPool2DGrad{DX: dx, DY: r.floats([]float64{1}, 1, 1, 1, 1), Argmax: r.ints(0, []int32{-7}, 1, 1, 1, 1), KernelH: 2, KernelW: 2, Window: unit})
	assert.Equal(t, make([]float64, 4), r.get(dx))
}

func TestAvgPool2D(t *testing.T) {
	r := newRig(t)
	x := r.floats([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 3, 3, 1)
	y := r.out(1, 2, 2, 1)
	window := every2()
	window.PadTop, window.PadRight = 1, 1
	op := &backend.AvgPool2D{Y: y, X: x, KernelH: 2, KernelW: 2, Window: window}
	r.run(op)
	assert.Equal(t, []float64{1.5, 3, 6, 7.5}, r.get(y), "over 2, 1, 4 and 2 real pixels")
	op.CountPadding = true
	r.run(op)
	assert.Equal(t, []float64{0.75, 0.75, 6, 3.75}, r.get(y), "over 4 pixels always")
	dx := r.out(1, 3, 3, 1)
	grad := &backend.AvgPool2DGrad{DX: dx, DY: r.floats([]float64{4, 8, 16, 32}, 1, 2, 2, 1), KernelH: 2, KernelW: 2, Window: window}
	r.run(grad)
	assert.Equal(t, []float64{2, 2, 8, 4, 4, 16, 4, 4, 16}, r.get(dx))
	grad.CountPadding = true
	r.run(grad)
	assert.Equal(t, []float64{1, 1, 2, 4, 4, 8, 4, 4, 8}, r.get(dx))
}

func TestAvgPool2DAdjoint(t *testing.T) {
	for i, window := range []backend.Window{unit, every2(), {StrideH: 1, StrideW: 3, DilationH: 2, DilationW: 1, PadTop: 1, PadBottom: 2, PadLeft: 0, PadRight: 1}} {
		for _, count := range []bool{false, true} {
			t.Run(fmt.Sprint(i, count), func(t *testing.T) {
				r := newRig(t)
				x := r.normal(2, 7, 6, 3)
				s, err := backend.PoolShape(x.Shape, 3, 2, window)
				require.NoError(t, err)
				y, dy, dx := r.out(s...), r.normal(s...), r.out(x.Shape...)
				r.adjoint(&backend.AvgPool2D{Y: y, X: x, KernelH: 3, KernelW: 2, Window: window, CountPadding: count}, x, y,
					&backend.AvgPool2DGrad{DX: dx, DY: dy, KernelH: 3, KernelW: 2, Window: window, CountPadding: count}, dy, dx)
			})
		}
	}
}
