package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// gradRows adds the step that computes a gradient row by row: f adds to g, row h
// of an image's gradient, which is zero before.
func (c *compiler) gradRows(e *gradEpilogue, dx []float32, images, h, length, cost int, f func(g []float32, image, h int)) {
	c.split(images*h, grainFor(cost), 1, func(lo, hi, _ int) {
		for r := lo; r < hi; r++ {
			g := dx[r*length : (r+1)*length]
			clear(g)
			f(g, r/h, r%h)
			e.apply(g, r*length)
		}
	})
}

// covering returns the output rows, from lo to hi−1, whose windows may reach
// pixel row h; a dilated window may still step over it.
func covering(h, pad, k, dilation, stride, outputs int) (lo, hi int) {
	lo = max(ceil(max(h+pad-(k-1)*dilation, 0), stride), 0)
	return lo, min((h+pad)/stride+1, outputs)
}

// lands reports whether a tap of the windows of output row y, which cover pixel
// row h, lies on that row.
func lands(h, y, pad, dilation, stride int) bool { return (h+pad-y*stride)%dilation == 0 }

func (c *compiler) maxPool2DGrad(p *plan, o *backend.MaxPool2DGrad) {
	v := newPooling(o.DX, o.DY, o.KernelH, o.KernelW, o.Window)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		if v.tiles() {
			c.maxGradTiles(v, o, epilogue)
			return
		}
		dx, dy, argmax := c.floats(o.DX), c.floats(o.DY), c.ints(o.Argmax)
		cost := v.w * v.c * (1 + scalarCost/v.StrideH/v.StrideW)
		c.gradRows(epilogue, dx, v.n, v.h, v.w*v.c, cost, func(g []float32, image, h int) {
			lo, hi := covering(h, v.PadTop, v.kh, v.DilationH, v.StrideH, v.oh)
			for y := lo; y < hi; y++ {
				at := (image*v.oh + y) * v.ow * v.c
				v.maxGradRow(g, dy[at:at+v.ow*v.c], argmax[at:at+v.ow*v.c], h)
			}
		})
	}
}

// tiles reports whether the windows are 2×2 pixels side by side, the usual case.
func (v pooling) tiles() bool { return v.inside() && v.StrideH == 2 && v.StrideW == 2 }

// maxGradTiles is the step of maxPool2DGrad for tiles: each pixel is under one
// window at most and gets its gradient or zero.
func (c *compiler) maxGradTiles(v pooling, o *backend.MaxPool2DGrad, epilogue *gradEpilogue) {
	k, length := c.device.vec, v.w*v.c
	dx, dy, argmax := c.floats(o.DX), c.floats(o.DY), c.ints(o.Argmax)
	output := epilogue.positive()
	// An item is a pair of rows; the last of an image may be a single one, under no
	// window.
	pairs := ceil(v.h, 2)
	c.split(v.n*pairs, grainFor(4*length), 1, func(lo, hi, _ int) {
		images(lo, hi, pairs, func(image, pair, n int) {
			from := (image*v.h + 2*pair) * length
			to := (image*v.h + min(2*(pair+n), v.h)) * length
			rows := max(min(n, v.oh-pair), 0)
			under := from + rows*2*length
			if rows > 0 {
				at := (image*v.oh + pair) * v.ow * v.c
				size := rows * v.ow * v.c
				k.MaxPool2x2Grad(dx[from:under], dy[at:at+size], argmax[at:at+size], part(output, from, under), v.windows(pair, rows))
				if 2*v.ow < v.w {
					for row := from; row < under; row += length {
						clear(dx[row+2*v.ow*v.c : row+length])
					}
				}
			}
			clear(dx[under:to])
			if output == nil {
				epilogue.apply(dx[from:to], from)
			}
		})
	})
}

// maxGradRow adds the gradients of one row of output pixels to those pixels of
// row h that won.
func (v pooling) maxGradRow(g, dy []float32, argmax []int32, h int) {
	first := int32(h * v.w)
	for len(dy) > 0 {
		for k, d := range dy[:v.c] {
			if w := int(argmax[k] - first); uint(w) < uint(v.w) {
				g[w*v.c+k] += d
			}
		}
		dy, argmax = dy[v.c:], argmax[v.c:]
	}
}

func (c *compiler) avgPool2DGrad(p *plan, o *backend.AvgPool2DGrad) {
	v := newPooling(o.DX, o.DY, o.KernelH, o.KernelW, o.Window)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, k := c.floats(o.DX), c.floats(o.DY), c.device.vec
		cost := v.w * v.c * (1 + v.kh*v.kw*scalarCost/v.StrideH/v.StrideW)
		c.gradRows(epilogue, dx, v.n, v.h, v.w*v.c, cost, func(g []float32, image, h int) {
			lo, hi := covering(h, v.PadTop, v.kh, v.DilationH, v.StrideH, v.oh)
			for y := lo; y < hi; y++ {
				if lands(h, y, v.PadTop, v.DilationH, v.StrideH) {
					at := (image*v.oh + y) * v.ow * v.c
					v.avgGradRow(k, g, dy[at:at+v.ow*v.c], y, o.CountPadding)
				}
			}
		})
	}
}

// avgGradRow spreads the gradients of output row y over a row of pixels under its
// windows.
func (v pooling) avgGradRow(k *vec.Kernel, g, dy []float32, y int, countPadding bool) {
	iLo, iHi := reach(y*v.StrideH-v.PadTop, v.kh, v.DilationH, v.h)
	for x := range v.ow {
		left := x*v.StrideW - v.PadLeft
		jLo, jHi := reach(left, v.kw, v.DilationW, v.w)
		share := 1 / v.divisor(iHi-iLo, jHi-jLo, countPadding)
		d := dy[x*v.c : (x+1)*v.c]
		for j := jLo; j < jHi; j++ {
			pixel := g[(left+j*v.DilationW)*v.c:][:v.c]
			if v.c >= shortRow {
				k.Axpy(pixel, d, share)
				continue
			}
			for i, d := range d {
				pixel[i] += d * share
			}
		}
	}
}
