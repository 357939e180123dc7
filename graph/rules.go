package graph

import (
	"fmt"

	"fovea/backend"
)

// differentiate adds the gradient of one Op: given the gradients of its outputs,
// it contributes those of the inputs that are wanted.
func (b *backprop) differentiate(op backend.Op) {
	switch o := op.(type) {
	case *backend.Conv2D:
		b.conv2D(o)
	case *backend.MatMul:
		b.matMul(o)
	case *backend.MaxPool2D:
		r := &backend.MaxPool2DGrad{DY: b.of(o.Y).view(), Argmax: o.Argmax, KernelH: o.KernelH, KernelW: o.KernelW, Window: o.Window}
		b.input(o.X, r, &r.DX)
	case *backend.AvgPool2D:
		r := &backend.AvgPool2DGrad{DY: b.of(o.Y).view(), KernelH: o.KernelH, KernelW: o.KernelW, Window: o.Window, CountPadding: o.CountPadding}
		b.input(o.X, r, &r.DX)
	case *backend.Pad:
		r := &backend.PadGrad{DY: b.of(o.Y).view(), Padding: o.Padding}
		b.input(o.X, r, &r.DX)
	case *backend.Resize:
		r := &backend.ResizeGrad{DY: b.of(o.Y).view(), Mode: o.Mode}
		b.input(o.X, r, &r.DX)
	case *backend.Unary:
		b.unary(o)
	case *backend.Binary:
		b.binary(o)
	case *backend.Select:
		b.selection(o)
	case *backend.Reduce:
		b.reduce(o)
	case *backend.Copy:
		b.give(o.X, b.g.sumTo(b.of(o.Y), o.X.Shape))
	case *backend.Slice:
		r := &backend.Embed{X: b.of(o.Y).view(), Start: o.Start}
		b.input(o.X, r, &r.Y)
	case *backend.Embed:
		b.give(o.X, b.g.Slice(b.of(o.Y), o.Start, o.X.Shape))
	case *backend.Concatenate:
		b.concatenate(o)
	case *backend.Transpose:
		inverse := make([]int, len(o.Perm))
		for i, p := range o.Perm {
			inverse[p] = i
		}
		b.give(o.X, b.g.Transpose(b.of(o.Y), inverse...))
	case *backend.Gather:
		b.gather(o)
	case *backend.Maxout:
		r := &backend.MaxoutGrad{DY: b.of(o.Y).view(), Argmax: o.Argmax, Pieces: o.Pieces}
		b.input(o.X, r, &r.DX)
	case *backend.Softmax:
		r := &backend.SoftmaxGrad{DY: b.of(o.Y).view(), Y: o.Y, Log: o.Log}
		b.input(o.X, r, &r.DX)
	case *backend.Loss:
		b.loss(o)
	case *backend.Dropout:
		r := &backend.DropoutGrad{DY: b.of(o.Y).view(), Draw: o.Draw, Rate: o.Rate, Stream: o.Stream}
		b.input(o.X, r, &r.DX)
	case *backend.BatchNorm:
		b.batchNorm(o)
	case *backend.BatchNormInference:
		b.batchNormInference(o)
	case *backend.Fill, *backend.Compare, *backend.Convert:
		// Constant in their inputs, or almost everywhere so.
	default:
		b.g.failOp("Gradients", fmt.Errorf("%w: %s has no derivative", backend.ErrUnsupported, op.Kind()))
	}
}

// input adds an Op that computes the gradient of the input x into dx, if it is
// wanted.
func (b *backprop) input(x backend.View, op backend.Op, dx *backend.View) {
	if b.wants(x) {
		b.give(x, b.g.single(op, dx, x.Shape))
	}
}

func (b *backprop) conv2D(o *backend.Conv2D) {
	dy := b.of(o.Y).view()
	dx := &backend.Conv2DInputGrad{DY: dy, W: o.W, Window: o.Window, Groups: o.Groups}
	b.input(o.X, dx, &dx.DX)
	if !b.wants(o.W) && !b.wants(o.B) {
		return
	}
	dw := &backend.Conv2DFilterGrad{DY: dy, X: o.X, Window: o.Window, Groups: o.Groups}
	w := &Node{dtype: backend.Float32, shape: o.W.Shape}
	if !b.wants(o.B) {
		if b.g.emit(dw, output{&dw.DW, w}) {
			b.give(o.W, w)
		}
		return
	}
	bias := &Node{dtype: backend.Float32, shape: o.B.Shape}
	if b.g.emit(dw, output{&dw.DW, w}, output{&dw.DB, bias}) {
		b.give(o.W, w)
		b.give(o.B, bias)
	}
}

