package reference

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestSoftmax(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	x := []float64{
		0, math.Log(3), math.Log(4),
		1000, 1000, -1000,
		5, inf, -inf,
		5, nan, 6}
	want := []float64{
		1. / 8, 3. / 8, 4. / 8,
		0.5, 0.5, 0,
		nan, nan, nan,
		nan, nan, nan}
	logs := []float64{
		-math.Log(8), math.Log(3. / 8), math.Log(4. / 8),
		-math.Ln2, -math.Ln2, -2000 - math.Ln2,
		nan, nan, nan,
		nan, nan, nan}
	for _, log := range []bool{false, true} {
		r := newRig(t)
		in, y := r.floats(x, 4, 3), r.out(4, 3)
		r.run(&backend.Softmax{Y: y, X: in, Log: log})
		if log {
			want = logs
		}
		got := r.get(y)
		for i := range want {
			// Three roundings of numbers of this size.
			assert.True(t, math.Abs(got[i]-want[i]) <= 4*0x1p-52*math.Max(1, math.Abs(want[i])) || math.IsNaN(got[i]) && math.IsNaN(want[i]), "element %d is %g, expected %g", i, got[i], want[i])
		}
		r.run(&backend.Softmax{Y: in, X: in, Log: log})
		equal(t, got, r.get(in), "in place")
	}
}

func TestSoftmaxGrad(t *testing.T) {
	for _, log := range []bool{false, true} {
		r := newRig(t)
		x, y, dy, dx := r.normal(2, 3, 4), r.out(2, 3, 4), r.out(2, 3, 4), r.out(2, 3, 4)
		r.gradient(&backend.Softmax{Y: y, X: x, Log: log}, x, y, &backend.SoftmaxGrad{DX: dx, DY: dy, Y: y, Log: log}, dy, dx)
	}
}

func TestMaxout(t *testing.T) {
	nan := math.NaN()
	r := newRig(t)
	x := r.floats([]float64{1, 3, 3, -1, -2, -1, 5, nan, nan, math.Inf(-1), math.Inf(-1), math.Inf(-1)}, 2, 6)
	y, argmax := r.out(2, 2), r.ints(0, make([]int32, 4), 2, 2)
	r.run(&backend.Maxout{Y: y, Argmax: argmax, X: x, Pieces: 3})
	equal(t, []float64{3, -1, nan, math.Inf(-1)}, r.get(y), "maxout")
	assert.Equal(t, []int32{1, 0, 1, 0}, r.getInts(argmax))
	dx := r.out(2, 6)
	r.run(&backend.MaxoutGrad{DX: dx, DY: r.floats([]float64{1, 2, 3, 4}, 2, 2), Argmax: argmax, Pieces: 3})
	assert.Equal(t, []float64{0, 1, 0, 2, 0, 0, 0, 3, 0, 4, 0, 0}, r.get(dx))
}

func TestMaxoutGrad(t *testing.T) {
	r := newRig(t)
	x, y, dy, dx, argmax := r.normal(3, 8), r.out(3, 4), r.out(3, 4), r.out(3, 8), r.ints(0, make([]int32, 12), 3, 4)
	r.gradient(&backend.Maxout{Y: y, Argmax: argmax, X: x, Pieces: 2}, x, y, &backend.MaxoutGrad{DX: dx, DY: dy, Argmax: argmax, Pieces: 2}, dy, dx)
}
