package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/lanes"
)

// planesGrad computes the gradients of so few filters of so few channels that neither
// fill vectors: as dot products of planes of DY with shifted planes of X, whose lanes
// are the pixels of a row.
type planesGrad struct {
	*planeFrame
	kernel            *lanes.Kernel
	outputs           int
	strips            []strip
	slices, sliceSize int // strips
}

// newPlanesGrad returns the computation; nil if it is not possible, or takes longer
// than the other.
func newPlanesGrad(c *compiler, o *backend.Conv2DFilterGrad, other *filterGrad) *planesGrad {
	if o.Groups > 1 {
		return nil
	}
	f := newPlaneFrame(c, forward(o.X.Shape, o.DW.Shape, o.DY.Shape, o.Window))
	if f == nil || f.stepX != 1 && f.wide > 1 {
		return nil
	}
	v := &planesGrad{planeFrame: f, kernel: c.device.lanes, outputs: o.DW.Shape[0]}
	lanes := v.kernel.SizeDots(1, 1)
	row := v.outputs*v.patches.size()*ceil(v.cols, lanes)*lanes + 5*v.cols*(v.outputs+v.channels)
	if row >= v.cols*other.pixelCost() {
		return nil
	}
	flop := 2 * v.outputs * v.patches.size() * v.images * v.rows * v.cols
	v.strips = v.patches.strips(8 * stripPixels)
	v.sliceSize = ceil(len(v.strips), min(max(2*flop/flopGrain, 1), maxParts/2))
	v.slices = ceil(len(v.strips), v.sliceSize)
	return v
}

// sums is how much a slice needs.
func (v *planesGrad) sums() int { return v.high * v.channels * v.kernel.SizeDots(v.outputs, v.wide) }

// plan plans the gradients; if pool is not nil, DY is what it scatters.
func (v *planesGrad) plan(c *compiler, p *plan, o *backend.Conv2DFilterGrad, pool *backend.MaxPool2DGrad) {
	p.algorithm = "planes"
	s := &v.strips[0]
	frames, planes := p.reserve(c.threads, v.size(s), 4), p.reserve(c.threads, v.outputs*s.rows*v.cols, 4)
	sums, folded := p.floats(v.slices*v.sums()), p.floats(o.DW.Shape.Elements())
	biases := p.doubles(v.slices * v.outputs)
	g := v.gradients(c, p, o, pool)
	p.bind = func(work []byte) {
		x, dw, db := c.floats(o.X), c.floats(o.DW), c.floats(o.DB)
		g.bind(c, work)
		frames, planes := each[float32](work, frames), each[float32](work, planes)
		sums, folded := in[float32](work, sums), in[float32](work, folded)
		biases := in[float64](work, biases)
		c.parallel(v.slices, func(slice, worker int) {
			frame, plane := frames[worker], planes[worker]
			sum, bias := sums[slice*v.sums():(slice+1)*v.sums()], biases[slice*v.outputs:(slice+1)*v.outputs]
			clear(frame) // once for all that lies beside the pixels
			clear(sum)
			clear(bias)
			strips := v.strips[slice*v.sliceSize : min((slice+1)*v.sliceSize, len(v.strips))]
			for i := range strips {
				s := &strips[i]
				v.fill(frame, x, s)
				if g.far && i+1 < len(strips) {
					g.fetch(x, &strips[i+1])
				}
				for n := range s.images {
					pixels := s.rows * v.cols
					g.load(plane, s, n, worker)
					for o := range bias {
						bias[o] += vectorSum(v.vec, plane[o*pixels:(o+1)*pixels])
					}
					v.compute(sum, plane, frame[n*v.image(s):], s.rows)
				}
			}
		})
		c.once(func() {
			total := sums[:v.sums()]
			for n := 1; n < v.slices; n++ {
				v.vec.Add(total, total, sums[n*v.sums():(n+1)*v.sums()])
			}
			v.fold(folded, total)
			if o.Accumulate {
				v.vec.Add(dw, dw, folded)
			} else {
				copy(dw, folded)
			}
			if db != nil {
				addSlices(biases, v.outputs)
				store(db, biases, o.Accumulate)
			}
		})
	}
}

