package nn

import (
	"fmt"

	"fovea/backend"
	"fovea/graph"
)

// Size is a height and a width in pixels. Where a layer says so, zero means a
// default.
type Size struct {
	H int `json:"h"`
	W int `json:"w"`
}

// Square is the Size of n by n.
func Square(n int) Size { return Size{n, n} }

// or replaces what is zero.
func (s Size) or(h, w int) Size {
	if s.H == 0 {
		s.H = h
	}
	if s.W == 0 {
		s.W = w
	}
	return s
}

// Padding is what surrounds an image before a window moves over it ("Convolution
// Variants"): a number of pixels on each side, or else Same, which keeps the size of
// the image at stride 1 and makes it ⌈size/stride⌉ otherwise, the odd pixel at the
// bottom and right. The zero value is no padding.
type Padding struct {
	Top    int  `json:"top,omitempty"`
	Bottom int  `json:"bottom,omitempty"`
	Left   int  `json:"left,omitempty"`
	Right  int  `json:"right,omitempty"`
	Same   bool `json:"same,omitempty"`
	// Mode is what the border holds: zeros, a reflection or copies of the edge.
	Mode backend.PadMode `json:"mode,omitempty"`
}

// Same is the zero padding that keeps the size of an image at stride 1.
var Same = Padding{Same: true}

// Around is zero padding of n pixels on each side.
func Around(n int) Padding { return Padding{Top: n, Bottom: n, Left: n, Right: n} }

// sides works out the pixels on each side for an image of h×w.
func (p Padding) sides(h, w int, kernel, stride, dilation Size) backend.Padding {
	if p.Same {
		p.Top, p.Bottom = same(h, kernel.H, stride.H, dilation.H)
		p.Left, p.Right = same(w, kernel.W, stride.W, dilation.W)
	}
	return backend.Padding{Top: p.Top, Bottom: p.Bottom, Left: p.Left, Right: p.Right, Mode: p.Mode}
}

func same(n, kernel, stride, dilation int) (before, after int) {
	if stride < 1 {
		return 0, 0 // reported by the shape rule
	}
	out := (n + stride - 1) / stride
	total := max((out-1)*stride+dilation*(kernel-1)+1-n, 0)
	return total / 2, total - total/2
}

// Conv2D is a convolution (a cross-correlation, as everywhere in the field) with a
// bank of learnt filters, a bias and an activation.
//
//	input  [N H W C]
//	output [N OH OW Filters]; OH = (H + padding − Dilation·(Kernel−1) − 1)/Stride + 1
//	parameters: weight [Filters KH KW C/Groups], bias [Filters]
type Conv2D struct {
	Name       string      `json:"name,omitempty"`
	Filters    int         `json:"filters"`
	Kernel     Size        `json:"kernel"`
	Stride     Size        `json:"stride,omitzero"`   // zero means 1
	Dilation   Size        `json:"dilation,omitzero"` // zero means 1
	Padding    Padding     `json:"padding,omitzero"`
	Groups     int         `json:"groups,omitempty"` // zero means 1; C makes a depthwise convolution
	NoBias     bool        `json:"no_bias,omitempty"`
	Activation Activation  `json:"activation,omitzero"`
	Init       Initializer `json:"init,omitempty"`      // of the filters
	BiasInit   Initializer `json:"bias_init,omitempty"` // default: zeros
}

// Kind returns "conv".
func (Conv2D) Kind() string { return "conv" }

// LayerName returns the layer's own name.
func (l Conv2D) LayerName() string { return l.Name }

