package backend

import "fmt"

// ReduceFunc is how Reduce makes one value of many.
type ReduceFunc uint8

// The reductions.
const (
	Sum          ReduceFunc = iota
	Mean                    // the sum divided by the number of elements
	ReduceMax               // the maximum; NaN wins
	ReduceArgmax            // Int32 position of the maximum: the first in row-major order of the reduced axes; the first NaN wins
	reduceFuncs
)

func (f ReduceFunc) String() string {
	names := [reduceFuncs]string{"Sum", "Mean", "Max", "Argmax"}
	if f >= reduceFuncs {
		return fmt.Sprintf("ReduceFunc(%d)", uint8(f))
	}
	return names[f]
}

// ReduceFuncs lists all reductions.
func ReduceFuncs() []ReduceFunc { return []ReduceFunc{Sum, Mean, ReduceMax, ReduceArgmax} }

// ReduceShape returns the shape of x with the axes set to 1, and the number of
// elements that become one. Axes are strictly ascending.
func ReduceShape(x Shape, axes []int) (Shape, int, error) {
	s, n := x.Clone(), 1
	for i, a := range axes {
		if a < 0 || a >= len(x) || i > 0 && a <= axes[i-1] {
			return nil, 0, fmt.Errorf("%w: axes %v of %v, expected strictly ascending axes from 0 to %d", ErrShape, axes, x, len(x)-1)
		}
		n *= x[a]
		s[a] = 1
	}
	return s, n, nil
}

// Reduce combines the elements along the given axes.
//
//	X [any]
//	Y [X with Axes set to 1]   Float32, or Int32 for ReduceArgmax; overwritten, or accumulated into with Accumulate (Sum and Mean only)
//
// The adjoint of Sum is a broadcast Copy, of Mean the same divided by the count,
// of ReduceMax ReduceMaxGrad; the position has none.
type Reduce struct {
	Y, X       View
	Func       ReduceFunc
	Axes       []int // strictly ascending
	Accumulate bool
}

// Kind returns "Reduce".
func (*Reduce) Kind() string { return "Reduce" }

// Operands lists Y and X.
func (o *Reduce) Operands() []Operand {
	return operands{}.result("Y", &o.Y, o.Accumulate).in("X", &o.X)
}

// Check implements Op.
func (o *Reduce) Check() error {
	c := check(o)
	c.that(o.Func < reduceFuncs, "unknown reduction %v", o.Func)
	c.that(!o.Accumulate || o.Func == Sum || o.Func == Mean, "%v does not accumulate", o.Func)
	c.float("X", o.X, -1)
	if c.err != nil {
		return c.err
	}
	s, _, err := ReduceShape(o.X.Shape, o.Axes)
	if err != nil {
		c.merge(err)
		return c.err
	}
	t := Float32
	if o.Func == ReduceArgmax {
		t = Int32
	}
	c.shapedAs("Y", o.Y, t, s)
	return c.err
}

// Cost counts one FLOP for each element of X.
func (o *Reduce) Cost() Cost { return cost(o, o.X.Shape.Elements()) }

// ReduceMaxGrad sends each gradient to the element that was the maximum.
//
//	DX     [any]                     overwritten
//	DY     [DX with Axes set to 1]
//	Argmax [as DY]                   Int32, as Reduce with ReduceArgmax wrote it
//
//	DX = (g + Addend)·σ′(Output), g = DY at the position that Argmax names, else 0
type ReduceMaxGrad struct {
	DX, DY, Argmax View
	Axes           []int
	GradEpilogue
}

// Kind returns "ReduceMaxGrad".
func (*ReduceMaxGrad) Kind() string { return "ReduceMaxGrad" }

// Operands lists DX, DY, Argmax and the epilogue's.
func (o *ReduceMaxGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).in("Argmax", &o.Argmax).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *ReduceMaxGrad) Check() error {
	c := check(o)
	c.float("DX", o.DX, -1)
	if c.err != nil {
		return c.err
	}
	s, _, err := ReduceShape(o.DX.Shape, o.Axes)
	if err != nil {
		c.merge(err)
		return c.err
	}
	c.shaped("DY", o.DY, s)
	c.shapedAs("Argmax", o.Argmax, Int32, s)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts one FLOP for each element of DX.
func (o *ReduceMaxGrad) Cost() Cost { return cost(o, o.DX.Shape.Elements()+o.GradEpilogue.flops()) }
