package cpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// convolvedAndPooled is a Conv2D with ReLU and a MaxPool2D. Where kept is set, the output of the convolution is a tensor, which keeps the two apart.
func convolvedAndPooled(t *testing.T, n, size, channels, filters, taps, pad int, kept bool) *backend.Program {
	p := backend.NewProgram("convolution and pooling")
	view := func(name string, kind backend.BufferKind, s ...int) backend.View {
		return backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: name, Kind: kind, Elements: backend.Shape(s).Elements()}), Shape: s}
	}
	x, w, b := view("x", backend.Bound, n, size, size, channels), view("w", backend.Bound, filters, taps, taps, channels), view("b", backend.Bound, filters)
	shape, err := backend.Conv2DShape(x.Shape, w.Shape, window(1, 1, pad), 1)
	require.NoError(t, err)
	kind := backend.Scratch
	if kept {
		kind = backend.Bound
	}
	y := view("convolved", kind, shape...)
	p.Add("conv", &backend.Conv2D{Y: y, X: x, W: w, B: b, Window: window(1, 1, pad), Groups: 1, Activation: relu})
	pooled, err := backend.PoolShape(shape, 2, 2, window(2, 1, 0))
	require.NoError(t, err)
	p.Add("pool", &backend.MaxPool2D{Y: view("y", backend.Bound, pooled...), X: y, KernelH: 2, KernelW: 2, Window: window(2, 1, 0)})
	return p
}

// TestPoolingJoinsItsConvolution expects the same bits from a convolution and a pooling that are one instruction and from those that are two, and that some are one.
func TestPoolingJoinsItsConvolution(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		joined := 0
		for _, s := range []struct{ n, size, channels, filters, taps, pad int }{
			{5, 28, 1, 6, 5, 2}, {1, 28, 1, 6, 5, 2}, {3, 30, 1, 3, 3, 1}, {2, 14, 1, 4, 3, 0}, {2, 15, 1, 5, 3, 1}, {2, 13, 1, 5, 3, 0}, {2, 28, 3, 6, 5, 2}, {1, 150, 1, 6, 5, 2},
			{2, 16, 3, 32, 3, 1}, {2, 12, 1, 4, 3, 4}, {1, 60, 1, 6, 5, 2},
		} {
			d := closing(t, name, 3)
			apart := ran(t, d, convolvedAndPooled(t, s.n, s.size, s.channels, s.filters, s.taps, s.pad, true))
			p := convolvedAndPooled(t, s.n, s.size, s.channels, s.filters, s.taps, s.pad, false)
			require.Equal(t, apart["y"], ran(t, d, p)["y"], "%+v", s)
			exe, _ := compiled(t, d, p)
			profile, err := backend.ProfileOf(context.Background(), exe)
			require.NoError(t, err)
			if len(profile.Ops) == 1 {
				joined++
				require.Equal(t, "Conv2D+MaxPool2D", profile.Ops[0].Kind)
			}
			require.NoError(t, exe.Close())
		}
		if name == "cpu:avx512" || name == "cpu:avx2" { // narrower vectors lack less in a row than the padding between rows
			require.GreaterOrEqual(t, joined, 4)
		}
	})
}

// TestJoinedPoolingKeepsNaN sees that a NaN in the image reaches the pixels whose windows see it, and no others.
func TestJoinedPoolingKeepsNaN(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		d := closing(t, name, 2)
		for _, kept := range []bool{true, false} {
			exe, bind := compiled(t, d, convolvedAndPooled(t, 1, 28, 1, 6, 5, 2, kept))
			x := contents(t, bind["x"])
			x[14*28+15] = float32(math.NaN())
			require.NoError(t, bind["x"].Write(tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(x))))
			require.NoError(t, exe.Run(context.Background()))
			for i, v := range contents(t, bind["y"]) {
				row, col := i/6/14, i/6%14
				near := row >= 6 && row <= 8 && col >= 6 && col <= 8
				require.Equal(t, near, math.IsNaN(float64(v)), "pixel %d, %d", row, col)
			}
			require.NoError(t, exe.Close())
		}
	})
}

