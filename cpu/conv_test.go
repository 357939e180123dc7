package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cpu/internal/gemm"
)

// convOps returns a convolution of images x with filters w and its gradients; nil if
// there is no output.
func convOps(x, w backend.Shape, win backend.Window, groups int) []backend.Op {
	y, err := backend.Conv2DShape(x, w, win, groups)
	if err != nil {
		return nil
	}
	xs, ws, ys, bias := unplaced(x...), unplaced(w...), unplaced(y...), unplaced(w[0])
	return []backend.Op{
		&backend.Conv2D{Y: ys, X: xs, W: ws, B: bias, Window: win, Groups: groups, Activation: relu},
		&backend.Conv2DInputGrad{DX: xs, DY: ys, W: ws, Window: win, Groups: groups, GradEpilogue: backend.GradEpilogue{Output: xs, Derivative: relu}},
		&backend.Conv2DFilterGrad{DW: ws, DB: bias, DY: ys, X: xs, Window: win, Groups: groups},
	}
}

// TestDirectAlgorithms holds the choice of the algorithm to what was measured with
// vectors of sixteen and eight lanes.
func TestDirectAlgorithms(t *testing.T) {
	for _, s := range []struct {
		name                 string
		batch, size, in, out int
		kernel               int
		window               backend.Window
		groups               int
		forward, input       string
		filter               string
	}{
		{"lenet1", 64, 28, 1, 6, 5, window(1, 1, 2), 1, "planes", "planes", "planes"},
		{"lenet2", 64, 14, 6, 16, 5, window(1, 1, 0), 1, "direct", "scattered", "direct"},
		{"vgg1", 64, 32, 3, 32, 3, window(1, 1, 1), 1, "direct", "planes", "direct"},
		{"1×1", 8, 56, 64, 256, 1, window(1, 1, 0), 1, "direct", "direct", "direct"},
		{"7×7 of stride 2", 8, 224, 3, 64, 7, window(2, 1, 3), 1, "direct", "scattered", "direct"},
		{"many channels of stride 2", 8, 28, 128, 128, 3, window(2, 1, 1), 1, "direct", "direct", "direct"},
		{"depthwise", 8, 28, 32, 32, 3, window(1, 1, 1), 32, "depthwise", "depthwise", "depthwise"},
		{"groups", 8, 28, 64, 64, 3, window(1, 1, 1), 2, "direct", "direct", "direct"},
	} {
		for _, k := range gemm.Kernels() {
			if k.NR() < 16 {
				continue
			}
			c := &compiler{device: closing(t, "cpu:"+k.Name(), 1), threads: 1, tensors: make([]*array, 2)}
			var got []string
			for _, op := range convOps(backend.Shape{s.batch, s.size, s.size, s.in}, backend.Shape{s.out, s.kernel, s.kernel, s.in / s.groups}, s.window, s.groups) {
				got = append(got, c.plan(op).algorithm)
			}
			assert.Equal(t, []string{s.forward, s.input, s.filter}, got, "%s, %s", s.name, k)
		}
	}
}

// TestConvolutionsForAnyThreads expects the same bits from any number of goroutines,
// of each algorithm.
func TestConvolutionsForAnyThreads(t *testing.T) {
	for _, s := range []struct {
		x, w   backend.Shape
		window backend.Window
		groups int
	}{
		{backend.Shape{9, 28, 28, 1}, backend.Shape{6, 5, 5, 1}, window(1, 1, 2), 1},
		{backend.Shape{9, 14, 14, 6}, backend.Shape{16, 5, 5, 6}, window(1, 1, 0), 1},
		{backend.Shape{3, 31, 32, 3}, backend.Shape{32, 3, 3, 3}, window(2, 1, 1), 1},
		{backend.Shape{1, 9, 9, 64}, backend.Shape{200, 3, 3, 64}, window(1, 2, 1), 1},
		{backend.Shape{3, 30, 30, 40}, backend.Shape{40, 3, 3, 1}, window(1, 1, 1), 40},
	} {
		for _, op := range convOps(s.x, s.w, s.window, s.groups) {
			placed := alone(op)
			r := rand.New(rand.NewPCG(1, 2))
			inputs := map[string][]float32{}
			for _, b := range placed.Buffers[1:] {
				inputs[b.Name] = make([]float32, b.Elements)
				for i := range inputs[b.Name] {
					inputs[b.Name][i] = float32(r.NormFloat64())
				}
			}
			want := outputs(t, closing(t, "cpu", 1), placed, inputs)
			for _, threads := range []int{2, 3, 8} {
				require.Equal(t, want, outputs(t, closing(t, "cpu", threads), placed, inputs), "%s of %v, %d threads", op.Kind(), s.x, threads)
			}
		}
	}
}

