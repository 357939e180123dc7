package cpu

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// The conformance suite has small cases. Those here are so large that work is cut
// in every way: several strips, several blocks of depth, slices of sums, tiles.

// sides of a convolution: symmetric window.
func window(stride, dilation, pad int) backend.Window {
	return backend.Window{StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation,
		PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
}

// far is a window whose taps lie so far apart that no frame is made of the pixels
// between them.
var far = backend.Window{StrideH: 1, StrideW: 1<<21 - 1, DilationH: 1, DilationW: 1 << 21, PadLeft: 1<<21 + 1, PadRight: 1 << 21}

var convolutions = []struct {
	name          string
	n, h, w, c    int
	o, kh, kw     int
	window        backend.Window
	groups        int
	strips, block bool // several strips, several blocks of depth
}{
	{"many small images", 41, 5, 4, 3, 5, 3, 3, window(1, 1, 1), 1, true, false},
	{"images of one pixel", 300, 1, 1, 7, 9, 1, 1, window(1, 1, 0), 1, true, false},
	{"one large image", 1, 70, 61, 3, 8, 3, 3, window(1, 1, 1), 1, true, false},
	{"wide rows", 1, 3, 500, 2, 6, 3, 3, window(1, 1, 1), 1, true, false},
	{"deep patches", 2, 9, 11, 45, 33, 5, 5, window(1, 1, 2), 1, true, true},
	{"many channels", 1, 4, 5, 300, 70, 3, 3, window(1, 1, 1), 1, false, true},
	{"strides", 5, 19, 23, 4, 40, 5, 3, window(3, 1, 1), 1, true, false},
	{"strides beyond the filter", 5, 19, 23, 4, 40, 1, 2, window(3, 1, 0), 1, true, false},
	{"dilation", 3, 19, 23, 6, 20, 3, 3, window(2, 3, 2), 1, true, false},
	{"groups", 9, 13, 12, 12, 15, 3, 3, window(1, 1, 1), 3, true, false},
	{"depthwise", 9, 13, 12, 10, 20, 3, 3, window(2, 1, 1), 10, true, false},
	{"groups of many channels", 2, 6, 5, 300, 8, 3, 3, window(1, 1, 1), 2, false, true},
	{"far apart", 2, 2, 3, 4, 5, 1, 2, far, 1, true, false},
	{"far apart, groups", 2, 2, 3, 4, 6, 1, 2, far, 2, true, false},
}

func TestLargeConvolutions(t *testing.T) {
	for _, s := range convolutions {
		t.Run(s.name, func(t *testing.T) {
			x, w := backend.Shape{s.n, s.h, s.w, s.c}, backend.Shape{s.o, s.kh, s.kw, s.c / s.groups}
			y, err := backend.Conv2DShape(x, w, s.window, s.groups)
			require.NoError(t, err)
			p := forward(x, w, y, s.window)
			require.Equal(t, s.strips, len(p.strips(stripPixels)) > 1, "strips")
			patch := s.kh * s.kw * s.c / s.groups
			for _, k := range gemm.Kernels() {
				require.Equal(t, s.block, k.Depth(p.size()) < p.size(), "blocks of depth, %s", k)
			}
			xs, ws, ys, bias := unplaced(x...), unplaced(w...), unplaced(y...), unplaced(s.o)
			requireLinear(t, &backend.Conv2D{Y: ys, X: xs, W: ws, Window: s.window, Groups: s.groups}, patch, gathered)
			for _, accumulate := range []bool{false, true} {
				requireLinear(t, &backend.Conv2DFilterGrad{DW: ws, DB: bias, DY: ys, X: xs, Window: s.window, Groups: s.groups, Accumulate: accumulate}, y[0]*y[1]*y[2], gathered)
			}
			for _, e := range []backend.GradEpilogue{{}, {Addend: xs}} {
				requireLinear(t, &backend.Conv2DInputGrad{DX: xs, DY: ys, W: ws, Window: s.window, Groups: s.groups, GradEpilogue: e},
					s.o/s.groups*s.kh*s.kw, gathered, scattered)
			}
		})
	}
}

func TestLargeProducts(t *testing.T) {
	for _, s := range []struct {
		m, n, k       int
		tiles, slices bool
	}{
		{200, 190, 60, true, false},
		{300, 9, 500, true, false},
		{8, 300, 700, true, false},
		{16, 10, 9000, false, true},
		{5, 7, 40000, false, true},
		{33, 12, 7000, false, true},
		{1, 700, 900, true, false},
		{1, 10, 9000, false, false},
	} {
		v := newProduct(gemm.Default(), s.m, s.n, s.k)
		require.Equal(t, s.tiles, v.rows < s.m || v.cols < s.n, "tiles of %+v: %+v", s, v)
		require.Equal(t, s.slices, v.slices > 1, "slices of %+v: %+v", s, v)
		for _, form := range []struct{ a, b, accumulate, bias bool }{{}, {a: true, bias: true}, {b: true, accumulate: true}, {true, true, true, true}} {
			op := &backend.MatMul{TransposeA: form.a, TransposeB: form.b, Accumulate: form.accumulate}
			shape := func(rows, cols int, transposed bool) backend.View {
				if transposed {
					rows, cols = cols, rows
				}
				return unplaced(rows, cols)
			}
			op.A, op.B, op.C = shape(s.m, s.k, form.a), shape(s.k, s.n, form.b), shape(s.m, s.n, false)
			if form.bias {
				op.Bias = unplaced(s.n)
			}
			requireLinear(t, op, s.k)
		}
	}
}

// TestLargeSums takes sums over 10⁵ elements and more.
func TestLargeSums(t *testing.T) {
	for _, s := range []struct {
		x    backend.Shape
		axes []int
	}{
		{backend.Shape{200000}, []int{0}},
		{backend.Shape{3, 50000}, []int{1}},
		{backend.Shape{4, 40, 50, 9}, []int{0, 1, 2}},
		{backend.Shape{50, 3000}, []int{0}},
		{backend.Shape{7, 60, 50, 9}, []int{1, 2}},
		{backend.Shape{30, 9, 400}, []int{0, 2}},
	} {
		for _, f := range []backend.ReduceFunc{backend.Sum, backend.Mean} {
			y, n, err := backend.ReduceShape(s.x, s.axes)
			require.NoError(t, err)
			op := &backend.Reduce{Y: unplaced(y...), X: unplaced(s.x...), Func: f, Axes: s.axes, Accumulate: f == backend.Mean}
			// Far fewer additions in float32 than elements: a block's and a few more.
			requireLinear(t, op, min(n, sumBlock))
		}
	}
}

// unplaced is an operand that has no place yet.
func unplaced(s ...int) backend.View { return backend.View{Buffer: 1, Shape: s} }

// requireLinear runs an Op, whose outputs are sums of products of its operands, on
// every instruction set and on the reference. Each output may err by a rounding for
// each of terms products and as many additions, and a few more for bias, addend and
// the last rounding: 2⁻²⁴·(terms + 8) of the same sum over magnitudes, which the
// reference computes too. An input gradient is computed in each of the ways.
func requireLinear(t *testing.T, op backend.Op, terms int, ways ...algorithm) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	inputs, sizes := map[string][]float32{}, map[string][]float32{}
	placed := alone(op)
	for _, b := range placed.Buffers[1:] {
		values, magnitudes := make([]float32, b.Elements), make([]float32, b.Elements)
		for i := range values {
			values[i] = r.Float32()*2 - 1
			magnitudes[i] = float32(math.Abs(float64(values[i])))
		}
		inputs[b.Name], sizes[b.Name] = values, magnitudes
	}
	reference, err := backend.Open("reference", backend.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, reference.Close()) }()
	want, scale := outputs(t, reference, placed, inputs), outputs(t, reference, placed, sizes)
	if len(ways) == 0 {
		ways = []algorithm{cheapest}
	}
	for _, k := range gemm.Kernels() {
		for _, way := range ways {
			d := openBackend(t, "cpu:"+k.Name(), 2)
			d.algorithm = way
			got := outputs(t, d, placed, inputs)
			require.NoError(t, d.Close())
			for name := range want {
				for i, v := range want[name] {
					bound := (float64(terms) + 8) * 0x1p-24 * float64(scale[name][i])
					if err := math.Abs(float64(got[name][i]) - float64(v)); !(err <= bound) {
						require.FailNow(t, "out of bounds", "%s, %v: %s: %s[%d] is %v, expected %v ± %.3g", k, way, op.Kind(), name, i, got[name][i], v, bound)
					}
				}
			}
		}
	}
}

// outputs runs a Program and returns what it wrote.
func outputs(t *testing.T, b backend.Backend, p *backend.Program, inputs map[string][]float32) map[string][]float32 {
	t.Helper()
	bind := map[string]backend.Tensor{}
	for _, buf := range p.Buffers[1:] {
		x, err := b.NewTensor(backend.TensorSpec{Name: buf.Name, Shape: backend.Shape{buf.Elements}})
		require.NoError(t, err)
		require.NoError(t, x.Write(tensor.New(tensor.WithShape(buf.Elements), tensor.WithBacking(inputs[buf.Name]))))
		bind[buf.Name] = x
	}
	exe, err := b.Compile(p, bind)
	require.NoError(t, err)
	require.Less(t, exe.Memory(), int64(64<<20), "workspace in proportion to the operands")
	require.NoError(t, exe.Run(context.Background()))
	require.NoError(t, exe.Close())
	result := map[string][]float32{}
	for _, o := range p.Code[0].Op.Operands() {
		if o.Access.Writes() {
			result[o.Name] = contents(t, bind[o.Name])
		}
	}
	for _, x := range bind {
		require.NoError(t, x.Free())
	}
	return result
}
