package backend

import "fmt"

// Unary computes Y = f(X), element by element, f and α from the function table.
//
//	X [any]
//	Y [as X]   overwritten; may be X
//
// Its adjoint is UnaryGrad.
type Unary struct {
	Y, X  View
	Func  Func
	Alpha float64
}

// Kind returns "Unary".
func (*Unary) Kind() string { return "Unary" }

// Operands lists Y and X.
func (o *Unary) Operands() []Operand { return operands{}.out("Y", &o.Y).inPlace("X", &o.X) }

// Check implements Op.
func (o *Unary) Check() error {
	c := check(o)
	c.float("X", o.X, -1)
	c.shaped("Y", o.Y, o.X.Shape)
	c.alpha(o.Func, o.Alpha)
	return c.err
}

// Cost counts one FLOP for each element.
func (o *Unary) Cost() Cost { return cost(o, o.Y.Shape.Elements()) }

// UnaryGrad computes the gradient of a Unary's input.
//
//	DX [any]     overwritten; may be DY
//	DY [as DX]
//	X  [as DX]   the Unary's input, present if the function's rule NeedsX
//	Y  [as DX]   the Unary's output, present if the rule NeedsY
//
//	DX = (DY·f′ + Addend)·σ′(Output)
type UnaryGrad struct {
	DX, DY, X, Y View
	Func         Func
	Alpha        float64
	GradEpilogue
}

// Kind returns "UnaryGrad".
func (*UnaryGrad) Kind() string { return "UnaryGrad" }

