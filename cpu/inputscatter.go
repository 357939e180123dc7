package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// inputScatter computes the gradient of a convolution's input from the side of
// the output. For a row of DX, the product of the rows of DY that reach it with rows of
// the filters is what each column of DY sends to the pixels under a row of taps, whose
// channels are the lanes; these contributions are then added up where they overlap. It
// multiplies no padding, and fills vectors where there are few input channels.
type inputScatter struct {
	kernel                   *gemm.Kernel
	window                   backend.Window
	high, wide               int // taps
	images, height, width, c int // of DX
	rows, cols, outputs      int // of DY
	together                 int // images, of which a row each is computed in one product
}

// newInputScatter returns the computation; nil if taps are not neighbours.
func (c *compiler) newInputScatter(o *backend.Conv2DInputGrad) *inputScatter {
	dx, dy, w := o.DX.Shape, o.DY.Shape, o.W.Shape
	if o.Groups > 1 || o.DilationH > 1 && w[1] > 1 || o.DilationW > 1 && w[2] > 1 {
		return nil
	}
	v := &inputScatter{
		kernel: c.device.gemm, window: o.Window, high: w[1], wide: w[2],
		images: dx[0], height: dx[1], width: dx[2], c: dx[3], rows: dy[1], cols: dy[2], outputs: dy[3],
	}
	v.together = max(min(v.images, maxTogether, productsTogether/(v.cols*v.pitch())), 1)
	return v
}

// patch is the length of a row of taps.
func (v *inputScatter) patch() int { return v.wide * v.c }

// Rows of several images are computed in one product where they are short, so that products are not over before they are at full speed: of at most so many images,
// and elements.
const (
	maxTogether      = 8
	productsTogether = 1 << 12
)

// pitch is how far the products of two columns of DY are apart.
func (v *inputScatter) pitch() int { return v.kernel.SizeB(v.patch(), 1) }

// cost estimates the work in multiply-adds.
func (v *inputScatter) cost() int {
	// An addition to DX takes as long as eight of them.
	products := v.rows * v.high * v.outputs * laneCost(v.kernel, v.patch())
	return v.images * v.cols * (products + 8*v.height*v.patch())
}

// finishedAtOnce is about how many elements of DX are finished at once.
const finishedAtOnce = 1 << 12

func (v *inputScatter) plan(c *compiler, p *plan, o *backend.Conv2DInputGrad) {
	k, line := v.kernel, v.width*v.c
	p.executed = v.executed()
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	packed := c.derive(p, o.W, v.high*v.outputs*v.pitch())
	products := p.reserve(c.threads, v.together*v.cols*v.pitch(), 4)
	sums := p.reserve(c.threads, v.sums(), 4)
	flop := 2 * v.together * v.cols * v.patch() * v.outputs * ceil(v.high, v.window.StrideH) // of a row of some images of DX
	// An item is a band of rows of some images.
	band := min(max(finishedAtOnce/line, 1), ceil(flopGrain, flop), v.height)
	bands := ceil(v.height, band)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, w := c.floats(o.DX), c.floats(o.DY), c.floats(o.W)
		filters := packed.floats(work)
		c.making(packed, func() {
			for i := range v.phases() {
				to, source := filters[v.before(i)*v.outputs*v.pitch():], &scatteredFilters{v, w, v.first(i)}
				c.once(func() { k.PackB(to, source, 0, v.patch(), 0, v.taps(i)*v.outputs) })
			}
		})
		products, sums := each[float32](work, products), each[float32](work, sums)
		c.split(ceil(v.images, v.together)*bands, 1, 1, func(lo, hi, worker int) {
			for i := lo; i < hi; i++ {
				first, row := i/bands*v.together, i%bands*band
				images, rows := min(v.together, v.images-first), min(band, v.height-row)
				for h := row; h < row+rows; h++ {
					v.row(dx, dy, filters, first, images, h, products[worker], sums[worker], c)
				}
				for n := range images {
					at := ((first+n)*v.height + row) * line
					epilogue.apply(dx[at:at+rows*line], at)
				}
			}
		})
	}
}

// Rows of DX whose numbers, counted from the padding on, have the same remainder modulo
// the stride are a phase: they take the gradient through the same rows of taps, the
// last of which is first(phase).

func (v *inputScatter) phases() int { return min(v.window.StrideH, v.high) }

