package cpu

import "fovea/backend"

func (c *compiler) pad(p *plan, o *backend.Pad) {
	p.bind = func([]byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		h, w, ch := o.X.Shape[1], o.X.Shape[2], o.X.Shape[3]
		rows, cols := o.Y.Shape[1], o.Y.Shape[2]
		c.split(o.Y.Shape[0]*rows, grainFor(cols*ch), 1, func(lo, hi, _ int) {
			for r := lo; r < hi; r++ {
				out := y[r*cols*ch : (r+1)*cols*ch]
				from := o.Mode.Source(r%rows-o.Top, h)
				if from < 0 {
					clear(out)
					continue
				}
				in := x[(r/rows*h+from)*w*ch:][:w*ch]
				for i := range o.Left {
					padPixel(out[i*ch:(i+1)*ch], in, o.Mode.Source(i-o.Left, w))
				}
				copy(out[o.Left*ch:], in)
				for i := o.Left + w; i < cols; i++ {
					padPixel(out[i*ch:(i+1)*ch], in, o.Mode.Source(i-o.Left, w))
				}
			}
		})
	}
}

// padPixel writes a pixel of the border: pixel from of a row, or zeros.
func padPixel(out, in []float32, from int) {
	if from < 0 {
		clear(out)
		return
	}
	copy(out, in[from*len(out):])
}

func (c *compiler) padGrad(p *plan, o *backend.PadGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy := c.floats(o.DX), c.floats(o.DY)
		h, w, ch := o.DX.Shape[1], o.DX.Shape[2], o.DX.Shape[3]
		rows, cols := o.DY.Shape[1], o.DY.Shape[2]
		copies := make([][]int, h) // of each row
		for r := range rows {
			if from := o.Mode.Source(r-o.Top, h); from >= 0 {
				copies[from] = append(copies[from], r)
			}
		}
		c.gradRows(epilogue, dx, o.DX.Shape[0], h, w*ch, rows*cols*ch*scalarCost/h, func(g []float32, image, h int) {
			for _, r := range copies[h] {
				row := dy[(image*rows+r)*cols*ch:][:cols*ch]
				for i := range cols {
					if to := o.Mode.Source(i-o.Left, w); to >= 0 {
						pixel := g[to*ch : (to+1)*ch]
						for k, d := range row[i*ch : (i+1)*ch] {
							pixel[k] += d
						}
					}
				}
			}
		})
	}
}
