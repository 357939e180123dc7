package reference

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestReduce(t *testing.T) {
	nan := math.NaN()
	x := []float64{
		1, 2, 3, 4, 5, 6,
		7, 9, 9, 0, 9, nan}
	for _, c := range []struct {
		axes []int
		y    backend.Shape
		sum  []float64
		max  []float64
		at   []int32
	}{
		{nil, backend.Shape{2, 3, 2}, x, x, make([]int32, 12)},
		{[]int{0}, backend.Shape{1, 3, 2}, []float64{8, 11, 12, 4, 14, nan}, []float64{7, 9, 9, 4, 9, nan}, []int32{1, 1, 1, 0, 1, 1}},
		{[]int{1}, backend.Shape{2, 1, 2}, []float64{9, 12, 25, nan}, []float64{5, 6, 9, nan}, []int32{2, 2, 1, 2}},
		{[]int{0, 2}, backend.Shape{1, 3, 1}, []float64{19, 16, nan}, []float64{9, 9, nan}, []int32{3, 2, 3}},
		{[]int{0, 1, 2}, backend.Shape{1, 1, 1}, []float64{nan}, []float64{nan}, []int32{11}},
	} {
		r := newRig(t)
		in, y := r.floats(x, 2, 3, 2), r.out(c.y...)
		count := float64(12 / c.y.Elements())
		r.run(&backend.Reduce{Y: y, X: in, Func: backend.Sum, Axes: c.axes})
		equal(t, c.sum, r.get(y), c.axes)
		r.run(&backend.Reduce{Y: y, X: in, Func: backend.Sum, Axes: c.axes, Accumulate: true})
		twice, mean := make([]float64, len(c.sum)), make([]float64, len(c.sum))
		for i, v := range c.sum {
			twice[i], mean[i] = 2*v, v/count
		}
		equal(t, twice, r.get(y), c.axes)
		r.run(&backend.Reduce{Y: y, X: in, Func: backend.Mean, Axes: c.axes})
		equal(t, mean, r.get(y), c.axes)
		r.run(&backend.Reduce{Y: y, X: in, Func: backend.ReduceMax, Axes: c.axes})
		equal(t, c.max, r.get(y), c.axes)
		argmax := r.ints(0, make([]int32, len(c.at)), c.y...)
		r.run(&backend.Reduce{Y: argmax, X: in, Func: backend.ReduceArgmax, Axes: c.axes})
		assert.Equal(t, c.at, r.getInts(argmax), c.axes)
	}
}

func TestReduceOfInfinities(t *testing.T) {
	r := newRig(t)
	inf := math.Inf(1)
	y, argmax := r.out(1), r.ints(0, make([]int32, 1), 1)
	x := r.vector(-inf, -inf)
	r.run(&backend.Reduce{Y: y, X: x, Func: backend.ReduceMax, Axes: []int{0}})
	r.run(&backend.Reduce{Y: argmax, X: x, Func: backend.ReduceArgmax, Axes: []int{0}})
	assert.Equal(t, []float64{-inf}, r.get(y))
	assert.Equal(t, []int32{0}, r.getInts(argmax))
}

func TestReduceMaxGrad(t *testing.T) {
	for _, axes := range [][]int{{0}, {1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}} {
		r := newRig(t)
		x := r.normal(3, 4, 5)
		s, _, err := backend.ReduceShape(x.Shape, axes)
		assert.NoError(t, err)
		y, dy, dx, argmax := r.out(s...), r.out(s...), r.out(3, 4, 5), r.ints(0, make([]int32, s.Elements()), s...)
		r.run(&backend.Reduce{Y: argmax, X: x, Func: backend.ReduceArgmax, Axes: axes})
		r.gradient(&backend.Reduce{Y: y, X: x, Func: backend.ReduceMax, Axes: axes}, x, y, &backend.ReduceMaxGrad{DX: dx, DY: dy, Argmax: argmax, Axes: axes}, dy, dx)
	}
}

func TestSumAndBroadcastCopyAreAdjoint(t *testing.T) {
	for _, c := range []struct {
		axes  []int
		small backend.Shape
	}{{[]int{1}, backend.Shape{3, 1, 5}}, {[]int{0, 2}, backend.Shape{1, 4, 1}}, {[]int{0, 1, 2}, backend.Shape{1, 1, 1}}, {nil, backend.Shape{3, 4, 5}}} {
		r := newRig(t)
		x, y, dy, dx := r.normal(3, 4, 5), r.out(c.small...), r.normal(c.small...), r.out(3, 4, 5)
		r.adjoint(&backend.Reduce{Y: y, X: x, Func: backend.Sum, Axes: c.axes}, x, y, &backend.Copy{Y: dx, X: dy}, dy, dx)
	}
}
