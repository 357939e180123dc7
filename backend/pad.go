package backend

import "fmt"

// PadMode is what is put around an image ("What do you pad with?").
type PadMode uint8

// The padding modes, for a row a b c d padded by two on each side.
const (
	PadZeros   PadMode = iota // 0 0 a b c d 0 0
	PadReflect                // c b a b c d c b: mirrored at the edge pixel, which is not repeated
	PadEdge                   // a a a b c d d d
	padModes
)

func (m PadMode) String() string {
	switch m {
	case PadZeros:
		return "zeros"
	case PadReflect:
		return "reflect"
	case PadEdge:
		return "edge"
	}
	return fmt.Sprintf("PadMode(%d)", uint8(m))
}

// Padding is a number of pixels on each side of an image, and their mode.
type Padding struct {
	Top, Bottom, Left, Right int
	Mode                     PadMode
}

// Source returns which of the n pixels of a row lies at position i of the padded
// row, counted so that 0 is the first real pixel; -1 is a zero.
func (m PadMode) Source(i, n int) int {
	switch {
	case i >= 0 && i < n:
		return i
	case m == PadZeros:
		return -1
	case m == PadEdge:
		return min(max(i, 0), n-1)
	case i < 0:
		return -i
	}
	return 2*(n-1) - i
}

// PadShape returns the shape of images x [N, H, W, C] with padding around them.
// Reflection needs more pixels than it mirrors.
func PadShape(x Shape, p Padding) (Shape, error) {
	if len(x) != 4 {
		return nil, fmt.Errorf("%w: images %v, expected 4 axes (NHWC)", ErrShape, x)
	}
	if p.Mode >= padModes {
		return nil, fmt.Errorf("%w: unknown padding mode %v", ErrShape, p.Mode)
	}
	for _, side := range []struct {
		name string
		n, h int
	}{{"Top", p.Top, x[1]}, {"Bottom", p.Bottom, x[1]}, {"Left", p.Left, x[2]}, {"Right", p.Right, x[2]}} {
		if side.n < 0 || side.n > maxExtent {
			return nil, fmt.Errorf("%w: padding %s is %d, expected 0 to %d", ErrShape, side.name, side.n, maxExtent)
		}
		if p.Mode == PadReflect && side.n >= side.h {
			return nil, fmt.Errorf("%w: reflecting %s %d pixels needs an image of more than %d, found %d", ErrShape, side.name, side.n, side.n, side.h)
		}
	}
	return Shape{x[0], x[1] + p.Top + p.Bottom, x[2] + p.Left + p.Right, x[3]}, nil
}

func (c *checker) pad(x, y View, p Padding, xName, yName string) {
	c.float(xName, x, 4)
	if c.err != nil {
		return
	}
	s, err := PadShape(x.Shape, p)
	c.merge(err)
	if err == nil {
		c.shaped(yName, y, s)
	}
}

// Pad puts a border around images.
//
//	X [N, H, W, C]
//	Y [N, Top+H+Bottom, Left+W+Right, C]   overwritten
//
// Its adjoint is PadGrad. Source: the lecture's "Convolution Variants".
type Pad struct {
	Y, X View
	Padding
}

// Kind returns "Pad".
func (*Pad) Kind() string { return "Pad" }

// Operands lists Y and X.
func (o *Pad) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *Pad) Check() error {
	c := check(o)
	c.pad(o.X, o.Y, o.Padding, "X", "Y")
	return c.err
}

// Cost counts no FLOPs.
func (o *Pad) Cost() Cost { return cost(o, 0) }

// PadGrad sums, for each pixel, the gradients of all its copies.
//
//	DX [N, H, W, C]                         overwritten
//	DY [N, Top+H+Bottom, Left+W+Right, C]
//
//	g[n,h,w,c] = Σ DY[n,y,x,c] over all y, x whose source is h, w, in row-major order
//	DX = (g + Addend)·σ′(Output)
type PadGrad struct {
	DX, DY View
	Padding
	GradEpilogue
}

// Kind returns "PadGrad".
func (*PadGrad) Kind() string { return "PadGrad" }

// Operands lists DX, DY and the epilogue's.
func (o *PadGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *PadGrad) Check() error {
	c := check(o)
	c.pad(o.DX, o.DY, o.Padding, "DX", "DY")
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts one addition for each element of DY.
func (o *PadGrad) Cost() Cost { return cost(o, o.DY.Shape.Elements()+o.GradEpilogue.flops()) }
