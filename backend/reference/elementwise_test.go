package reference

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

// equal compares numbers, and takes NaN for equal to NaN.
func equal(t *testing.T, want, got []float64, note any) {
	t.Helper()
	assert.Len(t, got, len(want))
	for i := range want {
		assert.True(t, want[i] == got[i] || math.IsNaN(want[i]) && math.IsNaN(got[i]), "%v: element %d is %g, expected %g", note, i, got[i], want[i])
	}
}

func TestUnary(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	x := []float64{-inf, -2, 0, 1, inf, nan}
	e := math.E
	for _, c := range []struct {
		f     backend.Func
		alpha float64
		want  []float64
	}{
		{backend.Identity, 0, x},
		{backend.Sigmoid, 0, []float64{0, 1 / (1 + math.Exp(2)), 0.5, 1 / (1 + math.Exp(-1)), 1, nan}},
		{backend.Tanh, 0, []float64{-1, math.Tanh(-2), 0, math.Tanh(1), 1, nan}},
		{backend.ReLU, 0, []float64{0, 0, 0, 1, inf, nan}},
		{backend.LeakyReLU, 0.25, []float64{-inf, -0.5, 0, 1, inf, nan}},
		{backend.ELU, 2, []float64{-2, 2 * math.Expm1(-2), 0, 1, inf, nan}},
		{backend.Neg, 0, []float64{inf, 2, 0, -1, -inf, nan}},
		{backend.Abs, 0, []float64{inf, 2, 0, 1, inf, nan}},
		{backend.Square, 0, []float64{inf, 4, 0, 1, inf, nan}},
		{backend.Sqrt, 0, []float64{nan, nan, 0, 1, inf, nan}},
		{backend.Rsqrt, 0, []float64{nan, nan, inf, 1, 0, nan}},
		{backend.Reciprocal, 0, []float64{0, -0.5, inf, 1, 0, nan}},
		{backend.Exp, 0, []float64{0, math.Exp(-2), 1, e, inf, nan}},
		{backend.Log, 0, []float64{nan, nan, -inf, 0, inf, nan}},
		{backend.Sin, 0, []float64{nan, math.Sin(-2), 0, math.Sin(1), nan, nan}},
		{backend.Cos, 0, []float64{nan, math.Cos(2), 1, math.Cos(1), nan, nan}},
		{backend.Sign, 0, []float64{-1, -1, 0, 1, 1, nan}},
		{backend.Floor, 0, []float64{-inf, -2, 0, 1, inf, nan}},
		{backend.Softplus, 0, []float64{0, math.Log1p(math.Exp(-2)), math.Ln2, 1 + math.Log1p(math.Exp(-1)), inf, nan}},
		{backend.Scale, 3, []float64{-inf, -6, 0, 3, inf, nan}},
		{backend.Offset, 3, []float64{-inf, 1, 3, 4, inf, nan}},
		{backend.Power, 3, []float64{-inf, -8, 0, 1, inf, nan}},
	} {
		r := newRig(t)
		in, y := r.vector(x...), r.out(len(x))
		r.run(&backend.Unary{Y: y, X: in, Func: c.f, Alpha: c.alpha})
		equal(t, c.want, r.get(y), c.f)
		r.run(&backend.Unary{Y: in, X: in, Func: c.f, Alpha: c.alpha})
		equal(t, c.want, r.get(in), c.f)
	}
}

func TestUnaryGrad(t *testing.T) {
	for _, f := range backend.Funcs() {
		t.Run(f.String(), func(t *testing.T) {
			r := newRig(t)
			// Away from 0 and, for Floor, from whole numbers; positive first, for roots.
			x := r.vector(0.3, 1.7, 2.5, -0.4, -1.6)
			if rule := f.Rule(); math.IsNaN(rule.Value(-1, 1.5)) {
				x = r.vector(0.3, 1.7, 2.5)
			}
			y, dy, dx := r.out(x.Shape...), r.out(x.Shape...), r.out(x.Shape...)
			grad := &backend.UnaryGrad{DX: dx, DY: dy, Func: f, Alpha: 1.5}
			if f.Rule().NeedsX {
				grad.X = x
			}
			if f.Rule().NeedsY {
				grad.Y = y
			}
			r.gradient(&backend.Unary{Y: y, X: x, Func: f, Alpha: 1.5}, x, y, grad, dy, dx)
		})
	}
}

