package nn

import (
	"fmt"
	"math"

	"fovea/backend"
	"fovea/graph"
)

// MaxPool2D takes the maximum of each window and channel.
type MaxPool2D struct {
	Kernel   Size    `json:"kernel,omitzero"`   // zero means 2
	Stride   Size    `json:"stride,omitzero"`   // zero means the kernel's size
	Dilation Size    `json:"dilation,omitzero"` // zero means 1
	Padding  Padding `json:"padding,omitzero"`  // never wins; its mode stays the zero value
}

// Kind returns "maxpool".
func (MaxPool2D) Kind() string { return "maxpool" }

// Build implements Layer.
func (l MaxPool2D) Build(b *Builder, x *graph.Node) *graph.Node {
	x, k, win, ok := b.pooling(x, l.Kernel, l.Stride, l.Dilation, l.Padding)
	if !ok {
		return x
	}
	return b.Graph.MaxPool2D(x, k.H, k.W, win)
}

// AvgPool2D takes the mean of each window and channel.
type AvgPool2D struct {
	Kernel   Size    `json:"kernel,omitzero"`   // zero means 2
	Stride   Size    `json:"stride,omitzero"`   // zero means the kernel's size
	Dilation Size    `json:"dilation,omitzero"` // zero means 1
	Padding  Padding `json:"padding,omitzero"`  // zeros
	// CountPadding divides by the size of the window everywhere, instead of by the
	// number of real pixels in it.
	CountPadding bool `json:"count_padding,omitempty"`
}

// Kind returns "avgpool".
func (AvgPool2D) Kind() string { return "avgpool" }

// Build implements Layer.
func (l AvgPool2D) Build(b *Builder, x *graph.Node) *graph.Node {
	x, k, win, ok := b.pooling(x, l.Kernel, l.Stride, l.Dilation, l.Padding)
	if !ok {
		return x
	}
	return b.Graph.AvgPool2D(x, k.H, k.W, win, l.CountPadding)
}

func (b *Builder) pooling(x *graph.Node, kernel, stride, dilation Size, p Padding) (*graph.Node, Size, backend.Window, bool) {
	if !b.image(x) {
		return x, kernel, backend.Window{}, false
	}
	if p.Mode != backend.PadZeros {
		return b.Fail(fmt.Errorf("%w: pooling with padding mode %v, expected none (put a Pad layer in front)", backend.ErrShape, p.Mode)), kernel, backend.Window{}, false
	}
	kernel = kernel.or(2, 2)
	if kernel.H > math.MaxInt16 || kernel.W > math.MaxInt16 {
		return b.Fail(fmt.Errorf("%w: kernel %d×%d, expected at most %d×%[4]d", backend.ErrShape, kernel.H, kernel.W, math.MaxInt16)), kernel, backend.Window{}, false
	}
	x, win := b.window(x, p, kernel, stride.or(kernel.H, kernel.W), dilation.or(1, 1))
	return x, kernel, win, b.Err() == nil
}

// GlobalAvgPool2D takes the mean of each channel over the whole image: [N H W C]
// becomes [N C].
type GlobalAvgPool2D struct{}

// Kind returns "globalavgpool".
func (GlobalAvgPool2D) Kind() string { return "globalavgpool" }

// Build implements Layer.
func (GlobalAvgPool2D) Build(b *Builder, x *graph.Node) *graph.Node {
	if !b.image(x) {
		return x
	}
	s := x.Shape()
	win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}
	return b.Reshape(b.Graph.AvgPool2D(x, s[1], s[2], win, false), s[0], s[3])
}

// GlobalMaxPool2D takes the maximum of each channel over the whole image: [N H W C]
// becomes [N C].
type GlobalMaxPool2D struct{}

// Kind returns "globalmaxpool".
func (GlobalMaxPool2D) Kind() string { return "globalmaxpool" }

