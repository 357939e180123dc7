package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// filterGrad computes the gradients of filters: the product of DYᵀ, whose lanes
// are output channels, with the patches of X, whose lanes are their elements; its
// depth are all output pixels. They are cut into slices, each with its own sums.
type filterGrad struct {
	*patches
	kernel  *gemm.Kernel
	strips  []strip
	groups  int
	outputs int // channels of DY in a group

	slices, sliceSize int // strips
	blocks, blockSize int // elements of patches
	depth             int // pixels multiplied at once
}

// filterGradWorkspace is the workspace of a filterGrad.
type filterGradWorkspace struct {
	sums, biases, left, right, row, frames region
}

// cutDepth is how many pixels are multiplied at once at most.
const cutDepth = 256

func newFilterGrad(c *compiler, o *backend.Conv2DFilterGrad) *filterGrad {
	v := &filterGrad{
		kernel: c.device.gemm, patches: forward(o.X.Shape, o.DW.Shape, o.DY.Shape, o.Window),
		groups: o.Groups, outputs: o.DW.Shape[0] / o.Groups,
	}
	v.strips = v.patches.strips()
	pixels := v.strips[0].images * v.strips[0].rows * v.cols
	v.depth = min(pixels, cutDepth)

	// As many parts as there is work for, slices first; but the sums of all slices
	// together shall not outgrow a cache.
	weights := o.DW.Shape.Elements()
	flop := 2 * weights * v.images * v.rows * v.cols
	wanted := min(max(flop/flopGrain, 1), maxParts/2)
	v.slices = min(wanted, len(v.strips), max((1<<20)/weights, 1))
	v.sliceSize = ceil(len(v.strips), v.slices)
	v.slices = ceil(len(v.strips), v.sliceSize)
	nr := v.kernel.NR()
	v.blocks, v.blockSize = 1, v.patches.size()
	if more := ceil(wanted, v.slices); more > 1 {
		v.blockSize = max(ceil(ceil(v.patches.size(), more), nr)*nr, 4*nr)
		v.blocks = ceil(v.patches.size(), v.blockSize)
	}
	return v
}

func (c *compiler) conv2DFilterGrad(p *plan, o *backend.Conv2DFilterGrad) {
	v := newFilterGrad(c, o)
	k := v.kernel
	weights, channels := o.DW.Shape.Elements(), o.DW.Shape[0]
	w := filterGradWorkspace{
		left:  p.reserve(c.threads, k.SizeA(v.outputs, v.depth), 4),
		right: p.reserve(c.threads, k.SizeB(v.blockSize, v.depth), 4),
	}
	direct := v.slices == 1 && !o.Accumulate
	if !direct {
		w.sums = p.floats(v.slices * weights)
	}
	if o.DB.Present() {
		w.biases = p.doubles(v.slices * channels)
		w.row = p.reserve(c.threads, channels, 4)
	}
	if n := v.patches.frames(v.strips); n > 0 {
		w.frames = p.reserve(c.threads, n, 4)
	}
	p.bind = func(work []byte) {
		dw, db, dy, x := c.floats(o.DW), c.floats(o.DB), c.floats(o.DY), c.floats(o.X)
		sums := dw
		if !direct {
			sums = in[float32](work, w.sums)
		}
		left, right := each[float32](work, w.left), each[float32](work, w.right)
		var biases []float64
		var rows [][]float32
		if db != nil {
			biases, rows = in[float64](work, w.biases), each[float32](work, w.row)
		}
		views, sources := make([]*view, c.threads), make([]gemm.Source, c.threads)
		for i := range views {
			views[i] = &view{patches: v.patches, x: x}
			sources[i] = byElement{views[i]}
		}
		if w.frames.owners > 0 {
			for i, f := range each[float32](work, w.frames) {
				views[i].frame = f
			}
		}
		gradients := make([]gemm.Strided, c.threads)

		c.parallel(v.slices*v.blocks, func(part, worker int) {
			slice, block := part/v.blocks, part%v.blocks
			sum := sums[slice*weights : (slice+1)*weights]
			strips := v.strips[slice*v.sliceSize : min((slice+1)*v.sliceSize, len(v.strips))]
			lo := block * v.blockSize
			cols := min(v.blockSize, v.patches.size()-lo)
			var bias []float64
			if db != nil && block == 0 {
				bias = biases[slice*channels : (slice+1)*channels]
				clear(bias)
			}
			clear(right[worker]) // lanes that do not exist shall hold numbers
			for i, s := range strips {
				view := views[worker]
				view.focus(s)
				at := (s.image*v.rows + s.row) * v.cols * channels
				g := dy[at : at+view.pixels()*channels]
				if bias != nil {
					addColumns(c, bias, g, rows[worker])
				}
				v.compute(sum, i > 0, view, sources[worker], &gradients[worker], g, lo, cols, left[worker], right[worker])
			}
		})
		if !direct {
			c.addSums(dw, sums, v.slices, o.Accumulate)
		}
		if db != nil {
			c.once(func() {
				addSlices(biases, channels)
				store(db, biases, o.Accumulate)
			})
		}
	}
}

// compute multiplies the gradients g of a strip by its patches, of which the
// elements lo to lo+cols−1 are used.
func (v *filterGrad) compute(sum []float32, accumulate bool, view *view, source gemm.Source, gradients *gemm.Strided, g []float32,
	lo, cols int, left, right []float32) {
	k, channels, size := v.kernel, v.groups*v.outputs, v.patches.size()
	for group := range v.groups {
		view.first = group * v.patches.depth
		*gradients = gemm.Left(g[group*v.outputs:], channels, true)
		for d := 0; d < view.pixels(); d += v.depth {
			depth := min(v.depth, view.pixels()-d)
			k.PackA(left, gradients, 0, v.outputs, d, depth)
			k.PackB(right, source, lo, cols, d, depth)
			k.Macro(v.outputs, cols, depth, left, right, sum[group*v.outputs*size+lo:], size, accumulate || d > 0)
		}
	}
}

// addColumns adds the column sums of g, rows as long as sum, to sum; row is scratch.
func addColumns(c *compiler, sum []float64, g, row []float32) {
	n := len(sum)
	for len(g) > 0 {
		part := g[:min(len(g), sumBlock*n)]
		clear(row)
		c.device.vec.ColumnSums(row, part, len(part)/n, n)
		for j, s := range row {
			sum[j] += float64(s)
		}
		g = g[len(part):]
	}
}

// addSums adds the step that adds slices of sums, in order, to y, which they
// overwrite unless accumulate is set.
func (c *compiler) addSums(y, sums []float32, slices int, accumulate bool) {
	n, k := len(y), c.device.vec
	c.split(n, grainFor(slices), 16, func(lo, hi, _ int) {
		to := sums[lo:hi]
		for s := 1; s < slices; s++ {
			k.Add(to, to, sums[s*n+lo:s*n+hi])
		}
		if accumulate {
			k.Add(y[lo:hi], y[lo:hi], to)
		} else {
			copy(y[lo:hi], to)
		}
	})
}
