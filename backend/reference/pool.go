package reference

import "fovea/backend"

// pooling is the geometry of the four pooling Ops.
type pooling struct {
	n, h, w, c, oh, ow, kh, kw int
	backend.Window
}

func newPooling(x, y backend.View, kh, kw int, win backend.Window) pooling {
	return pooling{x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], y.Shape[1], y.Shape[2], kh, kw, win}
}

// windows calls f for every output element in row-major order, with its position
// y and the position of its image and channel in x, and the pixels (h·W + w) that
// are under its window.
func (v pooling) windows(f func(y, channel int, pixels []int)) {
	var pixels []int
	for image := range v.n {
		for row := range v.oh {
			for col := range v.ow {
				pixels = pixels[:0]
				for i := range v.kh {
					h := row*v.StrideH + i*v.DilationH - v.PadTop
					if h < 0 || h >= v.h {
						continue
					}
					for j := range v.kw {
						if w := col*v.StrideW + j*v.DilationW - v.PadLeft; w >= 0 && w < v.w {
							pixels = append(pixels, h*v.w+w)
						}
					}
				}
				for c := range v.c {
					f(((image*v.oh+row)*v.ow+col)*v.c+c, image*v.h*v.w*v.c+c, pixels)
				}
			}
		}
	}
}

func maxPool2D(m *memory, o *backend.MaxPool2D) {
	v := newPooling(o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	y, argmax, x := m.floats(o.Y), m.ints(o.Argmax), m.floats(o.X)
	v.windows(func(at, channel int, pixels []int) {
		best := pixels[0]
		for _, p := range pixels[1:] {
			if beats(x[channel+p*v.c], x[channel+best*v.c]) {
				best = p
			}
		}
		y[at] = x[channel+best*v.c]
		if argmax != nil {
			argmax[at] = int32(best)
		}
	})
}

// maxPool2DGrad follows positions that a run of MaxPool2D wrote; those that are
// no pixel at all, which it cannot have written, receive nothing.
func maxPool2DGrad(m *memory, o *backend.MaxPool2DGrad) {
	v := newPooling(o.DX, o.DY, o.KernelH, o.KernelW, o.Window)
	dx, dy, argmax := m.floats(o.DX), m.floats(o.DY), m.ints(o.Argmax)
	g := make([]float64, len(dx))
	v.windows(func(at, channel int, _ []int) {
		if p := int(argmax[at]); p >= 0 && p < v.h*v.w {
			g[channel+p*v.c] += dy[at]
		}
	})
	m.finish(dx, g, o.GradEpilogue)
}

// divisor is what the sum over a window is divided by.
func (v pooling) divisor(pixels []int, countPadding bool) float64 {
	if countPadding {
		return float64(v.kh * v.kw)
	}
	return float64(len(pixels))
}

func avgPool2D(m *memory, o *backend.AvgPool2D) {
	v := newPooling(o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	y, x := m.floats(o.Y), m.floats(o.X)
	v.windows(func(at, channel int, pixels []int) {
		var sum float64
		for _, p := range pixels {
			sum += x[channel+p*v.c]
		}
		y[at] = sum / v.divisor(pixels, o.CountPadding)
	})
}

func avgPool2DGrad(m *memory, o *backend.AvgPool2DGrad) {
	v := newPooling(o.DX, o.DY, o.KernelH, o.KernelW, o.Window)
	dx, dy := m.floats(o.DX), m.floats(o.DY)
	g := make([]float64, len(dx))
	v.windows(func(at, channel int, pixels []int) {
		for _, p := range pixels {
			g[channel+p*v.c] += dy[at] / v.divisor(pixels, o.CountPadding)
		}
	})
	m.finish(dx, g, o.GradEpilogue)
}