func (v *inputScatter) taps(phase int) int { return ceil(v.high-phase, v.window.StrideH) }

func (v *inputScatter) first(phase int) int { return phase + (v.taps(phase)-1)*v.window.StrideH }

// before returns how many rows of taps the phases before have.
func (v *inputScatter) before(phase int) int {
	n := 0
	for i := range phase {
		n += v.taps(i)
	}
	return n
}

// sums is how many elements the sums of a row of DX take, with its padding; 0 if there
// is none, so that they can be made in DX.
func (v *inputScatter) sums() int {
	covered := (v.cols-1)*v.window.StrideW + v.wide
	if v.window.PadLeft == 0 && covered <= v.width {
		return 0
	}
	return max(covered, v.window.PadLeft+v.width) * v.c
}

// reaching returns the rows of DY, from lo to hi, that reach row h of DX; none if lo is
// greater. Row u sends through the taps in row h + PadTop − u·stride.
func (v *inputScatter) reaching(h int) (lo, hi int) {
	at, stride := h+v.window.PadTop, v.window.StrideH
	return max(ceil(at-v.high+1, stride), 0), min(at/stride, v.rows-1)
}

// executed counts the floating-point operations.
func (v *inputScatter) executed() int64 {
	products := int64(0)
	for h := range v.height {
		lo, hi := v.reaching(h)
		products += int64(max(hi-lo+1, 0))
	}
	return 2 * products * int64(v.images*v.cols*v.outputs*v.patch())
}

// row computes row h of some images of DX.
func (v *inputScatter) row(dx, dy, filters []float32, first, images, h int, products, sums []float32, c *compiler) {
	lo, hi := v.reaching(h)
	if lo <= hi {
		v.multiply(dy, filters, first, images, h, lo, hi, products)
	}
	for n := range images {
		row := dx[((first+n)*v.height+h)*v.width*v.c:][:v.width*v.c]
		clear(row)
		if lo > hi {
			continue
		}
		to := row
		if len(sums) > 0 {
			clear(sums)
			to = sums
		}
		c.device.vec.AddRows(to, products[n*v.cols*v.pitch():], v.cols, v.patch(), v.window.StrideW*v.c, v.pitch())
		if len(sums) > 0 {
			copy(row, sums[v.window.PadLeft*v.c:])
		}
	}
}

// multiply makes the products for row h of some images of DX: those of rows lo to hi of
// DY, as whole vectors, whose lanes beyond the patch are zero.
func (v *inputScatter) multiply(dy, filters []float32, first, images, h, lo, hi int, products []float32) {
	at, stride := h+v.window.PadTop, v.window.StrideH
	phase := at % stride
	skip := (v.first(phase) - (at - lo*stride)) / stride
	filters = filters[v.before(phase)*v.outputs*v.pitch():]
	line := v.cols * v.outputs
	f := gemm.Block{
		Rows: v.cols, Depth: v.outputs, Runs: hi - lo + 1, ARow: v.outputs, AStep: 1, ARun: line, CRow: v.pitch(),
		Lines: images, ALine: v.rows * line, CLine: v.cols * v.pitch(),
	}
	for j := 0; j < v.patch(); j += f.Cols {
		f.Cols = v.kernel.PanelB(v.patch() - j)
		v.kernel.Block(&f, dy[(first*v.rows+lo)*line:], filters[(j*v.taps(phase)+skip*f.Cols)*v.outputs:], products[j:])
	}
}

// scatteredFilters are filters [O, KH, KW, C] as the right factor: a lane is a channel
// of a tap in a row of them; the depth is, for the rows of a phase from the last on, the
// output channels.
type scatteredFilters struct {
	*inputScatter
	w     []float32
	first int
}

// Pack implements gemm.Source.
func (s *scatteredFilters) Pack(dst []float32, width, lane, lanes, p, depth int) {
	if lanes < width {
		gemm.ZeroLanes(dst[lanes:], width, width-lanes, depth)
	}
	for q := 0; q < depth; {
		row, output := s.first-(p+q)/s.outputs*s.window.StrideH, (p+q)%s.outputs
		n := min(s.outputs-output, depth-q)
		gemm.CopyLanes(dst[q*width:], width, s.w[(output*s.high+row)*s.patch()+lane:], s.high*s.patch(), lanes, n)
		q += n
	}
}