// pooledLayer is what a training step does with a convolution and a max pooling: forward, and the gradients of filters and biases, which are added to what
// there is. Where kept is set, what lies between the two is a tensor, which keeps them apart.
func pooledLayer(t *testing.T, n, h, w, channels, filters, taps, pad int, a backend.Activation, kept bool) *backend.Program {
	p := backend.NewProgram("a layer")
	view := func(name string, kind backend.BufferKind, dtype backend.DType, s ...int) backend.View {
		id := p.AddBuffer(backend.Buffer{Name: name, Kind: kind, DType: dtype, Elements: backend.Shape(s).Elements()})
		return backend.View{Buffer: id, DType: dtype, Shape: s}
	}
	float := func(name string, s ...int) backend.View { return view(name, backend.Bound, backend.Float32, s...) }
	between := backend.Scratch
	if kept {
		between = backend.Bound
	}
	x, weights, b := float("x", n, h, w, channels), float("w", filters, taps, taps, channels), float("b", filters)
	win := window(1, 1, pad)
	shape, err := backend.Conv2DShape(x.Shape, weights.Shape, win, 1)
	require.NoError(t, err)
	pooled, err := backend.PoolShape(shape, 2, 2, window(2, 1, 0))
	require.NoError(t, err)
	y := view("convolved", between, backend.Float32, shape...)
	argmax := view("argmax", backend.Bound, backend.Int32, pooled...)
	p.Add("conv", &backend.Conv2D{Y: y, X: x, W: weights, B: b, Window: win, Groups: 1, Activation: a})
	p.Add("pool", &backend.MaxPool2D{Y: float("y", pooled...), Argmax: argmax, X: y, KernelH: 2, KernelW: 2, Window: window(2, 1, 0)})
	dx := view("scattered", between, backend.Float32, shape...)
	p.Add("pool", &backend.MaxPool2DGrad{DX: dx, DY: float("dy", pooled...), Argmax: argmax, KernelH: 2, KernelW: 2, Window: window(2, 1, 0)})
	p.Add("conv", &backend.Conv2DFilterGrad{DW: float("dw", weights.Shape...), DB: float("db", filters), DY: dx, X: x, Window: win, Groups: 1, Accumulate: true})
	return p
}

// trained runs a Program twice, with coarse numbers in the image and the filters, so that many sums are equal or differ by rounding alone, and with some NaN
// if wanted, and returns what it leaves.
func trained(t *testing.T, d *device, p *backend.Program, nan bool) (floats map[string][]uint32, argmax []int32, kinds []string) {
	exe, bind := compiled(t, d, p)
	r := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"x", "w", "b", "dy", "dw", "db"} {
		values := make([]float32, bind[name].Spec().Shape.Elements())
		for i := range values {
			values[i] = float32(r.NormFloat64())
			if name == "x" || name == "w" {
				values[i] = float32(math.Round(float64(values[i]))) / 10
			}
		}
		if nan && name == "x" {
			for i := 5; i < len(values); i += 101 {
				values[i] = float32(math.NaN())
			}
		}
		require.NoError(t, bind[name].Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	}
	for range 2 {
		require.NoError(t, exe.Run(context.Background()))
	}
	for _, o := range exe.(*executable).work { // what a profile tells
		kinds = append(kinds, o.Kind+" "+o.Label)
	}
	floats = map[string][]uint32{}
	for _, name := range []string{"y", "dw", "db"} {
		for _, v := range contents(t, bind[name]) {
			floats[name] = append(floats[name], math.Float32bits(v))
		}
	}
	argmax = make([]int32, bind["argmax"].Spec().Shape.Elements())
	require.NoError(t, bind["argmax"].Read(tensor.New(tensor.WithShape(len(argmax)), tensor.WithBacking(argmax))))
	require.NoError(t, exe.Close())
	return floats, argmax, kinds
}