// Build implements Layer.
func (GlobalMaxPool2D) Build(b *Builder, x *graph.Node) *graph.Node {
	if !b.image(x) {
		return x
	}
	s := x.Shape()
	win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}
	return b.Reshape(b.Graph.MaxPool2D(x, s[1], s[2], win), s[0], s[3])
}

// Flatten makes one row of each example, in NHWC order; nothing is copied.
type Flatten struct{}

// Kind returns "flatten".
func (Flatten) Kind() string { return "flatten" }

// Build implements Layer.
func (Flatten) Build(b *Builder, x *graph.Node) *graph.Node {
	if b.Err() != nil {
		return x
	}
	s := x.Shape()
	if len(s) == 0 {
		return b.Fail(fmt.Errorf("%w: the input is a scalar, expected examples", backend.ErrShape))
	}
	return b.Reshape(x, s[0], s.Elements()/s[0])
}

// Activate applies an activation.
type Activate struct {
	Activation Activation `json:"activation"`
}

// Kind returns "activation".
func (Activate) Kind() string { return "activation" }

// Build implements Layer.
func (l Activate) Build(b *Builder, x *graph.Node) *graph.Node {
	return b.Graph.Activate(x, l.Activation)
}

// Maxout takes the maximum of each group of neighbouring channels, so that Pieces
// linear pieces in the layer before make one unit: max(w₁ᵀx + b₁, w₂ᵀx + b₂).
type Maxout struct {
	Pieces int `json:"pieces,omitempty"` // zero means 2
}

// Kind returns "maxout".
func (Maxout) Kind() string { return "maxout" }

// Build implements Layer.
func (l Maxout) Build(b *Builder, x *graph.Node) *graph.Node {
	pieces := l.Pieces
	if pieces == 0 {
		pieces = 2
	}
	return b.Graph.Maxout(x, pieces)
}

// Dropout zeroes a share of the values while training, and does nothing otherwise.
type Dropout struct {
	Rate float64 `json:"rate"`
}

// Kind returns "dropout".
func (Dropout) Kind() string { return "dropout" }

// Build implements Layer.
func (l Dropout) Build(b *Builder, x *graph.Node) *graph.Node {
	stream := b.Stream() // in prediction too, so that numbers agree
	if !(l.Rate >= 0 && l.Rate < 1) {
		return b.Fail(fmt.Errorf("%w: rate %g, expected 0 to less than 1", backend.ErrShape, l.Rate))
	}
	if !b.Training {
		return x
	}
	return b.Graph.Dropout(x, l.Rate, stream)
}

// BatchNorm normalises each channel: by the statistics of the batch while training,
// by their running averages otherwise. It cannot be shared under one name: running
// averages of two places mean nothing.
//
//	parameters: gamma [C], beta [C]; states: running_mean [C], running_var [C]
type BatchNorm struct {
	Name string `json:"name,omitempty"`
	// Epsilon is added to the variance; zero means 1e-5.
	Epsilon float64 `json:"epsilon,omitempty"`
	// Momentum is the share of the new batch in the running averages; zero means 0.1.
	Momentum float64 `json:"momentum,omitempty"`
}

// Kind returns "batchnorm".
func (BatchNorm) Kind() string { return "batchnorm" }

// LayerName returns the layer's own name.
func (l BatchNorm) LayerName() string { return l.Name }

