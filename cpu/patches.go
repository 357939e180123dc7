package cpu

import (
	"sort"

	"fovea/backend"
)

// patches tells what the output pixels of a convolution are made of. Output pixel
// (u, v) of an image takes, from each tap, the depth channels of input pixel
// (u·stepH + dy, v·stepW + dx); outside the image they are zero. These numbers in
// the order of the taps are its patch, a row of the matrix that multiplies the
// filters.
type patches struct {
	images, height, width, channels int // of the input
	rows, cols                      int // of output pixels
	stepH, stepW                    int
	taps                            []tap // by dy, then dx
	depth                           int   // channels of a tap: those of one group
	runs                            []run // the taps, neighbours made one
	top, left, spanH, spanW         int   // the least dy and dx, and how far the greatest lie from them
	apart                           bool  // patches reach beyond the image, and too far to make a frame
}

// tap is one pixel of a filter.
type tap struct {
	dy, dx int
	pixel  int // its number in the filter
}

// run is a stretch of a patch that is one piece in memory: the elements from
// first on, length of them, that begin at a pixel.
type run struct {
	dy, dx        int
	first, length int
}

// size is the length of a patch.
func (p *patches) size() int { return len(p.taps) * p.depth }

// prepare derives the rest from images, output, steps and taps, of which there is
// at least one.
func (p *patches) prepare() {
	sort.Slice(p.taps, func(i, j int) bool {
		a, b := p.taps[i], p.taps[j]
		return a.dy < b.dy || a.dy == b.dy && a.dx < b.dx
	})
	p.top, p.left = p.taps[0].dy, p.taps[0].dx
	right := p.left
	for _, t := range p.taps {
		p.left, right = min(p.left, t.dx), max(right, t.dx)
	}
	p.spanH, p.spanW = p.taps[len(p.taps)-1].dy-p.top, right-p.left
	p.apart = !p.inside() && p.frameSize(1) > hugeFrame
	for i, t := range p.taps {
		if last := len(p.runs) - 1; i > 0 && !p.apart && p.depth == p.channels && t.dy == p.taps[i-1].dy && t.dx == p.taps[i-1].dx+1 {
			p.runs[last].length += p.depth
		} else {
			p.runs = append(p.runs, run{t.dy, t.dx, i * p.depth, p.depth})
		}
	}
}

// forward returns the patches of a convolution of x.
func forward(x, w, y backend.Shape, win backend.Window) *patches {
	p := &patches{
		images: x[0], height: x[1], width: x[2], channels: x[3], rows: y[1], cols: y[2],
		stepH: win.StrideH, stepW: win.StrideW, depth: w[3],
	}
	for i := range w[1] {
		for j := range w[2] {
			p.taps = append(p.taps, tap{i*win.DilationH - win.PadTop, j*win.DilationW - win.PadLeft, i*w[2] + j})
		}
	}
	p.prepare()
	return p
}

// piece is a part of a patch that one product covers: runs stretches of depth
// elements. The first stretch begins skip elements after pixel (dy, dx), and each
// (stepY, stepX) pixels after the one before.
type piece struct {
	first        int // element of the patch
	dy, dx, skip int
	stepY, stepX int
	runs, depth  int
}

// size is how many elements of a patch the piece covers.
func (q *piece) size() int { return q.runs * q.depth }

// pieces cuts a patch into pieces of up to most elements.
func (p *patches) pieces(most int) []piece {
	var all []piece
	for i := 0; i < len(p.runs); {
		r := &p.runs[i]
		parts := ceil(r.length, most)
		for skip, depth := 0, ceil(r.length, parts); skip < r.length; skip += depth {
			all = append(all, piece{first: r.first + skip, dy: r.dy, dx: r.dx, skip: skip, runs: 1, depth: min(depth, r.length-skip)})
		}
		last := &all[len(all)-1]
		for i++; i < len(p.runs) && parts == 1 && !p.apart && p.runs[i].length == last.depth && last.size()+last.depth <= most; i++ {
			stepY, stepX := p.runs[i].dy-p.runs[i-1].dy, p.runs[i].dx-p.runs[i-1].dx
			if last.runs == 1 {
				last.stepY, last.stepX = stepY, stepX
			} else if stepY != last.stepY || stepX != last.stepX {
				break
			}
			last.runs++
		}
	}
	return all
}

