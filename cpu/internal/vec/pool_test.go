package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ties returns numbers of which many are equal, of both zeros, infinities and different NaN.
func ties(r *rand.Rand, n int) []float32 {
	choices := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 2, inf, -inf, nan, math.Float32frombits(0xffc00001), 1e-45, -1e-45}
	x := make([]float32, n)
	for i := range x {
		x[i] = choices[r.IntN(len(choices))]
		if r.IntN(3) == 0 {
			x[i] = r.Float32() - 0.5
		}
	}
	return x
}

// windows are geometries with columns that are left over at the right, and channels of every width.
func windows(f func(w Windows)) {
	for _, channels := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 24, 32, 33, 64} {
		for _, cols := range []int{1, 2, 3, 5, 14, 17} {
			for _, stride := range []int{1, 2, 3} {
				f(Windows{Rows: 3, Cols: cols, Channels: channels, Width: (cols-1)*stride + 2 + cols%2, StrideH: stride, StrideW: stride, Place: 1000})
			}
			f(Windows{Rows: 1, Cols: cols, Channels: channels, Width: 2 * cols, StrideH: 2, StrideW: 2})
			f(Windows{Rows: 2, Cols: cols, Channels: channels, Width: 2*cols + 7, StrideH: 3, StrideW: 2})
		}
	}
}

// size is how many elements of the larger image the windows reach.
func (w Windows) size() int {
	return (((w.Rows-1)*w.StrideH+1)*w.pitch() + (w.Cols-1)*w.StrideW + 2) * w.Channels
}

// spaced are windows whose rows of pixels lie apart, too.
func spaced(f func(w Windows)) {
	windows(func(w Windows) {
		f(w)
		w.Pitch = w.Width + 3
		f(w)
	})
}

// firstMaximum is the rule: the first maximum wins, and the first NaN over everything.
func firstMaximum(x []float32) int {
	best := 0
	for i, v := range x {
		if m := x[best]; v > m || v != v && m == m {
			best = i
		}
	}
	return best
}

func TestMaxPool2x2(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(13, 14))
		spaced(func(w Windows) {
			x, xs := guarded(ties(r, w.size()))
			for i := range 31 {
				xs[i], xs[len(xs)-1-i] = inf, inf // what lies outside must not win
			}
			if w.Cols%3 == 2 { // whole rows without NaN
				for i, v := range x {
					if v != v {
						x[i] = 3
					}
				}
			}
			n := w.Rows * w.Cols * w.Channels
			y, wholeY := guarded(make([]float32, n))
			places := make([]int32, n+8)[4 : 4+n]
			k.MaxPool2x2(y, places, x, w)
			for i := range y {
				row, col, c := i/w.Channels/w.Cols, i/w.Channels%w.Cols, i%w.Channels
				first := row*w.StrideH*w.pitch() + col*w.StrideW
				pixels := []int{first, first + 1, first + w.pitch(), first + w.pitch() + 1}
				window := make([]float32, 4)
				for j, p := range pixels {
					window[j] = x[p*w.Channels+c]
				}
				best := firstMaximum(window)
				require.Equal(t, bits(window[best:best+1]), bits(y[i:i+1]), "element %d of %+v: %v", i, w, window)
				place := w.Place + (row*w.StrideH+best/2)*w.Width + col*w.StrideW + best%2
				require.Equal(t, int32(place), places[i], "place %d of %+v: %v", i, w, window)
			}
			requireGuards(t, wholeY)
			assert.Equal(t, []int32{0, 0, 0, 0}, places[:n+4][n:], "after the places")
			again, whole := guarded(make([]float32, n))
			k.MaxPool2x2(again, nil, x, w)
			require.Equal(t, bits(y), bits(again), "without places, %+v", w)
			requireGuards(t, whole)
		})
		assert.Panics(t, func() {
			k.MaxPool2x2(make([]float32, 4), nil, make([]float32, 15), Windows{Rows: 2, Cols: 2, Channels: 1, Width: 4, StrideH: 2, StrideW: 2})
		})
	})
}

