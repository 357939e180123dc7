package backend

import "math"

// BatchNorm normalises each channel by the statistics of the batch. The channel
// is the last axis; R is the number of values per channel, at least 2.
//
//	X           [..., C]
//	Gamma, Beta [C]
//	Y           [..., C]   overwritten
//	Mean        [C]        overwritten: μ = Σx/R
//	Variance    [C]        overwritten: v = Σ(x − μ)²/R, the biased variance
//
//	Y = Gamma·(X − μ)/√(v + Epsilon) + Beta
//
// Its adjoint is BatchNormGrad. MovingAverage keeps the running estimates.
// Source: Ioffe and Szegedy 2015.
type BatchNorm struct {
	Y, Mean, Variance, X, Gamma, Beta View
	Epsilon                           float64
}

func (c *checker) batchNorm(x View, epsilon float64, xName string) Shape {
	c.float(xName, x, -1)
	c.that(epsilon > 0 && !math.IsInf(epsilon, 0), "Epsilon is %g, expected a positive number", epsilon)
	c.that(len(x.Shape) >= 1, "%s is a scalar, expected channels", xName)
	if c.err != nil {
		return nil
	}
	return x.Shape[len(x.Shape)-1:]
}

func (c *checker) several(x View, name string) {
	if c.err == nil {
		n, _ := rows(x.Shape)
		c.that(n >= 2, "%s %v has a single value per channel: its batch statistics mean nothing", name, x.Shape)
	}
}

// Kind returns "BatchNorm".
func (*BatchNorm) Kind() string { return "BatchNorm" }

// Operands lists Y, Mean, Variance, X, Gamma and Beta.
func (o *BatchNorm) Operands() []Operand {
	return operands{}.out("Y", &o.Y).out("Mean", &o.Mean).out("Variance", &o.Variance).in("X", &o.X).in("Gamma", &o.Gamma).in("Beta", &o.Beta)
}

// Check implements Op.
func (o *BatchNorm) Check() error {
	c := check(o)
	s := c.batchNorm(o.X, o.Epsilon, "X")
	c.several(o.X, "X")
	c.shaped("Y", o.Y, o.X.Shape)
	c.shaped("Mean", o.Mean, s)
	c.shaped("Variance", o.Variance, s)
	c.shaped("Gamma", o.Gamma, s)
	c.shaped("Beta", o.Beta, s)
	return c.err
}

// Cost counts seven FLOPs for each element: one for the mean, three each for the
// variance and the result.
func (o *BatchNorm) Cost() Cost { return cost(o, 7*o.X.Shape.Elements()) }

// BatchNormGrad computes the gradients of BatchNorm's input and parameters.
//
//	DX             [..., C]   overwritten
//	DGamma, DBeta  [C]        overwritten, or accumulated into with Accumulate; both or none
//	DY, X          [..., C]
//	Gamma          [C]
//	Mean, Variance [C]        as BatchNorm wrote them
//
// With s = 1/√(Variance + Epsilon), x̂ = (X − Mean)·s, b = Σ DY, a = Σ DY·x̂ over
// each channel of R values:
//
//	DBeta = b;  DGamma = a
//	g = Gamma·s·(DY − b/R − x̂·a/R)
//	DX = (g + Addend)·σ′(Output)
type BatchNormGrad struct {
	DX, DGamma, DBeta, DY, X, Gamma, Mean, Variance View
	Epsilon                                         float64
	Accumulate                                      bool
	GradEpilogue
}

// Kind returns "BatchNormGrad".
func (*BatchNormGrad) Kind() string { return "BatchNormGrad" }

// Operands lists DX, DGamma, DBeta, DY, X, Gamma, Mean, Variance and the
// epilogue's.
func (o *BatchNormGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).result("DGamma", &o.DGamma, o.Accumulate).result("DBeta", &o.DBeta, o.Accumulate).
		in("DY", &o.DY).in("X", &o.X).in("Gamma", &o.Gamma).in("Mean", &o.Mean).in("Variance", &o.Variance).
		operandsOf(&o.GradEpilogue)
}