// Build implements Layer.
func (l Conv2D) Build(b *Builder, x *graph.Node) *graph.Node {
	if !b.image(x) {
		return x
	}
	s := x.Shape()
	stride, dilation, groups := l.Stride.or(1, 1), l.Dilation.or(1, 1), max(l.Groups, 1)
	if l.Filters < 1 || l.Kernel.H < 1 || l.Kernel.W < 1 || l.Groups < 0 || s[3]%groups != 0 {
		return b.Fail(fmt.Errorf("%w: %d filters of %d×%d in %d groups over %d channels, expected positive numbers and groups that divide the channels",
			backend.ErrShape, l.Filters, l.Kernel.H, l.Kernel.W, groups, s[3]))
	}
	w := b.declare(ParameterSpec{
		Name:  "weight",
		Shape: backend.Shape{l.Filters, l.Kernel.H, l.Kernel.W, s[3] / groups},
		Init:  weightInit(l.Init, l.Activation),
		FanIn: l.Kernel.H * l.Kernel.W * s[3] / groups, FanOut: l.Kernel.H * l.Kernel.W * l.Filters / groups,
	})
	var bias *graph.Node
	if !l.NoBias {
		bias = b.bias(l.Filters, l.Kernel.H*l.Kernel.W*s[3]/groups, l.BiasInit)
	}
	x, win := b.window(x, l.Padding, l.Kernel, stride, dilation)
	return b.Activate(b.Conv2D(x, w, bias, win, groups), l.Activation)
}

// bias declares a bias behind fanIn inputs.
func (b *Builder) bias(n, fanIn int, init Initializer) *graph.Node {
	return b.declare(ParameterSpec{Name: "bias", Shape: backend.Shape{n}, Init: init, FanIn: fanIn, FanOut: n, Bias: true})
}

// window works out how a kernel moves over x. Zeros are left to the Op; other
// padding is put around x first.
func (b *Builder) window(x *graph.Node, p Padding, kernel, stride, dilation Size) (*graph.Node, backend.Window) {
	win := backend.Window{StrideH: stride.H, StrideW: stride.W, DilationH: dilation.H, DilationW: dilation.W}
	if p.Same && (p.Top != 0 || p.Bottom != 0 || p.Left != 0 || p.Right != 0) {
		return b.Fail(fmt.Errorf("%w: padding is both Same and a number of pixels", backend.ErrShape)), win
	}
	sides := p.sides(x.Shape()[1], x.Shape()[2], kernel, stride, dilation)
	if sides.Mode != backend.PadZeros {
		return b.Graph.Pad(x, sides), win
	}
	win.PadTop, win.PadBottom, win.PadLeft, win.PadRight = sides.Top, sides.Bottom, sides.Left, sides.Right
	return x, win
}

// Dense is a fully connected layer, y = σ(x·Wᵀ + b).
//
//	input  [N In]
//	output [N Units]
//	parameters: weight [Units In], bias [Units]
type Dense struct {
	Name       string      `json:"name,omitempty"`
	Units      int         `json:"units"`
	NoBias     bool        `json:"no_bias,omitempty"`
	Activation Activation  `json:"activation,omitzero"`
	Init       Initializer `json:"init,omitempty"`
	BiasInit   Initializer `json:"bias_init,omitempty"` // default: zeros
}

// Kind returns "dense".
func (Dense) Kind() string { return "dense" }

// LayerName returns the layer's own name.
func (l Dense) LayerName() string { return l.Name }

// Build implements Layer.
func (l Dense) Build(b *Builder, x *graph.Node) *graph.Node {
	if b.Err() != nil {
		return x
	}
	s := x.Shape()
	if len(s) != 2 || l.Units < 1 {
		return b.Fail(fmt.Errorf("%w: %d units over an input %v, expected a positive number over rows [N D] (put a Flatten in front)", backend.ErrShape, l.Units, s))
	}
	w := b.Parameter("weight", backend.Shape{l.Units, s[1]}, weightInit(l.Init, l.Activation))
	var bias *graph.Node
	if !l.NoBias {
		bias = b.bias(l.Units, s[1], l.BiasInit)
	}
	return b.Activate(b.MatMul(x, w, bias, false, true), l.Activation)
}
