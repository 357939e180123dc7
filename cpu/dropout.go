package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

func (c *compiler) dropout(p *plan, o *backend.Dropout) {
	p.bind = func([]byte) {
		m := c.mask(o.Draw, o.Rate, o.Stream)
		y, x := c.floats(o.Y), c.floats(o.X)
		c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) { m.apply(y, x, lo, hi) })
	}
}

func (c *compiler) dropoutGrad(p *plan, o *backend.DropoutGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		m := c.mask(o.Draw, o.Rate, o.Stream)
		dx, dy := c.floats(o.DX), c.floats(o.DY)
		c.split(len(dx), grainFor(scalarCost), 16, func(lo, hi, _ int) {
			m.apply(dx, dy, lo, hi)
			epilogue.apply(dx[lo:hi], lo)
		})
	}
}

// mask draws which elements stay.
type mask struct {
	vec    *vec.Kernel
	draw   []int32
	rate   float64
	stream uint32
}

func (c *compiler) mask(draw backend.View, rate float64, stream uint32) mask {
	return mask{c.device.vec, c.ints(draw), rate, stream}
}

// apply does y[e] = x[e]/(1 − rate) or 0 for the elements lo to hi−1, lo being a
// multiple of four.
func (m *mask) apply(y, x []float32, lo, hi int) {
	m.vec.Dropout(y[lo:hi], x[lo:hi], lo, vec.Dropout{
		Rate: m.rate, Key: [2]uint32{uint32(m.draw[0]), uint32(m.draw[1])}, Stream: m.stream, Step: uint32(m.draw[2]),
	})
}
