package cpu

import (
	"math"

	"fovea/backend"
)

// matrix returns a shape seen as rows of its last axis.
func matrix(s backend.Shape) (rows, cols int) {
	if len(s) == 0 {
		return 1, 1
	}
	cols = s[len(s)-1]
	return s.Elements() / cols, cols
}

// normaliserRows is how many rows are normalised in one go.
const normaliserRows = 64

// normalisers reserves scratch for the numbers of some rows.
func (c *compiler) normalisers(p *plan) region { return p.reserve(c.threads, 2*normaliserRows, 4) }

// pairs returns two vectors within such scratch.
func pairs(scratch []float32, rows int) (a, b []float32) {
	return scratch[:rows], scratch[normaliserRows : normaliserRows+rows]
}

// blocks calls f for blocks of at most normaliserRows rows.
func blocks(lo, hi int, f func(lo, hi int)) {
	for ; lo < hi; lo += normaliserRows {
		f(lo, min(lo+normaliserRows, hi))
	}
}

// logSum returns ln Σ exp z from the maximum of z and Σ exp(z − maximum).
func logSum(maximum, sum float32) float64 { return float64(maximum) + math.Log(float64(sum)) }

func (c *compiler) softmax(p *plan, o *backend.Softmax) {
	scratch := c.normalisers(p)
	p.bind = func(work []byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		rows, cols := matrix(o.X.Shape)
		k, scratch := c.device.vec, each[float32](work, scratch)
		c.split(rows, grainFor(2*cols*scalarCost), 1, func(lo, hi, worker int) {
			blocks(lo, hi, func(lo, hi int) {
				in, out := x[lo*cols:hi*cols], y[lo*cols:hi*cols]
				offsets, factors := pairs(scratch[worker], hi-lo)
				if o.Log {
					k.ExpRows(nil, offsets, factors, in, cols)
					for i, m := range offsets {
						offsets[i], factors[i] = float32(-logSum(m, factors[i])), 1
					}
				} else {
					k.ExpRows(out, offsets, factors, in, cols)
					in = out
					for i, sum := range factors {
						offsets[i], factors[i] = 0, 1/sum
					}
				}
				k.AffineRows(out, in, factors, offsets, cols)
			})
		})
	}
}

func (c *compiler) softmaxGrad(p *plan, o *backend.SoftmaxGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	rows, cols := matrix(o.DX.Shape)
	scratch := p.reserve(c.threads, cols, 4)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, y := c.floats(o.DX), c.floats(o.DY), c.floats(o.Y)
		scratch := each[float32](work, scratch)
		c.split(rows, grainFor(2*cols*scalarCost), 1, func(lo, hi, worker int) {
			for i := lo; i < hi; i++ {
				g, d, y := dx[i*cols:(i+1)*cols], dy[i*cols:(i+1)*cols], y[i*cols:(i+1)*cols]
				switch {
				case cols < shortRow:
					shortSoftmaxGrad(g, d, y, o.Log)
				case o.Log:
					sum, p := c.device.vec.Sum(d), scratch[worker]
					c.device.vec.Exp(p, y)
					copy(g, d)
					c.device.vec.Axpy(g, p, -sum)
				default:
					sum, t := c.device.vec.Dot(d, y), scratch[worker]
					c.device.vec.Shift(t, d, -sum)
					c.device.vec.Mul(g, t, y)
				}
				epilogue.apply(g, i*cols)
			}
		})
	}
}

// shortRow is the length from which on loops over a row are worth their calls.
const shortRow = 16

// shortSoftmaxGrad computes a row in float64.
func shortSoftmaxGrad(g, d, y []float32, log bool) {
	sum := 0.0
	for j, v := range d {
		if log {
			sum += float64(v)
		} else {
			sum += float64(v) * float64(y[j])
		}
	}
	for j, v := range d {
		if log {
			g[j] = float32(float64(v) - math.Exp(float64(y[j]))*sum)
		} else {
			g[j] = float32(float64(y[j]) * (float64(v) - sum))
		}
	}
}

func (c *compiler) maxout(p *plan, o *backend.Maxout) {
	p.bind = func([]byte) {
		y, argmax, x := c.floats(o.Y), c.ints(o.Argmax), c.floats(o.X)
		c.split(len(y), grainFor(o.Pieces*scalarCost), 16, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				group := x[i*o.Pieces : (i+1)*o.Pieces]
				best := 0
				for k, v := range group {
					if beats(v, group[best]) {
						best = k
					}
				}
				y[i] = group[best]
				if argmax != nil {
					argmax[i] = int32(best)
				}
			}
		})
	}
}

func (c *compiler) maxoutGrad(p *plan, o *backend.MaxoutGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, argmax := c.floats(o.DX), c.floats(o.DY), c.ints(o.Argmax)
		c.split(len(dy), grainFor(o.Pieces*scalarCost), 16, func(lo, hi, _ int) {
			g := dx[lo*o.Pieces : hi*o.Pieces]
			clear(g)
			for i := lo; i < hi; i++ {
				if k := int(argmax[i]); uint(k) < uint(o.Pieces) {
					dx[i*o.Pieces+k] = dy[i]
				}
			}
			epilogue.apply(g, lo*o.Pieces)
		})
	}
}
