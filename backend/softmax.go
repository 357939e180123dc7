package backend

// rows returns an operand's shape seen as a matrix: the last axis, and the
// product of the others.
func rows(s Shape) (n, c int) {
	if len(s) == 0 {
		return 1, 1
	}
	c = s[len(s)-1]
	return s.Elements() / c, c
}

// Softmax turns each row of the last axis into probabilities.
//
//	X [..., C]   logits
//	Y [..., C]   overwritten; may be X
//
//	Y[j] = exp(X[j] − m)/Σ_k exp(X[k] − m), m = max X;  with Log: Y[j] = X[j] − m − ln Σ_k exp(X[k] − m)
//
// A row with a NaN or +∞ is NaN throughout. Its adjoint is SoftmaxGrad.
type Softmax struct {
	Y, X View
	Log  bool
}

// Kind returns "Softmax".
func (*Softmax) Kind() string { return "Softmax" }

// Operands lists Y and X.
func (o *Softmax) Operands() []Operand { return operands{}.out("Y", &o.Y).inPlace("X", &o.X) }

// Check implements Op.
func (o *Softmax) Check() error {
	c := check(o)
	c.float("X", o.X, -1)
	c.that(len(o.X.Shape) >= 1, "X is a scalar, expected rows")
	c.shaped("Y", o.Y, o.X.Shape)
	return c.err
}

// Cost counts five FLOPs for each element.
func (o *Softmax) Cost() Cost { return cost(o, 5*o.Y.Shape.Elements()) }

// SoftmaxGrad computes the gradient of Softmax's input from its output.
//
//	DX [..., C]   overwritten; may be DY
//	DY [..., C]
//	Y  [..., C]   Softmax's output
//
//	g[j] = Y[j]·(DY[j] − Σ_k DY[k]·Y[k]);  with Log: g[j] = DY[j] − exp(Y[j])·Σ_k DY[k]
//	DX = (g + Addend)·σ′(Output)
type SoftmaxGrad struct {
	DX, DY, Y View
	Log       bool
	GradEpilogue
}

// Kind returns "SoftmaxGrad".
func (*SoftmaxGrad) Kind() string { return "SoftmaxGrad" }

// Operands lists DX, DY, Y and the epilogue's.
func (o *SoftmaxGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).inPlace("DY", &o.DY).in("Y", &o.Y).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *SoftmaxGrad) Check() error {
	c := check(o)
	c.float("DX", o.DX, -1)
	c.that(len(o.DX.Shape) >= 1, "DX is a scalar, expected rows")
	c.shaped("DY", o.DY, o.DX.Shape)
	c.shaped("Y", o.Y, o.DX.Shape)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts four FLOPs for each element.
func (o *SoftmaxGrad) Cost() Cost { return cost(o, 4*o.DX.Shape.Elements()+o.GradEpilogue.flops()) }

// Maxout takes the maximum of each group of neighbouring channels.
//
//	X      [..., C·Pieces]
//	Y      [..., C]   overwritten
//	Argmax [..., C]   Int32, overwritten, optional: which of the group's pieces won
//
//	Y[c] = max over k of X[c·Pieces + k]
//
// The first maximum wins; NaN wins over everything. Its adjoint is MaxoutGrad.
// Source: Goodfellow et al. 2013; the lecture's max(w₁ᵀx + b₁, w₂ᵀx + b₂).
type Maxout struct {
	Y, Argmax, X View
	Pieces       int
}

func (c *checker) maxout(x, y View, pieces int, xName, yName string) {
	c.float(xName, x, -1)
	c.float(yName, y, -1)
	if c.err != nil {
		return
	}
	n := len(x.Shape)
	c.that(n >= 1 && pieces >= 1 && x.Shape[n-1]%max(pieces, 1) == 0, "Pieces is %d, expected a divisor of the last axis of %s %v", pieces, xName, x.Shape)
	if c.err == nil {
		s := x.Shape.Clone()
		s[n-1] /= pieces
		c.shaped(yName, y, s)
	}
}

// Kind returns "Maxout".
func (*Maxout) Kind() string { return "Maxout" }

// Operands lists Y, Argmax and X.
func (o *Maxout) Operands() []Operand {
	return operands{}.out("Y", &o.Y).out("Argmax", &o.Argmax).in("X", &o.X)
}

// Check implements Op.
func (o *Maxout) Check() error {
	c := check(o)
	c.maxout(o.X, o.Y, o.Pieces, "X", "Y")
	if o.Argmax.Present() {
		c.shapedAs("Argmax", o.Argmax, Int32, o.Y.Shape)
	}
	return c.err
}

// Cost counts one comparison for each element of X.
func (o *Maxout) Cost() Cost { return cost(o, o.X.Shape.Elements()) }

// MaxoutGrad sends each gradient to the piece that won.
//
//	DX     [..., C·Pieces]   overwritten
//	DY     [..., C]
//	Argmax [..., C]          as Maxout wrote it
//
//	g[c·Pieces + k] = DY[c] if Argmax[c] = k, else 0
//	DX = (g + Addend)·σ′(Output)
type MaxoutGrad struct {
	DX, DY, Argmax View
	Pieces         int
	GradEpilogue
}

// Kind returns "MaxoutGrad".
func (*MaxoutGrad) Kind() string { return "MaxoutGrad" }

// Operands lists DX, DY, Argmax and the epilogue's.
func (o *MaxoutGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).in("Argmax", &o.Argmax).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *MaxoutGrad) Check() error {
	c := check(o)
	c.maxout(o.DX, o.DY, o.Pieces, "DX", "DY")
	c.shapedAs("Argmax", o.Argmax, Int32, o.DY.Shape)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts no FLOPs beyond the epilogue's.
func (o *MaxoutGrad) Cost() Cost { return cost(o, o.GradEpilogue.flops()) }
