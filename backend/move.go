package backend

import (
	"fmt"
	"math"
)

// Fill sets every element of Y [any], Float32 or Int32, to Value.
type Fill struct {
	Y     View
	Value float64
}

// Kind returns "Fill".
func (*Fill) Kind() string { return "Fill" }

// Operands lists Y.
func (o *Fill) Operands() []Operand { return operands{}.out("Y", &o.Y) }

// Check implements Op.
func (o *Fill) Check() error {
	c := check(o)
	c.typed("Y", o.Y, Float32, Int32)
	if o.Y.DType == Int32 {
		v := o.Value
		c.that(v == math.Trunc(v) && math.Abs(v) <= 1<<24, "Value is %g, expected a whole number of at most 2²⁴", o.Value)
	}
	return c.err
}

// Cost counts no FLOPs.
func (o *Fill) Cost() Cost { return cost(o, 0) }

// Copy copies X into Y, repeating it along the axes where it is 1.
//
//	X [any that broadcasts to Y's shape], any type
//	Y [any], the same type   overwritten
//
// Its adjoint is Reduce with Sum.
type Copy struct {
	Y, X View
}

// Kind returns "Copy".
func (*Copy) Kind() string { return "Copy" }

// Operands lists Y and X.
func (o *Copy) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *Copy) Check() error {
	c := check(o)
	c.typed("X", o.X, Float32, Int32, Uint8)
	c.typed("Y", o.Y, o.X.DType)
	if c.err == nil {
		s, err := Broadcast(o.X.Shape, o.Y.Shape)
		c.merge(err)
		c.that(err != nil || s.Equal(o.Y.Shape), "X %v does not broadcast to Y %v", o.X.Shape, o.Y.Shape)
	}
	return c.err
}

// Cost counts no FLOPs.
func (o *Copy) Cost() Cost { return cost(o, 0) }

// Slice copies a box of X.
//
//	X [any], any type
//	Y [the box's extents], the same type and number of axes   overwritten
//
//	Y[i…] = X[Start + i…]
//
// Its adjoint is Embed.
type Slice struct {
	Y, X  View
	Start []int // one for each axis
}

// Kind returns "Slice".
func (*Slice) Kind() string { return "Slice" }

// Operands lists Y and X.
func (o *Slice) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *Slice) Check() error {
	c := check(o)
	c.typed("X", o.X, Float32, Int32, Uint8)
	c.typed("Y", o.Y, o.X.DType)
	c.box("Y", o.Y.Shape, "X", o.X.Shape, o.Start)
	return c.err
}

func (c *checker) box(small string, s Shape, large string, l Shape, start []int) {
	c.that(len(s) == len(l) && len(start) == len(l), "%s %v at %v in %s %v: expected as many axes in all three", small, s, start, large, l)
	if c.err != nil {
		return
	}
	for i := range s {
		c.that(start[i] >= 0 && start[i] <= l[i]-s[i], "%s %v at %v reaches outside %s %v on axis %d", small, s, start, large, l, i)
	}
}

// Cost counts no FLOPs.
func (o *Slice) Cost() Cost { return Cost{Bytes: 2 * int64(o.Y.Bytes())} }

// Embed puts X into a box of Y that is zero elsewhere: the adjoint of Slice.
//
//	X [the box's extents], Float32
//	Y [any], Float32   overwritten
//
//	Y[Start + i…] = X[i…]; 0 outside the box
type Embed struct {
	Y, X  View
	Start []int // one for each axis
}

// Kind returns "Embed".
func (*Embed) Kind() string { return "Embed" }

// Operands lists Y and X.
func (o *Embed) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *Embed) Check() error {
	c := check(o)
	c.float("X", o.X, -1)
	c.float("Y", o.Y, -1)
	c.box("X", o.X.Shape, "Y", o.Y.Shape, o.Start)
	return c.err
}

// Cost counts no FLOPs.
func (o *Embed) Cost() Cost { return cost(o, 0) }

// Concatenate joins arrays along one axis.
//
//	Xs [equal but for Axis], any one type, at least one
//	Y  [the same, with the sum of the extents along Axis]   overwritten
//
// Its adjoint is a Slice for each operand.
type Concatenate struct {
	Y    View
	Xs   []View
	Axis int
}

