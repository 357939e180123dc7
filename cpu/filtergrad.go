package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/lanes"
)

// filterGrad computes the gradients of filters: the product of the patches of X
// with DY, whose depth are all output pixels. They are cut into slices, each with
// its own sums. Both factors are multiplied where they lie, for each run of taps.
type filterGrad struct {
	*patches
	kernel  *gemm.Kernel
	groups  int
	outputs int // channels of DY in a group
	// wide tells that the lanes of the product are the elements of a run, and its
	// rows the outputs; else it is the other way round, and sums are transposed:
	// for each element of a patch, those of all outputs.
	wide   bool
	byLane *lanes.Kernel // of a depthwise convolution, whose channels are one group of outputs

	strips            []strip
	slices, sliceSize int // strips
	panels            int // of lanes
	products          int // of one run and one panel; by lane, of one row of taps
	blocks, blockSize int // products
}

func newFilterGrad(c *compiler, o *backend.Conv2DFilterGrad) *filterGrad {
	v := &filterGrad{
		kernel: c.device.gemm, patches: forward(o.X.Shape, o.DW.Shape, o.DY.Shape, o.Window),
		groups: o.Groups, outputs: o.DW.Shape[0] / o.Groups,
	}
	v.flatten()
	v.strips = v.patches.strips(stripPixels)
	length := v.runs[0].length
	v.wide = v.cost(v.outputs, length) < v.cost(length, v.outputs)
	lanes := v.outputs
	if v.wide {
		lanes = length
	}
	v.panels = ceil(lanes, v.kernel.NR())
	v.products = v.groups * v.panels * len(v.runs)
	if v.depthwise(v.groups * v.outputs) {
		v.byLane, v.wide, v.groups, v.outputs = c.device.lanes, false, 1, v.channels
		v.products, _, _, _ = v.grid()
	}

	// As many parts as there is work for, slices first; but the sums of all slices
	// together shall not outgrow a cache.
	weights := o.DW.Shape.Elements()
	flop := 2 * weights * v.images * v.rows * v.cols
	wanted := min(max(flop/flopGrain, 1), maxParts/2)
	v.slices = min(wanted, len(v.strips), max((1<<20)/weights, 1))
	v.sliceSize = ceil(len(v.strips), v.slices)
	v.slices = ceil(len(v.strips), v.sliceSize)
	v.blockSize = ceil(v.products, ceil(wanted, v.slices))
	v.blocks = ceil(v.products, v.blockSize)
	return v
}

// cost estimates the work for a run of a pixel in multiply-adds. A product
// of few rows and lanes takes as long as one that keeps enough of them in flight.
func (v *filterGrad) cost(rows, lanes int) int {
	return max(rows*laneCost(v.kernel, lanes), 4*laneCost(v.kernel, 1))
}

// pixelCost estimates the work for a pixel.
func (v *filterGrad) pixelCost() int {
	length := v.runs[0].length
	return len(v.runs) * min(v.cost(v.outputs, length), v.cost(length, v.outputs))
}

