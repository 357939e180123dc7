package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/vec"
)

// planeFrame holds pixels under a strip as planes, one for each channel: for each row of
// the input, the rows of all its channels, which share their padding.
type planeFrame struct {
	*patches
	vec        *vec.Kernel
	high, wide int // taps
	stepX      int // columns between taps
	stepY      int // rows between taps
	lo, hi     int // columns of the frame that hold pixels
	pitch      int // of rows of the frame
	shared     int // columns of padding that a row and the next have in common
}

// newPlaneFrame returns the frame; nil if the patches do not allow it.
func newPlaneFrame(c *compiler, q *patches) *planeFrame {
	v := &planeFrame{patches: q, vec: c.device.vec}
	if q.stepW != 1 || q.apart || q.depth != q.channels {
		return nil
	}
	v.high, v.wide, v.stepY, v.stepX = q.grid()
	columns := q.cols + q.spanW
	v.lo, v.hi = max(-q.left, 0), min(q.width-q.left, columns)
	if v.lo >= v.hi {
		return nil
	}
	// Rows of the frame lie no closer than those of the output.
	v.shared = min(v.lo, columns-v.hi, q.spanW)
	v.pitch = columns - v.shared
	return v
}

// rowsUnder is how many rows of the frame of an image lie under rows of output.
func (v *planeFrame) rowsUnder(rows int) int { return (rows-1)*v.stepH + v.spanH + 1 }

// image is the size of the frame of one image.
func (v *planeFrame) image(s *strip) int { return v.rowsUnder(s.rows) * v.channels * v.pitch }

// size is the size of the frame of a strip.
func (v *planeFrame) size(s *strip) int { return s.images*v.image(s) + v.shared }

// under is where the pixels under a strip lie.
func (v *planeFrame) under(s *strip) (from, to int) {
	first := s.row*v.stepH + v.top
	from = s.image*v.height + min(max(first, 0), v.height)
	to = (s.image+s.images-1)*v.height + min(max(first+v.rowsUnder(s.rows), 0), v.height)
	return from * v.width * v.channels, max(from, to) * v.width * v.channels
}

// fill puts the pixels under a strip into the frame. What lies beside them must be zero.
func (v *planeFrame) fill(frame, x []float32, s *strip) {
	size, first := v.channels*v.pitch, s.row*v.stepH+v.top
	rows := v.rowsUnder(s.rows)
	top, bottom := min(max(-first, 0), rows), min(max(v.height-first, 0), rows) // rows that hold pixels
	for n := range s.images {
		image := frame[n*v.image(s):][:rows*size]
		clear(image[:top*size])
		clear(image[bottom*size:])
		from := (((s.image+n)*v.height+first+top)*v.width + v.left + v.lo) * v.channels
		if v.channels == 1 && top < bottom {
			gemm.CopyLanes(image[top*size+v.lo:], size, x[from:], v.width, v.hi-v.lo, bottom-top)
			continue
		}
		for r := top; r < bottom; r++ {
			v.vec.Deinterleave(image[r*size+v.lo:], x[from:], v.hi-v.lo, v.channels, v.pitch)
			from += v.width * v.channels
		}
	}
}

// planes computes a convolution with so few filters that as lanes of vectors they
// would leave most of them empty. Lanes are the pixels of a row instead; the products
// are planes, which are put together to pixels at the end.
type planes struct {
	*planeFrame
	kernel  *gemm.Kernel
	lanes   int
	filters planeFilters

	strips []strip
	packed *derived
	frames region
	sums   region
	pool   *backend.MaxPool2D // makes one pixel of 2×2, if there is one
	pooled region             // without its Argmax, the maxima of planes; with it, the pixels of a strip

	y, bias []float32
	argmax  []int32
	slope   float32 // of the ReLU that follows, 1 if there is none
	finish  finisher
}

// planeFilters tells where the weight of a lane, a pixel of the filter and a channel
// lies: at the sum of its numbers times these.
type planeFilters struct{ lane, pixel, channel int }