// matMul uses, for C = A·B, that ∇A = G·Bᵀ and ∇B = Aᵀ·G, with transpositions
// moved to where they cost nothing.
func (b *backprop) matMul(o *backend.MatMul) {
	g, dc := b.g, b.of(o.C)
	a, bm := g.at(o.A), g.at(o.B)
	if b.wants(o.A) {
		if o.TransposeA {
			b.give(o.A, g.MatMul(bm, dc, nil, o.TransposeB, true))
		} else {
			b.give(o.A, g.MatMul(dc, bm, nil, false, !o.TransposeB))
		}
	}
	if b.wants(o.B) {
		if o.TransposeB {
			b.give(o.B, g.MatMul(dc, a, nil, true, o.TransposeA))
		} else {
			b.give(o.B, g.MatMul(a, dc, nil, !o.TransposeA, false))
		}
	}
	if b.wants(o.Bias) {
		b.give(o.Bias, g.Reshape(g.Reduce(backend.Sum, dc, 0), o.Bias.Shape...))
	}
}

func (b *backprop) unary(o *backend.Unary) {
	rule := o.Func.Rule()
	r := &backend.UnaryGrad{DY: b.of(o.Y).view(), Func: o.Func, Alpha: o.Alpha}
	if rule.NeedsX {
		r.X = o.X
	}
	if rule.NeedsY {
		r.Y = o.Y
	}
	b.input(o.X, r, &r.DX)
}

func (b *backprop) binary(o *backend.Binary) {
	g, dy := b.g, b.of(o.Y)
	x, y := g.at(o.A), g.at(o.B)
	var dx, dyy func() *Node
	switch o.Func {
	case backend.Add:
		dx, dyy = func() *Node { return dy }, func() *Node { return dy }
	case backend.Sub:
		dx, dyy = func() *Node { return dy }, func() *Node { return g.Unary(backend.Neg, 0, dy) }
	case backend.Mul:
		dx, dyy = func() *Node { return g.Mul(dy, y) }, func() *Node { return g.Mul(dy, x) }
	case backend.Div:
		dx = func() *Node { return g.Div(dy, y) }
		dyy = func() *Node {
			return g.Unary(backend.Neg, 0, g.Div(g.Mul(dy, g.at(o.Y)), y))
		}
	case backend.Max, backend.Min:
		first, second := backend.GreaterEqual, backend.Less // of equal arguments the first is taken
		if o.Func == backend.Min {
			first, second = backend.LessEqual, backend.Greater
		}
		dx = func() *Node { return g.Mul(dy, g.Compare(first, x, y)) }
		dyy = func() *Node { return g.Mul(dy, g.Compare(second, x, y)) }
	}
	if b.wants(o.A) {
		b.give(o.A, g.sumTo(dx(), o.A.Shape))
	}
	if b.wants(o.B) {
		b.give(o.B, g.sumTo(dyy(), o.B.Shape))
	}
}

func (b *backprop) selection(o *backend.Select) {
	g, dy, cond := b.g, b.of(o.Y), b.g.at(o.Cond)
	nothing := g.Constant(0, nil)
	if b.wants(o.A) {
		b.give(o.A, g.sumTo(g.Select(cond, dy, nothing), o.A.Shape))
	}
	if b.wants(o.B) {
		b.give(o.B, g.sumTo(g.Select(cond, nothing, dy), o.B.Shape))
	}
}

