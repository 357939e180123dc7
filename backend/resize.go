package backend

import (
	"fmt"
	"math"
)

// ResizeMode is how Resize makes new pixels of old ones.
type ResizeMode uint8

// The modes. With s = in/out, pixel centres lie at half coordinates.
const (
	Nearest  ResizeMode = iota // the pixel at ⌊i·s⌋
	Bilinear                   // linear between the two pixels around (i + ½)·s − ½, edges repeated
	Area                       // the mean over the interval [i·s, (i+1)·s), pixels at its ends weighted by their share
	resizeModes
)

func (m ResizeMode) String() string {
	names := [resizeModes]string{"nearest", "bilinear", "area"}
	if m >= resizeModes {
		return fmt.Sprintf("ResizeMode(%d)", uint8(m))
	}
	return names[m]
}

// Tap is one weighted source pixel of a resized row.
type Tap struct {
	Source int
	Weight float64
}

// ResizeTaps returns, for each of the out pixels of a row, the source pixels
// among in that make it, in ascending order; their weights sum to 1. Rows and
// columns are independent: the weight of a pixel is the product of its two taps'.
func ResizeTaps(m ResizeMode, in, out int) [][]Tap {
	taps := make([][]Tap, out)
	s := float64(in) / float64(out)
	for i := range taps {
		switch m {
		case Nearest:
			taps[i] = []Tap{{i * in / out, 1}}
		case Bilinear:
			at := min(max((float64(i)+0.5)*s-0.5, 0), float64(in-1))
			lo := int(at)
			f := at - float64(lo)
			taps[i] = []Tap{{lo, 1 - f}}
			if f > 0 {
				taps[i] = append(taps[i], Tap{lo + 1, f})
			}
		case Area:
			// In units of 1/out of a pixel all bounds are whole numbers.
			for lo, hi := i*in, (i+1)*in; lo < hi; {
				src := lo / out
				end := min((src+1)*out, hi)
				taps[i] = append(taps[i], Tap{src, float64(end-lo) / float64(in)})
				lo = end
			}
		}
	}
	return taps
}

func (c *checker) resize(x, y View, m ResizeMode, xName, yName string) {
	c.that(m < resizeModes, "unknown mode %v", m)
	c.float(xName, x, 4)
	c.float(yName, y, 4)
	if c.err != nil {
		return
	}
	c.that(x.Shape[0] == y.Shape[0] && x.Shape[3] == y.Shape[3],
		"%s %v and %s %v differ in batch or channels", xName, x.Shape, yName, y.Shape)
	for _, n := range []int{x.Shape[1], x.Shape[2], y.Shape[1], y.Shape[2]} {
		c.that(n <= math.MaxInt16, "extent %d, expected at most %d", n, math.MaxInt16)
	}
}

// Resize changes the size of images.
//
//	X [N, H, W, C]
//	Y [N, OH, OW, C]   overwritten
//
//	Y[n,y,x,c] = Σ weight(y,h)·weight(x,w)·X[n,h,w,c], weights as in ResizeTaps
//
// Its adjoint is ResizeGrad.
type Resize struct {
	Y, X View
	Mode ResizeMode
}

// Kind returns "Resize".
func (*Resize) Kind() string { return "Resize" }

// Operands lists Y and X.
func (o *Resize) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *Resize) Check() error {
	c := check(o)
	c.resize(o.X, o.Y, o.Mode, "X", "Y")
	return c.err
}

// Cost counts a multiply-add for each pair of taps.
func (o *Resize) Cost() Cost { return cost(o, resizeFLOPs(o.X.Shape, o.Y.Shape, o.Mode)) }

func resizeFLOPs(x, y Shape, m ResizeMode) int {
	if m == Nearest {
		return 0
	}
	count := func(in, out int) (n int) {
		for _, t := range ResizeTaps(m, in, out) {
			n += len(t)
		}
		return n
	}
	return 2 * x[0] * x[3] * count(x[1], y[1]) * count(x[2], y[2])
}

// ResizeGrad is the adjoint of Resize.
//
//	DX [N, H, W, C]     overwritten
//	DY [N, OH, OW, C]
//
//	g[n,h,w,c] = Σ weight(y,h)·weight(x,w)·DY[n,y,x,c], in row-major order of y, x
//	DX = (g + Addend)·σ′(Output)
type ResizeGrad struct {
	DX, DY View
	Mode   ResizeMode
	GradEpilogue
}

// Kind returns "ResizeGrad".
func (*ResizeGrad) Kind() string { return "ResizeGrad" }

// Operands lists DX, DY and the epilogue's.
func (o *ResizeGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *ResizeGrad) Check() error {
	c := check(o)
	c.resize(o.DX, o.DY, o.Mode, "DX", "DY")
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts as many FLOPs as Resize.
func (o *ResizeGrad) Cost() Cost {
	return cost(o, resizeFLOPs(o.DX.Shape, o.DY.Shape, o.Mode)+o.GradEpilogue.flops())
}
