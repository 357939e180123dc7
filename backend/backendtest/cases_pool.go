package backendtest

import (
	"math/rand/v2"

	"fovea/backend"
)

// pooling is the geometry of a pooling.
type pooling struct {
	n, h, w, c, kh, kw int
	backend.Window
}

func (g *generator) poolings() []pooling {
	lopsided := backend.Window{StrideH: 2, StrideW: 3, DilationH: 1, DilationW: 1, PadTop: 0, PadBottom: 2, PadLeft: 1, PadRight: 0}
	all := []pooling{
		{1, 1, 1, 1, 1, 1, window(1, 1, 0)},
		{2, 4, 4, 3, 2, 2, window(2, 1, 0)},
		{2, 28, 28, 6, 2, 2, window(2, 1, 0)},
		{1, 5, 7, 2, 2, 2, window(2, 1, 0)}, // a remainder that no window sees
		{1, 6, 6, 3, 3, 3, window(1, 1, 0)}, // overlap
		{1, 7, 7, 3, 3, 3, window(2, 1, 1)},
		{2, 5, 6, 4, 5, 6, window(1, 1, 0)}, // global
		{1, 9, 9, 2, 2, 2, window(4, 1, 0)}, // stride over kernel
		{1, 8, 8, 2, 3, 3, window(1, 2, 0)}, // dilation
		{1, 8, 9, 2, 3, 2, window(2, 2, 1)},
		{2, 6, 7, 3, 3, 2, lopsided},
		{1, 1, 9, 2, 1, 3, window(2, 1, 0)},
		{1, 3, 3, 2, 5, 5, window(1, 1, 2)}, // the window is larger than the image
	}
	for _, c := range widths {
		all = append(all, pooling{1, 4, 4, c, 2, 2, window(2, 1, 0)}, pooling{1, 4, 3, c, 3, 3, window(1, 1, 1)})
	}
	for len(all) < 13+2*len(widths)+randomCases {
		q := pooling{g.between(1, 3), g.between(1, 9), g.between(1, 9), g.between(1, 9), g.between(1, 4), g.between(1, 4), g.randomWindow(2)}
		if _, err := backend.PoolShape(backend.Shape{q.n, q.h, q.w, q.c}, q.kh, q.kw, q.Window); err == nil {
			all = append(all, q)
		}
	}
	return all
}

func (q pooling) shapes() (x, y backend.Shape) {
	x = backend.Shape{q.n, q.h, q.w, q.c}
	return x, must(backend.PoolShape(x, q.kh, q.kw, q.Window))
}

func (q pooling) max(argmax bool) *backend.MaxPool2D {
	x, y := q.shapes()
	op := &backend.MaxPool2D{Y: f32(y...), X: f32(x...), KernelH: q.kh, KernelW: q.kw, Window: q.Window}
	if argmax {
		op.Argmax = i32(y...)
	}
	return op
}

func maxPoolCases(g *generator) {
	for i, q := range g.poolings() {
		f := fills{}
		if i%3 == 0 {
			f["X"] = grid // ties
		}
		g.addFilled(q.max(i%4 != 1), f)
	}
	for _, q := range []pooling{{1, 6, 6, 5, 2, 2, window(2, 1, 0)}, {2, 7, 5, 17, 3, 3, window(2, 1, 1)}, {1, 5, 5, 33, 3, 2, window(1, 1, 1)}} {
		for _, special := range []fill{anything, specials(nan), specials(-inf), constant(-inf), constant(nan), specials(negZero, 0), constant(0, negZero), constant(negZero, 0), constant(-3)} {
			g.addFilled(q.max(true), fills{"X": special})
		}
		g.addFilled(q.max(false), fills{"X": anything})
	}
}

// winners fills an argmax of pooling: a random real pixel of each window.
func (q pooling) winners(y backend.Shape) fill {
	return func(r *rand.Rand, a array) {
		pick := func(start, k, dilation, n int) int {
			for {
				if at := start + r.IntN(k)*dilation; at >= 0 && at < n {
					return at
				}
			}
		}
		for i := range a.i {
			oy, ox := i/(y[2]*y[3])%y[1], i/y[3]%y[2]
			h := pick(oy*q.StrideH-q.PadTop, q.kh, q.DilationH, q.h)
			w := pick(ox*q.StrideW-q.PadLeft, q.kw, q.DilationW, q.w)
			a.i[i] = int32(h*q.w + w)
		}
	}
}

func maxPoolGradCases(g *generator) {
	for i, q := range g.poolings() {
		x, y := q.shapes()
		op := &backend.MaxPool2DGrad{DX: f32(x...), DY: f32(y...), Argmax: i32(y...), KernelH: q.kh, KernelW: q.kw, Window: q.Window}
		f := fills{"Argmax": q.winners(y)}
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.addFilled(op, f)
		if i == 1 || i == 5 {
			op := backend.CloneOp(op)
			*epilogueOf(op) = backend.GradEpilogue{}
			g.addEpilogues(op, f, true)
		}
	}
}

func avgPoolCases(g *generator) {
	for i, q := range g.poolings() {
		x, y := q.shapes()
		g.add(&backend.AvgPool2D{Y: f32(y...), X: f32(x...), KernelH: q.kh, KernelW: q.kw, Window: q.Window, CountPadding: i%2 == 0})
	}
	for _, count := range []bool{false, true} {
		q := pooling{2, 7, 5, 17, 3, 3, window(2, 1, 1)}
		x, y := q.shapes()
		op := &backend.AvgPool2D{Y: f32(y...), X: f32(x...), KernelH: 3, KernelW: 3, Window: q.Window, CountPadding: count}
		g.add(op)
		g.addFilled(backend.CloneOp(op), fills{"X": specials(nan, inf)})
	}
}

