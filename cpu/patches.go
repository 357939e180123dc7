package cpu

import (
	"sort"

	"fovea/backend"
	"fovea/cpu/internal/gemm"
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
	for i, t := range p.taps {
		p.left, right = min(p.left, t.dx), max(right, t.dx)
		if last := len(p.runs) - 1; i > 0 && p.depth == p.channels && t.dy == p.taps[i-1].dy && t.dx == p.taps[i-1].dx+1 {
			p.runs[last].length += p.depth
		} else {
			p.runs = append(p.runs, run{t.dy, t.dx, i * p.depth, p.depth})
		}
	}
	p.spanH, p.spanW = p.taps[len(p.taps)-1].dy-p.top, right-p.left
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

// strip is a piece of the output: some rows of one image, or all rows of some
// images.
type strip struct {
	image, images int
	row, rows     int
}

// Sizes of strips.
const (
	// stripPixels is about how many output pixels are worked on together: enough
	// to make use of the packed filters that are fetched for them.
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

// strips cuts the output.
func (p *patches) strips() []strip {
	rows := min(ceil(stripPixels, p.cols), p.rows)
	for rows > 1 && p.frameSize(rows) > maxFrame {
		rows--
	}
	images := 1
	if rows == p.rows {
		images = max(min(stripPixels/(rows*p.cols), maxFrame/p.frameSize(rows), p.images), 1)
	} else {
		rows = ceil(p.rows, ceil(p.rows, rows)) // of like size
	}
	var all []strip
	for n := 0; n < p.images; n += images {
		for r := 0; r < p.rows; r += rows {
			all = append(all, strip{n, min(images, p.images-n), r, min(rows, p.rows-r)})
		}
	}
	return all
}

// inside reports whether all patches lie inside the image.
func (p *patches) inside() bool {
	return p.top >= 0 && p.left >= 0 &&
		p.top+p.spanH+(p.rows-1)*p.stepH < p.height && p.left+p.spanW+(p.cols-1)*p.stepW < p.width
}

// frames is how many elements a view needs to hold the pixels of a strip; 0 if it
// can look at the images themselves.
func (p *patches) frames(strips []strip) int {
	if p.inside() || p.frameSize(1) > hugeFrame {
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
	check  bool      // pixels must be looked up one by one, since some lie outside
	first  int       // channel at which the group begins
}

// focus turns the view to a strip.
func (v *view) focus(s strip) {
	v.strip = s
	v.check = false
	if v.inside() || v.frame == nil {
		v.check = !v.inside()
		v.data, v.pitch, v.size = v.x, v.width*v.channels, v.height*v.width*v.channels
		v.origin = s.image*v.size + (s.row*v.stepH+v.top)*v.pitch + v.left*v.channels
		return
	}
	rows, cols := (s.rows-1)*v.stepH+v.spanH+1, (v.cols-1)*v.stepW+v.spanW+1
	v.pitch = cols * v.channels
	v.size = rows * v.pitch
	v.origin = 0
	v.data = v.frame[:s.images*v.size]
	lo, hi := max(-v.left, 0), min(v.width-v.left, cols) // columns that hold pixels
	for i := range s.images {
		for r := range rows {
			line := v.data[i*v.size+r*v.pitch:][:v.pitch]
			y := s.row*v.stepH + v.top + r
			if y < 0 || y >= v.height || lo >= hi {
				clear(line)
				continue
			}
			from := ((s.image+i)*v.height+y)*v.width + v.left + lo
			clear(line[:lo*v.channels])
			copy(line[lo*v.channels:hi*v.channels], v.x[from*v.channels:])
			clear(line[hi*v.channels:])
		}
	}
}

// at returns the element that output pixel l of the strip takes from (top, left),
// and how many pixels from l on lie in the same row.
func (v *view) at(l int) (from, row int) {
	line := l / v.cols
	image, u, w := line/v.strip.rows, line%v.strip.rows, l%v.cols
	return v.origin + image*v.size + u*v.stepH*v.pitch + w*v.stepW*v.channels + v.first, v.cols - w
}

// pixels is how many output pixels the strip has.
func (v *view) pixels() int { return v.strip.images * v.strip.rows * v.cols }

// lookUp returns an element of a patch of the strip, zero outside the image.
func (v *view) lookUp(pixel, element int) float32 {
	line := pixel / v.cols
	t := v.taps[element/v.depth]
	y := (v.strip.row+line%v.strip.rows)*v.stepH + t.dy
	x := pixel%v.cols*v.stepW + t.dx
	if y < 0 || y >= v.height || x < 0 || x >= v.width {
		return 0
	}
	image := v.strip.image + line/v.strip.rows
	return v.x[((image*v.height+y)*v.width+x)*v.channels+v.first+element%v.depth]
}

// firstRun returns the run that holds an element of a patch.
func (p *patches) firstRun(element int) int {
	if len(p.runs) == 1 {
		return 0
	}
	return sort.Search(len(p.runs), func(i int) bool { return p.runs[i].first > element }) - 1
}

// byPixel is a view as the left factor of a product: a lane is an output pixel of
// the strip, the depth is its patch.
type byPixel struct{ *view }

// Pack implements gemm.Source.
func (v byPixel) Pack(dst []float32, width, lane, lanes, p, depth int) {
	if lanes < width {
		gemm.ZeroLanes(dst[lanes:], width, width-lanes, depth)
	}
	if v.check {
		for l := range lanes {
			for q := range depth {
				dst[q*width+l] = v.lookUp(lane+l, p+q)
			}
		}
		return
	}
	step := v.stepW * v.channels
	start := v.firstRun(p)
	for l := 0; l < lanes; {
		from, n := v.at(lane + l)
		n = min(n, lanes-l)
		for i, q := start, 0; q < depth; i++ {
			r := &v.runs[i]
			skip := p + q - r.first
			length := min(r.length-skip, depth-q)
			src := v.data[from+(r.dy-v.top)*v.pitch+(r.dx-v.left)*v.channels+skip:]
			if step == 1 {
				gemm.CopyLanes(dst[q*width+l:], width, src, 1, n, length)
			} else {
				gemm.Interleave(dst[q*width+l:], width, src, step, n, length)
			}
			q += length
		}
		l += n
	}
}

// byElement is a view as the right factor of a product: a lane is an element of
// the patches, the depth are the output pixels of the strip.
type byElement struct{ *view }

// Pack implements gemm.Source but for the zeros: lanes that do not exist keep what
// they held. Their products go nowhere.
func (v byElement) Pack(dst []float32, width, lane, lanes, p, depth int) {
	if v.check {
		for q := range depth {
			for l := range lanes {
				dst[q*width+l] = v.lookUp(p+q, lane+l)
			}
		}
		return
	}
	step := v.stepW * v.channels
	start := v.firstRun(lane)
	for q := 0; q < depth; {
		from, n := v.at(p + q)
		n = min(n, depth-q)
		for i, l := start, 0; l < lanes; i++ {
			r := &v.runs[i]
			skip := lane + l - r.first
			length := min(r.length-skip, lanes-l)
			src := v.data[from+(r.dy-v.top)*v.pitch+(r.dx-v.left)*v.channels+skip:]
			gemm.CopyLanes(dst[q*width+l:], width, src, step, length, n)
			l += length
		}
		q += n
	}
}
