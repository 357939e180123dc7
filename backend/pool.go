package backend

import "fmt"

// PoolShape returns the shape that pooling makes of images x [N, H, W, C] with a
// kernel of kh×kw. Padding must be smaller than the (dilated) kernel, so that
// every window holds at least one real pixel.
func PoolShape(x Shape, kh, kw int, win Window) (Shape, error) {
	if len(x) != 4 {
		return nil, fmt.Errorf("%w: images %v, expected 4 axes (NHWC)", ErrShape, x)
	}
	oh, ow, err := win.Output(x[1], x[2], kh, kw)
	if err != nil {
		return nil, err
	}
	if eh, ew := win.DilationH*(kh-1)+1, win.DilationW*(kw-1)+1; win.PadTop >= eh || win.PadBottom >= eh || win.PadLeft >= ew || win.PadRight >= ew {
		return nil, fmt.Errorf("%w: padding (top %d, bottom %d, left %d, right %d) reaches past a pooling window of %d×%d",
			ErrShape, win.PadTop, win.PadBottom, win.PadLeft, win.PadRight, eh, ew)
	}
	if (win.DilationH > 1 || win.DilationW > 1) && (win.PadTop > 0 || win.PadBottom > 0 || win.PadLeft > 0 || win.PadRight > 0) {
		for i := range oh {
			if windowIsEmpty(i*win.StrideH-win.PadTop, kh, win.DilationH, x[1]) {
				return nil, fmt.Errorf("%w: pooling window of output row %d holds padding alone", ErrShape, i)
			}
		}
		for j := range ow {
			if windowIsEmpty(j*win.StrideW-win.PadLeft, kw, win.DilationW, x[2]) {
				return nil, fmt.Errorf("%w: pooling window of output column %d holds padding alone", ErrShape, j)
			}
		}
	}
	return Shape{x[0], oh, ow, x[3]}, nil
}

// windowIsEmpty reports whether no tap of a window that begins at start meets one of
// n pixels: the first tap that is not before them lies behind them, or is none.
func windowIsEmpty(start, k, dilation, n int) bool {
	first := 0
	if start < 0 {
		first = (-start + dilation - 1) / dilation
	}
	return first >= k || start+first*dilation >= n
}

func (c *checker) pool(x, y View, kh, kw int, win Window, xName, yName string) {
	c.float(xName, x, 4)
	if c.err != nil {
		return
	}
	s, err := PoolShape(x.Shape, kh, kw, win)
	c.merge(err)
	if err == nil {
		c.shaped(yName, y, s)
	}
}

// MaxPool2D takes the maximum of each window and channel.
//
//	X      [N, H, W, C]
//	Y      [N, OH, OW, C]   overwritten; OH, OW as in Window.Output
//	Argmax [N, OH, OW, C]   Int32, overwritten, optional: h·W + w of the maximum
//
// Padding never wins; the first maximum in row-major order does; NaN wins over
// everything and propagates, the first one found. Its adjoint is MaxPool2DGrad.
type MaxPool2D struct {
	Y, Argmax, X     View
	KernelH, KernelW int
	Window
}

// Kind returns "MaxPool2D".
func (*MaxPool2D) Kind() string { return "MaxPool2D" }

// Operands lists Y, Argmax and X.
func (o *MaxPool2D) Operands() []Operand {
	return operands{}.out("Y", &o.Y).out("Argmax", &o.Argmax).in("X", &o.X)
}

// Check implements Op.
func (o *MaxPool2D) Check() error {
	c := check(o)
	c.pool(o.X, o.Y, o.KernelH, o.KernelW, o.Window, "X", "Y")
	if o.Argmax.Present() {
		c.shapedAs("Argmax", o.Argmax, Int32, o.Y.Shape)
	}
	return c.err
}

// Cost counts KernelH·KernelW comparisons for each output.
func (o *MaxPool2D) Cost() Cost { return cost(o, o.Y.Shape.Elements()*o.KernelH*o.KernelW) }

// MaxPool2DGrad sends each gradient to the pixel that won.
//
//	DX     [N, H, W, C]     overwritten
//	DY     [N, OH, OW, C]
//	Argmax [N, OH, OW, C]   as MaxPool2D wrote it
//
//	g[n,h,w,c] = Σ DY[n,y,x,c] over the windows y, x with Argmax[n,y,x,c] = h·W + w, in row-major order
//	DX = (g + Addend)·σ′(Output)
type MaxPool2DGrad struct {
	DX, DY, Argmax   View
	KernelH, KernelW int
	Window
	GradEpilogue
}

// Kind returns "MaxPool2DGrad".
func (*MaxPool2DGrad) Kind() string { return "MaxPool2DGrad" }

// Operands lists DX, DY, Argmax and the epilogue's.
func (o *MaxPool2DGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).in("Argmax", &o.Argmax).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *MaxPool2DGrad) Check() error {
	c := check(o)
	c.pool(o.DX, o.DY, o.KernelH, o.KernelW, o.Window, "DX", "DY")
	c.shapedAs("Argmax", o.Argmax, Int32, o.DY.Shape)
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts one addition for each element of DY.
func (o *MaxPool2DGrad) Cost() Cost {
	return cost(o, o.DY.Shape.Elements()+o.GradEpilogue.flops())
}

// AvgPool2D takes the mean of each window and channel.
//
//	X [N, H, W, C]
//	Y [N, OH, OW, C]   overwritten; OH, OW as in Window.Output
//
// Padding counts as zero in the sum. The divisor is the number of real pixels in
// the window or, with CountPadding, KernelH·KernelW. Its adjoint is
// AvgPool2DGrad.
type AvgPool2D struct {
	Y, X             View
	KernelH, KernelW int
	Window
	CountPadding bool
}

// Kind returns "AvgPool2D".
func (*AvgPool2D) Kind() string { return "AvgPool2D" }

// Operands lists Y and X.
func (o *AvgPool2D) Operands() []Operand { return operands{}.out("Y", &o.Y).in("X", &o.X) }

// Check implements Op.
func (o *AvgPool2D) Check() error {
	c := check(o)
	c.pool(o.X, o.Y, o.KernelH, o.KernelW, o.Window, "X", "Y")
	return c.err
}

// Cost counts KernelH·KernelW additions and one division for each output.
func (o *AvgPool2D) Cost() Cost { return cost(o, o.Y.Shape.Elements()*(o.KernelH*o.KernelW+1)) }

// AvgPool2DGrad spreads each gradient evenly over its window.
//
//	DX [N, H, W, C]     overwritten
//	DY [N, OH, OW, C]
//
//	g[n,h,w,c] = Σ DY[n,y,x,c]/divisor(y,x) over the windows that hold pixel h, w
//	DX = (g + Addend)·σ′(Output)
type AvgPool2DGrad struct {
	DX, DY           View
	KernelH, KernelW int
	Window
	CountPadding bool
	GradEpilogue
}

// Kind returns "AvgPool2DGrad".
func (*AvgPool2DGrad) Kind() string { return "AvgPool2DGrad" }

// Operands lists DX, DY and the epilogue's.
func (o *AvgPool2DGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *AvgPool2DGrad) Check() error {
	c := check(o)
	c.pool(o.DX, o.DY, o.KernelH, o.KernelW, o.Window, "DX", "DY")
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts KernelH·KernelW additions and one division for each element of DY.
func (o *AvgPool2DGrad) Cost() Cost {
	return cost(o, o.DY.Shape.Elements()*(o.KernelH*o.KernelW+1)+o.GradEpilogue.flops())
}