// ConcatenateShape returns the shape of arrays joined along an axis.
func ConcatenateShape(axis int, xs ...Shape) (Shape, error) {
	if len(xs) == 0 {
		return nil, fmt.Errorf("%w: nothing to concatenate", ErrShape)
	}
	s := xs[0].Clone()
	if axis < 0 || axis >= len(s) {
		return nil, fmt.Errorf("%w: axis %d of %v, expected 0 to %d", ErrShape, axis, s, len(s)-1)
	}
	for i, x := range xs[1:] {
		ok := len(x) == len(s)
		for a := 0; ok && a < len(s); a++ {
			ok = a == axis || x[a] == s[a]
		}
		if !ok {
			return nil, fmt.Errorf("%w: operand %d %v differs from operand 0 %v elsewhere than on axis %d", ErrShape, i+1, x, xs[0], axis)
		}
		s[axis] += x[axis]
	}
	return s, nil
}

// Kind returns "Concatenate".
func (*Concatenate) Kind() string { return "Concatenate" }

// Operands lists Y and the Xs.
func (o *Concatenate) Operands() []Operand {
	s := operands{}.out("Y", &o.Y)
	for i := range o.Xs {
		s = s.in(fmt.Sprintf("Xs[%d]", i), &o.Xs[i])
	}
	return s
}

// Check implements Op.
func (o *Concatenate) Check() error {
	c := check(o)
	c.typed("Y", o.Y, Float32, Int32, Uint8)
	shapes := make([]Shape, len(o.Xs))
	for i, x := range o.Xs {
		c.typed(fmt.Sprintf("Xs[%d]", i), x, o.Y.DType)
		shapes[i] = x.Shape
	}
	if c.err != nil {
		return c.err
	}
	s, err := ConcatenateShape(o.Axis, shapes...)
	c.merge(err)
	if err == nil {
		c.shapedAs("Y", o.Y, o.Y.DType, s)
	}
	return c.err
}

// Cost counts no FLOPs.
func (o *Concatenate) Cost() Cost { return cost(o, 0) }

// Transpose permutes the axes: axis i of Y is axis Perm[i] of X.
//
//	X [any], any type
//	Y [X's extents, permuted], the same type   overwritten
//
// Its adjoint is Transpose with the inverse permutation.
type Transpose struct {
	Y, X View
	Perm []int
}

// TransposeShape returns the shape of x with its axes permuted.
func TransposeShape(x Shape, perm []int) (Shape, error) {
	seen := make([]bool, len(x))
	s := make(Shape, len(perm))
	ok := len(perm) == len(x)
	for i := 0; ok && i < len(perm); i++ {
		p := perm[i]
		if ok = p >= 0 && p < len(x) && !seen[p]; ok {
			seen[p] = true
			s[i] = x[p]
		}
	}
	if !ok {
		return nil, fmt.Errorf("%w: %v is not a permutation of the axes of %v", ErrShape, perm, x)
	}
	return s, nil
}

// Kind returns "Transpose".
func (*Transpose) Kind() string { return "Transpose" }

// Operands lists Y and X.
func (o *Transpose) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *Transpose) Check() error {
	c := check(o)
	c.typed("X", o.X, Float32, Int32, Uint8)
	if c.err != nil {
		return c.err
	}
	s, err := TransposeShape(o.X.Shape, o.Perm)
	c.merge(err)
	if err == nil {
		c.shapedAs("Y", o.Y, o.X.DType, s)
	}
	return c.err
}

// Cost counts no FLOPs.
func (o *Transpose) Cost() Cost { return cost(o, 0) }

// Gather picks rows of X.
//
//	X       [R, …]                Float32, Int32 or Uint8
//	Indices [N]                   Int32, below R
//	Y       [N, …]                the type of X, or Float32 for Uint8; overwritten
//	Scale, Shift [last axis of X] optional, both or none: a Uint8 x becomes x·Scale + Shift
//
//	Y[i, …] = X[Indices[i], …]
//
// Its adjoint in X is ScatterAdd.
type Gather struct {
	Y, X, Indices, Scale, Shift View
}

// Kind returns "Gather".
func (*Gather) Kind() string { return "Gather" }

// Operands lists Y, X, Indices, Scale and Shift.
func (o *Gather) Operands() []Operand {
	return operands{}.out("Y", &o.Y).in("X", &o.X).in("Indices", &o.Indices).in("Scale", &o.Scale).in("Shift", &o.Shift)
}

func (o *Gather) indices() (View, int) { return o.Indices, o.X.Shape[0] }