// grid tells how the taps lie: high rows of wide taps, stepY and stepX apart.
func (p *patches) grid() (high, wide, stepY, stepX int) {
	for wide < len(p.taps) && p.taps[wide].dy == p.taps[0].dy {
		wide++
	}
	high, stepY, stepX = len(p.taps)/wide, 1, 1
	if wide > 1 {
		stepX = p.taps[1].dx - p.taps[0].dx
	}
	if high > 1 {
		stepY = p.taps[wide].dy - p.taps[0].dy
	}
	return high, wide, stepY, stepX
}

// depthwise reports whether each channel is a group, so that lanes of vectors can be
// the channels.
func (p *patches) depthwise(outputs int) bool {
	return p.depth == 1 && p.channels > 1 && outputs == p.channels && !p.apart
}

// strip is a part of the output: some rows of one image, or all rows of some
// images; or some pixels of one row.
type strip struct {
	image, images int
	row, rows     int
	col, cols     int
}

// pixels is how many output pixels the strip has.
func (s *strip) pixels() int { return s.images * s.rows * s.cols }

// Sizes of strips.
const (
	// stripPixels is about how many output pixels are worked on together: enough
	// to make use of the filters that are fetched for them.
	stripPixels = 128
	// maxFrame bounds the elements of a frame, unless one row of output needs more.
	maxFrame = 1 << 16
	// hugeFrame is a frame that is too large to be made: its pixels lie too far
	// apart.
	hugeFrame = 1 << 22
)

// frameSize is the elements of the input under rows of output pixels.
func (p *patches) frameSize(rows int) int {
	return ((rows-1)*p.stepH + p.spanH + 1) * ((p.cols-1)*p.stepW + p.spanW + 1) * p.channels
}

// stripSize is about how many pixels of so many lanes make a strip: more where there is
// little to do for each, since neighbouring strips fetch the same pixels of the input.
func (p *patches) stripSize(lanes int) int {
	return min(max(flopGrain/(2*lanes*p.size()), stripPixels), 8*stripPixels)
}

// strips cuts the output into strips of about so many pixels.
func (p *patches) strips(pixels int) []strip {
	var all []strip
	if p.images*p.rows == 1 {
		cols := ceil(p.cols, ceil(p.cols, pixels-2))
		for c := 0; c < p.cols; c += cols {
			all = append(all, strip{0, 1, 0, 1, c, min(cols, p.cols-c)})
		}
		return all
	}
	rows := min(max(pixels/p.cols, 1), p.rows)
	for rows > 1 && p.frameSize(rows) > maxFrame {
		rows--
	}
	images := 1
	if rows == p.rows {
		images = max(min(pixels/(rows*p.cols), maxFrame/p.frameSize(rows), p.images), 1)
	} else {
		rows = ceil(p.rows, ceil(p.rows, rows)) // of like size
	}
	for n := 0; n < p.images; n += images {
		for r := 0; r < p.rows; r += rows {
			all = append(all, strip{n, min(images, p.images-n), r, min(rows, p.rows-r), 0, p.cols})
		}
	}
	return all
}

// flatten makes all pixels one row, if each is a patch of its own.
func (p *patches) flatten() {
	if len(p.taps) == 1 && p.top == 0 && p.left == 0 && p.stepH == 1 && p.stepW == 1 && p.rows == p.height && p.cols == p.width {
		p.cols = p.images * p.rows * p.cols
		p.width = p.cols
		p.images, p.rows, p.height = 1, 1, 1
	}
}

// inside reports whether all patches lie inside the image.
func (p *patches) inside() bool {
	return p.top >= 0 && p.left >= 0 &&
		p.top+p.spanH+(p.rows-1)*p.stepH < p.height && p.left+p.spanW+(p.cols-1)*p.stepW < p.width
}

// frames is how many elements a view needs to hold the pixels of a strip; 0 if it
// can look at the images themselves.
func (p *patches) frames(strips []strip) int {
	if p.inside() || p.apart {
		return 0
	}
	return strips[0].images * p.frameSize(strips[0].rows)
}