// Build implements Layer.
func (l BatchNorm) Build(b *Builder, x *graph.Node) *graph.Node {
	if b.Err() != nil {
		return x
	}
	s := x.Shape()
	if len(s) < 2 {
		return b.Fail(fmt.Errorf("%w: the input is %v, expected channels behind a batch", backend.ErrShape, s))
	}
	channels := s[len(s)-1:].Clone()
	epsilon, momentum := l.Epsilon, l.Momentum
	if epsilon == 0 {
		epsilon = 1e-5
	}
	if momentum == 0 {
		momentum = 0.1
	}
	if !(momentum > 0 && momentum <= 1) {
		return b.Fail(fmt.Errorf("%w: momentum %g, expected more than 0 and at most 1", backend.ErrShape, momentum))
	}
	if b.Leaf(b.path()+".running_mean") != nil {
		return b.Fail(fmt.Errorf("%w: batch normalisation %q is used twice, expected a name for each place", backend.ErrShape, l.Name))
	}
	gamma := b.Parameter("gamma", channels, Ones)
	beta := b.Parameter("beta", channels, Zeros)
	mean := b.State("running_mean", channels, 0)
	variance := b.State("running_var", channels, 1)
	if !b.Training {
		return b.BatchNormInference(x, gamma, beta, mean, variance, epsilon)
	}
	y, batchMean, batchVariance := b.Graph.BatchNorm(x, gamma, beta, epsilon)
	if b.Err() != nil {
		return y
	}
	n := float64(s.Elements() / channels[0])
	b.Track(graph.Tracking{State: mean, Value: batchMean, Momentum: momentum, Scale: 1})
	b.Track(graph.Tracking{State: variance, Value: batchVariance, Momentum: momentum, Scale: n / (n - 1)})
	return y
}

// Pad puts a border around images.
type Pad struct {
	Padding Padding `json:"padding"` // Same has no meaning here
}

// Kind returns "pad".
func (Pad) Kind() string { return "pad" }

// Build implements Layer.
func (l Pad) Build(b *Builder, x *graph.Node) *graph.Node {
	p := l.Padding
	if p.Same {
		return b.Fail(fmt.Errorf("%w: a Pad layer needs a number of pixels, found Same", backend.ErrShape))
	}
	return b.Graph.Pad(x, backend.Padding{Top: p.Top, Bottom: p.Bottom, Left: p.Left, Right: p.Right, Mode: p.Mode})
}

// Resize changes the size of images.
type Resize struct {
	Size Size               `json:"size"`
	Mode backend.ResizeMode `json:"mode,omitempty"`
}

// Kind returns "resize".
func (Resize) Kind() string { return "resize" }

// Build implements Layer.
func (l Resize) Build(b *Builder, x *graph.Node) *graph.Node {
	return b.Graph.Resize(x, l.Size.H, l.Size.W, l.Mode)
}

// Residual adds a shortcut around its body: y = σ(body(x) + shortcut(x)). Without
// a shortcut that is x itself, which needs a body that keeps the shape. Source: He
// et al. 2016.
type Residual struct {
	Name       string     `json:"name,omitempty"`
	Body       Layers     `json:"body"`
	Shortcut   Layers     `json:"shortcut,omitempty"`
	Activation Activation `json:"activation,omitzero"`
}

// Kind returns "residual".
func (Residual) Kind() string { return "residual" }

// LayerName returns the layer's own name.
func (l Residual) LayerName() string { return l.Name }

// Build implements Layer.
func (l Residual) Build(b *Builder, x *graph.Node) *graph.Node {
	if len(l.Body) == 0 {
		return b.Fail(fmt.Errorf("%w: the body has no layers", backend.ErrShape))
	}
	body := b.Layers(l.Body, x)
	shortcut := x
	if len(l.Shortcut) > 0 {
		shortcut = b.Branch("shortcut", l.Shortcut, x)
	}
	if b.Err() == nil && !body.Shape().Equal(shortcut.Shape()) {
		return b.Fail(fmt.Errorf("%w: the body makes %v, the shortcut %v", backend.ErrShape, body.Shape(), shortcut.Shape()))
	}
	return b.Activate(b.Add(body, shortcut), l.Activation)
}

// Sequential is a list of layers as one layer, one behind the other: a block with a
// name of its own, "stage1.conv1".
type Sequential struct {
	Name   string `json:"name,omitempty"`
	Layers Layers `json:"layers"`
}

// Kind returns "sequential".
func (Sequential) Kind() string { return "sequential" }

// LayerName returns the layer's own name.
func (l Sequential) LayerName() string { return l.Name }

// Build implements Layer.
func (l Sequential) Build(b *Builder, x *graph.Node) *graph.Node { return b.Layers(l.Layers, x) }