// TestPoolingJoinsItsConvolutionInTraining expects the same bits of a layer whose Ops are joined and of one whose Ops are not: maxima, their places, where
// many are equal, and gradients, for any number of threads. What is joined is known for LeNet-5's first layer.
func TestPoolingJoinsItsConvolutionInTraining(t *testing.T) {
	const forward, backward = "Conv2D+MaxPool2D conv", "MaxPool2DGrad+Conv2DFilterGrad conv"
	eachInstructionSet(t, func(t *testing.T, name string) {
		joined := map[string]int{}
		for _, s := range []struct {
			n, h, w, channels, filters, taps, pad int
			activation                            backend.Func
		}{
			{5, 28, 28, 1, 6, 5, 2, backend.ReLU}, {1, 28, 28, 1, 6, 5, 2, backend.Tanh}, {3, 30, 20, 1, 3, 3, 1, backend.ReLU}, {2, 14, 18, 1, 4, 3, 0, backend.Identity},
			{2, 15, 15, 1, 5, 3, 1, backend.ReLU}, {2, 14, 13, 1, 5, 3, 1, backend.ReLU}, {2, 28, 28, 3, 6, 5, 2, backend.ReLU}, {1, 150, 150, 1, 6, 5, 2, backend.ReLU},
			{70, 2, 2, 1, 3, 1, 0, backend.ReLU}, {100, 28, 28, 1, 6, 5, 2, backend.ReLU}, {2, 16, 16, 3, 32, 3, 1, backend.ReLU}, {3, 22, 22, 2, 9, 3, 1, backend.LeakyReLU}, {1, 60, 60, 1, 6, 5, 2, backend.ReLU}, // strips of odd height
		} {
			a := backend.Activation{Func: s.activation}
			if s.activation == backend.LeakyReLU {
				a.Alpha = 0.25
			}
			layer := func(kept bool) *backend.Program {
				return pooledLayer(t, s.n, s.h, s.w, s.channels, s.filters, s.taps, s.pad, a, kept)
			}
			for _, nan := range []bool{false, true} {
				floats, argmax, kinds := trained(t, closing(t, name, 1), layer(true), nan)
				require.Len(t, kinds, 4, "%+v", s)
				for _, threads := range []int{1, 2, 3, 8} {
					gotFloats, gotArgmax, kinds := trained(t, closing(t, name, threads), layer(false), nan)
					require.Equal(t, argmax, gotArgmax, "%+v, NaN %v, %d threads", s, nan, threads)
					require.Equal(t, floats, gotFloats, "%+v, NaN %v, %d threads", s, nan, threads)
					for _, k := range kinds {
						joined[k]++
					}
					if s.n == 5 && (name == "cpu:avx512" || name == "cpu:avx2") {
						require.Equal(t, []string{forward, backward}, kinds)
					}
				}
			}
		}
		for _, k := range []string{forward, backward} {
			assert.GreaterOrEqual(t, joined[k], 2*4*3, "%s: %v", k, joined)
		}
	})
}