// newPlanes returns the convolution; nil if its patches do not allow it or if it would
// take longer than one whose lanes are the filters.
func newPlanes(c *compiler, q *patches, lanes int, filters planeFilters) *planes {
	f := newPlaneFrame(c, q)
	if f == nil || f.stepY != 1 && q.channels > 1 {
		return nil
	}
	v := &planes{planeFrame: f, kernel: c.device.gemm, lanes: lanes, filters: filters}
	if v.cost() >= v.images*v.rows*v.cols*v.patches.size()*laneCost(v.kernel, lanes) {
		return nil
	}
	return v
}

// cost estimates the work in multiply-adds. A product of one row keeps too few of them
// in flight, and to move an element takes as long as five.
func (v *planes) cost() int {
	return v.images * v.rows * (v.patches.size()*v.kernel.SizeB(v.cols, 1)*max(v.lanes, 2) + 5*v.cols*(v.lanes+v.channels))
}

// reserve plans the workspace. The filters are made of w.
func (v *planes) reserve(c *compiler, p *plan, w backend.View) {
	v.strips = v.cut()
	s := &v.strips[0]
	v.packed = c.derive(p, w, v.lanes*v.patches.size())
	v.frames = p.reserve(c.threads, v.size(s), 4)
	v.sums = p.reserve(c.threads, v.lanes*s.rows*max(v.cols, v.pitch), 4)
	if v.pool != nil {
		n := v.lanes * s.rows * max(v.cols, v.pitch)
		if !v.pool.Argmax.Present() {
			n = v.lanes * (s.rows / 2) * (v.cols / 2)
		}
		v.pooled = p.reserve(c.threads, n, 4)
	}
}

// cut returns the strips. Neighbouring ones fetch the same rows; but not all shall be
// done by one thread.
func (v *planes) cut() []strip {
	return v.patches.strips(v.patches.stripSize(v.lanes))
}

// bind adds the steps: one that sorts the weights w, one that computes the strips.
func (v *planes) bind(c *compiler, work []byte, x, w []float32) {
	packed := v.packed.floats(work)
	c.making(v.packed, func() { c.once(func() { v.sort(packed, w) }) })
	frames, sums, pooled := each[float32](work, v.frames), each[float32](work, v.sums), make([][]float32, c.threads)
	if v.pool != nil {
		pooled = each[float32](work, v.pooled)
	}
	grain := ceil(flopGrain/2, 2*v.lanes*v.patches.size()*v.strips[0].pixels())
	c.split(len(v.strips), grain, 1, func(lo, hi, worker int) {
		clear(frames[worker]) // once for all that lies beside the pixels
		for i := lo; i < hi; i++ {
			s := &v.strips[i]
			v.fill(frames[worker], x, s)
			for n := range s.images {
				v.compute(frames[worker][n*v.image(s):], packed, sums[worker], pooled[worker], s, n)
			}
		}
	})
}

// sort puts the weights into the order of the products: lanes, rows of taps, channels,
// taps of a row.
func (v *planes) sort(packed, w []float32) {
	i := 0
	for lane := range v.lanes {
		for row := range v.high {
			for channel := range v.channels {
				for _, t := range v.taps[row*v.wide : (row+1)*v.wide] {
					packed[i] = w[lane*v.filters.lane+t.pixel*v.filters.pixel+channel*v.filters.channel]
					i++
				}
			}
		}
	}
}

// flat reports whether a strip is multiplied as one row, with the padding between its
// rows, since that is less than what the last vector of a row lacks.
func (v *planes) flat() bool {
	return v.channels == 1 && v.stepH == 1 && v.stepY == 1 && v.pitch <= v.kernel.SizeB(v.cols, 1)
}

