package backendtest

import (
	"fovea/backend"
)

// geometry is the shape of a convolution, without its variant.
type geometry struct {
	n, h, w, c, o, kh, kw, groups int
	backend.Window
}

// window is a Window with equal sides: stride, dilation, padding.
func window(stride, dilation, pad int) backend.Window {
	return backend.Window{StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation,
		PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
}

// geometries are the edges of convolution, channel counts around vector widths
// on both sides, and random ones.
func (g *generator) geometries() []geometry {
	lopsided := backend.Window{StrideH: 2, StrideW: 1, DilationH: 1, DilationW: 2, PadTop: 2, PadBottom: 0, PadLeft: 0, PadRight: 3}
	all := []geometry{
		{1, 1, 1, 1, 1, 1, 1, 1, window(1, 1, 0)},    // one pixel, one weight
		{1, 1, 1, 5, 3, 1, 1, 1, window(1, 1, 0)},    // one pixel: a matrix product
		{2, 1, 1, 3, 4, 3, 3, 1, window(1, 1, 1)},    // one pixel in a window of padding
		{1, 5, 5, 1, 1, 3, 3, 1, window(1, 1, 0)},    // the lecture's example
		{1, 5, 5, 1, 1, 5, 5, 1, window(1, 1, 0)},    // the filter is the image
		{2, 28, 28, 1, 6, 5, 5, 1, window(1, 1, 2)},  // LeNet-5's first layer
		{1, 14, 14, 6, 16, 5, 5, 1, window(1, 1, 0)}, // and its second
		{2, 8, 8, 16, 32, 3, 3, 1, window(1, 1, 1)},  // a layer of VGG
		{1, 7, 9, 2, 3, 2, 2, 1, window(3, 1, 0)},    // stride over kernel: pixels that no window sees
		{1, 9, 7, 3, 2, 3, 3, 1, window(2, 1, 1)},
		{2, 10, 11, 2, 2, 3, 3, 1, window(1, 3, 3)}, // dilation
		{1, 9, 9, 2, 4, 3, 2, 1, lopsided},
		{3, 6, 7, 4, 5, 3, 3, 1, lopsided},
		{1, 4, 4, 3, 2, 3, 3, 1, window(1, 1, 5)},  // windows of padding alone
		{2, 9, 10, 1, 3, 3, 3, 1, window(1, 1, 5)}, // and of one channel
		{1, 1, 13, 3, 4, 1, 5, 1, window(1, 1, 0)}, // one row
		{1, 13, 1, 3, 4, 5, 1, 1, window(1, 1, 0)}, // one column
		{2, 6, 6, 8, 8, 3, 3, 2, window(1, 1, 1)},  // groups
		{1, 6, 6, 6, 9, 3, 3, 3, window(2, 1, 1)},
		{2, 7, 7, 5, 5, 3, 3, 5, window(1, 1, 1)}, // depthwise
		{1, 6, 5, 17, 17, 3, 3, 17, window(1, 1, 1)},
		{1, 6, 6, 3, 12, 3, 3, 3, window(1, 1, 0)}, // depthwise with a multiplier
		{1, 5, 5, 8, 4, 1, 1, 4, window(2, 1, 0)},  // pointwise, strided, grouped
		{17, 3, 3, 2, 3, 2, 2, 1, window(1, 1, 0)}, // many small images
		// 3×3 without strides, for which there are algorithms of their own
		{1, 1, 1, 20, 33, 3, 3, 1, window(1, 1, 2)},
		{2, 2, 2, 1, 1, 3, 3, 1, window(1, 1, 1)},
		{1, 3, 3, 7, 5, 3, 3, 1, window(1, 1, 0)}, // one pixel of output
		{1, 6, 5, 16, 17, 3, 3, 1, window(1, 1, 0)},
		{2, 4, 4, 17, 16, 3, 3, 1, window(1, 1, 1)},
		{1, 9, 13, 15, 1, 3, 3, 1, window(1, 1, 2)},
		{3, 7, 7, 33, 31, 3, 3, 1, window(1, 1, 1)},
		{1, 13, 7, 24, 40, 3, 3, 1, backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 0, PadBottom: 2, PadLeft: 1, PadRight: 2}},
		{1, 6, 7, 130, 70, 3, 3, 1, window(1, 1, 1)},
		{1, 8, 8, 64, 64, 3, 3, 1, window(1, 1, 3)}, // more padding than they can do
	}
	for _, c := range widths {
		all = append(all,
			geometry{1, 3, 4, c, 3, 2, 2, 1, window(1, 1, 1)},
			geometry{1, 3, 4, 3, c, 3, 3, 1, window(1, 1, 1)},
			geometry{1, 2, 3, c, 5, 1, 1, 1, window(1, 1, 0)},
			geometry{1, 3, c, 2, 2, 3, 3, 1, window(1, 1, 1)})
	}
	for range randomCases {
		all = append(all, g.randomGeometry())
	}
	return all
}

