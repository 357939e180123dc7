package cpu

import (
	"math"

	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// Costs of an element of a loop in Go, in elements of a vector loop.
const (
	scalarCost         = 8
	transcendentalCost = 32
)

func (c *compiler) unary(p *plan, o *backend.Unary) {
	p.bind = func([]byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		f := unaryLoop(c.device.vec, o.Func, o.Alpha)
		c.split(len(y), grainFor(unaryCost(o.Func)), 16, func(lo, hi, _ int) { f(y[lo:hi], x[lo:hi]) })
	}
}

func unaryCost(f backend.Func) int {
	switch f {
	case backend.Identity, backend.ReLU, backend.LeakyReLU, backend.Square, backend.Scale, backend.Offset, backend.Neg:
		return 1
	case backend.Sigmoid, backend.Tanh, backend.ELU, backend.Exp, backend.Log, backend.Sqrt, backend.Rsqrt, backend.Reciprocal, backend.Abs:
		return scalarCost
	}
	return transcendentalCost
}

// unaryLoop returns the loop y = f(x); y may be x.
func unaryLoop(k *vec.Kernel, f backend.Func, alpha float64) func(y, x []float32) {
	a := float32(alpha)
	switch f {
	case backend.Identity:
		return func(y, x []float32) { copy(y, x) }
	case backend.Sigmoid:
		return k.Sigmoid
	case backend.Tanh:
		return k.Tanh
	case backend.ReLU:
		return func(y, x []float32) { k.ReLU(y, x, 0) }
	case backend.LeakyReLU:
		return func(y, x []float32) { k.ReLU(y, x, a) }
	case backend.ELU:
		return func(y, x []float32) { k.ELU(y, x, a) }
	case backend.Exp:
		return k.Exp
	case backend.Log:
		return k.Log
	case backend.Neg:
		return func(y, x []float32) { k.Scale(y, x, -1) }
	case backend.Abs:
		return each1(func(v float32) float32 { return float32(math.Abs(float64(v))) })
	case backend.Square:
		return func(y, x []float32) { k.Mul(y, x, x) }
	case backend.Sqrt:
		return k.Sqrt
	case backend.Rsqrt:
		return each1(func(v float32) float32 { return float32(1 / math.Sqrt(float64(v))) })
	case backend.Reciprocal:
		return each1(func(v float32) float32 { return 1 / v })
	case backend.Scale:
		return func(y, x []float32) { k.Scale(y, x, a) }
	case backend.Offset:
		return func(y, x []float32) { k.Shift(y, x, a) }
	}
	// The rest is rounded from float64.
	value := f.Rule().Value
	return each1(func(v float32) float32 { return float32(value(float64(v), alpha)) })
}

func each1(f func(float32) float32) func(y, x []float32) {
	return func(y, x []float32) {
		for i, v := range x {
			y[i] = f(v)
		}
	}
}

func (c *compiler) unaryGrad(p *plan, o *backend.UnaryGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, x, y := c.floats(o.DX), c.floats(o.DY), c.floats(o.X), c.floats(o.Y)
		rule := o.Func.Rule()
		own := activation{c.device.vec, o.Func, float32(o.Alpha)}
		cost := transcendentalCost
		if rule.Activation {
			cost = 1
		}
		c.split(len(dx), grainFor(cost), 16, func(lo, hi, _ int) {
			g, d := dx[lo:hi], dy[lo:hi]
			switch {
			case o.Func == backend.Identity:
				copy(g, d)
			case rule.Activation:
				own.differentiate(g, d, y[lo:hi])
			default:
				unaryGradLoop(c.device.vec, o, g, d, part(x, lo, hi), part(y, lo, hi))
			}
			epilogue.apply(g, lo)
		})
	}
}

// unaryGradLoop does dx = dy·f′; x or y is nil where it is not needed.
func unaryGradLoop(k *vec.Kernel, o *backend.UnaryGrad, dx, dy, x, y []float32) {
	switch o.Func {
	case backend.Neg:
		k.Scale(dx, dy, -1)
	case backend.Scale:
		k.Scale(dx, dy, float32(o.Alpha))
	case backend.Offset:
		copy(dx, dy)
	case backend.Exp:
		k.Mul(dx, dy, y)
	case backend.Log:
		k.Div(dx, dy, x)
	default:
		differentiate(dx, dy, x, y, o.Func.Rule(), o.Alpha)
	}
}

// part returns x[lo:hi], but nil of nil.
func part[T any](x []T, lo, hi int) []T {
	if x == nil {
		return nil
	}
	return x[lo:hi]
}

// differentiate does dx = dy·f′ in float64; x or y is nil where it is not needed.
func differentiate(dx, dy, x, y []float32, rule backend.FuncRule, alpha float64) {
	for i, v := range dy {
		var at, of float64
		if x != nil {
			at = float64(x[i])
		}
		if y != nil {
			of = float64(y[i])
		}
		dx[i] = float32(float64(v) * rule.Derivative(at, of, alpha))
	}
}
