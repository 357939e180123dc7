package reference

import "fovea/backend"

// convolution is the geometry of the three convolution Ops.
type convolution struct {
	n, h, w, c int // images
	kh, kw     int // filters
	oh, ow, o  int // outputs
	groups     int
	cg, og     int // channels of one group
	taps       int // length of a filter, kh·kw·cg
	backend.Window
}

func newConvolution(x, w, y backend.View, win backend.Window, groups int) convolution {
	xs, ws, ys := x.Shape, w.Shape, y.Shape
	return convolution{
		n: xs[0], h: xs[1], w: xs[2], c: xs[3],
		kh: ws[1], kw: ws[2],
		oh: ys[1], ow: ys[2], o: ys[3],
		groups: groups, cg: ws[3], og: ws[0] / groups,
		taps:   ws[1] * ws[2] * ws[3],
		Window: win,
	}
}

// block is how many output pixels are worked on together, so that a filter is
// fetched once for all of them.
const block = 16

// patches copies the pixels under the filters of one group at the output pixels
// lo to hi−1 (counted over batch, rows and columns) in the order of the filters'
// elements.
func (v convolution) patches(dst, x []float64, group, lo, hi int) {
	for p := lo; p < hi; p++ {
		col, row, image := p%v.ow, p/v.ow%v.oh, p/v.ow/v.oh
		for i := range v.kh {
			h := row*v.StrideH + i*v.DilationH - v.PadTop
			for j := range v.kw {
				w := col*v.StrideW + j*v.DilationW - v.PadLeft
				var pixel []float64
				pixel, dst = dst[:v.cg], dst[v.cg:]
				if h < 0 || h >= v.h || w < 0 || w >= v.w {
					clear(pixel)
					continue
				}
				copy(pixel, x[((image*v.h+h)*v.w+w)*v.c+group*v.cg:])
			}
		}
	}
}

func conv2D(m *memory, o *backend.Conv2D) {
	v := newConvolution(o.X, o.W, o.Y, o.Window, o.Groups)
	y, x, w, b := m.floats(o.Y), m.floats(o.X), m.floats(o.W), m.floats(o.B)
	m.split(v.n*v.oh*v.ow, 2*v.o*v.taps, func(lo, hi int) {
		patches := make([]float64, min(block, hi-lo)*v.taps)
		for ; lo < hi; lo += block {
			n := min(block, hi-lo)
			for g := range v.groups {
				v.patches(patches, x, g, lo, lo+n)
				first := g * v.og
				product(y[lo*v.o+first:], v.o, patches, w[first*v.taps:], n, v.og, v.taps)
			}
			out := y[lo*v.o : (lo+n)*v.o]
			addBias(out, b)
			activate(out, o.Activation)
		}
	})
}

// addBias adds the bias, if there is one, to each row of y.
func addBias(y, bias []float64) {
	if bias == nil {
		return
	}
	for i := range y {
		y[i] += bias[i%len(bias)]
	}
}

func conv2DInputGrad(m *memory, o *backend.Conv2DInputGrad) {
	v := newConvolution(o.DX, o.W, o.DY, o.Window, o.Groups)
	dx, dy, w := m.floats(o.DX), m.floats(o.DY), m.floats(o.W)
	g := make([]float64, len(dx))
	m.split(v.n*v.h, 2*v.w*v.o*v.taps, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			v.inputGradRow(g[r*v.w*v.c:(r+1)*v.w*v.c], dy, w, r/v.h, r%v.h)
		}
	})
	m.finish(dx, g, o.GradEpilogue)
}

// inputGradRow adds up the gradient of row h of one image.
func (v convolution) inputGradRow(g, dy, weights []float64, image, h int) {
	for i := range v.kh {
		y := h + v.PadTop - i*v.DilationH
		if y < 0 || y%v.StrideH != 0 || y/v.StrideH >= v.oh {
			continue
		}
		y /= v.StrideH
		for x := range v.ow {
			for j := range v.kw {
				w := x*v.StrideW + j*v.DilationW - v.PadLeft
				if w < 0 || w >= v.w {
					continue
				}
				for group := range v.groups {
					pixel := g[w*v.c+group*v.cg:][:v.cg]
					out := dy[((image*v.oh+y)*v.ow+x)*v.o+group*v.og:][:v.og]
					addMultiples(pixel, out, weights[group*v.og*v.taps+(i*v.kw+j)*v.cg:], v.taps)
				}
			}
		}
	}
}

func conv2DFilterGrad(m *memory, o *backend.Conv2DFilterGrad) {
	v := newConvolution(o.X, o.DW, o.DY, o.Window, o.Groups)
	dw, db, dy, x := m.floats(o.DW), m.floats(o.DB), m.floats(o.DY), m.floats(o.X)
	sum := make([]float64, len(dw))
	m.split(v.o, 2*v.n*v.oh*v.ow*v.taps, func(lo, hi int) {
		for g := lo / v.og; g*v.og < hi; g++ {
			v.filterGrad(sum, dy, x, g, max(lo, g*v.og), min(hi, (g+1)*v.og))
		}
	})
	store(dw, sum, o.Accumulate)
	if db != nil {
		bias := make([]float64, len(db))
		for i, d := range dy {
			bias[i%len(bias)] += d
		}
		store(db, bias, o.Accumulate)
	}
}

// filterGrad adds up the gradients of the filters lo to hi−1, all of one group.
func (v convolution) filterGrad(dw, dy, x []float64, group, lo, hi int) {
	pixels := v.n * v.oh * v.ow
	patches := make([]float64, min(block, pixels)*v.taps)
	factors := make([]float64, block)
	for p := 0; p < pixels; p += block {
		n := min(block, pixels-p)
		v.patches(patches, x, group, p, p+n)
		for o := lo; o < hi; o++ {
			for i := range n {
				factors[i] = dy[(p+i)*v.o+o]
			}
			addMultiples(dw[o*v.taps:(o+1)*v.taps], factors[:n], patches, v.taps)
		}
	}
}