// Check implements Op.
func (o *Gather) Check() error {
	c := check(o)
	c.typed("X", o.X, Float32, Int32, Uint8)
	c.that(len(o.X.Shape) >= 1, "X is a scalar, expected rows")
	c.typed("Indices", o.Indices, Int32)
	c.axes("Indices", o.Indices, 1)
	if c.err != nil {
		return c.err
	}
	c.typed("Y", o.Y, o.X.DType, Float32)
	c.that(o.Y.DType == o.X.DType || o.X.DType == Uint8, "Y is %v, X %v: only Uint8 is converted", o.Y.DType, o.X.DType)
	s := o.X.Shape.Clone()
	s[0] = o.Indices.Shape[0]
	c.that(o.Y.Shape.Equal(s), "Y is %v, expected %v", o.Y.Shape, s)
	c.affine(o.X, o.Y, o.Scale, o.Shift)
	return c.err
}

// affine demands scale and shift that fit the conversion of x to y.
func (c *checker) affine(x, y, scale, shift View) {
	c.that(scale.Present() == shift.Present(), "Scale and Shift go together")
	if !scale.Present() || c.err != nil {
		return
	}
	c.that(x.DType == Uint8 && y.DType == Float32, "Scale and Shift go with Uint8 made Float32, found %v and %v", x.DType, y.DType)
	s := Shape{1}
	if n := len(x.Shape); n > 0 {
		s[0] = x.Shape[n-1]
	}
	c.shaped("Scale", scale, s)
	c.shaped("Shift", shift, s)
}

// Cost counts two FLOPs for each element that is scaled.
func (o *Gather) Cost() Cost {
	c := Cost{Bytes: int64(o.Y.Bytes() + o.Indices.Bytes() + o.Y.Shape.Elements()*o.X.DType.Size())}
	if o.Scale.Present() {
		c.FLOPs = 2 * int64(o.Y.Shape.Elements())
	}
	return c
}

// ScatterAdd adds rows of X to the rows of Y that Indices name, in order: the
// adjoint of Gather.
//
//	X       [N, …], Float32
//	Indices [N]              Int32, below R
//	Y       [R, …], Float32  accumulated into
//
//	Y[Indices[i], …] += X[i, …] for i = 0 … N−1
type ScatterAdd struct {
	Y, X, Indices View
}

// Kind returns "ScatterAdd".
func (*ScatterAdd) Kind() string { return "ScatterAdd" }

// Operands lists Y, X and Indices.
func (o *ScatterAdd) Operands() []Operand {
	return operands{}.update("Y", &o.Y).in("X", &o.X).in("Indices", &o.Indices)
}

func (o *ScatterAdd) indices() (View, int) { return o.Indices, o.Y.Shape[0] }

// Check implements Op.
func (o *ScatterAdd) Check() error {
	c := check(o)
	c.float("Y", o.Y, -1)
	c.that(len(o.Y.Shape) >= 1, "Y is a scalar, expected rows")
	c.typed("Indices", o.Indices, Int32)
	c.axes("Indices", o.Indices, 1)
	if c.err != nil {
		return c.err
	}
	s := o.Y.Shape.Clone()
	s[0] = o.Indices.Shape[0]
	c.shaped("X", o.X, s)
	return c.err
}

// Cost counts one addition for each element of X.
func (o *ScatterAdd) Cost() Cost {
	return Cost{FLOPs: int64(o.X.Shape.Elements()), Bytes: int64(3*o.X.Bytes() + o.Indices.Bytes())}
}

// Convert makes Float32 of stored integers.
//
//	X [any], Uint8 or Int32
//	Y [as X], Float32             overwritten
//	Scale, Shift [last axis of X] optional, both or none, for Uint8: y = x·Scale + Shift
//
// It has no derivative.
type Convert struct {
	Y, X, Scale, Shift View
}

// Kind returns "Convert".
func (*Convert) Kind() string { return "Convert" }

// Operands lists Y, X, Scale and Shift.
func (o *Convert) Operands() []Operand {
	return operands{}.out("Y", &o.Y).in("X", &o.X).in("Scale", &o.Scale).in("Shift", &o.Shift)
}

// Check implements Op.
func (o *Convert) Check() error {
	c := check(o)
	c.typed("X", o.X, Uint8, Int32)
	c.shaped("Y", o.Y, o.X.Shape)
	c.affine(o.X, o.Y, o.Scale, o.Shift)
	return c.err
}

// Cost counts two FLOPs for each element that is scaled.
func (o *Convert) Cost() Cost {
	if o.Scale.Present() {
		return cost(o, 2*o.Y.Shape.Elements())
	}
	return cost(o, 0)
}