// TestPoolingIsNotJoined where somebody else wants what lies between, or an epilogue changes it.
func TestPoolingIsNotJoined(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *backend.Program)
		want   []string
	}{
		{"all is joined otherwise", func(*backend.Program) {}, []string{"Conv2D+MaxPool2D", "MaxPool2DGrad+Conv2DFilterGrad"}},
		{"another reader", func(p *backend.Program) {
			y := p.Code[0].Op.(*backend.Conv2D).Y
			p.Add("", &backend.Copy{Y: p.Code[2].Op.(*backend.MaxPool2DGrad).DX, X: y})
		}, []string{"Conv2D", "MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad", "Copy"}},
		{"a derivative", func(p *backend.Program) {
			y, grad := p.Code[0].Op.(*backend.Conv2D).Y, p.Code[2].Op.(*backend.MaxPool2DGrad)
			grad.GradEpilogue = backend.GradEpilogue{Output: y, Derivative: relu}
		}, []string{"Conv2D", "MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad"}},
		{"an Op between", func(p *backend.Program) {
			copies := backend.Instruction{Op: &backend.Copy{Y: p.Code[3].Op.(*backend.Conv2DFilterGrad).DB, X: p.Code[0].Op.(*backend.Conv2D).B}}
			p.Code = slices.Insert(slices.Insert(p.Code, 3, copies), 1, copies)
		}, []string{"Conv2D", "Copy", "MaxPool2D", "MaxPool2DGrad", "Copy", "Conv2DFilterGrad"}},
		{"windows that overlap", func(p *backend.Program) {
			pool, grad := p.Code[1].Op.(*backend.MaxPool2D), p.Code[2].Op.(*backend.MaxPool2DGrad)
			pool.Window.PadTop, grad.Window.PadTop = 1, 1
			pool.Window.PadBottom, grad.Window.PadBottom = 1, 1
			pool.KernelH, grad.KernelH = 4, 4
		}, []string{"Conv2D", "MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad"}},
		{"another activation, where places are not wanted", func(p *backend.Program) {
			p.Code[0].Op.(*backend.Conv2D).Activation = backend.Activation{Func: backend.Tanh}
			p.Code[1].Op.(*backend.MaxPool2D).Argmax = backend.View{}
			p.Code = p.Code[:2]
		}, []string{"Conv2D", "MaxPool2D"}},
		{"an addend", func(p *backend.Program) {
			grad := p.Code[2].Op.(*backend.MaxPool2DGrad)
			grad.Addend = grad.DX
			grad.Addend.Buffer = p.AddBuffer(backend.Buffer{Name: "addend", Elements: grad.DX.Shape.Elements()})
		}, []string{"Conv2D+MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad"}},
		{"another shape", func(p *backend.Program) {
			pool, grad := p.Code[1].Op.(*backend.MaxPool2D), p.Code[2].Op.(*backend.MaxPool2DGrad)
			pool.X.Shape, grad.DX.Shape = backend.Shape{4, 14, 28, 6}, backend.Shape{4, 14, 28, 6}
			pooled := backend.Shape{4, 7, 14, 6}
			pool.Y.Shape, pool.Argmax.Shape, grad.DY.Shape, grad.Argmax.Shape = pooled, pooled, pooled, pooled
		}, []string{"Conv2D", "MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad"}},
		{"maxima that go where the image lies", func(p *backend.Program) {
			placeIn(p, &p.Code[1].Op.(*backend.MaxPool2D).Y, p.Code[0].Op.(*backend.Conv2D).X)
		},
			[]string{"Conv2D", "MaxPool2D", "MaxPool2DGrad+Conv2DFilterGrad"}},
		{"maxima that go where the filters lie", func(p *backend.Program) {
			placeIn(p, &p.Code[1].Op.(*backend.MaxPool2D).Y, p.Code[0].Op.(*backend.Conv2D).W)
		},
			[]string{"Conv2D", "MaxPool2D", "MaxPool2DGrad+Conv2DFilterGrad"}},
		{"maxima that go where the biases lie", func(p *backend.Program) {
			placeIn(p, &p.Code[1].Op.(*backend.MaxPool2D).Y, p.Code[0].Op.(*backend.Conv2D).B)
		},
			[]string{"Conv2D", "MaxPool2D", "MaxPool2DGrad+Conv2DFilterGrad"}},
		{"gradients of filters that go where those of the maxima lie", func(p *backend.Program) {
			placeIn(p, &p.Code[3].Op.(*backend.Conv2DFilterGrad).DW, p.Code[2].Op.(*backend.MaxPool2DGrad).DY)
		}, []string{"Conv2D+MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad"}},
		{"gradients of biases that go where those of the maxima lie", func(p *backend.Program) {
			placeIn(p, &p.Code[3].Op.(*backend.Conv2DFilterGrad).DB, p.Code[2].Op.(*backend.MaxPool2DGrad).DY)
		}, []string{"Conv2D+MaxPool2D", "MaxPool2DGrad", "Conv2DFilterGrad"}},
	} {
		p := pooledLayer(t, 2, 28, 28, 1, 6, 5, 2, relu, false)
		c.change(p)
		require.NoError(t, p.Check(), c.name)
		d := closing(t, "cpu", 1)
		if d.gemm.NR() < 8 {
			t.Skip("narrow vectors join nothing here")
		}
		joined := &compiler{device: d, program: p, threads: 1, tensors: make([]*array, len(p.Buffers))}
		joined.join()
		var kinds []string
		for _, in := range joined.program.Code {
			require.NoError(t, in.Op.Check())
			kinds = append(kinds, in.Op.Kind())
		}
		assert.Equal(t, c.want, kinds, c.name)
	}
}