// gatherFilterGrad plans a Conv2DFilterGrad as a product of patches and DY.
func (c *compiler) gatherFilterGrad(p *plan, o *backend.Conv2DFilterGrad) {
	v := newFilterGrad(c, o)
	if planes := newPlanesGrad(c, o, v); planes != nil {
		planes.plan(c, p, o, nil)
		return
	}
	if v.byLane != nil {
		p.algorithm = "depthwise"
	}
	weights, channels := o.DW.Shape.Elements(), o.DW.Shape[0]
	direct := v.wide && v.slices == 1 && !o.Accumulate
	var sums, turned, biases, row, frames region
	if !direct {
		sums = p.floats(v.slices * weights)
	}
	if !v.wide && o.Accumulate {
		turned = p.floats(weights)
	}
	if o.DB.Present() {
		biases = p.doubles(v.slices * channels)
		row = p.reserve(c.threads, channels, 4)
	}
	if n := v.patches.frames(v.strips); n > 0 {
		frames = p.reserve(c.threads, n, 4)
	}
	p.bind = func(work []byte) {
		dw, db, dy := c.floats(o.DW), c.floats(o.DB), c.floats(o.DY)
		sums, turned := some[float32](work, sums), some[float32](work, turned)
		if direct {
			sums = dw
		}
		biases, rows := some[float64](work, biases), each[float32](work, row)
		views := newViews(v.patches, c.floats(o.X), work, frames, c.threads)
		c.parallel(v.slices*v.blocks, func(part, worker int) {
			slice, block := part/v.blocks, part%v.blocks
			sum := sums[slice*weights : (slice+1)*weights]
			strips := v.strips[slice*v.sliceSize : min((slice+1)*v.sliceSize, len(v.strips))]
			var bias []float64
			if db != nil && block == 0 {
				bias = biases[slice*channels : (slice+1)*channels]
				clear(bias)
			}
			lo, hi := block*v.blockSize, min((block+1)*v.blockSize, v.products)
			view := views[worker]
			for i, s := range strips {
				view.focus(s)
				g := dy[((s.image*v.rows+s.row)*v.cols+s.col)*channels:][:s.pixels()*channels]
				if bias != nil {
					addColumns(c, bias, g, rows[worker])
				}
				if v.byLane != nil {
					v.computeLanes(sum, i > 0, view, g, lo, hi)
				} else {
					v.compute(sum, i > 0, view, g, lo, hi)
				}
			}
		})
		switch {
		case !v.wide:
			v.turnSums(c, dw, sums, turned)
		case !direct:
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

// compute adds the products lo to hi−1 of the patches of a strip with its gradients
// g to sum, which they overwrite unless accumulate is set.
func (v *filterGrad) compute(sum []float32, accumulate bool, view *view, g []float32, lo, hi int) {
	k, channels, size, length := v.kernel, v.groups*v.outputs, v.patches.size(), v.runs[0].length
	image, row, pixel := view.axes(v.rows*v.cols*channels, v.cols*channels, channels)
	for i := lo; i < hi; i++ {
		group, j := i/(v.panels*len(v.runs)), i/len(v.runs)%v.panels*k.NR()
		r := &v.runs[i%len(v.runs)]
		q := piece{dy: r.dy, dx: r.dx}
		x, _ := view.at(&q)
		x, y := x+group*v.depth, group*v.outputs
		f := gemm.Block{Depth: pixel.n, Runs: row.n, ARow: 1, Accumulate: accumulate}
		var to int
		if v.wide {
			f.Rows, f.Cols, f.CRow = v.outputs, min(k.NR(), length-j), size
			f.AStep, f.ARun, f.BStep, f.BRun = pixel.y, row.y, pixel.x, row.x
			x, to = x+j, group*v.outputs*size+r.first+j
		} else {
			f.Rows, f.Cols, f.CRow = length, min(k.NR(), v.outputs-j), v.outputs
			f.AStep, f.ARun, f.BStep, f.BRun = pixel.x, row.x, pixel.y, row.y
			y, to = y+j, (group*size+r.first)*v.outputs+j
		}
		if v.apart && !accumulate {
			for i := range f.Rows {
				clear(sum[to+i*f.CRow:][:f.Cols])
			}
		}
		for n := range image.n {
			if v.apart {
				v.multiplyInside(&f, view, &q, row, pixel, x+n*image.x, g[y+n*image.y:], sum[to:])
				continue
			}
			a, b := view.data[x+n*image.x:], g[y+n*image.y:]
			if v.wide {
				a, b = b, a
			}
			k.Block(&f, a, b, sum[to:])
			f.Accumulate = true
		}
	}
}

// multiplyInside multiplies, row by row, the pixels of an image that take a tap
// from inside of it.
func (v *filterGrad) multiplyInside(f *gemm.Block, view *view, q *piece, row, pixel axis, x int, g, sum []float32) {
	line := *f
	line.Runs, line.Accumulate = 1, true
	for u := range row.n {
		lo, hi := view.clip(q, u)
		if line.Depth = hi - lo; line.Depth == 0 {
			continue
		}
		a, b := view.data[x+u*row.x+lo*pixel.x:], g[u*row.y+lo*pixel.y:]
		if v.wide {
			a, b = b, a
		}
		v.kernel.Block(&line, a, b, sum)
	}
}

// turnSums adds the step that adds up the slices of transposed sums, in order, and
// stores them to dw or, if there is memory to turn them in, adds them to it.
func (v *filterGrad) turnSums(c *compiler, dw, sums, turned []float32) {
	n, size := len(dw), v.patches.size()
	c.split(v.groups*size, grainFor(v.outputs*(v.slices+4)), 16, func(lo, hi, _ int) {
		to := sums[lo*v.outputs : hi*v.outputs]
		for s := 1; s < v.slices; s++ {
			c.device.vec.Add(to, to, sums[s*n+lo*v.outputs:s*n+hi*v.outputs])
		}
		for lo < hi {
			group, first := lo/size, lo%size
			elements := min(hi-lo, size-first)
			at := group*v.outputs*size + first
			if turned == nil {
				gemm.Interleave(dw[at:], size, sums[lo*v.outputs:], v.outputs, elements, v.outputs)
			} else {
				gemm.Interleave(turned[at:], size, sums[lo*v.outputs:], v.outputs, elements, v.outputs)
				c.device.vec.AddRows(dw[at:], turned[at:], v.outputs, elements, size, size)
			}
			lo += elements
		}
	})
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

// some returns the region of the first owner; nil if there is none.
func some[T element](work []byte, r region) []T {
	if r.owners == 0 {
		return nil
	}
	return in[T](work, r)
}
