package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/lanes"
)

// convolution computes, for some of the pixels of an output, the products of
// patches with filters. A Conv2D is one of them; a Conv2DInputGrad is one for each
// pixel of a stride by stride square. Patches are multiplied where they lie in the
// image or its frame: the rows of a product are the pixels of a row of output.
type convolution struct {
	*patches
	kernel  *gemm.Kernel
	groups  int
	lanes   int // output channels of a group
	target  target
	filters gemm.Source // lanes of all groups, group after group
	weights []float32   // what filters are made of
	bias    []float32   // added in the products, with relu after it; nil is none
	relu    bool
	finish  finisher // for what products cannot do, nil if there is nothing
	late    bool     // finish likes whole pixels

	strips []strip
	pieces []piece
	panels int // of filters, in a group
	blocks int // parts of the panels of all groups
	packed *derived
	byLane *lanes.Kernel // of a depthwise convolution
	frames region
}

// target tells where the pixels go: pixel (u, v) to row top + u·stepH and column
// left + v·stepW of images of height×width pixels.
type target struct {
	y                       []float32
	height, width, channels int
	top, left, stepH, stepW int
}

// finisher finishes a block of a dense output: rows×cols elements that begin at
// element at, where y begins. Rows are pixels, stride apart.
type finisher func(y []float32, at, rows, cols, stride int)

// dense reports whether the target is all of the output in order.
func (t *target) dense() bool { return t.stepH == 1 && t.stepW == 1 }

// element returns where the first pixel of a strip goes.
func (t *target) element(s *strip) int {
	return ((s.image*t.height+t.top+s.row*t.stepH)*t.width + t.left + s.col*t.stepW) * t.channels
}

// pieceDepth bounds the depth of a product: so much of a panel of filters stays in
// the nearest caches.
const pieceDepth = 384

// finishRows is about how many pixels are finished at once, whose channels the nearest
// cache can hold even if they drive each other out of most of it: whole tiles.
const finishRows = 28

// flopGrain is how many floating-point operations are worth a part.
const flopGrain = 1 << 19

// laneCost estimates the multiply-adds that a product takes for a row and a step. One of
// eight lanes takes as long as one of sixteen, since it loads as many numbers.
func laneCost(k *gemm.Kernel, lanes int) int { return max(k.SizeB(lanes, 1), min(k.NR(), 16)) }

// packedFilters is the size of all filters of a group, packed.
func (v *convolution) packedFilters() int { return v.kernel.SizeB(v.lanes, v.patches.size()) }

// reserve decides how the work is cut, and plans the workspace. The filters are
// made of w.
func (v *convolution) reserve(c *compiler, p *plan, w backend.View) {
	v.strips = v.patches.strips(v.patches.stripSize(v.groups * v.lanes))
	v.pieces = v.patches.pieces(pieceDepth)
	v.panels = ceil(v.lanes, v.kernel.NR())
	v.late = v.late || v.groups*v.panels == 1
	v.blocks = 1
	if parts := v.flop(v.images*v.rows*v.patches.cols) / flopGrain; parts > len(v.strips) {
		v.blocks = min(ceil(min(parts, maxParts/2), len(v.strips)), v.groups*v.panels)
	}
	size := v.groups * v.packedFilters()
	if v.depthwise(v.groups * v.lanes) {
		v.byLane, v.late, v.blocks, size = c.device.lanes, true, 1, len(v.taps)*v.channels
		p.algorithm = "depthwise"
	}
	v.packed = c.derive(p, w, size)
	if n := v.patches.frames(v.strips); n > 0 {
		v.frames = p.reserve(c.threads, n, 4)
	}
}

// flop is how many floating-point operations some pixels take.
func (v *convolution) flop(pixels int) int { return 2 * v.groups * v.lanes * v.patches.size() * pixels }

// bind adds the steps: one that packs the filters, one that computes the strips.
func (v *convolution) bind(c *compiler, work []byte, x []float32) {
	packed := v.packed.floats(work)
	c.making(v.packed, func() {
		if v.byLane != nil {
			c.once(func() { v.packTaps(packed) })
			return
		}
		size := v.packedFilters()
		c.split(v.groups*len(v.pieces), grainFor(2*size/len(v.pieces)), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				group, q := i/len(v.pieces), &v.pieces[i%len(v.pieces)]
				at := group*size + v.kernel.SizeB(v.lanes, q.first)
				v.kernel.PackB(packed[at:at+v.kernel.SizeB(v.lanes, q.size())], v.filters, group*v.lanes, v.lanes, q.first, q.size())
			}
		})
	})
	views := newViews(v.patches, x, work, v.frames, c.threads)
	block := ceil(v.groups*v.panels, v.blocks)
	grain := ceil(flopGrain/2, v.flop(v.strips[0].pixels())/v.blocks)
	c.split(len(v.strips)*v.blocks, grain, 1, func(lo, hi, worker int) {
		for i := lo; i < hi; i++ {
			views[worker].focus(v.strips[i/v.blocks])
			first := i % v.blocks * block
			v.compute(views[worker], packed, first, min(first+block, v.groups*v.panels))
		}
	})
}

