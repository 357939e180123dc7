package vec

import (
	"fmt"
	"math"
	"unsafe"
)

// Windows is the geometry of pooling with windows of two by two pixels that all lie within the larger image.
type Windows struct {
	Rows, Cols, Channels int // of the smaller image
	Width                int // pixels in a row of the larger image
	Pitch                int // pixels from a row to the next, where MaxPool2x2 reads them; 0 is Width
	StrideH, StrideW     int // pixels from window to window
	Place                int // of the first pixel of the first window in its image
}

// pitch is how many pixels the rows of the larger image lie apart.
func (w *Windows) pitch() int {
	if w.Pitch == 0 {
		return w.Width
	}
	return w.Pitch
}

// fits panics unless the windows lie within size elements of the larger image.
func (w *Windows) fits(size int) {
	if w.Rows < 1 || w.Cols < 1 || w.Channels < 1 || w.StrideH < 1 || w.StrideW < 1 || (w.Cols-1)*w.StrideW+2 > w.Width || w.pitch() < w.Width {
		panic(fmt.Sprintf("BUG: vec: windows %+v", *w))
	}
	if (((w.Rows-1)*w.StrideH+1)*w.pitch()+(w.Cols-1)*w.StrideW+2)*w.Channels > size {
		panic(fmt.Sprintf("BUG: vec: windows %+v in %d elements", *w, size))
	}
}

// MaxPool2x2 sets y, of Rows×Cols×Channels elements, to the maxima over the windows in x, and places to their places; places may be nil. x begins with the
// first pixel of the first window. The first maximum of a window wins, row by row; zeros are equal; the first NaN wins over all numbers.
func (k *Kernel) MaxPool2x2(y []float32, places []int32, x []float32, w Windows) {
	w.fits(len(x))
	equalLengths(w.Rows*w.Cols*w.Channels, len(y))
	if places != nil {
		equalLengths(len(y), len(places))
	}
	k.maxPool(y, places, x, w)
}

// MaxPool2x2Grad is the gradient of MaxPool2x2 for windows side by side, StrideH and StrideW being 2: it sets the pixels of dx under the windows to the
// elements of dy where they won, and to zero elsewhere. If output is not nil, a pixel is zero too unless output, laid out as dx, is greater than zero there.
func (k *Kernel) MaxPool2x2Grad(dx, dy []float32, places []int32, output []float32, w Windows) {
	w.fits(len(dx))
	equalLengths(w.Rows*w.Cols*w.Channels, len(dy), len(places))
	if output != nil {
		equalLengths(len(dx), len(output))
	}
	if w.StrideH != 2 || w.StrideW != 2 || w.pitch() != w.Width {
		panic(fmt.Sprintf("BUG: vec: the gradient of windows %+v", w))
	}
	k.maxPoolGrad(dx, dy, places, output, w)
}

// MaxPool2x2GradPlanes is MaxPool2x2Grad for windows that cover whole rows, Width being 2·Cols, with the pixels as planes, one a channel: that of channel
// k begins at dx[2·Rows·Width·k]. work is as long as dx.
func (k *Kernel) MaxPool2x2GradPlanes(dx, dy []float32, places []int32, work []float32, w Windows) {
	small, large := w.Rows*w.Cols, 2*w.Rows*w.Width
	equalLengths(large*w.Channels, len(dx), len(work))
	equalLengths(small*w.Channels, len(dy), len(places))
	if w.Width != 2*w.Cols {
		panic(fmt.Sprintf("BUG: vec: the gradient of windows %+v as planes", w))
	}
	if !k.narrowPools {
		k.MaxPool2x2Grad(work, dy, places, nil, w)
		k.Deinterleave(dx, work, large, w.Channels, large)
		return
	}
	d, at := work[:len(dy)], work[len(dy):2*len(dy)]
	k.Deinterleave(d, dy, small, w.Channels, small)
	k.Deinterleave(at, unsafe.Slice((*float32)(unsafe.Pointer(&places[0])), len(places)), small, w.Channels, small) // moves bits
	planes := unsafe.Slice((*int32)(unsafe.Pointer(&at[0])), len(at))
	channels := w.Channels
	w.Channels = 1
	for c := range channels {
		k.MaxPool2x2Grad(dx[c*large:(c+1)*large], d[c*small:(c+1)*small], planes[c*small:(c+1)*small], nil, w)
	}
}

// Taps are the pixels of one window of any size.
type Taps struct {
	Rows, Cols            int
	StepX, StepY          int // elements from column to column, and from row to row
	Place, PlaceX, PlaceY int // place of the first pixel, and what its columns and rows add
}

