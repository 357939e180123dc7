package backend

import "fmt"

// Conv2D computes Y = σ(X ⋆ W + B), the cross-correlation of a batch of images
// with a bank of filters:
//
//	X [N, H, W, C]        images
//	W [O, KH, KW, C/G]    filters, one per output channel
//	B [O]                 bias, optional
//	Y [N, OH, OW, O]      overwritten; OH, OW as in Window.Output
//
//	Y[n,y,x,o] = σ(B[o] + Σ_{i,j,c} X[n, y·StrideH + i·DilationH − PadTop, x·StrideW + j·DilationW − PadLeft, g·C/G + c] · W[o,i,j,c])
//
// where pixels outside the image are zero and g = o/(O/G) is the group of the
// output channel. Whether such a zero meets a filter that is not finite is left to
// the backend, here and in Conv2DFilterGrad. Its adjoint in X is Conv2DInputGrad, in W Conv2DFilterGrad.
// Source: the lecture's "CNN Backprop"; LeCun et al. 1998.
type Conv2D struct {
	Y, X, W, B View
	Window
	Groups     int
	Activation Activation
}

// Conv2DShape returns the shape of Conv2D's output.
func Conv2DShape(x, w Shape, win Window, groups int) (Shape, error) {
	if len(x) != 4 || len(w) != 4 {
		return nil, fmt.Errorf("%w: images %v and filters %v, expected 4 axes each (NHWC, OHWI)", ErrShape, x, w)
	}
	if groups < 1 || x[3]%groups != 0 || w[0]%groups != 0 {
		return nil, fmt.Errorf("%w: Groups is %d, expected a divisor of %d input and %d output channels", ErrShape, groups, x[3], w[0])
	}
	if w[3] != x[3]/groups {
		return nil, fmt.Errorf("%w: filters %v take %d channels, the input %v has %d in each of %d groups", ErrShape, w, w[3], x, x[3]/groups, groups)
	}
	oh, ow, err := win.Output(x[1], x[2], w[1], w[2])
	if err != nil {
		return nil, err
	}
	return Shape{x[0], oh, ow, w[0]}, nil
}

func (c *checker) conv(x, w, y View, win Window, groups int, xName, yName string) {
	c.float(xName, x, 4)
	if c.err != nil {
		return
	}
	s, err := Conv2DShape(x.Shape, w.Shape, win, groups)
	c.merge(err)
	if err == nil {
		c.shaped(yName, y, s)
	}
}

// Kind returns "Conv2D".
func (*Conv2D) Kind() string { return "Conv2D" }

// Operands lists Y, X, W and B.
func (o *Conv2D) Operands() []Operand {
	return operands{}.out("Y", &o.Y).in("X", &o.X).in("W", &o.W).in("B", &o.B)
}

// Check implements Op.
func (o *Conv2D) Check() error {
	c := check(o)
	c.float("W", o.W, 4)
	c.conv(o.X, o.W, o.Y, o.Window, o.Groups, "X", "Y")
	c.activation(o.Activation)
	if c.err == nil {
		c.optional("B", o.B, Shape{o.W.Shape[0]})
	}
	return c.err
}

// Cost counts 2·KH·KW·C/G FLOPs for each output element, and one each for bias
// and activation.
func (o *Conv2D) Cost() Cost {
	return cost(o, convFLOPs(o.Y, o.W)+pointwise(o.Y, o.B.Present(), o.Activation))
}

func convFLOPs(y, w View) int { return 2 * y.Shape.Elements() * w.Shape[1] * w.Shape[2] * w.Shape[3] }

// pointwise counts the FLOPs of bias and activation.
func pointwise(y View, bias bool, a Activation) int {
	n := 0
	if bias {
		n++
	}
	if a.Func != Identity {
		n++
	}
	return n * y.Shape.Elements()
}

// Conv2DInputGrad computes the gradient of Conv2D's input, the adjoint: a true
// convolution of the output's gradient with the flipped filters.
//
//	DX [N, H, W, C]       overwritten
//	DY [N, OH, OW, O]     gradient before the activation
//	W  [O, KH, KW, C/G]
//
//	g[n,h,w,c] = Σ DY[n,y,x,o] · W[o,i,j,c − g·C/G]  over all y, x, i, j, o of c's group with
//	             y·StrideH + i·DilationH − PadTop = h and x·StrideW + j·DilationW − PadLeft = w
//	DX = (g + Addend)·σ′(Output)
//
// Its adjoint in DY is Conv2D. Source: the lecture's "Adjoint of convolution
// (flip)".
type Conv2DInputGrad struct {
	DX, DY, W View
	Window
	Groups int
	GradEpilogue
}

// Kind returns "Conv2DInputGrad".
func (*Conv2DInputGrad) Kind() string { return "Conv2DInputGrad" }

// Operands lists DX, DY, W and the epilogue's.
func (o *Conv2DInputGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).in("DY", &o.DY).in("W", &o.W).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *Conv2DInputGrad) Check() error {
	c := check(o)
	c.float("W", o.W, 4)
	c.conv(o.DX, o.W, o.DY, o.Window, o.Groups, "DX", "DY")
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts as many FLOPs as the forward convolution.
func (o *Conv2DInputGrad) Cost() Cost {
	return cost(o, convFLOPs(o.DY, o.W)+o.GradEpilogue.flops())
}

// Conv2DFilterGrad computes the gradients of Conv2D's filters and bias.
//
//	DW [O, KH, KW, C/G]   overwritten, or accumulated into with Accumulate
//	DB [O]                likewise; optional
//	DY [N, OH, OW, O]     gradient before the activation
//	X  [N, H, W, C]
//
//	DW[o,i,j,c] = Σ_{n,y,x} DY[n,y,x,o] · X[n, y·StrideH + i·DilationH − PadTop, x·StrideW + j·DilationW − PadLeft, g·C/G + c]
//	DB[o]       = Σ_{n,y,x} DY[n,y,x,o]
//
// It is linear in DY and in X; its adjoints are Conv2D and Conv2DInputGrad with
// DW in the place of W. Source: the lecture's "AutoGrad", ∇_K = XᵀL′.
type Conv2DFilterGrad struct {
	DW, DB, DY, X View
	Window
	Groups     int
	Accumulate bool
}

// Kind returns "Conv2DFilterGrad".
func (*Conv2DFilterGrad) Kind() string { return "Conv2DFilterGrad" }

// Operands lists DW, DB, DY and X.
func (o *Conv2DFilterGrad) Operands() []Operand {
	return operands{}.result("DW", &o.DW, o.Accumulate).result("DB", &o.DB, o.Accumulate).in("DY", &o.DY).in("X", &o.X)
}

// Check implements Op.
func (o *Conv2DFilterGrad) Check() error {
	c := check(o)
	c.float("DW", o.DW, 4)
	c.conv(o.X, o.DW, o.DY, o.Window, o.Groups, "X", "DY")
	if c.err == nil {
		c.optional("DB", o.DB, Shape{o.DW.Shape[0]})
	}
	return c.err
}

// Cost counts as many FLOPs as the forward convolution, and one for each element
// of DY with a bias.
func (o *Conv2DFilterGrad) Cost() Cost {
	return cost(o, convFLOPs(o.DY, o.DW)+pointwise(o.DY, o.DB.Present(), Activation{}))
}