// sumTo is the adjoint of broadcasting: x summed over the axes along which an array
// of shape s was repeated.
func (g *Graph) sumTo(x *Node, s backend.Shape) *Node {
	if x.shape.Equal(s) {
		return x
	}
	extra := len(x.shape) - len(s)
	var axes []int
	for i, d := range x.shape {
		if i < extra || s[i-extra] == 1 && d != 1 {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		x = g.Reduce(backend.Sum, x, axes...)
	}
	return g.Reshape(x, s...)
}

func (b *backprop) reduce(o *backend.Reduce) {
	if !b.wants(o.X) {
		return
	}
	g, dy := b.g, b.of(o.Y)
	switch o.Func {
	case backend.Sum:
		b.give(o.X, g.Broadcast(dy, o.X.Shape))
	case backend.Mean:
		count := o.X.Shape.Elements() / o.Y.Shape.Elements()
		b.give(o.X, g.Broadcast(g.Unary(backend.Scale, 1/float64(count), dy), o.X.Shape))
	case backend.ReduceMax:
		argmax := g.Reduce(backend.ReduceArgmax, g.at(o.X), o.Axes...)
		r := &backend.ReduceMaxGrad{DY: dy.view(), Argmax: argmax.view(), Axes: o.Axes}
		b.input(o.X, r, &r.DX)
	}
}

func (b *backprop) concatenate(o *backend.Concatenate) {
	dy := b.of(o.Y)
	start := make([]int, len(o.Y.Shape))
	for _, x := range o.Xs {
		if b.wants(x) {
			b.give(x, b.g.Slice(dy, start, x.Shape))
		}
		start[o.Axis] += x.Shape[o.Axis]
	}
}

// gather adds the rows of the gradient to a table of zeros. ScatterAdd changes its
// output in place, so that the table is a Fill of its own that nothing else reads.
func (b *backprop) gather(o *backend.Gather) {
	if !b.wants(o.X) || o.X.DType != backend.Float32 {
		return
	}
	g := b.g
	table := g.Constant(0, o.X.Shape)
	r := &backend.ScatterAdd{X: b.of(o.Y).view(), Indices: o.Indices}
	r.Y = table.view()
	in := &instruction{label: g.label, op: r}
	if err := r.Check(); err != nil {
		g.failCheck(r, err)
		return
	}
	// The sum is a node of its own, in the table's memory.
	sum := g.add(&Node{dtype: backend.Float32, shape: o.X.Shape, base: table, made: in})
	b.give(o.X, sum)
}

// loss differentiates through the examples' losses. A seed that is the same for all
// of them is passed on as one number.
func (b *backprop) loss(o *backend.Loss) {
	if b.wants(o.Target) || b.wants(o.Weights) {
		b.g.failOp(o.Func.String(), fmt.Errorf("%w: it has no gradient with respect to its target or weights", backend.ErrUnsupported))
		return
	}
	seed := b.of(o.Losses)
	if seed.made != nil {
		if c, ok := seed.made.op.(*backend.Copy); ok && c.X.Shape.Elements() == 1 {
			seed = b.g.Reshape(b.g.at(c.X), 1)
		}
	}
	r := &backend.LossGrad{Input: o.Input, Target: o.Target, Weights: o.Weights, Seed: seed.view(), Func: o.Func, Divisor: o.Divisor}
	b.input(o.Input, r, &r.DX)
}

func (b *backprop) batchNorm(o *backend.BatchNorm) {
	if len(b.parts[o.Mean.Buffer])+len(b.parts[o.Variance.Buffer]) > 0 {
		b.g.failOp("BatchNorm", fmt.Errorf("%w: the batch statistics have no gradient", backend.ErrUnsupported))
		return
	}
	r := &backend.BatchNormGrad{DY: b.of(o.Y).view(), X: o.X, Gamma: o.Gamma, Mean: o.Mean, Variance: o.Variance, Epsilon: o.Epsilon}
	dx := &Node{dtype: backend.Float32, shape: o.X.Shape}
	outputs := []output{{&r.DX, dx}}
	var dgamma, dbeta *Node
	if b.wants(o.Gamma) || b.wants(o.Beta) {
		dgamma = &Node{dtype: backend.Float32, shape: o.Gamma.Shape}
		dbeta = &Node{dtype: backend.Float32, shape: o.Beta.Shape}
		outputs = append(outputs, output{&r.DGamma, dgamma}, output{&r.DBeta, dbeta})
	}
	if !b.g.emit(r, outputs...) {
		return
	}
	b.give(o.X, dx)
	if dgamma != nil {
		b.give(o.Gamma, dgamma)
		b.give(o.Beta, dbeta)
	}
}

// batchNormInference is affine in x: y = a·(x − mean) + beta, a = gamma/√(variance + ε).
func (b *backprop) batchNormInference(o *backend.BatchNormInference) {
	if b.wants(o.Mean) || b.wants(o.Variance) {
		b.g.failOp("BatchNormInference", fmt.Errorf("%w: the statistics have no gradient", backend.ErrUnsupported))
		return
	}
	g, dy := b.g, b.of(o.Y)
	factor := g.Unary(backend.Rsqrt, 0, g.Unary(backend.Offset, o.Epsilon, g.at(o.Variance)))
	if b.wants(o.X) {
		b.give(o.X, g.Mul(dy, g.Mul(g.at(o.Gamma), factor)))
	}
	if b.wants(o.Gamma) {
		normal := g.Mul(g.Sub(g.at(o.X), g.at(o.Mean)), factor)
		b.give(o.Gamma, g.sumTo(g.Mul(dy, normal), o.Gamma.Shape))
	}
	if b.wants(o.Beta) {
		b.give(o.Beta, g.sumTo(dy, o.Beta.Shape))
	}
}
