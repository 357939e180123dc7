package graph

import (
	"fmt"

	"fovea/backend"
)

// Constant makes an array with the same value everywhere.
func (g *Graph) Constant(value float64, s backend.Shape) *Node {
	if !g.ready("Constant") {
		return g.nodes[0]
	}
	op := &backend.Fill{Value: value}
	return g.single(op, &op.Y, s.Clone())
}

// Conv2D is the cross-correlation of images x [N H W C] with filters w
// [O KH KW C/G], plus a bias b [O] unless that is nil. See backend.Conv2D.
func (g *Graph) Conv2D(x, w, b *Node, win backend.Window, groups int) *Node {
	if !g.readyOptional("Conv2D", b, x, w) {
		return g.nodes[0]
	}
	s, err := backend.Conv2DShape(x.shape, w.shape, win, groups)
	if err != nil {
		return g.failOp("Conv2D", err)
	}
	op := &backend.Conv2D{X: x.view(), W: w.view(), B: optional(b), Window: win, Groups: groups}
	return g.single(op, &op.Y, s)
}

// MatMul is op(a)·op(b) plus a bias [columns] unless that is nil. See
// backend.MatMul.
func (g *Graph) MatMul(a, b, bias *Node, transposeA, transposeB bool) *Node {
	if !g.readyOptional("MatMul", bias, a, b) {
		return g.nodes[0]
	}
	s, _, err := backend.MatMulShape(a.shape, b.shape, transposeA, transposeB)
	if err != nil {
		return g.failOp("MatMul", err)
	}
	op := &backend.MatMul{A: a.view(), B: b.view(), Bias: optional(bias), TransposeA: transposeA, TransposeB: transposeB}
	return g.single(op, &op.C, s)
}

// MaxPool2D takes the maximum of each window. See backend.MaxPool2D.
func (g *Graph) MaxPool2D(x *Node, kh, kw int, win backend.Window) *Node {
	if !g.ready("MaxPool2D", x) {
		return g.nodes[0]
	}
	s, err := backend.PoolShape(x.shape, kh, kw, win)
	if err != nil {
		return g.failOp("MaxPool2D", err)
	}
	op := &backend.MaxPool2D{X: x.view(), KernelH: kh, KernelW: kw, Window: win}
	y := &Node{dtype: backend.Float32, shape: s}
	argmax := &Node{dtype: backend.Int32, shape: s, limit: x.shape[1] * x.shape[2]}
	if !g.emit(op, output{&op.Y, y}, output{&op.Argmax, argmax}) {
		return g.nodes[0]
	}
	return y
}

// AvgPool2D takes the mean of each window. See backend.AvgPool2D.
func (g *Graph) AvgPool2D(x *Node, kh, kw int, win backend.Window, countPadding bool) *Node {
	if !g.ready("AvgPool2D", x) {
		return g.nodes[0]
	}
	s, err := backend.PoolShape(x.shape, kh, kw, win)
	if err != nil {
		return g.failOp("AvgPool2D", err)
	}
	op := &backend.AvgPool2D{X: x.view(), KernelH: kh, KernelW: kw, Window: win, CountPadding: countPadding}
	return g.single(op, &op.Y, s)
}

// Pad puts a border around images. See backend.Pad.
func (g *Graph) Pad(x *Node, p backend.Padding) *Node {
	if !g.ready("Pad", x) {
		return g.nodes[0]
	}
	s, err := backend.PadShape(x.shape, p)
	if err != nil {
		return g.failOp("Pad", err)
	}
	op := &backend.Pad{X: x.view(), Padding: p}
	return g.single(op, &op.Y, s)
}

// Resize changes the size of images to h×w. See backend.Resize.
func (g *Graph) Resize(x *Node, h, w int, mode backend.ResizeMode) *Node {
	if !g.ready("Resize", x) {
		return g.nodes[0]
	}
	if len(x.shape) != 4 {
		return g.failOp("Resize", fmt.Errorf("%w: images %v, expected 4 axes (NHWC)", backend.ErrShape, x.shape))
	}
	op := &backend.Resize{X: x.view(), Mode: mode}
	return g.single(op, &op.Y, backend.Shape{x.shape[0], h, w, x.shape[3]})
}

// Unary applies a function of one argument. See backend.Func.
func (g *Graph) Unary(f backend.Func, alpha float64, x *Node) *Node {
	if !g.ready("Unary", x) {
		return g.nodes[0]
	}
	op := &backend.Unary{X: x.view(), Func: f, Alpha: alpha}
	return g.single(op, &op.Y, x.shape)
}

