package backendtest

import (
	"math"

	"fovea/backend"
)

// functionError is the error that a backend may make in f(x) = y.
func functionError(f backend.Func, x, y, alpha float64) float64 {
	if math.IsInf(y, 0) || math.IsNaN(y) {
		return 0
	}
	y = math.Abs(y)
	switch f {
	case backend.Identity, backend.ReLU, backend.Neg, backend.Abs, backend.Sign, backend.Floor:
		return 0 // no arithmetic
	case backend.Square:
		return u*y + tiny // one rounding
	case backend.Scale:
		return 2*u*y + tiny // α is rounded, and the product
	case backend.LeakyReLU:
		if x > 0 {
			return 0
		}
		return 2*u*y + tiny // as Scale
	case backend.Offset:
		return u*math.Abs(alpha) + u*y + tiny // α is rounded, and the sum
	case backend.Sqrt, backend.Reciprocal:
		return ulp*y + smallest // one operation, which a device may round faithfully instead of to nearest
	case backend.Rsqrt:
		return 2 * ulp * y // two such operations
	case backend.ELU:
		if x > 0 {
			return 0
		}
		return functionUlps*ulp*y + 2*u*y + smallest // the exponential less one, and as Scale
	case backend.Power:
		// A relative change of u in α changes x^α by u·|α·ln x|.
		return functionUlps*ulp*y + u*y*relevant(alpha*math.Log(math.Abs(x))) + smallest
	}
	return functionUlps*ulp*y + smallest
}

// relevant is |v|, or 0 where v is no number and the function is constant.
func relevant(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return math.Abs(v)
}

// unaryBound is the function's own error.
func unaryBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.Unary)
	switch o.Func {
	case backend.Identity, backend.Neg, backend.Abs, backend.Sign, backend.Floor:
		return bounds{}, nil // the same bits: −0 counts
	}
	x := e.values("X")
	tol := make([]float64, len(x))
	for i, y := range e.out["Y"] {
		tol[i] = functionError(o.Func, x[i], y, o.Alpha)
	}
	return bounds{"Y": tol}, nil
}

// derivativeError is the error that a backend may make in f′, computed from x or
// y by the formula of the function table.
func derivativeError(f backend.Func, x, y, alpha float64) float64 {
	d := math.Abs(f.Rule().Derivative(x, y, alpha))
	switch f {
	case backend.Sigmoid:
		return 2 * u * (math.Abs(y) + y*y) // as y·(1 − y) or as y − y²
	case backend.Tanh:
		return 2 * u * (1 + y*y) // 1 − y²: a product and a difference
	case backend.LeakyReLU:
		if y > 0 {
			return 0
		}
		return u * alpha // α is rounded
	case backend.ELU:
		if y > 0 {
			return 0
		}
		return 2 * u * (math.Abs(y) + alpha) // α is rounded, and the sum
	case backend.Scale:
		return u * d
	case backend.Sqrt, backend.Log:
		return ulp * d // a division
	case backend.Reciprocal:
		return u * d // a product
	case backend.Rsqrt:
		return 2 * u * d // two inexact products
	case backend.Sin, backend.Cos, backend.Softplus:
		return functionUlps*ulp*d + smallest
	case backend.Power:
		// α and α − 1 are rounded, which changes x^(α−1) by the relative error
		// u·(|α| + |α−1|)·|ln x|; then the function, and the product with α.
		return d * (functionUlps*ulp + 2*u + u*relevant((math.Abs(alpha)+math.Abs(alpha-1))*math.Log(math.Abs(x))))
	}
	return 0 // exact: constants, a sign, 2x, the output itself
}

// unaryGradBound: DY·f′ with the error of f′ and one rounding.
func unaryGradBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.UnaryGrad)
	dy, x, y := e.values("DY"), e.values("X"), e.values("Y")
	tol := make([]float64, len(dy))
	for i := range tol {
		var xi, yi float64
		if x != nil {
			xi = x[i]
		}
		if y != nil {
			yi = y[i]
		}
		tol[i] = math.Abs(dy[i])*derivativeError(o.Func, xi, yi, o.Alpha) + u*math.Abs(e.out["DX"][i]) + 2*tiny
	}
	return bounds{"DX": tol}, nil
}

// binaryBound: sums, differences and products have one rounding, a quotient may
// be rounded faithfully; the larger and the smaller of two numbers are one of
// them.
func binaryBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.Binary)
	if o.Func == backend.Max || o.Func == backend.Min {
		return bounds{}, nil
	}
	roundoff := u
	if o.Func == backend.Div {
		roundoff = ulp
	}
	tol := make([]float64, len(e.out["Y"]))
	for i, y := range e.out["Y"] {
		tol[i] = roundoff*relevant(y) + tiny
	}
	return bounds{"Y": tol}, nil
}