func TestBinary(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		f    backend.BinaryFunc
		want []float64
	}{
		{backend.Add, []float64{4, 0, nan, nan}},
		{backend.Sub, []float64{2, -4, nan, nan}},
		{backend.Mul, []float64{3, -4, nan, nan}},
		{backend.Div, []float64{3, -1, nan, nan}},
		{backend.Max, []float64{3, 2, nan, nan}},
		{backend.Min, []float64{1, -2, nan, nan}},
	} {
		r := newRig(t)
		a, b := r.vector(3, -2, nan, 1), r.vector(1, 2, 1, nan)
		y := r.out(4)
		r.run(&backend.Binary{Y: y, A: a, B: b, Func: c.f})
		equal(t, c.want, r.get(y), c.f)
		old := r.get(a)
		r.run(&backend.Binary{Y: a, A: a, B: b, Func: c.f})
		equal(t, c.want, r.get(a), c.f)
		r.set(a, old)
		r.run(&backend.Binary{Y: b, A: a, B: b, Func: c.f})
		equal(t, c.want, r.get(b), c.f)
	}
}

// Of equal arguments Max and Min take the first, which signed zeros show.
func TestBinaryTies(t *testing.T) {
	r := newRig(t)
	minus := math.Copysign(0, -1)
	a, b, y := r.vector(0, minus), r.vector(minus, 0), r.out(2)
	for _, f := range []backend.BinaryFunc{backend.Max, backend.Min} {
		r.run(&backend.Binary{Y: y, A: a, B: b, Func: f})
		got := r.get(y)
		assert.False(t, math.Signbit(got[0]), f)
		assert.True(t, math.Signbit(got[1]), f)
	}
}

func TestBroadcasting(t *testing.T) {
	r := newRig(t)
	column, row, scalar := r.floats([]float64{10, 20}, 2, 1), r.vector(1, 2, 3), r.floats([]float64{100})
	y := r.out(2, 3)
	r.run(&backend.Binary{Y: y, A: column, B: row, Func: backend.Sub})
	assert.Equal(t, []float64{9, 8, 7, 19, 18, 17}, r.get(y))
	r.run(&backend.Binary{Y: y, A: y, B: scalar, Func: backend.Add})
	assert.Equal(t, []float64{109, 108, 107, 119, 118, 117}, r.get(y))
	r.run(&backend.Compare{Y: y, A: column, B: r.vector(10, 20, 30), Func: backend.Less})
	assert.Equal(t, []float64{0, 1, 1, 0, 0, 1}, r.get(y))
	r.run(&backend.Select{Y: y, Cond: r.vector(1, 0, math.NaN()), A: column, B: scalar})
	assert.Equal(t, []float64{10, 100, 10, 20, 100, 20}, r.get(y), "a NaN selects A")
}

func TestCompare(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		f    backend.CompareFunc
		want []float64
	}{
		{backend.Equal, []float64{0, 1, 0, 0}},
		{backend.NotEqual, []float64{1, 0, 1, 1}},
		{backend.Less, []float64{1, 0, 0, 0}},
		{backend.LessEqual, []float64{1, 1, 0, 0}},
		{backend.Greater, []float64{0, 0, 1, 0}},
		{backend.GreaterEqual, []float64{0, 1, 1, 0}},
	} {
		r := newRig(t)
		y := r.out(4)
		r.run(&backend.Compare{Y: y, A: r.vector(1, 2, 3, nan), B: r.vector(2, 2, 2, nan), Func: c.f})
		assert.Equal(t, c.want, r.get(y), c.f)
		y = r.out(3)
		r.run(&backend.Compare{Y: y, A: r.ints(0, []int32{1, 2, 3}, 3), B: r.ints(0, []int32{2}, 1), Func: c.f})
		assert.Equal(t, c.want[:3], r.get(y), c.f)
	}
}

func TestSelectIgnoresWhatIsNotSelected(t *testing.T) {
	r := newRig(t)
	cond := r.vector(1, 0, -0.5, 0)
	r.run(&backend.Select{Y: cond, Cond: cond, A: r.vector(1, math.NaN(), 3, math.Inf(1)), B: r.vector(math.NaN(), 2, math.Inf(1), 4)})
	assert.Equal(t, []float64{1, 2, 3, 4}, r.get(cond))
}
