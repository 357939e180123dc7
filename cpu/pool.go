package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// pooling is the geometry of the four pooling Ops: x [n, h, w, c] is the larger
// image, y [n, oh, ow, c] the smaller.
type pooling struct {
	n, h, w, c, oh, ow, kh, kw int
	backend.Window
}

func newPooling(x, y backend.View, kh, kw int, win backend.Window) pooling {
	return pooling{x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], y.Shape[1], y.Shape[2], kh, kw, win}
}

// reach returns which of k taps, at first + i·dilation, lie among n pixels:
// those from lo to hi−1.
func reach(first, k, dilation, n int) (lo, hi int) {
	if first < 0 {
		lo = min(ceil(-first, dilation), k)
	}
	if first >= n {
		return 0, 0
	}
	return lo, max(min(ceil(n-first, dilation), k), lo)
}

// inside reports whether the windows are 2×2 pixels that all lie within the image.
func (v pooling) inside() bool {
	return v.kh == 2 && v.kw == 2 && v.Window == backend.Window{StrideH: v.StrideH, StrideW: v.StrideW, DilationH: 1, DilationW: 1}
}

// windows is the geometry of some rows of windows that are inside.
func (v pooling) windows(row, rows int) vec.Windows {
	return vec.Windows{Rows: rows, Cols: v.ow, Channels: v.c, Width: v.w, StrideH: v.StrideH, StrideW: v.StrideW, Place: row * v.StrideH * v.w}
}

// images calls f for the stretches of rows lo to hi−1, of n in an image, that lie
// in one image.
func images(lo, hi, n int, f func(image, row, rows int)) {
	for lo < hi {
		image, row := lo/n, lo%n
		rows := min(n-row, hi-lo)
		f(image, row, rows)
		lo += rows
	}
}

func (c *compiler) maxPool2D(p *plan, o *backend.MaxPool2D) {
	v := newPooling(o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	p.bind = func([]byte) {
		y, argmax, x := c.floats(o.Y), c.ints(o.Argmax), c.floats(o.X)
		k, length := c.device.vec, v.ow*v.c
		if v.inside() {
			c.split(v.n*v.oh, grainFor(4*length), 1, func(lo, hi, _ int) {
				images(lo, hi, v.oh, func(image, row, rows int) {
					at := (image*v.oh + row) * length
					from := (image*v.h + row*v.StrideH) * v.w * v.c
					k.MaxPool2x2(y[at:at+rows*length], part(argmax, at, at+rows*length), x[from:], v.windows(row, rows))
				})
			})
			return
		}
		c.split(v.n*v.oh, grainFor(v.ow*(v.c*v.kh*v.kw+windowCost)), 1, func(lo, hi, _ int) {
			for r := lo; r < hi; r++ {
				image := x[r/v.oh*v.h*v.w*v.c:]
				v.row(r%v.oh, func(col, first, rows, cols int) {
					at := r*length + col*v.c
					taps := v.taps(rows, cols)
					taps.Place = first
					k.MaxWindow(y[at:at+v.c], part(argmax, at, at+v.c), image[first*v.c:], taps)
				})
			}
		})
	}
}

// windowCost is what a window costs besides its elements, in elements.
const windowCost = 64

// row calls f for the windows of one row: their column, their first pixel within
// the image and how many rows and columns of pixels they have there.
func (v pooling) row(row int, f func(col, first, rows, cols int)) {
	top := row*v.StrideH - v.PadTop
	iLo, iHi := reach(top, v.kh, v.DilationH, v.h)
	for col := range v.ow {
		left := col*v.StrideW - v.PadLeft
		jLo, jHi := reach(left, v.kw, v.DilationW, v.w)
		f(col, (top+iLo*v.DilationH)*v.w+left+jLo*v.DilationW, iHi-iLo, jHi-jLo)
	}
}

// taps is the geometry of a window.
func (v pooling) taps(rows, cols int) vec.Taps {
	return vec.Taps{
		Rows: rows, Cols: cols, StepX: v.DilationW * v.c, StepY: v.DilationH * v.w * v.c, PlaceX: v.DilationW, PlaceY: v.DilationH * v.w,
	}
}

// divisor is what the sum over a window is divided by.
func (v pooling) divisor(rows, cols int, countPadding bool) float32 {
	if countPadding {
		return float32(v.kh * v.kw)
	}
	return float32(rows * cols)
}

func (c *compiler) avgPool2D(p *plan, o *backend.AvgPool2D) {
	v := newPooling(o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	p.bind = func([]byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		k := c.device.vec
		c.split(v.n*v.oh, grainFor(v.ow*(v.c*v.kh*v.kw+windowCost)), 1, func(lo, hi, _ int) {
			for r := lo; r < hi; r++ {
				image := x[r/v.oh*v.h*v.w*v.c:]
				v.row(r%v.oh, func(col, first, rows, cols int) {
					at := (r*v.ow + col) * v.c
					k.MeanWindow(y[at:at+v.c], image[first*v.c:], v.taps(rows, cols), v.divisor(rows, cols, o.CountPadding))
				})
			}
		})
	}
}