// FuzzConv compares convolutions of any shape and window, in groups or not, with the
// reference.
func FuzzConv(f *testing.F) {
	f.Add([]byte{1, 27, 27, 0, 5, 4, 4, 0, 0, 0, 0, 2, 2, 2, 2, 0}, uint64(1))
	f.Add([]byte{2, 13, 13, 5, 15, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint64(2))
	f.Add([]byte{1, 19, 17, 2, 31, 6, 6, 1, 1, 0, 0, 3, 3, 3, 3, 0}, uint64(3))
	f.Add([]byte{0, 9, 14, 19, 0, 2, 2, 0, 1, 1, 0, 1, 0, 2, 1, 255}, uint64(4))
	f.Add([]byte{3, 1, 30, 3, 4, 0, 5, 2, 0, 2, 2, 0, 1, 4, 0, 3}, uint64(5))
	f.Add([]byte{40, 0, 0, 12, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint64(6))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) < 16 {
			return
		}
		at := func(i, n int) int { return int(b[i]) % n }
		win := backend.Window{StrideH: 1 + at(7, 3), StrideW: 1 + at(8, 3), DilationH: 1 + at(9, 3), DilationW: 1 + at(10, 3),
			PadTop: at(11, 5), PadBottom: at(12, 5), PadLeft: at(13, 5), PadRight: at(14, 5)}
		groups, in, out := 1+at(15, 4), 1+at(3, 40), 1+at(4, 40)
		if b[15] == 255 { // depthwise
			groups, in, out = in, 1, 1
		}
		x := backend.Shape{1 + at(0, 41), 1 + at(1, 32), 1 + at(2, 32), groups * in}
		w := backend.Shape{groups * out, 1 + at(5, 7), 1 + at(6, 7), in}
		ops := convOps(x, w, win, groups)
		if ops == nil || ops[0].Cost().FLOPs > 1<<23 {
			return
		}
		kernels := gemm.Kernels()
		d := closing(t, "cpu:"+kernels[seed%uint64(len(kernels))].Name(), 1+int(seed>>8%3))
		for _, op := range ops {
			for _, way := range []algorithm{cheapest, gathered, scattered} {
				forcing(d, way)
				require.NoError(t, backendtest.Check(d, op, backendtest.Config{Seed: seed, Winograd: winogradIn(d)}))
			}
		}
	})
}

// TestFramesOfStrips compares the frame of each strip with the pixels that lie there, zeros around them; in memory that holds something else before. Some
// strips see padding alone.
func TestFramesOfStrips(t *testing.T) {
	empty := 0
	for _, s := range []struct {
		n, h, w, kh, kw int
		window          backend.Window
	}{
		{3, 5, 4, 3, 3, window(1, 1, 1)},
		{1, 40, 30, 3, 5, window(1, 1, 2)},
		{2, 30, 30, 3, 2, window(2, 2, 3)},
		{1, 9, 40, 3, 3, window(1, 1, 25)}, // rows beside the image
		{2, 3, 1, 2, 2, backend.Window{StrideH: 1, StrideW: 6, DilationH: 1, DilationW: 1, PadLeft: 5, PadTop: 1}}, // columns beside it
	} {
		x, w := backend.Shape{s.n, s.h, s.w, 2}, backend.Shape{3, s.kh, s.kw, 2}
		y, err := backend.Conv2DShape(x, w, s.window, 1)
		require.NoError(t, err)
		q := forward(x, w, y, s.window)
		strips := q.strips(stripPixels)
		v := view{patches: q, x: make([]float32, x.Elements()), frame: make([]float32, q.frames(strips))}
		for i := range v.x {
			v.x[i] = float32(i + 1)
		}
		for _, strip := range strips {
			for i := range v.frame {
				v.frame[i] = -1
			}
			v.focus(strip)
			var want []float32
			pixels := 0
			for n := strip.image; n < strip.image+strip.images; n++ {
				for r := range (strip.rows-1)*q.stepH + q.spanH + 1 {
					for c := range (q.cols-1)*q.stepW + q.spanW + 1 {
						row, col := strip.row*q.stepH+q.top+r, q.left+c
						if row < 0 || row >= s.h || col < 0 || col >= s.w {
							want = append(want, 0, 0)
							continue
						}
						at := ((n*s.h+row)*s.w + col) * 2
						want = append(want, v.x[at], v.x[at+1])
						pixels++
					}
				}
			}
			require.Equal(t, want, v.data, "%+v of %+v", strip, s)
			if pixels == 0 {
				empty++
			}
		}
	}
	assert.Greater(t, empty, 1)
}