// compute multiplies the patches of a strip by the panels lo to hi−1 of filters.
func (v *convolution) compute(view *view, packed []float32, lo, hi int) {
	k, t := v.kernel, &v.target
	at := t.element(&view.strip)
	if v.byLane != nil {
		v.multiplyLanes(view, packed, at)
		lo = hi
	}
	late := v.late && v.blocks == 1
	for i := lo; i < hi; i++ {
		group, j := i/v.panels, i%v.panels*k.NR()
		lane, cols := group*v.lanes+j, min(k.NR(), v.lanes-j)
		for n := range v.pieces {
			q := &v.pieces[n]
			filters := packed[group*v.packedFilters()+k.SizeB(v.lanes, q.first)+j*q.size():]
			v.multiply(view, q, group, filters, at, lane, cols, n > 0, n == len(v.pieces)-1, late)
		}
	}
	if n := view.strip.pixels(); v.finish != nil && late {
		v.finish(t.y[at:], at, n, t.channels, t.channels)
	}
}

// multiply multiplies a piece of the patches of a strip by a panel of filters, cols of
// them from lane on, of which the strip's first pixel begins at element at. After the
// last piece, finishing follows at once unless it is to be late, since pixels of many
// channels drive each other from the nearest cache.
func (v *convolution) multiply(view *view, q *piece, group int, filters []float32, at, lane, cols int, accumulate, last, late bool) {
	k, t := v.kernel, &v.target
	from, run := view.at(q)
	from += group * v.depth
	image, row, pixel := view.axes(t.height*t.width*t.channels, t.stepH*t.width*t.channels, t.stepW*t.channels)
	f := gemm.Block{
		Cols: cols, Depth: q.depth, Runs: q.runs,
		ARow: pixel.x, AStep: 1, ARun: run, CRow: pixel.y, Accumulate: accumulate || v.apart,
		Fetch: true,
	}
	if last {
		f.ReLU = v.relu
		if v.bias != nil {
			f.Bias = v.bias[lane : lane+cols]
		}
	}
	finish := last && !late && v.finish != nil
	if !finish && !v.apart {
		f.Lines, f.ALine, f.CLine, f.Rows = row.n, row.x, row.y, pixel.n
		for i := range image.n {
			k.Block(&f, view.data[from+i*image.x:], filters, t.y[at+lane+i*image.y:])
		}
		return
	}
	for i := range image.n {
		for j := range row.n {
			x, y := from+i*image.x+j*row.x, at+lane+i*image.y+j*row.y
			lo, hi := 0, pixel.n
			if v.apart {
				lo, hi = view.clip(q, j)
				for l := 0; l < pixel.n && !accumulate; l++ {
					clear(t.y[y+l*pixel.y : y+l*pixel.y+cols])
				}
			}
			for l := lo; l < hi; l += f.Rows {
				if f.Rows = hi - l; finish && f.Rows > 2*finishRows {
					f.Rows = finishRows
				}
				k.Block(&f, view.data[x+l*pixel.x:], filters, t.y[y+l*pixel.y:])
				if finish && !v.apart {
					v.finish(t.y[y+l*pixel.y:], y+l*pixel.y, f.Rows, cols, pixel.y)
				}
			}
			if finish && v.apart {
				v.finish(t.y[y:], y, pixel.n, cols, pixel.y)
			}
		}
	}
}

// gatherConv2D plans a Conv2D as a product of patches and filters.
func (c *compiler) gatherConv2D(p *plan, o *backend.Conv2D) {
	if v := c.forwardPlanes(o); v != nil {
		v.conv2D(c, p, o, o.Y)
		return
	}
	v := &convolution{kernel: c.device.gemm, patches: forward(o.X.Shape, o.W.Shape, o.Y.Shape, o.Window), groups: o.Groups, lanes: o.W.Shape[0] / o.Groups}
	v.flatten()
	v.target = target{height: v.rows, width: v.patches.cols, channels: o.Y.Shape[3], stepH: 1, stepW: 1}
	v.reserve(c, p, o.W)
	p.bind = func(work []byte) {
		filters := gemm.Right(c.floats(o.W), v.patches.size(), true)
		v.filters, v.weights, v.target.y = &filters, c.floats(o.W), c.floats(o.Y)
		bias, a, channels := c.floats(o.B), c.activation(o.Activation), v.target.channels
		switch {
		case v.byLane == nil && !v.apart && (a.f == backend.Identity || a.f == backend.ReLU):
			v.bias, v.relu = bias, a.f == backend.ReLU
		case bias != nil || a.f != backend.Identity:
			v.finish = func(y []float32, at, rows, cols, stride int) {
				part := bias
				if bias != nil {
					part = bias[at%channels:][:cols]
				}
				a.biased(y, part, rows, cols, stride)
			}
		}
		v.bind(c, work, c.floats(o.X))
	}
}