// Activate applies an activation; the identity is x itself.
func (g *Graph) Activate(x *Node, a backend.Activation) *Node {
	if a.Func == backend.Identity {
		return x
	}
	return g.Unary(a.Func, a.Alpha, x)
}

// Binary applies a function of two arguments, with broadcasting.
func (g *Graph) Binary(f backend.BinaryFunc, a, b *Node) *Node {
	if !g.ready(f.String(), a, b) {
		return g.nodes[0]
	}
	s, err := backend.Broadcast(a.shape, b.shape)
	if err != nil {
		return g.failOp(f.String(), err)
	}
	op := &backend.Binary{A: a.view(), B: b.view(), Func: f}
	return g.single(op, &op.Y, s)
}

// Add is a + b, with broadcasting.
func (g *Graph) Add(a, b *Node) *Node { return g.Binary(backend.Add, a, b) }

// Sub is a − b, with broadcasting.
func (g *Graph) Sub(a, b *Node) *Node { return g.Binary(backend.Sub, a, b) }

// Mul is a·b, element by element, with broadcasting.
func (g *Graph) Mul(a, b *Node) *Node { return g.Binary(backend.Mul, a, b) }

// Div is a/b, element by element, with broadcasting.
func (g *Graph) Div(a, b *Node) *Node { return g.Binary(backend.Div, a, b) }

// Compare is 1 where the relation holds, else 0, with broadcasting. It has no
// gradient.
func (g *Graph) Compare(f backend.CompareFunc, a, b *Node) *Node {
	if !g.ready(f.String(), a, b) {
		return g.nodes[0]
	}
	s, err := backend.Broadcast(a.shape, b.shape)
	if err != nil {
		return g.failOp(f.String(), err)
	}
	op := &backend.Compare{A: a.view(), B: b.view(), Func: f}
	return g.single(op, &op.Y, s)
}

// Select is a where cond is not 0, else b, with broadcasting.
func (g *Graph) Select(cond, a, b *Node) *Node {
	if !g.ready("Select", cond, a, b) {
		return g.nodes[0]
	}
	s, err := backend.Broadcast(a.shape, b.shape)
	if err == nil {
		s, err = backend.Broadcast(cond.shape, s)
	}
	if err != nil {
		return g.failOp("Select", err)
	}
	op := &backend.Select{Cond: cond.view(), A: a.view(), B: b.view()}
	return g.single(op, &op.Y, s)
}

// Reduce combines the elements along the axes, which stay with extent 1. Without
// axes it combines all of them.
func (g *Graph) Reduce(f backend.ReduceFunc, x *Node, axes ...int) *Node {
	if !g.ready("Reduce", x) {
		return g.nodes[0]
	}
	if len(axes) == 0 {
		axes = make([]int, len(x.shape))
		for i := range axes {
			axes[i] = i
		}
	}
	s, count, err := backend.ReduceShape(x.shape, axes)
	if err != nil {
		return g.failOp("Reduce", err)
	}
	op := &backend.Reduce{X: x.view(), Func: f, Axes: append([]int(nil), axes...)}
	n := &Node{dtype: backend.Float32, shape: s}
	if f == backend.ReduceArgmax {
		n.dtype, n.limit = backend.Int32, count
	}
	if !g.emit(op, output{&op.Y, n}) {
		return g.nodes[0]
	}
	return n
}

// Broadcast repeats x along the axes on which it is 1 until it has shape s.
func (g *Graph) Broadcast(x *Node, s backend.Shape) *Node {
	if !g.ready("Broadcast", x) {
		return g.nodes[0]
	}
	op := &backend.Copy{X: x.view()}
	n := &Node{dtype: x.dtype, shape: s.Clone(), limit: x.limit}
	if !g.emit(op, output{&op.Y, n}) {
		return g.nodes[0]
	}
	return n
}

// Reshape is x under another shape of as many elements; nothing is copied. One
// extent may be −1: it is what the others leave.
func (g *Graph) Reshape(x *Node, s ...int) *Node {
	if !g.ready("Reshape", x) {
		return g.nodes[0]
	}
	shape := backend.Shape(s).Clone()
	known, open := 1, -1
	for i, d := range shape {
		if d == -1 && open < 0 {
			open = i
		} else {
			known *= d
		}
	}
	if n := x.shape.Elements(); open >= 0 && known > 0 && n%known == 0 {
		shape[open] = n / known
	}
	if err := shape.Validate(); err != nil || shape.Elements() != x.shape.Elements() {
		return g.failOp("Reshape", fmt.Errorf("%w: %v does not become %v", backend.ErrShape, x.shape, s))
	}
	if shape.Equal(x.shape) {
		return x
	}
	return g.viewOf(x, 0, shape)
}