// gradients are those of the output pixels: DY or, where that is what a pooling's gradient
// scatters, what it is made of.
type gradients struct {
	*planesGrad
	filter  *backend.Conv2DFilterGrad
	pool    *backend.MaxPool2DGrad
	scratch region

	dy       []float32
	argmax   []int32
	places   []float32 // argmax again, its bits
	pixels   [][]float32
	far      bool // there is so much that it does not lie in the nearest caches
	prefetch func(x []float32)
}

// gradients plans them.
func (v *planesGrad) gradients(c *compiler, p *plan, o *backend.Conv2DFilterGrad, pool *backend.MaxPool2DGrad) *gradients {
	g := &gradients{planesGrad: v, filter: o, pool: pool, prefetch: c.device.winograd.Fetch}
	if pool != nil {
		g.scratch = p.reserve(c.threads, v.outputs*v.strips[0].rows*v.cols, 4)
	}
	return g
}

func (g *gradients) bind(c *compiler, work []byte) {
	if g.pool == nil {
		g.dy = c.floats(g.filter.DY)
	} else {
		g.dy, g.argmax, g.places = c.floats(g.pool.DY), c.ints(g.pool.Argmax), c.floats(g.pool.Argmax)
		g.pixels = each[float32](work, g.scratch)
	}
	g.far = g.filter.X.Bytes()+4*(len(g.dy)+len(g.argmax)) > 1<<20
}

// at is where those of a strip lie, from its n-th image on, for so many images.
func (g *gradients) at(s *strip, n, images int) (from, to int) {
	from = ((s.image+n)*g.rows + s.row) * g.cols * g.outputs
	to = from + images*s.rows*g.cols*g.outputs
	if g.pool != nil {
		return from / 4, to / 4
	}
	return from, to
}

// load makes planes of those of a strip in its n-th image.
func (g *gradients) load(planes []float32, s *strip, n, worker int) {
	from, to := g.at(s, n, 1)
	pixels := s.rows * g.cols
	if g.pool == nil {
		g.vec.Deinterleave(planes, g.dy[from:to], pixels, g.outputs, pixels)
		return
	}
	size := pixels * g.outputs
	g.vec.MaxPool2x2GradPlanes(planes[:size], g.dy[from:to], g.argmax[from:to], g.pixels[worker][:size], tiles(s.row, s.rows, g.cols, g.outputs))
}

// fetch begins to bring near what the strip needs, while another one is computed.
func (g *gradients) fetch(x []float32, s *strip) {
	from, to := g.under(s)
	g.prefetch(x[from:to])
	from, to = g.at(s, 0, s.images)
	g.prefetch(g.dy[from:to])
	if g.pool != nil {
		g.prefetch(g.places[from:to])
	}
}

// compute adds the dot products of some rows of an image.
func (v *planesGrad) compute(sum, planes, frame []float32, rows int) {
	f := lanes.Dots{
		Rows: v.outputs, Shifts: v.wide, N: v.cols, Runs: rows,
		ARow: rows * v.cols, ARun: v.cols, BRun: v.stepH * v.channels * v.pitch,
	}
	for row := range v.high {
		for channel := range v.channels {
			v.kernel.Dots(&f, planes, frame[(row*v.stepY*v.channels+channel)*v.pitch:], sum)
			sum = sum[v.kernel.SizeDots(v.outputs, v.wide):]
		}
	}
}

// fold adds up the lanes of the sums, and puts them where the weights are.
func (v *planesGrad) fold(dw, sum []float32) {
	for row := range v.high {
		for channel := range v.channels {
			v.kernel.Fold(dw[row*v.wide*v.channels+channel:], sum, v.outputs, v.wide, v.patches.size(), v.channels)
			sum = sum[v.kernel.SizeDots(v.outputs, v.wide):]
		}
	}
}
