package reference

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// The lecture's image, and its kernel with the "Convolved Feature" of 4.
var (
	lectureImage = []float64{
		1, 1, 1, 0, 0,
		0, 1, 1, 1, 0,
		0, 0, 1, 1, 1,
		0, 0, 1, 1, 0,
		0, 1, 1, 0, 0}
	lectureKernel = []float64{
		1, 0, 1,
		0, 1, 0,
		1, 0, 1}
)

// unit is a window that moves by one pixel, without padding.
var unit = backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}

// around is unit with n pixels of padding on every side.
func around(n int) backend.Window {
	w := unit
	w.PadTop, w.PadBottom, w.PadLeft, w.PadRight = n, n, n, n
	return w
}

// every2 is unit with a stride of 2.
func every2() backend.Window {
	w := unit
	w.StrideH, w.StrideW = 2, 2
	return w
}

func TestConv2DOfTheLecture(t *testing.T) {
	dilated := unit
	dilated.DilationH, dilated.DilationW = 2, 2
	lopsided := unit
	lopsided.PadTop, lopsided.PadRight = 1, 2
	for _, c := range []struct {
		name   string
		kernel []float64
		window backend.Window
		h, w   int // (5 − 3 + 2·padding)/stride + 1
		want   []float64
	}{
		{"convolved feature", lectureKernel, unit, 3, 3, []float64{
			4, 3, 4,
			2, 4, 3,
			2, 3, 4}},
		{"identity returns the original image", []float64{0, 0, 0, 0, 1, 0, 0, 0, 0}, around(1), 5, 5, lectureImage},
		{"horizontal Sobel", []float64{-1, -2, -1, 0, 0, 0, 1, 2, 1}, unit, 3, 3, []float64{
			-3, 0, 3,
			-2, -1, 0,
			2, 0, -3}},
		{"vertical Sobel", []float64{-1, 0, 1, -2, 0, 2, -1, 0, 1}, unit, 3, 3, []float64{
			3, 0, -3,
			4, 3, -2,
			4, 2, -3}},
		{"sharpen", []float64{0, -1, 0, -1, 5, -1, 0, -1, 0}, unit, 3, 3, []float64{
			3, 1, 3,
			-2, 2, 1,
			-2, 2, 3}},
		{"stride 2", lectureKernel, every2(), 2, 2, []float64{
			4, 4,
			2, 4}},
		{"dilation 2", lectureKernel, dilated, 1, 1, []float64{2}},
		{"padding above and to the right", lectureKernel, lopsided, 4, 5, []float64{
			2, 3, 1, 1, 0,
			4, 3, 4, 1, 1,
			2, 4, 3, 3, 0,
			2, 3, 4, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			y := r.out(1, c.h, c.w, 1)
			r.run(&backend.Conv2D{Y: y, X: r.floats(lectureImage, 1, 5, 5, 1), W: r.floats(c.kernel, 1, 3, 3, 1), Window: c.window, Groups: 1})
			assert.Equal(t, c.want, r.get(y))
		})
	}
}

func TestConv2DBiasActivationGroups(t *testing.T) {
	r := newRig(t)
	x, y := r.floats([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 1, 1, 2, 4), r.out(1, 1, 2, 2)
	w := r.floats([]float64{1, 10, -1, -2}, 2, 1, 1, 2)
	r.run(&backend.Conv2D{Y: y, X: x, W: w, B: r.vector(0.5, 10), Window: unit, Groups: 2, Activation: backend.Activation{Func: backend.ReLU}})
	assert.Equal(t, []float64{21.5, 0, 65.5, 0}, r.get(y), "10 − 3 − 8 and 10 − 7 − 16 are below 0")
}

// geometry is a random-looking convolution.
type geometry struct {
	n, h, w, c, o, kh, kw, groups int
	window                        backend.Window
}

var geometries = []geometry{
	{1, 1, 1, 1, 1, 1, 1, 1, unit},
	{2, 6, 5, 3, 4, 3, 2, 1, unit},
	{2, 7, 9, 4, 6, 3, 3, 2, backend.Window{StrideH: 2, StrideW: 3, DilationH: 1, DilationW: 2, PadTop: 1, PadBottom: 2, PadLeft: 3, PadRight: 0}},
	{3, 8, 6, 5, 5, 2, 3, 5, backend.Window{StrideH: 1, StrideW: 2, DilationH: 3, DilationW: 1, PadTop: 0, PadBottom: 4, PadLeft: 2, PadRight: 1}},
	{1, 3, 3, 2, 9, 1, 1, 1, backend.Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1, PadTop: 2, PadBottom: 2, PadLeft: 2, PadRight: 2}},
	{2, 8, 8, 8, 12, 3, 3, 1, around(1)}, // work enough for several goroutines
}

// views adds random tensors for x, w and y.
func (g geometry) views(r *rig) (x, w, y backend.View) {
	x, w = r.normal(g.n, g.h, g.w, g.c), r.normal(g.o, g.kh, g.kw, g.c/g.groups)
	s, err := backend.Conv2DShape(x.Shape, w.Shape, g.window, g.groups)
	require.NoError(r.t, err)
	return x, w, r.out(s...)
}