// fits panics unless the taps' channels lie within size elements.
func (t *Taps) fits(channels, size int) {
	if t.Rows < 1 || t.Cols < 1 || channels < 1 || t.StepX < 0 || t.StepY < 0 || (t.Rows-1)*t.StepY+(t.Cols-1)*t.StepX+channels > size {
		panic(fmt.Sprintf("BUG: vec: %d channels of window %+v in %d elements", channels, *t, size))
	}
}

// MaxWindow sets y, of as many elements as there are channels, to the maxima over a window of x, and places, which may be nil, to their places. Which
// wins is as in [Kernel.MaxPool2x2].
func (k *Kernel) MaxWindow(y []float32, places []int32, x []float32, t Taps) {
	t.fits(len(y), len(x))
	if places != nil {
		equalLengths(len(y), len(places))
	}
	k.maxWindow(y, places, x, t)
}

// MeanWindow sets y, of as many elements as there are channels, to the sums over a window of x, pixel after pixel, divided by divisor.
func (k *Kernel) MeanWindow(y, x []float32, t Taps, divisor float32) {
	t.fits(len(y), len(x))
	k.meanWindow(y, x, t, divisor)
}

// order returns a number that rises with v, is equal for both zeros, and greatest for NaN.
func order(v float32) int32 {
	bits := int32(math.Float32bits(v))
	size, sign := bits&math.MaxInt32, bits>>31
	if size > 0x7f800000 {
		size, sign = math.MaxInt32, 0
	}
	return (size ^ sign) - sign
}

// maxPoolPortable compares numbers by order, as integers: so no branch depends on which pixel wins, which nothing could predict.
func maxPoolPortable(y []float32, places []int32, x []float32, w Windows) {
	below := w.pitch() * w.Channels
	for row := range w.Rows {
		for col := range w.Cols {
			place := row*w.StrideH*w.Width + col*w.StrideW
			out := y[(row*w.Cols+col)*w.Channels:][:w.Channels]
			window := x[(row*w.StrideH*w.pitch()+col*w.StrideW)*w.Channels:][:below+2*w.Channels]
			p, q := window[:len(out)], window[w.Channels:][:len(out)]
			r, s := window[below:][:len(out)], window[below+w.Channels:][:len(out)]
			for k := range out {
				best, winner := order(p[k]), 0
				if o := order(q[k]); o > best {
					best, winner = o, 1
				}
				if o := order(r[k]); o > best {
					best, winner = o, 2
				}
				if o := order(s[k]); o > best {
					winner = 3
				}
				right, down := winner&1, winner>>1
				out[k] = window[right*w.Channels+down*below+k]
				if places != nil {
					places[(row*w.Cols+col)*w.Channels+k] = int32(w.Place + place + right + down*w.Width)
				}
			}
		}
	}
}

func maxPoolGradPortable(dx, dy []float32, places []int32, output []float32, w Windows) {
	length, below := w.Width*w.Channels, int32(w.Width)
	for row := range w.Rows {
		for col := range w.Cols {
			first, at := 2*(row*w.Width+col), (row*w.Cols+col)*w.Channels
			place := int32(w.Place + first)
			from := first * w.Channels
			upper, lower := dx[from:from+2*w.Channels], dx[from+length:from+length+2*w.Channels]
			d, won := dy[at:at+w.Channels], places[at:at+w.Channels]
			for k, g := range d {
				i := won[k] - place
				bits := math.Float32bits(g) // as an integer it is moved without a branch
				var p, q, r, s uint32
				if i == 0 {
					p = bits
				}
				if i == 1 {
					q = bits
				}
				if i == below {
					r = bits
				}
				if i == below+1 {
					s = bits
				}
				upper[k], upper[k+w.Channels] = math.Float32frombits(p), math.Float32frombits(q)
				lower[k], lower[k+w.Channels] = math.Float32frombits(r), math.Float32frombits(s)
			}
			if output != nil {
				reluGradPortable(upper, upper, output[from:from+len(upper)], 0)
				reluGradPortable(lower, lower, output[from+length:from+length+len(lower)], 0)
			}
		}
	}
}

func maxWindowPortable(y []float32, places []int32, x []float32, t Taps) {
	for k := range y {
		best, from, place := order(x[k]), k, t.Place
		for i := range t.Rows {
			for j := range t.Cols {
				at := i*t.StepY + j*t.StepX + k
				if o := order(x[at]); o > best {
					best, from, place = o, at, t.Place+i*t.PlaceY+j*t.PlaceX
				}
			}
		}
		y[k] = x[from]
		if places != nil {
			places[k] = int32(place)
		}
	}
}

func meanWindowPortable(y, x []float32, t Taps, divisor float32) {
	for k := range y {
		sum := float32(0)
		for i := range t.Rows {
			for j := range t.Cols {
				sum += x[i*t.StepY+j*t.StepX+k]
			}
		}
		y[k] = sum / divisor
	}
}
