package graph

import "fovea/backend"

// exchangePoolGrads moves derivatives of activations in front of the gradients of max
// poolings. Where X = σ(z) and P is the pooled X, P is the very element of X that won:
//
//	scatter(DY)·σ′(X) = scatter(DY·σ′(P))
//
// The right side works on the small tensor, in the epilogue of whoever writes DY, and
// when gradients come nobody reads X any more, so that a step need not keep it.
//
// The two sides may differ in the sign of a zero, and where a window holds two NaNs.
// So this goes before all fusion, and a Program that is not fused has it too.
func (c *compiler) exchangePoolGrads() {
	for i := range c.code {
		for at := i; at >= 0; {
			at = c.exchangePoolGrad(at)
		}
	}
}

// exchangePoolGrad does so for the derivative at a position, and returns where it is
// then; −1 if it stays.
func (c *compiler) exchangePoolGrad(at int) int {
	if c.code[at] == nil {
		return -1
	}
	unary, ok := c.code[at].op.(*backend.UnaryGrad)
	if !ok || !unary.Func.Rule().Activation || unary.Func == backend.Identity {
		return -1
	}
	result := c.rootOf(unary.DY)
	from := c.writer(result)
	if from < 0 || c.soleReader(result) != at {
		return -1
	}
	grad, ok := c.code[from].op.(*backend.MaxPool2DGrad)
	if !ok || unary.Func != backend.ReLU && overlap(grad.KernelH, grad.KernelW, grad.Window) {
		return -1
	}
	pool := c.poolingOf(grad)
	if pool == nil || c.rootOf(pool.X) != c.rootOf(unary.Y) || !c.whole(pool.X) || !c.whole(unary.Y) {
		return -1
	}
	small := c.g.add(&Node{dtype: backend.Float32, shape: grad.DY.Shape})
	small.label = c.code[at].label
	dz := small.view()
	rename(&grad.DX, unary.DX)
	unary.DX, unary.DY, unary.Y, grad.DY = dz, grad.DY, pool.Y, dz
	unary.Y.Shape = dz.Shape
	c.code[from], c.code[at] = c.code[at], c.code[from]
	c.enter(from)
	c.enter(at)
	return from
}

// poolingOf returns the MaxPool2D of a gradient; nil if the Program does not have it or
// if what it reads or writes is changed by another Op.
func (c *compiler) poolingOf(grad *backend.MaxPool2DGrad) *backend.MaxPool2D {
	at := c.writer(c.rootOf(grad.Argmax))
	if at < 0 {
		return nil
	}
	pool, ok := c.code[at].op.(*backend.MaxPool2D)
	if !ok {
		return nil
	}
	for _, o := range pool.Operands() {
		if len(c.writers(c.rootOf(*o.View), 2)) != 1 || !c.whole(*o.View) {
			return nil
		}
	}
	return pool
}

// whole reports whether an operand is all of the memory that it lies in.
func (c *compiler) whole(v backend.View) bool {
	return v.Shape.Elements() == c.rootOf(v).shape.Elements()
}

// overlap reports whether an element may be under several windows. Then a derivative
// that is neither 0 nor 1 would be rounded for each of them.
func overlap(kh, kw int, w backend.Window) bool {
	return w.StrideH <= (kh-1)*w.DilationH || w.StrideW <= (kw-1)*w.DilationW
}