// viewOf makes a node that shares x's memory.
func (g *Graph) viewOf(x *Node, offset int, s backend.Shape) *Node {
	base := x
	if x.isView() {
		base, offset = x.base, offset+x.offset
	}
	return g.add(&Node{dtype: x.dtype, shape: s, limit: x.limit, base: base, offset: offset})
}

// Slice is the box of x that begins at start and has shape s. Where the box is one
// stretch of memory nothing is copied.
func (g *Graph) Slice(x *Node, start []int, s backend.Shape) *Node {
	if !g.ready("Slice", x) {
		return g.nodes[0]
	}
	op := &backend.Slice{X: x.view(), Start: append([]int(nil), start...)}
	n := &Node{dtype: x.dtype, shape: s.Clone(), limit: x.limit}
	if !g.emit(op, output{&op.Y, n}) {
		return g.nodes[0]
	}
	if offset, ok := stretch(x.shape, start, s); ok {
		g.nodes = g.nodes[:len(g.nodes)-1]
		return g.viewOf(x, offset, s.Clone())
	}
	return n
}

// stretch reports whether a box is contiguous in x, and where it begins: behind the
// first axis on which it is longer than 1 it must span all of x.
func stretch(x backend.Shape, start []int, s backend.Shape) (offset int, ok bool) {
	long := false
	for i, stride := range x.Strides() {
		if long && s[i] != x[i] {
			return 0, false
		}
		long = long || s[i] > 1
		offset += start[i] * stride
	}
	return offset, true
}

// Concatenate joins arrays along an axis.
func (g *Graph) Concatenate(axis int, xs ...*Node) *Node {
	if !g.ready("Concatenate", xs...) {
		return g.nodes[0]
	}
	op := &backend.Concatenate{Axis: axis}
	shapes := make([]backend.Shape, len(xs))
	limit, bounded := 0, true
	for i, x := range xs {
		op.Xs = append(op.Xs, x.view())
		shapes[i] = x.shape
		limit, bounded = max(limit, x.limit), bounded && x.limit > 0
	}
	if !bounded {
		limit = 0
	}
	s, err := backend.ConcatenateShape(axis, shapes...)
	if err != nil {
		return g.failOp("Concatenate", err)
	}
	n := &Node{dtype: xs[0].dtype, shape: s, limit: limit}
	if !g.emit(op, output{&op.Y, n}) {
		return g.nodes[0]
	}
	return n
}

// Transpose permutes the axes: axis i of the result is axis perm[i] of x.
func (g *Graph) Transpose(x *Node, perm ...int) *Node {
	if !g.ready("Transpose", x) {
		return g.nodes[0]
	}
	s, err := backend.TransposeShape(x.shape, perm)
	if err != nil {
		return g.failOp("Transpose", err)
	}
	op := &backend.Transpose{X: x.view(), Perm: append([]int(nil), perm...)}
	n := &Node{dtype: x.dtype, shape: s, limit: x.limit}
	if !g.emit(op, output{&op.Y, n}) {
		return g.nodes[0]
	}
	return n
}

// Gather picks the rows of x that indices name. Uint8 rows become float32, each
// value x·scale + shift with one of both for each channel, unless these are nil.
func (g *Graph) Gather(x, indices, scale, shift *Node) *Node {
	if !g.ready("Gather", x, indices) || scale != nil && !g.ready("Gather", x, indices, scale, shift) {
		return g.nodes[0]
	}
	if len(x.shape) < 1 || len(indices.shape) != 1 {
		return g.failOp("Gather", fmt.Errorf("%w: rows %v and indices %v, expected at least 1 and exactly 1 axis", backend.ErrShape, x.shape, indices.shape))
	}
	if indices.limit < 1 || indices.limit > x.shape[0] {
		return g.failOp("Gather", fmt.Errorf("%w: the indices' limit is %d, expected 1 to %d rows", backend.ErrShape, indices.limit, x.shape[0]))
	}
	op := &backend.Gather{X: x.view(), Indices: indices.view(), Scale: optional(scale), Shift: optional(shift)}
	s := x.shape.Clone()
	s[0] = indices.shape[0]
	n := &Node{dtype: x.dtype, shape: s, limit: x.limit}
	if x.dtype == backend.Uint8 {
		n.dtype = backend.Float32
	}
	if !g.emit(op, output{&op.Y, n}) {
		return g.nodes[0]
	}
	return n
}

// Convert makes float32 of uint8 or int32, with the scale and shift of each
// channel unless these are nil.
func (g *Graph) Convert(x, scale, shift *Node) *Node {
	if !g.ready("Convert", x) || scale != nil && !g.ready("Convert", x, scale, shift) {
		return g.nodes[0]
	}
	op := &backend.Convert{X: x.view(), Scale: optional(scale), Shift: optional(shift)}
	return g.single(op, &op.Y, x.shape)
}

