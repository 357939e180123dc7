package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// convolution computes, for some of the pixels of an output, the products of
// patches with filters. A Conv2D is one of them; a Conv2DInputGrad is one for each
// pixel of a stride by stride square.
type convolution struct {
	*patches
	kernel  *gemm.Kernel
	strips  []strip
	groups  int
	lanes   int // output channels of a group
	target  target
	depth   int         // of a block of the patches
	filters gemm.Source // lanes of all groups, group after group
	finish  finisher
}

// target tells where the pixels go: pixel (u, v) to row top + u·stepH and column
// left + v·stepW of images of height×width pixels.
type target struct {
	y                       []float32
	height, width, channels int
	top, left, stepH, stepW int
}

// finisher finishes elements of the output, a stretch of whole pixels that begins
// at element at; nil if there is nothing to do.
type finisher func(y []float32, at int)

// dense reports whether the target is all of the output in order.
func (t *target) dense() bool { return t.stepH == 1 && t.stepW == 1 }

// element returns where pixel l of a strip goes.
func (t *target) element(s strip, l, cols int) int {
	line := l / cols
	image, u := s.image+line/s.rows, s.row+line%s.rows
	return ((image*t.height+t.top+u*t.stepH)*t.width + t.left + l%cols*t.stepW) * t.channels
}

// workspace of a convolution.
type convolutionWorkspace struct {
	filters, patches, frames region
}

// packedFilters is the size of all filters of a group, packed.
func (v *convolution) packedFilters() int {
	n := 0
	for d := 0; d < v.patches.size(); d += v.depth {
		n += v.kernel.SizeB(v.lanes, min(v.depth, v.patches.size()-d))
	}
	return n
}

// batch is how many pixels are multiplied at once: whole rows of output, as many
// as make a full panel.
func (v *convolution) batch() int {
	if !v.target.dense() {
		return v.cols
	}
	return v.cols * max(v.kernel.MR()/v.cols, 1)
}

// packedPatches is the size of the packed patches of a strip, for one block of
// their depth.
func (v *convolution) packedPatches() int {
	pixels := v.strips[0].images * v.strips[0].rows * v.cols
	batch := v.batch()
	return ceil(pixels, batch) * v.kernel.SizeA(min(batch, pixels), min(v.depth, v.patches.size()))
}

// reserve plans the workspace.
func (v *convolution) reserve(c *compiler, p *plan) convolutionWorkspace {
	v.strips = v.patches.strips()
	v.depth = v.kernel.Depth(v.patches.size())
	w := convolutionWorkspace{
		filters: p.floats(v.groups * v.packedFilters()),
		patches: p.reserve(c.threads, v.packedPatches(), 4),
	}
	if n := v.patches.frames(v.strips); n > 0 {
		w.frames = p.reserve(c.threads, n, 4)
	}
	return w
}

// bind adds the steps: one that packs the filters, one that computes the strips.
func (v *convolution) bind(c *compiler, work []byte, w convolutionWorkspace, x []float32) {
	packed := in[float32](work, w.filters)
	size := v.packedFilters()
	blocks := ceil(v.patches.size(), v.depth)
	c.split(v.groups*blocks, grainFor(2*size/blocks), 1, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			group, d := i/blocks, i%blocks*v.depth
			depth := min(v.depth, v.patches.size()-d)
			at := group*size + d/v.depth*v.kernel.SizeB(v.lanes, v.depth)
			v.kernel.PackB(packed[at:at+v.kernel.SizeB(v.lanes, depth)], v.filters, group*v.lanes, v.lanes, d, depth)
		}
	})

	panels := each[float32](work, w.patches)
	views := make([]*view, c.threads)
	sources := make([]gemm.Source, c.threads)
	for i := range views {
		views[i] = &view{patches: v.patches, x: x}
		sources[i] = byPixel{views[i]}
	}
	if w.frames.owners > 0 {
		for i, f := range each[float32](work, w.frames) {
			views[i].frame = f
		}
	}
	flop := 2 * v.groups * v.lanes * v.patches.size() * v.strips[0].images * v.strips[0].rows * v.cols
	c.split(len(v.strips), ceil(flopGrain, flop), 1, func(lo, hi, worker int) {
		for _, s := range v.strips[lo:hi] {
			views[worker].focus(s)
			v.compute(views[worker], sources[worker], packed, panels[worker])
		}
	})
}

// flopGrain is how many floating-point operations are worth a part.
const flopGrain = 1 << 20

// compute multiplies the patches of a strip by the filters.
func (v *convolution) compute(view *view, source gemm.Source, filters, panels []float32) {
	k, t, s := v.kernel, &v.target, view.strip
	pixels, batch, nr := view.pixels(), v.batch(), v.kernel.NR()
	ldc := t.stepW * t.channels
	for group := range v.groups {
		view.first = group * v.patches.depth
		for d := 0; d < v.patches.size(); d += v.depth {
			depth := min(v.depth, v.patches.size()-d)
			stride := k.SizeA(min(batch, pixels), depth)
			for l := 0; l < pixels; l += batch {
				k.PackA(panels[l/batch*stride:], source, l, min(batch, pixels-l), d, depth)
			}
			// The filters of a few channels stay in the first-level cache while all
			// patches pass.
			for j := 0; j < v.lanes; j += nr {
				cols := min(nr, v.lanes-j)
				b := filters[j*depth:]
				for l := 0; l < pixels; l += batch {
					y := t.y[t.element(s, l, v.cols)+group*v.lanes+j:]
					k.Macro(min(batch, pixels-l), cols, depth, panels[l/batch*stride:], b, y, ldc, d > 0)
				}
			}
			filters = filters[k.SizeB(v.lanes, depth):]
		}
	}
	if v.finish != nil {
		at := t.element(s, 0, v.cols)
		v.finish(t.y[at:at+pixels*t.channels], at)
	}
}

func (c *compiler) conv2D(p *plan, o *backend.Conv2D) {
	v := &convolution{
		kernel: c.device.gemm, patches: forward(o.X.Shape, o.W.Shape, o.Y.Shape, o.Window),
		groups: o.Groups, lanes: o.W.Shape[0] / o.Groups,
		target: target{height: o.Y.Shape[1], width: o.Y.Shape[2], channels: o.Y.Shape[3], stepH: 1, stepW: 1},
	}
	w := v.reserve(c, p)
	p.bind = func(work []byte) {
		filters := gemm.Right(c.floats(o.W), v.patches.size(), true)
		v.filters, v.target.y = &filters, c.floats(o.Y)
		bias, a, channels := c.floats(o.B), c.activation(o.Activation), v.target.channels
		if bias != nil || a.f != backend.Identity {
			v.finish = func(y []float32, _ int) { a.biased(y, bias, len(y)/channels, channels, channels) }
		}
		v.bind(c, work, w, c.floats(o.X))
	}
}
