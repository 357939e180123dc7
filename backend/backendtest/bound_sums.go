package backendtest

import (
	"math"

	"fovea/backend"
)

// sums is the bound of Ops whose outputs are sums of products. A sum of K
// products, added in any order, with fused multiply-adds or without, errs by at
// most
//
//	K·u/(1 − K·u)·Σ|a·b|
//
// (Higham 2002, section 3.1). Three more roundings cover a bias or a former value
// that is added, and a factor, such as the weight of a pixel, that is itself
// rounded. Σ|a·b| is what the reference computes from the absolute values of the
// inputs.
func sums(terms func(op backend.Op) int) boundFunc {
	return func(e *evaluation) (bounds, error) {
		abs, err := e.with(e.op, absolute)
		if err != nil {
			return nil, err
		}
		k := float64(terms(e.op))
		b := bounds{}
		for name, s := range abs.out {
			tol := make([]float64, len(s))
			for i, v := range s {
				tol[i] = gamma(k+3)*v + k*tiny
			}
			b[name] = tol
		}
		return b, nil
	}
}

// gamma bounds the relative error of n roundings.
func gamma(n float64) float64 { return n * u / (1 - n*u) }

// convTerms is the number of products in one element of the first output.
func convTerms(op backend.Op) int {
	switch o := op.(type) {
	case *backend.Conv2D:
		return o.W.Shape.Elements() / o.W.Shape[0]
	case *backend.Conv2DInputGrad:
		return o.W.Shape[1] * o.W.Shape[2] * o.W.Shape[0] / o.Groups
	case *backend.Conv2DFilterGrad:
		return o.DY.Shape.Elements() / o.DY.Shape[3]
	}
	panic("BUG: no convolution: " + op.Kind())
}

func matMulTerms(op backend.Op) int {
	o := op.(*backend.MatMul)
	return o.A.Shape.Elements() / o.C.Shape[0]
}

// poolTerms is the number of pixels in a window, and of windows that hold a
// pixel, at most.
func poolTerms(op backend.Op) int {
	switch o := op.(type) {
	case *backend.AvgPool2D:
		return o.KernelH * o.KernelW
	case *backend.AvgPool2DGrad:
		return o.KernelH * o.KernelW
	case *backend.MaxPool2DGrad:
		return o.KernelH * o.KernelW
	}
	panic("BUG: no pooling: " + op.Kind())
}

// padTerms is the number of copies of the pixel that has most.
func padTerms(op backend.Op) int {
	o := op.(*backend.PadGrad)
	copies := func(before, n, after int) int {
		count := make([]int, n)
		most := 0
		for i := -before; i < n+after; i++ {
			if s := o.Mode.Source(i, n); s >= 0 {
				count[s]++
				most = max(most, count[s])
			}
		}
		return most
	}
	return copies(o.Top, o.DX.Shape[1], o.Bottom) * copies(o.Left, o.DX.Shape[2], o.Right)
}

// resizeTerms is the number of weighted pixels in one element, at most, and the
// rounding of the two weights and of their product, or of a pass over the rows
// and another over the columns.
func resizeTerms(op backend.Op) int {
	switch o := op.(type) {
	case *backend.Resize:
		most := func(in, out int) (n int) {
			for _, taps := range backend.ResizeTaps(o.Mode, in, out) {
				n = max(n, len(taps))
			}
			return n
		}
		return most(o.X.Shape[1], o.Y.Shape[1])*most(o.X.Shape[2], o.Y.Shape[2]) + 3
	case *backend.ResizeGrad:
		most := func(in, out int) (n int) {
			uses := make([]int, in)
			for _, taps := range backend.ResizeTaps(o.Mode, in, out) {
				for _, t := range taps {
					uses[t.Source]++
					n = max(n, uses[t.Source])
				}
			}
			return n
		}
		return most(o.DX.Shape[1], o.DY.Shape[1])*most(o.DX.Shape[2], o.DY.Shape[2]) + 3
	}
	panic("BUG: no resizing: " + op.Kind())
}

// scatterTerms is the number of rows that may be added to one.
func scatterTerms(op backend.Op) int { return op.(*backend.ScatterAdd).Indices.Shape[0] }

// reduceBound is exact for positions and maxima; sums are as in sums, and a mean
// has one more rounding, which is among the three.
func reduceBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.Reduce)
	if o.Func == backend.ReduceMax || o.Func == backend.ReduceArgmax {
		return bounds{}, nil
	}
	return sums(func(backend.Op) int { return o.X.Shape.Elements() / o.Y.Shape.Elements() })(e)
}

// affineBound is exact without a scale; x·Scale + Shift has two roundings, of
// numbers at most |x·Scale| + |Shift|. Large Int32 values are rounded to
// float32, as the exact rule does too.
func affineBound(e *evaluation) (bounds, error) {
	if _, ok := e.in["Scale"]; !ok {
		return bounds{}, nil
	}
	abs, err := e.with(e.op, absolute)
	if err != nil {
		return nil, err
	}
	tol := make([]float64, len(abs.out["Y"]))
	for i, v := range abs.out["Y"] {
		tol[i] = 2*u*v + tiny
	}
	return bounds{"Y": tol}, nil
}

// dropoutBound: an element is exactly zero, or a product with 1/(1 − Rate), which
// is rounded from float64: the subtraction, the division and the product each
// have at most one rounding.
func dropoutBound(e *evaluation) (bounds, error) {
	name := e.op.Operands()[0].Name
	tol := make([]float64, len(e.out[name]))
	for i, y := range e.out[name] {
		if y != 0 {
			tol[i] = 3*u*math.Abs(y) + tiny
		}
	}
	return bounds{name: tol}, nil
}

// movingAverageBound: (1 − M)·Y and M·Scale·X are sums and products of rounded
// constants: three roundings for each, and one for their sum.
func movingAverageBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.MovingAverage)
	x, y := e.values("X"), e.values("Y")
	tol := make([]float64, len(x))
	for i := range tol {
		tol[i] = 4*u*(math.Abs((1-o.Momentum)*y[i])+math.Abs(o.Momentum*o.Scale*x[i])) + 2*tiny
	}
	return bounds{"Y": tol}, nil
}