// Softmax turns the rows of the last axis into probabilities, or their logarithms.
func (g *Graph) Softmax(x *Node, log bool) *Node {
	if !g.ready("Softmax", x) {
		return g.nodes[0]
	}
	op := &backend.Softmax{X: x.view(), Log: log}
	return g.single(op, &op.Y, x.shape)
}

// Maxout takes the maximum of each group of pieces neighbouring channels.
func (g *Graph) Maxout(x *Node, pieces int) *Node {
	if !g.ready("Maxout", x) {
		return g.nodes[0]
	}
	n := len(x.shape)
	if n < 1 || pieces < 1 || x.shape[n-1]%pieces != 0 {
		return g.failOp("Maxout", fmt.Errorf("%w: %d pieces do not divide the last axis of %v", backend.ErrShape, pieces, x.shape))
	}
	s := x.shape.Clone()
	s[n-1] /= pieces
	op := &backend.Maxout{X: x.view(), Pieces: pieces}
	y := &Node{dtype: backend.Float32, shape: s}
	argmax := &Node{dtype: backend.Int32, shape: s, limit: pieces}
	if !g.emit(op, output{&op.Y, y}, output{&op.Argmax, argmax}) {
		return g.nodes[0]
	}
	return y
}

// DrawName is the name of the Input that random Ops read: Int32 [3], low and high
// half of the seed, draw index.
const DrawName = "draw"

// Dropout sets a share of the elements to zero. The stream tells the layers of a
// model apart. See backend.Dropout.
func (g *Graph) Dropout(x *Node, rate float64, stream uint32) *Node {
	draw := g.Input(DrawName, backend.Int32, backend.Shape{3}, 0)
	if !g.ready("Dropout", x, draw) {
		return g.nodes[0]
	}
	op := &backend.Dropout{X: x.view(), Draw: draw.view(), Rate: rate, Stream: stream}
	return g.single(op, &op.Y, x.shape)
}

// BatchNorm normalises each channel by the statistics of the batch, which it
// returns too: the mean and the biased variance. See backend.BatchNorm.
func (g *Graph) BatchNorm(x, gamma, beta *Node, epsilon float64) (y, mean, variance *Node) {
	if !g.ready("BatchNorm", x, gamma, beta) {
		return g.nodes[0], g.nodes[0], g.nodes[0]
	}
	channels := x.shape[max(len(x.shape)-1, 0):]
	op := &backend.BatchNorm{X: x.view(), Gamma: gamma.view(), Beta: beta.view(), Epsilon: epsilon}
	y = &Node{dtype: backend.Float32, shape: x.shape}
	mean = &Node{dtype: backend.Float32, shape: channels}
	variance = &Node{dtype: backend.Float32, shape: channels}
	if !g.emit(op, output{&op.Y, y}, output{&op.Mean, mean}, output{&op.Variance, variance}) {
		return g.nodes[0], g.nodes[0], g.nodes[0]
	}
	return y, mean, variance
}

// BatchNormInference normalises each channel by given statistics.
func (g *Graph) BatchNormInference(x, gamma, beta, mean, variance *Node, epsilon float64) *Node {
	if !g.ready("BatchNormInference", x, gamma, beta, mean, variance) {
		return g.nodes[0]
	}
	op := &backend.BatchNormInference{X: x.view(), Gamma: gamma.view(), Beta: beta.view(), Mean: mean.view(), Variance: variance.view(), Epsilon: epsilon}
	return g.single(op, &op.Y, x.shape)
}

// Loss computes the weighted loss of each example, [N]; weights may be nil. See
// backend.Loss.
func (g *Graph) Loss(kind backend.LossKind, input, target, weights *Node, divisor float64) *Node {
	if !g.readyOptional(kind.String(), weights, input, target) {
		return g.nodes[0]
	}
	if len(input.shape) < 1 {
		return g.failOp(kind.String(), fmt.Errorf("%w: the input is a scalar, expected examples", backend.ErrShape))
	}
	if d := input.shape[1:].Elements(); target.dtype == backend.Int32 && (target.limit < 1 || target.limit > d) {
		return g.failOp(kind.String(), fmt.Errorf("%w: the targets' limit is %d, expected 1 to %d classes", backend.ErrShape, target.limit, d))
	}
	op := &backend.Loss{Input: input.view(), Target: target.view(), Weights: optional(weights), Func: kind, Divisor: divisor}
	return g.single(op, &op.Losses, input.shape[:1].Clone())
}
