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
	case backend.Identity, backend.ReLU, backend.LeakyReLU, backend.Scale, backend.Square:
		return 1
	case backend.Sigmoid, backend.Tanh, backend.Exp, backend.Neg, backend.Abs, backend.Reciprocal, backend.Sqrt, backend.Rsqrt, backend.Offset:
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
	case backend.Exp:
		return k.Exp
	case backend.Neg:
		return each1(func(v float32) float32 { return -v })
	case backend.Abs:
		return func(y, x []float32) {
			for i, v := range x {
				y[i] = float32(math.Abs(float64(v)))
			}
		}
	case backend.Square:
		return func(y, x []float32) { k.Mul(y, x, x) }
	case backend.Sqrt:
		return func(y, x []float32) {
			for i, v := range x {
				y[i] = float32(math.Sqrt(float64(v)))
			}
		}
	case backend.Rsqrt:
		return func(y, x []float32) {
			for i, v := range x {
				y[i] = float32(1 / math.Sqrt(float64(v)))
			}
		}
	case backend.Reciprocal:
		return func(y, x []float32) {
			for i, v := range x {
				y[i] = 1 / v
			}
		}
	case backend.Scale:
		return each1(func(v float32) float32 { return float32(alpha * float64(v)) })
	case backend.Offset:
		return each1(func(v float32) float32 { return float32(float64(v) + alpha) })
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
			case rule.Activation && sameStart(g, d):
				own.differentiateFrom(g, y, lo)
			case rule.Activation && !(rule.NeedsY && sameStart(g, y[lo:])):
				copy(g, d)
				own.differentiateFrom(g, y, lo)
			default:
				for i, v := range d {
					var xi, yi float64
					if x != nil {
						xi = float64(x[lo+i])
					}
					if y != nil {
						yi = float64(y[lo+i])
					}
					g[i] = float32(float64(v) * rule.Derivative(xi, yi, o.Alpha))
				}
			}
			epilogue.apply(g, lo)
		})
	}
}

// sameStart reports whether two vectors begin at the same element of memory.
func sameStart(a, b []float32) bool { return &a[0] == &b[0] }

// differentiateFrom does g = g·σ′(y[at:]).
func (a *activation) differentiateFrom(g, y []float32, at int) {
	if a.f != backend.Identity {
		a.differentiate(g, y[at:at+len(g)])
	}
}
