package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// inputScatter computes the gradient of a convolution's input from the side of
// the output: the product of DY with the filters is, for each output pixel, what
// it sends to its patch; these contributions are added to DX, pixel by pixel in
// order. It multiplies no padding, fills vectors where there are few input
// channels, but pays for the additions.
type inputScatter struct {
	*patches        // of DX
	kernel          *gemm.Kernel
	groups, outputs int // output channels of a group
	lines           int // rows of output that are multiplied at once
	depth           int // output channels that are multiplied at once
}

func (c *compiler) newInputScatter(o *backend.Conv2DInputGrad) *inputScatter {
	v := &inputScatter{
		kernel: c.device.gemm, patches: forward(o.DX.Shape, o.W.Shape, o.DY.Shape, o.Window),
		groups: o.Groups, outputs: o.W.Shape[0] / o.Groups,
	}
	v.lines = min(max(maxFrame/2/(v.cols*v.size()), 1), v.rows)
	v.depth = v.kernel.Depth(v.outputs)
	return v
}

// cost estimates the work in multiply-adds.
func (v *inputScatter) cost() int {
	// An addition to DX takes as long as sixteen of them.
	patch := v.outputs*(v.kernel.SizeB(v.size(), 1)+packCost) + 16*v.size()
	return v.images * v.rows * v.cols * v.groups * patch
}

func (v *inputScatter) plan(c *compiler, p *plan, o *backend.Conv2DInputGrad) {
	k := v.kernel
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	group := k.SizeB(v.size(), v.outputs)
	filters := p.floats(v.groups * group)
	pixels := v.lines * v.cols
	left := p.reserve(c.threads, k.SizeA(pixels, v.depth), 4)
	products := p.reserve(c.threads, pixels*v.size(), 4)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, w := c.floats(o.DX), c.floats(o.DY), c.floats(o.W)
		packed := in[float32](work, filters)
		sources := make([]gemm.Strided, v.groups)
		for g := range sources {
			sources[g] = gemm.Right(w[g*v.outputs*v.size():], v.size(), false)
		}
		c.split(v.groups, grainFor(2*group), 1, func(lo, hi, _ int) {
			for g := lo; g < hi; g++ {
				for d := 0; d < v.outputs; d += v.depth {
					depth := min(v.depth, v.outputs-d)
					at := g*group + k.SizeB(v.size(), d)
					k.PackB(packed[at:at+k.SizeB(v.size(), depth)], &sources[g], 0, v.size(), d, depth)
				}
			}
		})
		left, products := each[float32](work, left), each[float32](work, products)
		gradients := make([]gemm.Strided, c.threads)
		image := v.height * v.width * v.channels
		c.split(v.images, ceil(flopGrain, 2*v.rows*v.cols*v.groups*v.outputs*v.size()), 1, func(lo, hi, worker int) {
			for n := lo; n < hi; n++ {
				g := dx[n*image : (n+1)*image]
				clear(g)
				for row := 0; row < v.rows; row += v.lines {
					v.scatter(g, dy, packed, n, row, min(v.lines, v.rows-row), left[worker], products[worker], &gradients[worker], c)
				}
				epilogue.apply(g, n*image)
			}
		})
	}
}

// scatter adds what some rows of output of image n send to its gradient g.
func (v *inputScatter) scatter(g, dy, filters []float32, n, row, rows int, left, products []float32, gradients *gemm.Strided, c *compiler) {
	k, channels, size := v.kernel, v.groups*v.outputs, v.size()
	pixels := rows * v.cols
	at := (n*v.rows + row) * v.cols * channels
	for group := range v.groups {
		*gradients = gemm.Left(dy[at+group*v.outputs:], channels, false)
		for d := 0; d < v.outputs; d += v.depth {
			depth := min(v.depth, v.outputs-d)
			k.PackA(left, gradients, 0, pixels, d, depth)
			k.Macro(pixels, size, depth, left, filters, products, size, d > 0)
			filters = filters[k.SizeB(size, depth):]
		}
		for i := range rows {
			for j := range v.cols {
				patch := products[(i*v.cols+j)*size:][:size]
				v.addPatch(c, g, patch, (row+i)*v.stepH, j*v.stepW, group*v.patches.depth)
			}
		}
	}
}

// addPatch adds a patch to the pixels that it was taken from; what lies outside
// the image is dropped. The filter's origin is at (y, x), first is the group's
// first channel.
func (v *inputScatter) addPatch(c *compiler, g, patch []float32, y, x, first int) {
	for i := range v.runs {
		r := &v.runs[i]
		h, w := y+r.dy, x+r.dx
		if h < 0 || h >= v.height {
			continue
		}
		// The run covers pixels w to w+n−1, of which those inside count.
		n := r.length / v.patches.depth
		lo, hi := max(-w, 0), min(v.width-w, n)
		if lo >= hi {
			continue
		}
		from := patch[r.first+lo*v.patches.depth : r.first+hi*v.patches.depth]
		to := g[(h*v.width+w+lo)*v.channels+first:][:len(from)]
		c.device.vec.Add(to, to, from)
	}
}
