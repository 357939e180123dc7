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
	loader := v.loader(c, p, o, pool)
	p.bind = func(work []byte) {
		x, dw, db := c.floats(o.X), c.floats(o.DW), c.floats(o.DB)
		load := loader(work)
		frames, planes := each[float32](work, frames), each[float32](work, planes)
		sums, folded := in[float32](work, sums), in[float32](work, folded)
		biases := in[float64](work, biases)
		c.parallel(v.slices, func(slice, worker int) {
			frame, plane := frames[worker], planes[worker]
			sum, bias := sums[slice*v.sums():(slice+1)*v.sums()], biases[slice*v.outputs:(slice+1)*v.outputs]
			clear(frame) // once for all that lies beside the pixels
			clear(sum)
			clear(bias)
			for i := slice * v.sliceSize; i < min((slice+1)*v.sliceSize, len(v.strips)); i++ {
				s := &v.strips[i]
				v.fill(frame, x, s)
				for n := range s.images {
					pixels := s.rows * v.cols
					load(plane, s, s.image+n, worker)
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

// loader makes planes of the gradients of a strip in one image.
type loader func(planes []float32, s *strip, image, worker int)

// loader plans one of DY or, if pool is not nil, of what that scatters.
func (v *planesGrad) loader(c *compiler, p *plan, o *backend.Conv2DFilterGrad, pool *backend.MaxPool2DGrad) (bind func(work []byte) loader) {
	if pool == nil {
		return func([]byte) loader {
			dy := c.floats(o.DY)
			return func(planes []float32, s *strip, image, _ int) {
				pixels := s.rows * v.cols
				v.vec.Deinterleave(planes, dy[(image*v.rows+s.row)*v.cols*v.outputs:], pixels, v.outputs, pixels)
			}
		}
	}
	scratch := p.reserve(c.threads, v.outputs*v.strips[0].rows*v.cols, 4)
	return func(work []byte) loader {
		dy, argmax, scratch := c.floats(pool.DY), c.ints(pool.Argmax), each[float32](work, scratch)
		return func(planes []float32, s *strip, image, worker int) {
			n := s.rows * v.cols * v.outputs
			at := (image*v.rows + s.row) * v.cols / 4 * v.outputs
			v.vec.MaxPool2x2GradPlanes(planes[:n], dy[at:at+n/4], argmax[at:at+n/4], scratch[worker][:n], tiles(s.row, s.rows, v.cols, v.outputs))
		}
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
