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

// normaliser returns the maximum m of a row and Σ exp(z − m).
func normaliser(z []float32) (m, sum float64) {
	best := z[0]
	for _, v := range z {
		if beats(v, best) {
			best = v
		}
	}
	m = float64(best)
	for _, v := range z {
		sum += math.Exp(float64(v) - m)
	}
	return m, sum
}

func (c *compiler) softmax(p *plan, o *backend.Softmax) {
	p.bind = func([]byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		rows, cols := matrix(o.X.Shape)
		c.split(rows, grainFor(2*cols*transcendentalCost), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				in, out := x[i*cols:(i+1)*cols], y[i*cols:(i+1)*cols]
				m, sum := normaliser(in)
				if o.Log {
					l := math.Log(sum)
					for j, v := range in {
						out[j] = float32(float64(v) - m - l)
					}
					continue
				}
				for j, v := range in {
					out[j] = float32(math.Exp(float64(v)-m) / sum)
				}
			}
		})
	}
}

func (c *compiler) softmaxGrad(p *plan, o *backend.SoftmaxGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, y := c.floats(o.DX), c.floats(o.DY), c.floats(o.Y)
		rows, cols := matrix(o.DX.Shape)
		c.split(rows, grainFor(2*cols*scalarCost), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				g, d, y := dx[i*cols:(i+1)*cols], dy[i*cols:(i+1)*cols], y[i*cols:(i+1)*cols]
				sum := 0.0
				for j, v := range d {
					if o.Log {
						sum += float64(v)
					} else {
						sum += float64(v) * float64(y[j])
					}
				}
				for j, v := range d {
					if o.Log {
						g[j] = float32(float64(v) - math.Exp(float64(y[j]))*sum)
					} else {
						g[j] = float32(float64(y[j]) * (float64(v) - sum))
					}
				}
				epilogue.apply(g, i*cols)
			}
		})
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
