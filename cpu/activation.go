package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// activation applies an element-wise function or its derivative to vectors.
type activation struct {
	vec   *vec.Kernel
	f     backend.Func
	alpha float32
}

func (c *compiler) activation(a backend.Activation) activation {
	return activation{c.device.vec, a.Func, float32(a.Alpha)}
}

// apply does x = σ(x).
func (a *activation) apply(x []float32) {
	switch a.f {
	case backend.Identity:
	case backend.Sigmoid:
		a.vec.Sigmoid(x, x)
	case backend.Tanh:
		a.vec.Tanh(x, x)
	case backend.ReLU:
		a.vec.ReLU(x, x, 0)
	case backend.LeakyReLU:
		a.vec.ReLU(x, x, a.alpha)
	case backend.ELU:
		a.vec.ELU(x, x, a.alpha)
	}
}

// asSlope splits an activation into the slope of what is not positive, and the rest,
// which is the identity if the slope is all there is to it.
func (a *activation) asSlope() (slope float32, rest activation) {
	switch a.f {
	case backend.ReLU:
		return 0, activation{vec: a.vec}
	case backend.LeakyReLU:
		return a.alpha, activation{vec: a.vec}
	}
	return 1, *a
}

// biased does x = σ(x + bias) for rows of a matrix, the row being as long as the
// bias; a nil bias is zero.
func (a *activation) biased(x, bias []float32, rows, cols, stride int) {
	slope, rest := a.asSlope()
	if bias == nil {
		rest = *a
	} else {
		a.vec.BiasReLU(x, bias, rows, stride, slope)
	}
	if rest.f == backend.Identity {
		return
	}
	if stride == cols {
		rest.apply(x[:rows*cols])
		return
	}
	for i := range rows {
		rest.apply(x[i*stride : i*stride+cols])
	}
}

// differentiate does dx = dy·σ′(y), y being the output of σ. dx may be dy or y.
func (a *activation) differentiate(dx, dy, y []float32) {
	switch a.f {
	case backend.Identity:
		copy(dx, dy)
	case backend.Sigmoid:
		a.vec.SigmoidGrad(dx, dy, y)
	case backend.Tanh:
		a.vec.TanhGrad(dx, dy, y)
	case backend.ReLU:
		a.vec.ReLUGrad(dx, dy, y, 0)
	case backend.LeakyReLU:
		a.vec.ReLUGrad(dx, dy, y, a.alpha)
	case backend.ELU:
		a.vec.ELUGrad(dx, dy, y, a.alpha)
	}
}

// gradEpilogue finishes the gradient of an input.
type gradEpilogue struct {
	e              backend.GradEpilogue
	dx             backend.View
	saved          [2]region // of Addend and Output where dx lies on them
	shared         [2]bool
	addend, output []float32
	derivative     activation
}

// gradEpilogue plans the epilogue of an Op that writes dx. Addend and Output may
// lie where dx does; then they are copied first.
func (c *compiler) gradEpilogue(p *plan, e backend.GradEpilogue, dx backend.View) *gradEpilogue {
	g := &gradEpilogue{e: e, dx: dx, derivative: c.activation(e.Derivative)}
	for i, v := range []backend.View{e.Addend, e.Output} {
		if v.Overlaps(dx) {
			g.shared[i] = true
			g.saved[i] = p.floats(dx.Shape.Elements())
		}
	}
	return g
}

// bind resolves the operands and, where dx lies on them, adds the step that saves
// them. It is called before the steps that write dx are added.
func (g *gradEpilogue) bind(c *compiler, work []byte) {
	g.addend, g.output = c.floats(g.e.Addend), c.floats(g.e.Output)
	for i, s := range []*[]float32{&g.addend, &g.output} {
		if !g.shared[i] {
			continue
		}
		from, to := *s, in[float32](work, g.saved[i])
		c.split(len(from), elementGrain, 16, func(lo, hi, _ int) { copy(to[lo:hi], from[lo:hi]) })
		*s = to
	}
}

// none reports that there is nothing to finish.
func (g *gradEpilogue) none() bool {
	return !g.e.Addend.Present() && !g.e.Output.Present()
}

// positive returns the output of a ReLU, if all that is left to do is to set the
// gradient to zero wherever it is not positive.
func (g *gradEpilogue) positive() []float32 {
	if g.addend != nil || g.derivative.f != backend.ReLU {
		return nil
	}
	return g.output
}

// apply finishes a stretch of dx that begins at element at and holds g.
func (g *gradEpilogue) apply(dx []float32, at int) {
	if g.addend != nil {
		g.derivative.vec.Add(dx, dx, g.addend[at:at+len(dx)])
	}
	if g.output != nil {
		g.derivative.differentiate(dx, dx, g.output[at:at+len(dx)])
	}
}

// finish adds the step that finishes all of dx.
func (g *gradEpilogue) finish(c *compiler) {
	if g.none() {
		return
	}
	dx := c.floats(g.dx)
	c.split(len(dx), elementGrain, 16, func(lo, hi, _ int) { g.apply(dx[lo:hi], lo) })
}
