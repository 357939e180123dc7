package reference

import (
	"math"

	"fovea/backend"
)

func unary(m *memory, o *backend.Unary) {
	y, x := m.floats(o.Y), m.floats(o.X)
	f := o.Func.Rule().Value
	for i, v := range x {
		y[i] = f(v, o.Alpha)
	}
}

func unaryGrad(m *memory, o *backend.UnaryGrad) {
	dx, dy, x, y := m.floats(o.DX), m.floats(o.DY), m.floats(o.X), m.floats(o.Y)
	derivative := o.Func.Rule().Derivative
	g := make([]float64, len(dx))
	for i, d := range dy {
		// What the rule does not need is NaN, so that a wrong rule shows.
		xi, yi := math.NaN(), math.NaN()
		if x != nil {
			xi = x[i]
		}
		if y != nil {
			yi = y[i]
		}
		g[i] = d * derivative(xi, yi, o.Alpha)
	}
	m.finish(dx, g, o.GradEpilogue)
}

func binary(m *memory, o *backend.Binary) {
	y, a, b := m.floats(o.Y), m.floats(o.A), m.floats(o.B)
	aAt, bAt := broadcast(o.A.Shape, o.Y.Shape), broadcast(o.B.Shape, o.Y.Shape)
	for i := range y {
		y[i] = apply(o.Func, a[aAt[i]], b[bAt[i]])
	}
}

func apply(f backend.BinaryFunc, a, b float64) float64 {
	switch f {
	case backend.Add:
		return a + b
	case backend.Sub:
		return a - b
	case backend.Mul:
		return a * b
	case backend.Div:
		return a / b
	case backend.Max:
		if beats(b, a) {
			return b
		}
		return a
	case backend.Min:
		if beats(-b, -a) {
			return b
		}
		return a
	}
	panic("BUG: reference: " + f.String() + " passed Check")
}

func compare(m *memory, o *backend.Compare) {
	y := m.floats(o.Y)
	aAt, bAt := broadcast(o.A.Shape, o.Y.Shape), broadcast(o.B.Shape, o.Y.Shape)
	if o.A.DType == backend.Int32 {
		a, b := m.ints(o.A), m.ints(o.B)
		for i := range y {
			y[i] = truth(holds(o.Func, a[aAt[i]], b[bAt[i]]))
		}
		return
	}
	a, b := m.floats(o.A), m.floats(o.B)
	for i := range y {
		y[i] = truth(holds(o.Func, a[aAt[i]], b[bAt[i]]))
	}
}

func holds[T float64 | int32](f backend.CompareFunc, a, b T) bool {
	switch f {
	case backend.Equal:
		return a == b
	case backend.NotEqual:
		return a != b
	case backend.Less:
		return a < b
	case backend.LessEqual:
		return a <= b
	case backend.Greater:
		return a > b
	case backend.GreaterEqual:
		return a >= b
	}
	panic("BUG: reference: " + f.String() + " passed Check")
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// choose executes Select, whose name is a keyword.
func choose(m *memory, o *backend.Select) {
	y, cond, a, b := m.floats(o.Y), m.floats(o.Cond), m.floats(o.A), m.floats(o.B)
	out := o.Y.Shape
	condAt, aAt, bAt := broadcast(o.Cond.Shape, out), broadcast(o.A.Shape, out), broadcast(o.B.Shape, out)
	for i := range y {
		if cond[condAt[i]] != 0 {
			y[i] = a[aAt[i]]
		} else {
			y[i] = b[bAt[i]]
		}
	}
}
