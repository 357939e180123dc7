package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// gatherCost estimates the work of gatherInputGrad in multiply-adds.
func (c *compiler) gatherCost(o *backend.Conv2DInputGrad) int {
	if v := c.inputPlanes(o); v != nil {
		return v.cost()
	}
	dx, w, k := o.DX.Shape, o.W.Shape, c.device.gemm
	pixels := dx[0] * ceil(dx[1], o.StrideH) * ceil(dx[2], o.StrideW)
	patch := w[0] * w[1] * w[2] // of all groups, and all phases together
	return pixels * patch * laneCost(k, w[3])
}

// gatherInputGrad computes each pixel of DX from all that it has contributed to.
// With stride S, the pixels whose row and column have the same remainders modulo S
// take the gradient through the same taps, from neighbouring pixels of DY. So each
// of these S×S sets is a convolution of DY with stride 1; for S = 1 it is the one
// with flipped filters.
func (c *compiler) gatherInputGrad(p *plan, o *backend.Conv2DInputGrad) {
	if v := c.inputPlanes(o); v != nil {
		v.inputGrad(c, p, o)
		return
	}
	dx := o.DX.Shape
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	var phases []*convolution
	untouched := false // some pixels get no gradient
	for top := range min(o.StrideH, dx[1]) {
		for left := range min(o.StrideW, dx[2]) {
			v := c.phase(o, top, left)
			if v == nil {
				untouched = true
				continue
			}
			v.reserve(c, p, o.W)
			p.executed += int64(v.flop(v.images * v.rows * v.cols))
			phases = append(phases, v)
		}
	}
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		y := c.floats(o.DX)
		if untouched {
			c.split(len(y), elementGrain, 16, func(lo, hi, _ int) { clear(y[lo:hi]) })
		}
		filters := &transposedFilters{w: c.floats(o.W), channels: o.W.Shape[3], pixels: o.W.Shape[1] * o.W.Shape[2], outputs: o.W.Shape[0] / o.Groups}
		for _, v := range phases {
			own := *filters
			own.taps = v.taps
			v.filters, v.weights, v.target.y = &own, filters.w, y
			if v.target.dense() && !epilogue.none() {
				v.late, v.finish = true, epilogue.applyRows
			}
			v.bind(c, work, c.floats(o.DY))
		}
		if len(phases) != 1 || phases[0].finish == nil {
			epilogue.finish(c)
		}
	}
}

// inputPlanes returns the convolution with flipped filters if it is better done by
// planes; nil if not.
func (c *compiler) inputPlanes(o *backend.Conv2DInputGrad) *planes {
	if o.Groups > 1 || o.StrideH > 1 || o.StrideW > 1 {
		return nil
	}
	channels := o.W.Shape[3]
	return newPlanes(c, c.phase(o, 0, 0).patches, channels, planeFilters{1, channels, o.W.Shape[1] * o.W.Shape[2] * channels})
}

// phase returns the convolution for the pixels of DX from (top, left) on, a stride
// apart; nil if no tap reaches them.
func (c *compiler) phase(o *backend.Conv2DInputGrad, top, left int) *convolution {
	dx, dy, w := o.DX.Shape, o.DY.Shape, o.W.Shape
	q := &patches{
		images: dy[0], height: dy[1], width: dy[2], channels: dy[3],
		rows: ceil(dx[1]-top, o.StrideH), cols: ceil(dx[2]-left, o.StrideW),
		stepH: 1, stepW: 1, depth: w[0] / o.Groups,
	}
	for i := range w[1] {
		y := top + o.PadTop - i*o.DilationH
		if y%o.StrideH != 0 {
			continue
		}
		for j := range w[2] {
			if x := left + o.PadLeft - j*o.DilationW; x%o.StrideW == 0 {
				q.taps = append(q.taps, tap{y / o.StrideH, x / o.StrideW, i*w[2] + j})
			}
		}
	}
	if len(q.taps) == 0 {
		return nil
	}
	q.prepare()
	return &convolution{
		kernel: c.device.gemm, patches: q, groups: o.Groups, lanes: w[3],
		target: target{height: dx[1], width: dx[2], channels: dx[3], top: top, left: left, stepH: o.StrideH, stepW: o.StrideW},
	}
}

// transposedFilters are filters [O, KH, KW, C/G] as the right factor of an input
// gradient: a lane is an input channel, groups after one another; the depth is, for
// each tap, the output channels of the group.
type transposedFilters struct {
	w        []float32
	taps     []tap
	channels int // of a group
	pixels   int
	outputs  int // of a group
}

// Pack implements gemm.Source. The lanes are of one group.
func (s *transposedFilters) Pack(dst []float32, width, lane, lanes, p, depth int) {
	if lanes < width {
		gemm.ZeroLanes(dst[lanes:], width, width-lanes, depth)
	}
	stride := s.pixels * s.channels
	group, channel := lane/s.channels, lane%s.channels
	for q := 0; q < depth; {
		t, output := (p+q)/s.outputs, (p+q)%s.outputs
		n := min(s.outputs-output, depth-q)
		from := (group*s.outputs+output)*stride + s.taps[t].pixel*s.channels + channel
		gemm.CopyLanes(dst[q*width:], width, s.w[from:], stride, lanes, n)
		q += n
	}
}

// applyRows finishes rows of dx, stride apart, the first of which begins at element
// at.
func (g *gradEpilogue) applyRows(dx []float32, at, rows, cols, stride int) {
	if cols == stride {
		g.apply(dx[:rows*cols], at)
		return
	}
	for i := range rows {
		g.apply(dx[i*stride:i*stride+cols], at+i*stride)
	}
}
