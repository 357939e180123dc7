package cpu

import "fovea/backend"

// vectorProduct plans a MatMul of a single row by a transposed matrix that is not
// kept from run to run: each element of B is used once, so packing it would take
// longer than the product.
func (c *compiler) vectorProduct(p *plan, o *backend.MatMul) {
	p.algorithm = "dot products"
	n, k := o.C.Shape[1], o.A.Shape.Elements()
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.C)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		y, a, b := c.floats(o.C), c.floats(o.A), c.floats(o.B)
		finish := c.matMulFinish(o, epilogue)
		c.split(n, grainFor(k), 16, func(lo, hi, _ int) {
			to := y[lo:hi]
			if !o.Accumulate {
				clear(to)
			}
			for j := range to {
				to[j] += c.device.vec.Dot(a, b[(lo+j)*k:(lo+j+1)*k])
			}
			finish.Finish(0, 1, lo, hi-lo)
		})
	}
}
