package backend

// Dropout sets a share of the elements to zero and scales the rest up, so that
// the expectation stays.
//
//	X    [any]
//	Draw [3]      Int32: low and high half of the 64-bit seed, draw index
//	Y    [as X]   overwritten; may be X
//
//	Y[e] = X[e]/(1 − Rate) if u(e) ≥ Rate, else 0
//
// where u(e) = Uniform(seed, e, Stream, draw index), compared exactly. The draw index rises with
// every micro-batch; a trial run repeats it. Its adjoint is DropoutGrad, which
// draws the same numbers again. Source: Srivastava et al. 2014.
type Dropout struct {
	Y, X, Draw View
	Rate       float64 // 0 ≤ Rate < 1
	Stream     uint32  // which layer of the model draws
}

func (c *checker) dropout(draw View, rate float64) {
	c.shapedAs("Draw", draw, Int32, Shape{3})
	c.that(rate >= 0 && rate < 1, "Rate is %g, expected 0 to less than 1", rate)
}

// Kind returns "Dropout".
func (*Dropout) Kind() string { return "Dropout" }

// Operands lists Y, X and Draw.
func (o *Dropout) Operands() []Operand {
	return operands{}.out("Y", &o.Y).inPlace("X", &o.X).in("Draw", &o.Draw)
}

// Check implements Op.
func (o *Dropout) Check() error {
	c := check(o)
	c.float("X", o.X, -1)
	c.shaped("Y", o.Y, o.X.Shape)
	c.dropout(o.Draw, o.Rate)
	return c.err
}

// Cost counts two FLOPs for each element.
func (o *Dropout) Cost() Cost { return cost(o, 2*o.Y.Shape.Elements()) }

// DropoutGrad drops the same elements of a gradient as Dropout dropped of X.
//
//	DX   [any]     overwritten; may be DY
//	DY   [as DX]
//	Draw [3]       as in Dropout
//
//	g[e] = DY[e]/(1 − Rate) if u(e) ≥ Rate, else 0
//	DX = (g + Addend)·σ′(Output)
type DropoutGrad struct {
	DX, DY, Draw View
	Rate         float64
	Stream       uint32
	GradEpilogue
}

// Kind returns "DropoutGrad".
func (*DropoutGrad) Kind() string { return "DropoutGrad" }

// Operands lists DX, DY, Draw and the epilogue's.
func (o *DropoutGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).inPlace("DY", &o.DY).in("Draw", &o.Draw).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *DropoutGrad) Check() error {
	c := check(o)
	c.float("DY", o.DY, -1)
	c.shaped("DX", o.DX, o.DY.Shape)
	c.dropout(o.Draw, o.Rate)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts two FLOPs for each element.
func (o *DropoutGrad) Cost() Cost { return cost(o, 2*o.DX.Shape.Elements()+o.GradEpilogue.flops()) }