// operandsOf lists an epilogue's operands without permission to share memory
// with the output, which is written after other outputs have been read.
func (s operands) operandsOf(e *GradEpilogue) operands {
	return s.in("Addend", &e.Addend).in("Output", &e.Output)
}

// Check implements Op.
func (o *BatchNormGrad) Check() error {
	c := check(o)
	s := c.batchNorm(o.X, o.Epsilon, "X")
	c.several(o.X, "X")
	c.shaped("DX", o.DX, o.X.Shape)
	c.shaped("DY", o.DY, o.X.Shape)
	c.that(o.DGamma.Present() == o.DBeta.Present(), "DGamma and DBeta go together")
	c.optional("DGamma", o.DGamma, s)
	c.optional("DBeta", o.DBeta, s)
	c.shaped("Gamma", o.Gamma, s)
	c.shaped("Mean", o.Mean, s)
	c.shaped("Variance", o.Variance, s)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts ten FLOPs for each element.
func (o *BatchNormGrad) Cost() Cost { return cost(o, 10*o.X.Shape.Elements()+o.GradEpilogue.flops()) }

// BatchNormInference normalises each channel by given statistics.
//
//	X [..., C]
//	Gamma, Beta, Mean, Variance [C]
//	Y [..., C]   overwritten; may be X
//
//	Y = σ(Gamma·(X − Mean)/√(Variance + Epsilon) + Beta)
//
// Its adjoint in X is a product with Gamma/√(Variance + Epsilon).
type BatchNormInference struct {
	Y, X, Gamma, Beta, Mean, Variance View
	Epsilon                           float64
	Activation                        Activation
}

// Kind returns "BatchNormInference".
func (*BatchNormInference) Kind() string { return "BatchNormInference" }

// Operands lists Y, X, Gamma, Beta, Mean and Variance.
func (o *BatchNormInference) Operands() []Operand {
	return operands{}.out("Y", &o.Y).inPlace("X", &o.X).in("Gamma", &o.Gamma).in("Beta", &o.Beta).in("Mean", &o.Mean).in("Variance", &o.Variance)
}

// Check implements Op.
func (o *BatchNormInference) Check() error {
	c := check(o)
	s := c.batchNorm(o.X, o.Epsilon, "X")
	c.shaped("Y", o.Y, o.X.Shape)
	c.shaped("Gamma", o.Gamma, s)
	c.shaped("Beta", o.Beta, s)
	c.shaped("Mean", o.Mean, s)
	c.shaped("Variance", o.Variance, s)
	c.activation(o.Activation)
	return c.err
}

// Cost counts two FLOPs for each element, once the channel's factors are known.
func (o *BatchNormInference) Cost() Cost {
	return cost(o, 2*o.X.Shape.Elements()+pointwise(o.Y, false, o.Activation))
}

// MovingAverage moves a running estimate towards a new value.
//
//	X [any]
//	Y [as X]   updated
//
//	Y = (1 − Momentum)·Y + Momentum·Scale·X
//
// Scale is R/(R − 1) where X is the biased variance of R values and Y keeps the
// unbiased one.
type MovingAverage struct {
	Y, X            View
	Momentum, Scale float64
}

// Kind returns "MovingAverage".
func (*MovingAverage) Kind() string { return "MovingAverage" }

// Operands lists Y and X.
func (o *MovingAverage) Operands() []Operand { return operands{}.update("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *MovingAverage) Check() error {
	c := check(o)
	c.float("X", o.X, -1)
	c.shaped("Y", o.Y, o.X.Shape)
	c.that(o.Momentum >= 0 && o.Momentum <= 1, "Momentum is %g, expected 0 to 1", o.Momentum)
	c.that(o.Scale > 0 && !math.IsInf(o.Scale, 0), "Scale is %g, expected a positive number", o.Scale)
	return c.err
}

// Cost counts three FLOPs for each element.
func (o *MovingAverage) Cost() Cost { return cost(o, 3*o.Y.Shape.Elements()) }
