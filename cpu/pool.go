package cpu

import (
	"math"

	"fovea/backend"
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

func (c *compiler) maxPool2D(p *plan, o *backend.MaxPool2D) {
	v := newPooling(o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	p.bind = func([]byte) {
		y, argmax, x := c.floats(o.Y), c.ints(o.Argmax), c.floats(o.X)
		row := v.maxRow
		if v.kh == 2 && v.kw == 2 && v.Window == (backend.Window{StrideH: v.StrideH, StrideW: v.StrideW, DilationH: 1, DilationW: 1}) {
			row = v.maxRow2x2
		}
		c.split(v.n*v.oh, grainFor(v.ow*v.c*v.kh*v.kw*scalarCost/2), 1, func(lo, hi, _ int) {
			for r := lo; r < hi; r++ {
				length := v.ow * v.c
				var places []int32
				if argmax != nil {
					places = argmax[r*length : (r+1)*length]
				}
				row(y[r*length:(r+1)*length], places, x, r/v.oh, r%v.oh)
			}
		})
	}
}

// maxRow pools one row of output pixels; places, optional, receives the positions.
// Like maxRow2x2, it compares numbers by order, as integers: so no branch depends
// on which pixel wins, which nothing could predict.
func (v pooling) maxRow(y []float32, places []int32, x []float32, image, row int) {
	top := row*v.StrideH - v.PadTop
	iLo, iHi := reach(top, v.kh, v.DilationH, v.h)
	for col := range v.ow {
		left := col*v.StrideW - v.PadLeft
		jLo, jHi := reach(left, v.kw, v.DilationW, v.w)
		first := (top+iLo*v.DilationH)*v.w + left + jLo*v.DilationW
		for k := range v.c {
			pixels := x[image*v.h*v.w*v.c+k:]
			best, winner := order(pixels[first*v.c]), first
			for i := iLo; i < iHi; i++ {
				place := (top+i*v.DilationH)*v.w + left + jLo*v.DilationW
				for range jHi - jLo {
					if o := order(pixels[place*v.c]); o > best {
						best, winner = o, place
					}
					place += v.DilationW
				}
			}
			y[col*v.c+k] = pixels[winner*v.c]
			if places != nil {
				places[col*v.c+k] = int32(winner)
			}
		}
	}
}

// maxRow2x2 is maxRow for kernels of 2×2 pixels without padding.
func (v pooling) maxRow2x2(y []float32, places []int32, x []float32, image, row int) {
	below := v.w * v.c
	for col := range v.ow {
		place := row*v.StrideH*v.w + col*v.StrideW
		at := (image*v.h*v.w + place) * v.c
		out := y[col*v.c : (col+1)*v.c]
		window := x[at:][:below+2*v.c]
		p, q := window[:len(out)], window[v.c:][:len(out)]
		r, s := window[below:][:len(out)], window[below+v.c:][:len(out)]
		var where []int32
		if places != nil {
			where = places[col*v.c : (col+1)*v.c]
		}
		for k := range out {
			best, winner := order(p[k]), 0
			if o := order(q[k]); o > best {
				best, winner = o, 1
			}
			if o := order(r[k]); o > best {
				best, winner = o, 2
			}
			if o := order(s[k]); o > best {
				winner = 3
			}
			right, down := winner&1, winner>>1
			out[k] = window[right*v.c+down*below+k]
			if where != nil {
				where[k] = int32(place + right + down*v.w)
			}
		}
	}
}

// order returns a number that rises with v, is equal for both zeros, and greatest
// for NaN.
func order(v float32) int32 {
	bits := int32(math.Float32bits(v))
	size, sign := bits&math.MaxInt32, bits>>31
	if size > 0x7f800000 {
		size, sign = math.MaxInt32, 0
	}
	return (size ^ sign) - sign
}

func (c *compiler) avgPool2D(p *plan, o *backend.AvgPool2D) {
	v := newPooling(o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	p.bind = func([]byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		c.split(v.n*v.oh, grainFor(v.ow*v.c*v.kh*v.kw*scalarCost/2), 1, func(lo, hi, _ int) {
			for r := lo; r < hi; r++ {
				v.avgRow(y[r*v.ow*v.c:(r+1)*v.ow*v.c], x, r/v.oh, r%v.oh, o.CountPadding)
			}
		})
	}
}

func (v pooling) avgRow(y, x []float32, image, row int, countPadding bool) {
	top := row*v.StrideH - v.PadTop
	iLo, iHi := reach(top, v.kh, v.DilationH, v.h)
	for col := range v.ow {
		left := col*v.StrideW - v.PadLeft
		jLo, jHi := reach(left, v.kw, v.DilationW, v.w)
		out := y[col*v.c : (col+1)*v.c]
		clear(out)
		for i := iLo; i < iHi; i++ {
			for j := jLo; j < jHi; j++ {
				place := (top+i*v.DilationH)*v.w + left + j*v.DilationW
				for k, m := range x[(image*v.h*v.w+place)*v.c:][:v.c] {
					out[k] += m
				}
			}
		}
		divisor := float32((iHi - iLo) * (jHi - jLo))
		if countPadding {
			divisor = float32(v.kh * v.kw)
		}
		for k := range out {
			out[k] /= divisor
		}
	}
}