func (g *generator) randomGeometry() geometry {
	for {
		groups := g.between(1, 3)
		q := geometry{g.between(1, 3), g.between(1, 11), g.between(1, 11), groups * g.between(1, 5), groups * g.between(1, 5),
			g.between(1, 5), g.between(1, 5), groups, g.randomWindow(3)}
		if _, _, err := q.Output(q.h, q.w, q.kh, q.kw); err == nil {
			return q
		}
	}
}

func (g *generator) randomWindow(pad int) backend.Window {
	return backend.Window{StrideH: g.between(1, 3), StrideW: g.between(1, 3), DilationH: g.between(1, 2), DilationW: g.between(1, 2),
		PadTop: g.between(0, pad), PadBottom: g.between(0, pad), PadLeft: g.between(0, pad), PadRight: g.between(0, pad)}
}

// shapes of images, filters and result.
func (q geometry) shapes() (x, w, y backend.Shape) {
	x = backend.Shape{q.n, q.h, q.w, q.c}
	w = backend.Shape{q.o, q.kh, q.kw, q.c / q.groups}
	return x, w, must(backend.Conv2DShape(x, w, q.Window, q.groups))
}

func (q geometry) forward(bias bool, a backend.Activation) *backend.Conv2D {
	x, w, y := q.shapes()
	op := &backend.Conv2D{Y: f32(y...), X: f32(x...), W: f32(w...), Window: q.Window, Groups: q.groups, Activation: a}
	if bias {
		op.B = f32(q.o)
	}
	return op
}

func (q geometry) inputGrad() *backend.Conv2DInputGrad {
	x, w, y := q.shapes()
	return &backend.Conv2DInputGrad{DX: f32(x...), DY: f32(y...), W: f32(w...), Window: q.Window, Groups: q.groups}
}

func (q geometry) filterGrad(bias, accumulate bool) *backend.Conv2DFilterGrad {
	x, w, y := q.shapes()
	op := &backend.Conv2DFilterGrad{DW: f32(w...), DY: f32(y...), X: f32(x...), Window: q.Window, Groups: q.groups, Accumulate: accumulate}
	if bias {
		op.DB = f32(q.o)
	}
	return op
}

func conv2DCases(g *generator) {
	for i, q := range g.geometries() {
		g.add(q.forward(i%2 == 0, activations[i%len(activations)]))
	}
	for _, a := range activations {
		for _, bias := range []bool{false, true} {
			g.add(geometry{2, 5, 6, 3, 17, 3, 3, 1, window(1, 1, 1)}.forward(bias, a))
			g.add(geometry{2, 5, 6, 6, 8, 3, 3, 2, window(2, 1, 1)}.forward(bias, a))
			g.add(geometry{1, 4, 6, 5, 9, 1, 1, 1, window(1, 1, 0)}.forward(bias, a))
		}
	}
	g.addFilled(geometry{1, 5, 5, 2, 3, 3, 3, 1, window(1, 1, 1)}.forward(true, backend.Activation{}), fills{"X": wide, "W": wide})
	g.addFilled(geometry{1, 6, 6, 2, 3, 3, 3, 1, window(1, 1, 0)}.forward(false, backend.Activation{}), fills{"X": specials(nan)})
	g.addFilled(geometry{1, 6, 6, 2, 3, 3, 3, 1, window(1, 1, 0)}.forward(true, backend.Activation{Func: backend.ReLU}), fills{"X": specials(inf), "W": positive})
}