// Operands lists DX, DY, X, Y and the epilogue's.
func (o *UnaryGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).inPlace("DY", &o.DY).inPlace("X", &o.X).inPlace("Y", &o.Y).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *UnaryGrad) Check() error {
	c := check(o)
	c.float("DY", o.DY, -1)
	c.shaped("DX", o.DX, o.DY.Shape)
	c.alpha(o.Func, o.Alpha)
	rule := o.Func.Rule()
	c.that(rule.NeedsX == o.X.Present(), "X is needed by some functions and by them alone; %v: %t", o.Func, rule.NeedsX)
	c.that(rule.NeedsY == o.Y.Present(), "Y is needed by some functions and by them alone; %v: %t", o.Func, rule.NeedsY)
	c.optional("X", o.X, o.DY.Shape)
	c.optional("Y", o.Y, o.DY.Shape)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts two FLOPs for each element.
func (o *UnaryGrad) Cost() Cost { return cost(o, 2*o.DX.Shape.Elements()+o.GradEpilogue.flops()) }

// BinaryFunc is a scalar function of two arguments.
type BinaryFunc uint8

// The binary functions. Of equal arguments, Max and Min take the first; if
// either is NaN the result is NaN.
const (
	Add BinaryFunc = iota // a + b
	Sub                   // a − b
	Mul                   // a·b
	Div                   // a/b
	Max                   // max(a, b)
	Min                   // min(a, b)
	binaryFuncs
)

func (f BinaryFunc) String() string {
	names := [binaryFuncs]string{"Add", "Sub", "Mul", "Div", "Max", "Min"}
	if f >= binaryFuncs {
		return fmt.Sprintf("BinaryFunc(%d)", uint8(f))
	}
	return names[f]
}

// BinaryFuncs lists all binary functions.
func BinaryFuncs() []BinaryFunc { return []BinaryFunc{Add, Sub, Mul, Div, Max, Min} }

// Binary computes Y = f(A, B), element by element, with broadcasting.
//
//	A, B [any]
//	Y [Broadcast(A, B)]   overwritten; may be A or B where that has Y's shape
//
// Its adjoint is made of Binary, Compare and Reduce (the sum over the axes along
// which an operand was repeated).
type Binary struct {
	Y, A, B View
	Func    BinaryFunc
}

// Kind returns "Binary".
func (*Binary) Kind() string { return "Binary" }

// Operands lists Y, A and B.
func (o *Binary) Operands() []Operand {
	return operands{}.out("Y", &o.Y).inPlace("A", &o.A).inPlace("B", &o.B)
}

// Check implements Op.
func (o *Binary) Check() error {
	c := check(o)
	c.that(o.Func < binaryFuncs, "unknown function %v", o.Func)
	c.float("A", o.A, -1)
	c.float("B", o.B, -1)
	c.broadcast("Y", o.Y, Float32, o.A, o.B)
	return c.err
}

// Cost counts one FLOP for each element.
func (o *Binary) Cost() Cost { return cost(o, o.Y.Shape.Elements()) }

// broadcast demands that y has the common shape of the operands.
func (c *checker) broadcast(name string, y View, t DType, xs ...View) {
	var s Shape
	for _, x := range xs {
		if c.err != nil {
			return
		}
		var err error
		s, err = Broadcast(s, x.Shape)
		c.merge(err)
	}
	c.shapedAs(name, y, t, s)
}

// CompareFunc is a relation of two scalars.
type CompareFunc uint8

// The relations. All of them are false if either argument is NaN, except
// NotEqual, which is true.
const (
	Equal        CompareFunc = iota // a = b
	NotEqual                        // a ≠ b
	Less                            // a < b
	LessEqual                       // a ≤ b
	Greater                         // a > b
	GreaterEqual                    // a ≥ b
	compareFuncs
)

func (f CompareFunc) String() string {
	names := [compareFuncs]string{"Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"}
	if f >= compareFuncs {
		return fmt.Sprintf("CompareFunc(%d)", uint8(f))
	}
	return names[f]
}

// CompareFuncs lists all relations.
func CompareFuncs() []CompareFunc {
	return []CompareFunc{Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual}
}

// Compare computes Y = 1 where the relation holds between A and B, else 0, with
// broadcasting.
//
//	A, B [any]                     both Float32 or both Int32
//	Y [Broadcast(A, B)], Float32   overwritten; may be A or B where that has Y's type and shape
//
// Its derivative is 0.
type Compare struct {
	Y, A, B View
	Func    CompareFunc
}

// Kind returns "Compare".
func (*Compare) Kind() string { return "Compare" }

// Operands lists Y, A and B.
func (o *Compare) Operands() []Operand {
	return operands{}.out("Y", &o.Y).inPlace("A", &o.A).inPlace("B", &o.B)
}

// Check implements Op.
func (o *Compare) Check() error {
	c := check(o)
	c.that(o.Func < compareFuncs, "unknown relation %v", o.Func)
	c.typed("A", o.A, Float32, Int32)
	c.typed("B", o.B, o.A.DType)
	c.broadcast("Y", o.Y, Float32, o.A, o.B)
	return c.err
}

// Cost counts one FLOP for each element.
func (o *Compare) Cost() Cost { return cost(o, o.Y.Shape.Elements()) }

// Select computes Y = A where Cond ≠ 0, else B, with broadcasting. What is not
// selected has no influence, NaN included; a NaN in Cond selects A.
//
//	Cond, A, B [any]
//	Y [Broadcast(Cond, A, B)]   overwritten; may be an operand that has Y's shape
//
// Its adjoint in A is Select(Cond, DY, 0), in B Select(Cond, 0, DY).
type Select struct {
	Y, Cond, A, B View
}

// Kind returns "Select".
func (*Select) Kind() string { return "Select" }

// Operands lists Y, Cond, A and B.
func (o *Select) Operands() []Operand {
	return operands{}.out("Y", &o.Y).inPlace("Cond", &o.Cond).inPlace("A", &o.A).inPlace("B", &o.B)
}

// Check implements Op.
func (o *Select) Check() error {
	c := check(o)
	c.float("Cond", o.Cond, -1)
	c.float("A", o.A, -1)
	c.float("B", o.B, -1)
	c.broadcast("Y", o.Y, Float32, o.Cond, o.A, o.B)
	return c.err
}

// Cost counts one FLOP for each element.
func (o *Select) Cost() Cost { return cost(o, o.Y.Shape.Elements()) }
