package cpu

import "fovea/backend"

// link is a source pixel or, seen from there, a target pixel with its weight.
type link struct {
	at     int
	weight float64
}

// links returns the taps of each target pixel.
func links(m backend.ResizeMode, in, out int) [][]link {
	ls := make([][]link, out)
	for i, taps := range backend.ResizeTaps(m, in, out) {
		for _, t := range taps {
			ls[i] = append(ls[i], link{t.Source, t.Weight})
		}
	}
	return ls
}

// inverse returns, for each of n source pixels, the targets that it goes to.
func inverse(ls [][]link, n int) [][]link {
	inv := make([][]link, n)
	for i, l := range ls {
		for _, t := range l {
			inv[t.at] = append(inv[t.at], link{i, t.weight})
		}
	}
	return inv
}

func (c *compiler) resize(p *plan, o *backend.Resize) {
	x, y := o.X.Shape, o.Y.Shape
	c.weave(p, o.Y, o.X, links(o.Mode, x[1], y[1]), links(o.Mode, x[2], y[2]), c.gradEpilogue(p, backend.GradEpilogue{}, o.Y))
}

func (c *compiler) resizeGrad(p *plan, o *backend.ResizeGrad) {
	x, y := o.DX.Shape, o.DY.Shape
	rows := inverse(links(o.Mode, x[1], y[1]), x[1])
	cols := inverse(links(o.Mode, x[2], y[2]), x[2])
	c.weave(p, o.DX, o.DY, rows, cols, c.gradEpilogue(p, o.GradEpilogue, o.DX))
}

// weave plans y[n,r,s,c] = Σ weight(r,h)·weight(s,w)·x[n,h,w,c].
func (c *compiler) weave(p *plan, yView, xView backend.View, rows, cols [][]link, epilogue *gradEpilogue) {
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		y, x := c.floats(yView), c.floats(xView)
		ys, xs := yView.Shape, xView.Shape
		ch, pitch := xs[3], xs[2]*xs[3]
		taps := 0
		for _, l := range cols {
			taps += len(l)
		}
		cost := scalarCost * ch * taps * ceil(len(rows)+xs[1], len(rows))
		c.gradRows(epilogue, y, ys[0], ys[1], ys[2]*ch, cost, func(g []float32, image, r int) {
			for _, row := range rows[r] {
				in := x[(image*xs[1]+row.at)*pitch:][:pitch]
				for s, taps := range cols {
					out := g[s*ch : (s+1)*ch]
					for _, col := range taps {
						weight := float32(row.weight * col.weight)
						for k, v := range in[col.at*ch:][:ch] {
							out[k] += weight * v
						}
					}
				}
			}
		})
	}
}