func avgPoolGradCases(g *generator) {
	for i, q := range g.poolings() {
		x, y := q.shapes()
		op := &backend.AvgPool2DGrad{DX: f32(x...), DY: f32(y...), KernelH: q.kh, KernelW: q.kw, Window: q.Window, CountPadding: i%3 == 0}
		if i == 5 || i == 4 {
			g.addEpilogues(op, nil, true)
		}
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.add(op)
	}
}

// paddings are shapes of images with paddings that fit them.
func (g *generator) paddings() (xs []backend.Shape, ps []backend.Padding) {
	add := func(x backend.Shape, p backend.Padding) {
		if _, err := backend.PadShape(x, p); err == nil {
			xs, ps = append(xs, x), append(ps, p)
		}
	}
	for _, m := range backend.PadModes() {
		add(backend.Shape{1, 1, 1, 1}, backend.Padding{Mode: m})
		add(backend.Shape{1, 1, 1, 3}, backend.Padding{Top: 2, Left: 1, Mode: m}) // no reflection
		add(backend.Shape{2, 5, 4, 3}, backend.Padding{Mode: m})
		add(backend.Shape{2, 5, 4, 3}, backend.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1, Mode: m})
		add(backend.Shape{1, 3, 3, 2}, backend.Padding{Top: 2, Bottom: 2, Left: 2, Right: 2, Mode: m}) // as far as reflection goes
		add(backend.Shape{1, 2, 2, 1}, backend.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1, Mode: m})
		add(backend.Shape{1, 4, 6, 2}, backend.Padding{Top: 3, Bottom: 0, Left: 0, Right: 5, Mode: m})
		add(backend.Shape{1, 2, 3, 2}, backend.Padding{Top: 7, Bottom: 1, Left: 4, Right: 9, Mode: m})
		add(backend.Shape{1, 1, 6, 4}, backend.Padding{Left: 3, Right: 4, Mode: m})
		for _, c := range widths {
			add(backend.Shape{1, 3, 2, c}, backend.Padding{Top: 1, Bottom: 2, Left: 1, Right: 1, Mode: m})
		}
		for range randomCases {
			add(backend.Shape{g.between(1, 3), g.between(1, 8), g.between(1, 8), g.between(1, 6)},
				backend.Padding{Top: g.between(0, 4), Bottom: g.between(0, 4), Left: g.between(0, 4), Right: g.between(0, 4), Mode: m})
		}
	}
	return xs, ps
}

func padCases(g *generator) {
	xs, ps := g.paddings()
	for i, x := range xs {
		f := fills{}
		if i%5 == 0 {
			f["X"] = anything
		}
		g.addFilled(&backend.Pad{Y: f32(must(backend.PadShape(x, ps[i]))...), X: f32(x...), Padding: ps[i]}, f)
	}
}

func padGradCases(g *generator) {
	xs, ps := g.paddings()
	for i, x := range xs {
		op := &backend.PadGrad{DX: f32(x...), DY: f32(must(backend.PadShape(x, ps[i]))...), Padding: ps[i]}
		if x.Equal(backend.Shape{1, 3, 3, 2}) {
			g.addEpilogues(op, nil, true)
		}
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.add(op)
	}
}

// sizes are shapes before and after resizing.
func (g *generator) sizes() (xs, ys []backend.Shape) {
	add := func(n, h, w, oh, ow, c int) {
		xs, ys = append(xs, backend.Shape{n, h, w, c}), append(ys, backend.Shape{n, oh, ow, c})
	}
	add(1, 1, 1, 1, 1, 1)
	add(1, 1, 1, 4, 3, 2)
	add(2, 5, 7, 1, 1, 3)
	add(2, 4, 6, 4, 6, 3)
	add(1, 4, 6, 8, 12, 2)
	add(1, 8, 6, 4, 3, 2)
	add(1, 8, 8, 28, 28, 1)
	add(2, 7, 5, 3, 9, 4)
	add(1, 13, 11, 5, 4, 3)
	add(1, 3, 4, 16, 17, 1)
	for _, c := range widths {
		add(1, 3, 5, 4, 2, c)
	}
	for range randomCases {
		add(g.between(1, 2), g.between(1, 12), g.between(1, 12), g.between(1, 12), g.between(1, 12), g.between(1, 5))
	}
	return xs, ys
}

func resizeCases(g *generator) {
	for _, m := range backend.ResizeModes() {
		xs, ys := g.sizes()
		for i := range xs {
			g.add(&backend.Resize{Y: f32(ys[i]...), X: f32(xs[i]...), Mode: m})
		}
	}
}

func resizeGradCases(g *generator) {
	for _, m := range backend.ResizeModes() {
		xs, ys := g.sizes()
		for i := range xs {
			op := &backend.ResizeGrad{DX: f32(xs[i]...), DY: f32(ys[i]...), Mode: m}
			if i == 7 {
				g.addEpilogues(op, nil, true)
			}
			if i%2 == 0 {
				g.randomEpilogue(op)
			}
			g.add(op)
		}
	}
}
