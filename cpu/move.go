package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

func (c *compiler) fill(p *plan, o *backend.Fill) {
	p.bind = func([]byte) {
		if o.Y.DType == backend.Int32 {
			y, v := c.ints(o.Y), int32(o.Value)
			c.split(len(y), elementGrain, 16, func(lo, hi, _ int) {
				for i := range y[lo:hi] {
					y[lo+i] = v
				}
			})
			return
		}
		y, v := c.floats(o.Y), float32(o.Value)
		c.split(len(y), elementGrain, 16, func(lo, hi, _ int) { vec.Fill(y[lo:hi], v) })
	}
}

// box is a set of elements that are copied from one array to another, each array
// having its own strides; those of the target are positive.
type box struct {
	shape    []int
	to, from []int // strides
	toAt     int   // where the first element goes
	fromAt   int   // where it comes from
}

// merged returns the box with axes of one element dropped and with neighbouring
// axes made one where both arrays cross them in one go.
func (b box) merged() box {
	m := box{toAt: b.toAt, fromAt: b.fromAt}
	for axis, n := range b.shape {
		if n == 1 {
			continue
		}
		if k := len(m.shape) - 1; k >= 0 && m.to[k] == n*b.to[axis] && m.from[k] == n*b.from[axis] {
			m.shape[k] *= n
			m.to[k], m.from[k] = b.to[axis], b.from[axis]
			continue
		}
		m.shape = append(m.shape, n)
		m.to = append(m.to, b.to[axis])
		m.from = append(m.from, b.from[axis])
	}
	if len(m.shape) == 0 {
		m.shape, m.to, m.from = []int{1}, []int{1}, []int{1}
	}
	return m
}

// copyBox adds the step that copies a box between views of one type.
func (c *compiler) copyBox(y, x backend.View, b box) {
	if y.DType == backend.Uint8 {
		bindBox(c, operand[uint8](c, y), operand[uint8](c, x), b)
		return
	}
	bindBox(c, c.ints(y), c.ints(x), b) // any four bytes
}

func bindBox[T int32 | uint8](c *compiler, y, x []T, b box) {
	b = b.merged()
	last := len(b.shape) - 1
	inner, to, from := b.shape[last], b.to[last], b.from[last]
	lines := 1
	for _, n := range b.shape[:last] {
		lines *= n
	}
	if lines == 1 {
		c.split(inner, elementGrain, 64, func(lo, hi, _ int) {
			copyLine(y[b.toAt+lo*to:], x[b.fromAt+lo*from:], hi-lo, to, from)
		})
		return
	}
	c.split(lines, grainFor(inner), 1, func(lo, hi, _ int) {
		for line := lo; line < hi; line++ {
			yAt, xAt, rest := b.toAt, b.fromAt, line
			for axis := last - 1; axis >= 0; axis-- {
				i := rest % b.shape[axis]
				rest /= b.shape[axis]
				yAt += i * b.to[axis]
				xAt += i * b.from[axis]
			}
			copyLine(y[yAt:], x[xAt:], inner, to, from)
		}
	})
}

// copyLine copies n elements that lie to and from elements apart.
func copyLine[T int32 | uint8](y, x []T, n, to, from int) {
	if to == 1 && from == 1 {
		copy(y[:n], x[:n])
		return
	}
	for i := range n {
		y[i*to] = x[i*from]
	}
}

func (c *compiler) copy(p *plan, o *backend.Copy) {
	p.bind = func([]byte) {
		c.copyBox(o.Y, o.X, box{shape: o.Y.Shape, to: o.Y.Shape.Strides(), from: backend.BroadcastStrides(o.X.Shape, o.Y.Shape)})
	}
}

// start returns the offset of a position in an array.
func start(s backend.Shape, position []int) int {
	at := 0
	for axis, stride := range s.Strides() {
		at += position[axis] * stride
	}
	return at
}

func (c *compiler) slice(p *plan, o *backend.Slice) {
	p.bind = func([]byte) {
		c.copyBox(o.Y, o.X, box{shape: o.Y.Shape, to: o.Y.Shape.Strides(), from: o.X.Shape.Strides(), fromAt: start(o.X.Shape, o.Start)})
	}
}

func (c *compiler) embed(p *plan, o *backend.Embed) {
	p.bind = func([]byte) {
		y := c.floats(o.Y)
		if o.X.Shape.Elements() < len(y) {
			c.split(len(y), elementGrain, 16, func(lo, hi, _ int) { clear(y[lo:hi]) })
		}
		c.copyBox(o.Y, o.X, box{shape: o.X.Shape, to: o.Y.Shape.Strides(), from: o.X.Shape.Strides(), toAt: start(o.Y.Shape, o.Start)})
	}
}

func (c *compiler) concatenate(p *plan, o *backend.Concatenate) {
	p.bind = func([]byte) {
		at := 0
		strides := o.Y.Shape.Strides()
		for _, x := range o.Xs {
			c.copyBox(o.Y, x, box{shape: x.Shape, to: strides, from: x.Shape.Strides(), toAt: at * strides[o.Axis]})
			at += x.Shape[o.Axis]
		}
	}
}

func (c *compiler) transpose(p *plan, o *backend.Transpose) {
	p.bind = func([]byte) {
		strides := o.X.Shape.Strides()
		from := make([]int, len(o.Perm))
		for i, axis := range o.Perm {
			from[i] = strides[axis]
		}
		c.copyBox(o.Y, o.X, box{shape: o.Y.Shape, to: o.Y.Shape.Strides(), from: from})
	}
}