// placeIn lets an operand lie in the same buffer as another.
func placeIn(p *backend.Program, v *backend.View, other backend.View) {
	v.Buffer = other.Buffer
	p.Buffers[v.Buffer].Elements = max(v.Shape.Elements(), other.Shape.Elements())
}

// TestJoinedInstructionsKeepTheirNumbers in messages: they count those of the Program that was given.
func TestJoinedInstructionsKeepTheirNumbers(t *testing.T) {
	p := pooledLayer(t, 2, 28, 28, 1, 6, 5, 2, relu, false)
	view := func(kind backend.BufferKind, dtype backend.DType, limit int, s ...int) backend.View {
		id := p.AddBuffer(backend.Buffer{Name: fmt.Sprint("more", len(p.Buffers)), Kind: kind, DType: dtype, Elements: backend.Shape(s).Elements(), Limit: limit})
		return backend.View{Buffer: id, DType: dtype, Shape: s}
	}
	indices := view(backend.Scratch, backend.Int32, 4, 2)
	p.Add("make", &backend.Fill{Y: indices, Value: 7})
	p.Add("use", &backend.Gather{Y: view(backend.Bound, backend.Float32, 0, 2, 3), X: view(backend.Bound, backend.Float32, 0, 4, 3), Indices: indices})
	exe, _ := compiled(t, closing(t, "cpu", 2), p)
	err := exe.Run(context.Background())
	require.ErrorIs(t, err, backend.ErrRange)
	require.ErrorContains(t, err, `instruction 5 (Gather "use")`)
}

// TestRowsUnderAStrip compares what is fetched for a strip with the pixels that its taps reach.
func TestRowsUnderAStrip(t *testing.T) {
	c := &compiler{device: closing(t, "cpu", 1), threads: 1}
	for _, win := range []backend.Window{window(1, 1, 2), window(1, 1, 0), window(1, 3, 4), {StrideH: 3, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 9, PadBottom: 9}} {
		for _, h := range []int{5, 28, 90} {
			x, w := backend.Shape{11, h, 28, 2}, backend.Shape{6, 2, 5, 2}
			y, err := backend.Conv2DShape(x, w, win, 1)
			require.NoError(t, err)
			q := forward(x, w, y, win)
			v := newPlaneFrame(c, q)
			require.NotNil(t, v)
			for _, s := range q.strips(stripPixels) {
				first, last := -1, -1 // pixel rows
				for image := s.image; image < s.image+s.images; image++ {
					for row := s.row*q.stepH + q.top; row < s.row*q.stepH+q.top+v.rowsUnder(s.rows); row++ {
						if row >= 0 && row < h {
							if first < 0 {
								first = image*h + row
							}
							last = image*h + row
						}
					}
				}
				from, to := v.under(&s)
				if first < 0 {
					require.Equal(t, from, to, "%+v of %v", s, x)
					continue
				}
				require.Equal(t, []int{first * 56, (last + 1) * 56}, []int{from, to}, "%+v of %v", s, x)
			}
		}
	}
}
