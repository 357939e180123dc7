package cpu

import "fovea/backend"

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
func (v pooling) maxRow(y []float32, places []int32, x []float32, image, row int) {
	top := row*v.StrideH - v.PadTop
	iLo, iHi := reach(top, v.kh, v.DilationH, v.h)
	for col := range v.ow {
		left := col*v.StrideW - v.PadLeft
		jLo, jHi := reach(left, v.kw, v.DilationW, v.w)
		out := y[col*v.c : (col+1)*v.c]
		first := true
		for i := iLo; i < iHi; i++ {
			for j := jLo; j < jHi; j++ {
				place := (top+i*v.DilationH)*v.w + left + j*v.DilationW
				pixel := x[(image*v.h*v.w+place)*v.c:][:v.c]
				switch {
				case places == nil && first:
					copy(out, pixel)
				case places == nil:
					for k, m := range pixel {
						if beats(m, out[k]) {
							out[k] = m
						}
					}
				default:
					where := places[col*v.c : (col+1)*v.c]
					for k, m := range pixel {
						if first || beats(m, out[k]) {
							out[k], where[k] = m, int32(place)
						}
					}
				}
				first = false
			}
		}
	}
}

// maxRow2x2 is maxRow for kernels of 2×2 pixels without padding.
func (v pooling) maxRow2x2(y []float32, places []int32, x []float32, image, row int) {
	for col := range v.ow {
		place := row*v.StrideH*v.w + col*v.StrideW
		at := (image*v.h*v.w + place) * v.c
		a, b := x[at:at+v.c], x[at+v.c:at+2*v.c]
		at += v.w * v.c
		d, e := x[at:at+v.c], x[at+v.c:at+2*v.c]
		out := y[col*v.c : (col+1)*v.c]
		a, b, d, e = a[:len(out)], b[:len(out)], d[:len(out)], e[:len(out)]
		if places == nil {
			for k := range out {
				m := a[k]
				if beats(b[k], m) {
					m = b[k]
				}
				if beats(d[k], m) {
					m = d[k]
				}
				if beats(e[k], m) {
					m = e[k]
				}
				out[k] = m
			}
			continue
		}
		where := places[col*v.c : (col+1)*v.c][:len(out)]
		for k := range out {
			m, at := a[k], place
			if beats(b[k], m) {
				m, at = b[k], place+1
			}
			if beats(d[k], m) {
				m, at = d[k], place+v.w
			}
			if beats(e[k], m) {
				m, at = e[k], place+v.w+1
			}
			out[k], where[k] = m, int32(at)
		}
	}
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