// view looks at the pixels under one strip of output. If patches reach beyond the
// image, it is a copy of these pixels, with zeros around; else the image itself.
// One goroutine uses it at a time.
type view struct {
	*patches
	strip
	x      []float32 // the images
	frame  []float32 // memory for copies
	data   []float32 // where the pixels are
	pitch  int       // elements from one row to the next
	size   int       // elements from one image to the next
	origin int       // the element that the first output pixel takes from (top, left)
}

// newViews returns a view of the images x for each thread, with the frames that
// were reserved, if any.
func newViews(p *patches, x []float32, work []byte, frames region, threads int) []*view {
	views := make([]*view, threads)
	for i := range views {
		views[i] = &view{patches: p, x: x}
	}
	if frames.owners > 0 {
		for i, f := range each[float32](work, frames) {
			views[i].frame = f
		}
	}
	return views
}

// focus turns the view to a strip.
func (v *view) focus(s strip) {
	v.strip = s
	if v.frame == nil {
		v.data, v.pitch, v.size = v.x, v.width*v.channels, v.height*v.width*v.channels
		v.origin = s.image*v.size + (s.row*v.stepH+v.top)*v.pitch + (s.col*v.stepW+v.left)*v.channels
		return
	}
	rows, cols := (s.rows-1)*v.stepH+v.spanH+1, (v.patches.cols-1)*v.stepW+v.spanW+1
	v.pitch = cols * v.channels
	v.size = rows * v.pitch
	v.origin = 0
	v.data = v.frame[:s.images*v.size]
	lo, hi := max(-v.left, 0), min(v.width-v.left, cols) // columns that hold pixels
	first := s.row*v.stepH + v.top
	top, bottom := min(max(-first, 0), rows), min(max(v.height-first, 0), rows) // rows that do
	if lo >= hi || top >= bottom {
		clear(v.data)
		return
	}
	length, beside := (hi-lo)*v.channels, v.pitch-(hi-lo)*v.channels
	for i := range s.images {
		image := v.data[i*v.size : (i+1)*v.size]
		from := v.x[(((s.image+i)*v.height+first+top)*v.width+v.left+lo)*v.channels:]
		at := top*v.pitch + lo*v.channels
		clear(image[:at])
		for r := top; ; r++ {
			copy(image[at:at+length], from)
			at += length
			if r == bottom-1 {
				break
			}
			clear(image[at : at+beside])
			at, from = at+beside, from[v.width*v.channels:]
		}
		clear(image[at:])
	}
}

// at returns where the first output pixel of the strip takes the first element of
// a piece from, and how far the piece's runs lie apart.
func (v *view) at(q *piece) (from, run int) {
	return v.origin + (q.dy-v.top)*v.pitch + (q.dx-v.left)*v.channels + q.skip, q.stepY*v.pitch + q.stepX*v.channels
}

// axis is a direction in which output pixels lie: how many there are, and how far
// they are apart in the input and in the output.
type axis struct{ n, x, y int }

// axes returns those of the strip, outermost first: images, rows and columns, but
// that images come last if rows are short. Output images, rows and pixels are as
// far apart as given.
func (v *view) axes(image, row, pixel int) (a, b, c axis) {
	a, b, c = axis{v.strip.images, v.size, image}, axis{v.strip.rows, v.stepH * v.pitch, row}, axis{v.strip.cols, v.stepW * v.channels, pixel}
	if c.n < 4 && a.n > c.n && !v.apart {
		return b, c, a
	}
	return a, b, c
}

// clip returns which pixels of a row of the strip, from lo to hi−1, take the piece
// from inside the image, where taps lie apart.
func (v *view) clip(q *piece, row int) (lo, hi int) {
	y := (v.strip.row+row)*v.stepH + q.dy
	if y < 0 || y >= v.height || q.dx >= v.width {
		return 0, 0
	}
	lo = max(ceil(-q.dx, v.stepW)-v.strip.col, 0)
	hi = min((v.width-1-q.dx)/v.stepW+1-v.strip.col, v.strip.cols)
	return lo, max(lo, hi)
}
