package backendtest

import (
	"math"

	"fovea/backend"
)

// The units of all bounds.
const (
	// u is the unit roundoff of float32: one rounded operation errs by at most
	// u times its result.
	u = 0x1p-24
	// ulp is the distance of neighbouring float32, relative to the value, at most.
	ulp = 2 * u
	// tiny is the smallest float32: what an operation with a subnormal result may
	// err by.
	tiny = 0x1p-149
	// smallest is the smallest normal float32. Functions that are made of an
	// exponential or of a division may flush smaller results to zero.
	smallest = 0x1p-126
	// functionUlps is the error that exp, log, tanh, the logistic function and
	// their like may have, in ulps of the result: good float32 implementations
	// have 1 to 3.
	functionUlps = 4
)

// bounds holds, by output, the error that each element may have. An output that
// is not named is exact: it has the bits of the reference's value rounded to
// float32.
type bounds map[string][]float64

// boundFunc derives the bounds of one evaluation.
type boundFunc func(e *evaluation) (bounds, error)

// boundFuncs holds the bound of each kind of Op. A kind without one fails the
// suite.
var boundFuncs = map[string]boundFunc{
	"Conv2D":             withActivation(convolutionBound),
	"Conv2DInputGrad":    withEpilogue(convolutionBound),
	"Conv2DFilterGrad":   convolutionBound,
	"MatMul":             withEpilogue(withActivation(sums(matMulTerms))),
	"MaxPool2D":          exactly,
	"MaxPool2DGrad":      withEpilogue(sums(poolTerms)),
	"AvgPool2D":          sums(poolTerms),
	"AvgPool2DGrad":      withEpilogue(sums(poolTerms)),
	"Pad":                exactly,
	"PadGrad":            withEpilogue(sums(padTerms)),
	"Resize":             sums(resizeTerms),
	"ResizeGrad":         withEpilogue(sums(resizeTerms)),
	"Unary":              unaryBound,
	"UnaryGrad":          withEpilogue(unaryGradBound),
	"Binary":             binaryBound,
	"Compare":            exactly,
	"Select":             exactly,
	"Reduce":             reduceBound,
	"ReduceMaxGrad":      withEpilogue(exactGradient),
	"Fill":               exactly,
	"Copy":               exactly,
	"Slice":              exactly,
	"Embed":              exactly,
	"Concatenate":        exactly,
	"Transpose":          exactly,
	"Gather":             affineBound,
	"ScatterAdd":         sums(scatterTerms),
	"Convert":            affineBound,
	"Maxout":             exactly,
	"MaxoutGrad":         withEpilogue(exactGradient),
	"Softmax":            softmaxBound,
	"SoftmaxGrad":        withEpilogue(softmaxGradBound),
	"Loss":               lossBound,
	"LossGrad":           withEpilogue(lossGradBound),
	"Dropout":            dropoutBound,
	"DropoutGrad":        withEpilogue(dropoutBound),
	"BatchNorm":          batchNormBound,
	"BatchNormGrad":      withEpilogue(batchNormGradBound),
	"BatchNormInference": withActivation(batchNormInferenceBound),
	"MovingAverage":      movingAverageBound,
	"OptimizerStep":      optimizerBound,
}

// exactly is the bound of Ops that move data or choose among it.
func exactly(*evaluation) (bounds, error) { return bounds{}, nil }

// exactGradient is the bound of gradients that are moved: the epilogue adds to
// it.
func exactGradient(e *evaluation) (bounds, error) {
	name := e.op.Operands()[0].Name
	return bounds{name: make([]float64, len(e.out[name]))}, nil
}

// withEpilogue adds the error of DX = (g + Addend)·σ′(Output) to the bound ε of
// g: with h = g + Addend,
//
//	(ε + u·|h|)·|σ′| + |h|·δ(σ′) + u·|DX|
//
// where δ(σ′) is as in derivativeError.
func withEpilogue(core boundFunc) boundFunc {
	return func(e *evaluation) (bounds, error) {
		epilogue := *epilogueOf(e.op)
		if !epilogue.Addend.Present() && !epilogue.Output.Present() {
			return core(e)
		}
		op := backend.CloneOp(e.op)
		*epilogueOf(op) = backend.GradEpilogue{}
		inner, err := e.with(op, nil)
		if err != nil {
			return nil, err
		}
		b, err := core(inner)
		if err != nil {
			return nil, err
		}
		name := op.Operands()[0].Name
		g, own := inner.out[name], b[name]
		addend, output := e.values("Addend"), e.values("Output")
		act := epilogue.Derivative
		rule := act.Func.Rule()
		tol := make([]float64, len(g))
		for i := range tol {
			h, err := g[i], 0.0
			if own != nil {
				err = own[i]
			}
			if addend != nil {
				h += addend[i]
				err += u * math.Abs(h)
			}
			if output != nil {
				d := rule.Derivative(0, output[i], act.Alpha)
				err = err*math.Abs(d) + math.Abs(h)*derivativeError(act.Func, 0, output[i], act.Alpha) + u*math.Abs(h*d) + tiny
			}
			tol[i] = err
		}
		b[name] = tol
		return b, nil
	}
}

// withActivation adds the error of y = σ(z) to the bound ε of z: L·ε, where L is
// the Lipschitz constant of σ, plus the error of σ itself at z.
func withActivation(core boundFunc) boundFunc {
	return func(e *evaluation) (bounds, error) {
		act := *activationOf(e.op)
		if act.Func == backend.Identity {
			return core(e)
		}
		op := backend.CloneOp(e.op)
		*activationOf(op) = backend.Activation{}
		inner, err := e.with(op, nil)
		if err != nil {
			return nil, err
		}
		b, err := core(inner)
		if err != nil {
			return nil, err
		}
		name := op.Operands()[0].Name
		l := lipschitz(act)
		tol := make([]float64, len(e.out[name]))
		for i := range tol {
			z := inner.out[name][i]
			tol[i] = l*b[name][i] + functionError(act.Func, z, act.Func.Rule().Value(z, act.Alpha), act.Alpha)
		}
		b[name] = tol
		return b, nil
	}
}

// lipschitz is the steepest slope of an activation.
func lipschitz(a backend.Activation) float64 {
	switch a.Func {
	case backend.Sigmoid:
		return 0.25
	case backend.LeakyReLU, backend.ELU:
		return max(1, a.Alpha)
	}
	return 1
}

// sumAbsolute is Σ|x|.
func sumAbsolute(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += math.Abs(v)
	}
	return s
}