// matrix is the matrix K of a convolution, with y = K·x: one row for each output
// element, one column for each input element.
func (g geometry) matrix(w []float64, y backend.Shape) [][]float64 {
	k := make([][]float64, y.Elements())
	cg, og := g.c/g.groups, g.o/g.groups
	for row := range k {
		k[row] = make([]float64, g.n*g.h*g.w*g.c)
		o, ox, oy, n := row%y[3], row/y[3]%y[2], row/y[3]/y[2]%y[1], row/y[3]/y[2]/y[1]
		for i := range g.kh {
			for j := range g.kw {
				h, x := oy*g.window.StrideH+i*g.window.DilationH-g.window.PadTop, ox*g.window.StrideW+j*g.window.DilationW-g.window.PadLeft
				if h < 0 || h >= g.h || x < 0 || x >= g.w {
					continue
				}
				for c := range cg {
					k[row][((n*g.h+h)*g.w+x)*g.c+o/og*cg+c] = w[((o*g.kh+i)*g.kw+j)*cg+c]
				}
			}
		}
	}
	return k
}

func TestConv2DIsItsMatrix(t *testing.T) {
	for i, g := range geometries {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := newRig(t)
			x, w, y := g.views(r)
			dx, dy := r.out(x.Shape...), r.normal(y.Shape...)
			r.run(&backend.Conv2D{Y: y, X: x, W: w, Window: g.window, Groups: g.groups})
			r.run(&backend.Conv2DInputGrad{DX: dx, DY: dy, W: w, Window: g.window, Groups: g.groups})
			k := g.matrix(r.get(w), y.Shape)
			xs, dys, back := r.get(x), r.get(dy), make([]float64, x.Shape.Elements())
			size := make([]float64, len(back))
			// Two sums of the same n terms in different orders differ by at most
			// 2·n·eps·Σ|terms|, n at most 12·9 here.
			for row, got := range r.get(y) {
				want, s := dot(k[row], xs)
				require.InDelta(t, want, got, 256*0x1p-52*s)
				for col, v := range k[row] {
					back[col] += v * dys[row]
					size[col] += math.Abs(v * dys[row])
				}
			}
			for col, got := range r.get(dx) {
				require.InDelta(t, back[col], got, 256*0x1p-52*size[col])
			}
		})
	}
}

// The three convolution Ops are one trilinear form ⟨DY, X ⋆ W⟩ seen from its
// three arguments.
func TestConv2DAdjoints(t *testing.T) {
	for i, g := range geometries {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := newRig(t)
			x, w, y := g.views(r)
			dx, dw, dy := r.out(x.Shape...), r.out(w.Shape...), r.normal(y.Shape...)
			forward := &backend.Conv2D{Y: y, X: x, W: w, Window: g.window, Groups: g.groups}
			input := &backend.Conv2DInputGrad{DX: dx, DY: dy, W: w, Window: g.window, Groups: g.groups}
			filter := &backend.Conv2DFilterGrad{DW: dw, DY: dy, X: x, Window: g.window, Groups: g.groups}
			r.adjoint(forward, x, y, input, dy, dx)
			r.adjoint(forward, w, y, filter, dy, dw)
			r.adjoint(input, w, dx, &backend.Conv2DFilterGrad{DW: dw, DY: dy, X: x, Window: g.window, Groups: g.groups}, x, dw)
		})
	}
}

func TestConv2DFilterGradBiasAndAccumulate(t *testing.T) {
	r := newRig(t)
	x, dy := r.floats([]float64{1, 2, 3, 4}, 1, 2, 2, 1), r.floats([]float64{1, -1, 2, 0, 0, 3, 1, 1}, 1, 2, 2, 2)
	dw, db := r.floats([]float64{100, 200}, 2, 1, 1, 1), r.vector(10, 20)
	op := &backend.Conv2DFilterGrad{DW: dw, DB: db, DY: dy, X: x, Window: unit, Groups: 1, Accumulate: true}
	r.run(op)
	assert.Equal(t, []float64{109, 212}, r.get(dw), "1·1 + 2·2 + 3·0 + 4·1 and −1·1 + 2·0 + 3·3 + 4·1 are added")
	assert.Equal(t, []float64{14, 23}, r.get(db))
	op.Accumulate = false
	r.run(op)
	assert.Equal(t, []float64{9, 12}, r.get(dw))
	assert.Equal(t, []float64{4, 3}, r.get(db))
}

// The order of every sum is fixed: the number of goroutines changes no bit.
func TestThreadsChangeNothing(t *testing.T) {
	g := geometries[len(geometries)-1]
	var want [3][]float64
	for _, threads := range []int{1, 2, 3, 7} {
		r := newRig(t)
		r.device.(*device).threads = threads
		x, w, y := g.views(r)
		dx, dw := r.out(x.Shape...), r.out(w.Shape...)
		r.run(&backend.Conv2D{Y: y, X: x, W: w, Window: g.window, Groups: g.groups})
		r.run(&backend.Conv2DInputGrad{DX: dx, DY: y, W: w, Window: g.window, Groups: g.groups})
		r.run(&backend.Conv2DFilterGrad{DW: dw, DY: y, X: x, Window: g.window, Groups: g.groups})
		got := [3][]float64{r.get(y), r.get(dx), r.get(dw)}
		if threads == 1 {
			want = got
		}
		assert.Equal(t, want, got, "%d threads", threads)
	}
}