func TestMaxPool2x2Grad(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(15, 16))
		windows(func(w Windows) {
			if w.StrideH != 2 || w.StrideW != 2 {
				return
			}
			n, size := w.Rows*w.Cols*w.Channels, w.size()
			dy, output, start := ties(r, n), ties(r, size), random(r, size)
			places := make([]int32, n)
			for i := range places {
				row, col := i/w.Channels/w.Cols, i/w.Channels%w.Cols
				places[i] = int32(w.Place + (2*row+r.IntN(2))*w.Width + 2*col + r.IntN(2))
				if r.IntN(9) == 0 {
					places[i] = int32(r.Uint32()) // nonsense hits nothing
				}
			}
			for _, out := range [][]float32{nil, output} {
				want := append([]float32(nil), start...)
				for i := range size {
					pixel, c := i/w.Channels, i%w.Channels
					row, col := pixel/w.Width/2, pixel%w.Width/2
					if col >= w.Cols {
						continue
					}
					at := (row*w.Cols+col)*w.Channels + c
					want[i] = 0
					if int(places[at]) == w.Place+pixel && (out == nil || out[i] > 0) {
						want[i] = dy[at]
					}
				}
				dx, whole := guarded(start)
				k.MaxPool2x2Grad(dx, dy, places, out, w)
				require.Equal(t, bits(want), bits(dx), "%+v, output %v", w, out != nil)
				requireGuards(t, whole)
			}
		})
		assert.Panics(t, func() {
			k.MaxPool2x2Grad(make([]float32, 4), make([]float32, 1), make([]int32, 1), nil, Windows{Rows: 1, Cols: 1, Channels: 1, Width: 2, StrideH: 1, StrideW: 2})
		})
	})
}

// TestMaxPool2x2GradPlanes expects the planes of the pixels that MaxPool2x2Grad makes.
func TestMaxPool2x2GradPlanes(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(19, 20))
		windows(func(w Windows) {
			if w.StrideH != 2 || w.StrideW != 2 || w.Width != 2*w.Cols {
				return
			}
			for w.Rows = 1; w.Rows <= 3; w.Rows++ {
				n, size := w.Rows*w.Cols*w.Channels, w.size()
				dy, places := ties(r, n), make([]int32, n)
				for i := range places {
					row, col := i/w.Channels/w.Cols, i/w.Channels%w.Cols
					places[i] = int32(w.Place + (2*row+r.IntN(2))*w.Width + 2*col + r.IntN(2))
				}
				pixels, want := make([]float32, size), make([]float32, size)
				k.MaxPool2x2Grad(pixels, dy, places, nil, w)
				deinterleavePortable(want, pixels, size/w.Channels, w.Channels, size/w.Channels, w.Channels)
				dx, whole := guarded(random(r, size))
				work, wholeWork := guarded(random(r, size))
				k.MaxPool2x2GradPlanes(dx, dy, places, work, w)
				require.Equal(t, bits(want), bits(dx), "%+v", w)
				requireGuards(t, whole)
				requireGuards(t, wholeWork)
			}
		})
		assert.Panics(t, func() {
			k.MaxPool2x2GradPlanes(make([]float32, 6), make([]float32, 1), make([]int32, 1), make([]float32, 6), Windows{Rows: 1, Cols: 1, Channels: 1, Width: 3, StrideH: 2, StrideW: 2})
		})
	})
}

func TestWindows(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(17, 18))
		for _, channels := range []int{1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 64} {
			for _, taps := range []Taps{
				{Rows: 1, Cols: 1},
				{Rows: 3, Cols: 3, StepX: channels, StepY: 10 * channels, Place: 5, PlaceX: 1, PlaceY: 10},
				{Rows: 2, Cols: 5, StepX: 2 * channels, StepY: 30 * channels, PlaceX: 2, PlaceY: 30},
			} {
				x := ties(r, (taps.Rows-1)*taps.StepY+(taps.Cols-1)*taps.StepX+channels)
				finite := random(r, len(x))
				y, wholeY := guarded(make([]float32, channels))
				mean, wholeMean := guarded(make([]float32, channels))
				places := make([]int32, channels)
				k.MaxWindow(y, places, x, taps)
				k.MeanWindow(mean, finite, taps, 3)
				for c := range channels {
					var window []float32
					var where []int
					sum := 0.0
					for i := range taps.Rows {
						for j := range taps.Cols {
							at := i*taps.StepY + j*taps.StepX + c
							window, where = append(window, x[at]), append(where, taps.Place+i*taps.PlaceY+j*taps.PlaceX)
							sum += float64(finite[at])
						}
					}
					best := firstMaximum(window)
					require.Equal(t, bits(window[best:best+1]), bits(y[c:c+1]), "channel %d of %d, %+v: %v", c, channels, taps, window)
					require.Equal(t, int32(where[best]), places[c])
					n := float64(len(window))
					require.Empty(t, near(mean[c], sum/3, (n+1)*epsilon*n/3)) // n additions and a division, of numbers up to 1
				}
				requireGuards(t, wholeY)
				requireGuards(t, wholeMean)
				again := make([]float32, channels)
				k.MaxWindow(again, nil, x, taps)
				require.Equal(t, bits(y), bits(again), "without places")
			}
		}
		assert.Panics(t, func() { k.MaxWindow(make([]float32, 2), nil, make([]float32, 3), Taps{Rows: 1, Cols: 2, StepX: 2}) })
		assert.Panics(t, func() { k.MeanWindow(nil, nil, Taps{Rows: 1, Cols: 1}, 1) })
	})
}
