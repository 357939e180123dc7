package cpu

import "fovea/backend"

// checked adds the step that sees that indices are below a limit. They are, if
// they come from a tensor with that limit, but a Program may make its own.
func (c *compiler) checked(operand string, indices []int32, limit int) {
	instruction := c.current
	c.once(func() {
		for i, v := range indices {
			if uint32(v) >= uint32(limit) {
				c.fault.outOfRange(instruction, operand, i, v, limit)
				return
			}
		}
	})
}

func (c *compiler) gather(p *plan, o *backend.Gather) {
	p.bind = func([]byte) {
		indices, rows := c.ints(o.Indices), o.X.Shape[0]
		c.checked("Indices", indices, rows)
		length := o.X.Shape.Elements() / rows
		switch {
		case o.X.DType != backend.Uint8:
			bindGather(c, c.ints(o.Y), c.ints(o.X), indices, length, func(y, x []int32, _ int) { copy(y, x) })
		case o.Y.DType == backend.Uint8:
			bindGather(c, operand[uint8](c, o.Y), operand[uint8](c, o.X), indices, length, func(y, x []uint8, _ int) { copy(y, x) })
		default:
			f := fromBytes(c.floats(o.Scale), c.floats(o.Shift))
			bindGather(c, c.floats(o.Y), operand[uint8](c, o.X), indices, length, f)
		}
	}
}

// bindGather adds the step that makes each row of y of the row of x that is named
// by an index; f is told where in y the row begins. An index out of range, which
// has been reported, makes no row.
func bindGather[T, U element](c *compiler, y []T, x []U, indices []int32, length int, f func(y []T, x []U, at int)) {
	limit := len(x) / length
	c.split(len(indices), grainFor(length*2), 1, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			at := int(indices[i])
			if uint(at) < uint(limit) {
				f(y[i*length:(i+1)*length], x[at*length:(at+1)*length], i*length)
			}
		}
	})
}

// fromBytes returns the loop y = x·scale + shift, where the scale and shift of an
// element follow from its position, at or behind; without them, y = x.
func fromBytes(scale, shift []float32) func(y []float32, x []uint8, at int) {
	if scale == nil {
		return func(y []float32, x []uint8, _ int) {
			for i, v := range x {
				y[i] = float32(v)
			}
		}
	}
	if len(scale) == 1 {
		return func(y []float32, x []uint8, _ int) {
			a, b := scale[0], shift[0]
			for i, v := range x {
				y[i] = float32(v)*a + b
			}
		}
	}
	return func(y []float32, x []uint8, at int) {
		k := at % len(scale)
		for i, v := range x {
			y[i] = float32(v)*scale[k] + shift[k]
			if k++; k == len(scale) {
				k = 0
			}
		}
	}
}

func (c *compiler) scatterAdd(p *plan, o *backend.ScatterAdd) {
	p.bind = func([]byte) {
		y, x, indices, rows := c.floats(o.Y), c.floats(o.X), c.ints(o.Indices), o.Y.Shape[0]
		c.checked("Indices", indices, rows)
		length := len(y) / rows
		add := c.device.vec.Add
		// Columns are independent; rows are added in order.
		c.split(length, grainFor(len(indices)), 16, func(lo, hi, _ int) {
			for i, row := range indices {
				if at := int(row); uint(at) < uint(rows) {
					to := y[at*length+lo : at*length+hi]
					add(to, to, x[i*length+lo:i*length+hi])
				}
			}
		})
	}
}

func (c *compiler) convert(p *plan, o *backend.Convert) {
	p.bind = func([]byte) {
		y := c.floats(o.Y)
		if o.X.DType == backend.Int32 {
			x := c.ints(o.X)
			c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) {
				for i, v := range x[lo:hi] {
					y[lo+i] = float32(v)
				}
			})
			return
		}
		x := operand[uint8](c, o.X)
		f := fromBytes(c.floats(o.Scale), c.floats(o.Shift))
		c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) { f(y[lo:hi], x[lo:hi], lo) })
	}
}
