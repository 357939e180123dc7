package cpu

import "fovea/backend"

// vectorProduct plans a MatMul whose left factor is a single row, as in the
// prediction for one image: each element of B is used once, so packing it would
// take longer than the product.
func (c *compiler) vectorProduct(p *plan, o *backend.MatMul) {
	n, k := o.C.Shape[1], o.A.Shape.Elements()
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.C)
	sums := p.reserve(c.threads, n, 4)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		y, a, b, sums := c.floats(o.C), c.floats(o.A), c.floats(o.B), each[float32](work, sums)
		finish := c.matMulFinish(o, epilogue)
		vec := c.device.vec
		c.split(n, grainFor(k), 16, func(lo, hi, worker int) {
			to := y[lo:hi]
			if !o.Accumulate {
				clear(to)
			}
			if o.TransposeB {
				for j := range to {
					to[j] += vec.Dot(a, b[(lo+j)*k:(lo+j+1)*k])
				}
			} else {
				// Blocks of rows keep the error of long sums small.
				sum := sums[worker][:hi-lo]
				for first := 0; first < k; first += sumBlock {
					clear(sum)
					for i := first; i < min(first+sumBlock, k); i++ {
						vec.Axpy(sum, b[i*n+lo:i*n+hi], a[i])
					}
					vec.Add(to, to, sum)
				}
			}
			finish.Finish(0, 1, lo, hi-lo)
		})
	}
}