// compute computes the rows of a strip in its n-th image.
func (v *planes) compute(frame, filters, sums, pooled []float32, s *strip, n int) {
	pitch := v.multiply(frame, filters, sums, s)
	if v.pool == nil {
		at, rows, cols := ((s.image+n)*v.rows+s.row)*v.cols*v.lanes, 1, s.rows*v.cols
		if pitch > v.cols {
			rows, cols = s.rows, v.cols
		}
		for u := range rows {
			v.join(v.y[at:at+cols*v.lanes], at, sums[u*pitch:], cols, s.rows*pitch)
			at += cols * v.lanes
		}
		return
	}
	row, size := (s.image+n)*(v.rows/2)+s.row/2, v.cols/2*v.lanes
	at, end := row*size, (row+s.rows/2)*size
	if v.argmax == nil {
		v.poolPlanes(v.y[at:end], sums, pooled, s)
		return
	}
	pixels := (s.rows-1)*pitch + v.cols
	v.join(pooled[:pixels*v.lanes], 0, sums, pixels, s.rows*pitch)
	w := tiles(s.row, s.rows, v.cols, v.lanes)
	w.Pitch = pitch
	v.vec.MaxPool2x2(v.y[at:end], v.argmax[at:end], pooled, w)
}

// join makes pixels of planes; at is where they lie in the output, if they do.
func (v *planes) join(y []float32, at int, sums []float32, pixels, plane int) {
	v.vec.Interleave(y, sums, v.bias, pixels, v.lanes, plane, v.slope)
	if v.finish != nil {
		v.finish(y, at, pixels, v.lanes, v.lanes)
	}
}

// multiply makes the planes of a strip, and returns how far their rows lie apart.
func (v *planes) multiply(frame, filters, sums []float32, s *strip) (pitch int) {
	f := gemm.Block{
		Rows: v.lanes, Cols: v.cols, Depth: v.wide, Runs: v.high * v.channels,
		ARow: v.patches.size(), AStep: 1, ARun: v.wide, BStep: v.stepX, BRun: v.stepY * v.pitch,
	}
	if v.flat() {
		f.Cols, f.CRow = (s.rows-1)*v.pitch+v.cols, s.rows*v.pitch
		v.kernel.Block(&f, filters, frame, sums)
		return v.pitch
	}
	f.CRow = s.rows * v.cols
	for u := range s.rows {
		v.kernel.Block(&f, filters, frame[u*v.stepH*v.channels*v.pitch:], sums[u*v.cols:])
	}
	return v.cols
}

// forwardPlanes returns a Conv2D of few filters; nil if planes are not the way.
func (c *compiler) forwardPlanes(o *backend.Conv2D) *planes {
	q := forward(o.X.Shape, o.W.Shape, o.Y.Shape, o.Window)
	return newPlanes(c, q, o.W.Shape[0], planeFilters{q.size(), q.channels, 1})
}

// conv2D plans a Conv2D of few filters, whose output goes to y.
func (v *planes) conv2D(c *compiler, p *plan, o *backend.Conv2D, y backend.View) {
	p.algorithm = "planes"
	v.reserve(c, p, o.W)
	p.bind = func(work []byte) {
		a := c.activation(o.Activation)
		slope, rest := a.asSlope()
		v.y, v.bias, v.slope = c.floats(y), c.floats(o.B), slope
		if v.pool != nil {
			v.argmax = c.ints(v.pool.Argmax)
		}
		if rest.f != backend.Identity {
			v.finish = func(y []float32, _, _, _, _ int) { rest.apply(y) }
		}
		v.bind(c, work, c.floats(o.X), c.floats(o.W))
	}
}

// inputGrad plans a Conv2DInputGrad for few channels.
func (v *planes) inputGrad(c *compiler, p *plan, o *backend.Conv2DInputGrad) {
	p.algorithm = "planes"
	p.executed = int64(2 * v.lanes * v.patches.size() * v.images * v.rows * v.cols)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	v.reserve(c, p, o.W)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		v.y, v.slope = c.floats(o.DX), 1
		if !epilogue.none() {
			v.finish = epilogue.applyRows
		}
		v.bind(c, work, c.floats(o.DY), c.floats(o.W))
	}
}