func conv2DInputGradCases(g *generator) {
	for i, q := range g.geometries() {
		op := q.inputGrad()
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.add(op)
	}
	g.addEpilogues(geometry{2, 5, 6, 3, 4, 3, 3, 1, window(1, 1, 1)}.inputGrad(), nil, true)
	g.addEpilogues(geometry{1, 5, 6, 6, 4, 2, 3, 2, window(2, 1, 1)}.inputGrad(), nil, false)
	g.addEpilogues(geometry{1, 3, 3, 5, 4, 1, 1, 1, window(1, 1, 0)}.inputGrad(), nil, false)
	g.addFilled(geometry{1, 5, 5, 2, 3, 3, 3, 1, window(1, 1, 1)}.inputGrad(), fills{"DY": wide, "W": wide})
}

func conv2DFilterGradCases(g *generator) {
	for i, q := range g.geometries() {
		g.add(q.filterGrad(i%2 == 0, i%4 >= 2))
	}
	for _, bias := range []bool{false, true} {
		for _, accumulate := range []bool{false, true} {
			g.add(geometry{3, 7, 6, 3, 17, 3, 3, 1, window(1, 1, 1)}.filterGrad(bias, accumulate))
			g.add(geometry{2, 7, 6, 4, 6, 3, 3, 2, window(2, 1, 1)}.filterGrad(bias, accumulate))
			g.add(geometry{2, 4, 4, 7, 5, 1, 1, 1, window(1, 1, 0)}.filterGrad(bias, accumulate))
		}
	}
	g.add(geometry{4, 16, 16, 3, 8, 3, 3, 1, window(1, 1, 1)}.filterGrad(true, false)) // a long sum
	g.addFilled(geometry{1, 5, 5, 2, 3, 3, 3, 1, window(1, 1, 1)}.filterGrad(true, false), fills{"DY": wide, "X": wide})
}

// product is a MatMul of the given extents.
func product(m, k, n int, transposeA, transposeB bool) *backend.MatMul {
	op := &backend.MatMul{C: f32(m, n), A: f32(m, k), B: f32(k, n), TransposeA: transposeA, TransposeB: transposeB}
	if transposeA {
		op.A = f32(k, m)
	}
	if transposeB {
		op.B = f32(n, k)
	}
	return op
}

func matMulCases(g *generator) {
	for _, t := range []struct{ a, b bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		for _, d := range [][3]int{{1, 1, 1}, {1, 7, 1}, {5, 1, 3}, {1, 5, 9}, {9, 5, 1}, {16, 16, 16}, {65, 66, 67}, {3, 300, 2}, {33, 17, 49}} {
			g.add(product(d[0], d[1], d[2], t.a, t.b))
		}
		for i := 1; i <= 67; i++ {
			switch i % 3 {
			case 0:
				g.add(product(i, 5, 4, t.a, t.b))
			case 1:
				g.add(product(4, 3, i, t.a, t.b))
			default:
				g.add(product(3, i, 5, t.a, t.b))
			}
		}
		for range randomCases / 4 {
			op := product(g.between(1, 40), g.between(1, 40), g.between(1, 40), t.a, t.b)
			if g.coin() {
				op.Bias = f32(op.C.Shape[1])
			}
			op.Activation = activations[g.r.IntN(len(activations))]
			g.add(g.randomEpilogue(op))
		}
		accumulated := product(7, 6, 19, t.a, t.b)
		accumulated.Accumulate = true
		g.add(accumulated)
		accumulated = product(7, 6, 19, t.a, t.b)
		accumulated.Accumulate, accumulated.Bias = true, f32(19)
		g.add(accumulated)
		g.addFilled(product(5, 9, 6, t.a, t.b), fills{"A": wide, "B": wide})
		g.addFilled(product(5, 4, 6, t.a, t.b), fills{"A": specials(nan, inf)})
	}
	for _, a := range activations {
		for _, bias := range []bool{false, true} {
			op := product(5, 7, 18, false, true)
			op.Activation = a
			if bias {
				op.Bias = f32(18)
			}
			g.add(op)
		}
	}
	g.addEpilogues(product(5, 7, 18, false, false), nil, true)
	both := product(5, 7, 18, false, false)
	both.Activation, both.Bias = backend.Activation{Func: backend.Tanh}, f32(18)
	g.addEpilogues(both, nil, false)
}
