package backendtest

import (
	"math/rand/v2"

	"fovea/backend"
)

var types = []backend.DType{backend.Float32, backend.Int32, backend.Uint8}

func fillCases(g *generator) {
	for _, v := range []float64{0, 1, -2.5, 0.1, 1e30, negZero, inf, -inf, nan, denormal} {
		g.add(&backend.Fill{Y: f32(2, 3), Value: v})
	}
	for _, v := range []float64{0, 1, -7, 1 << 24, -1 << 24} {
		g.add(&backend.Fill{Y: i32(5), Value: v})
	}
	for n := 1; n <= 67; n++ {
		g.add(&backend.Fill{Y: f32(n), Value: float64(n)})
	}
	g.add(&backend.Fill{Y: f32(), Value: 3})
	g.add(&backend.Fill{Y: i32(), Value: 3})
	g.add(&backend.Fill{Y: f32(100, 101), Value: 3})
}

// filler is what data that is moved holds: for float32 special values too.
func filler(t backend.DType) fill {
	if t == backend.Float32 {
		return anything
	}
	if t == backend.Int32 {
		return integers(-1<<31, 1<<31)
	}
	return bytes
}

func copyCases(g *generator) {
	for _, t := range types {
		f := fills{"X": filler(t)}
		for i, s := range g.pairs() {
			x, y := s[0], must(backend.Broadcast(s[0], s[1]))
			if i%2 == 1 {
				x = s[1]
			}
			g.addFilled(&backend.Copy{Y: view(t, y), X: view(t, x)}, f)
		}
		for n := 1; n <= 67; n += 3 {
			g.addFilled(&backend.Copy{Y: view(t, backend.Shape{n}), X: view(t, backend.Shape{n})}, f)
		}
		g.addFilled(&backend.Copy{Y: view(t, backend.Shape{100, 101}), X: view(t, backend.Shape{100, 101})}, f)
	}
}

// boxes are shapes, boxes inside them and where they start.
func (g *generator) boxes() (outer, inner []backend.Shape, starts [][]int) {
	add := func(o, i backend.Shape, s ...int) {
		outer, inner, starts = append(outer, o), append(inner, i), append(starts, s)
	}
	add(nil, nil)
	add(backend.Shape{1}, backend.Shape{1}, 0)
	add(backend.Shape{9}, backend.Shape{9}, 0)
	add(backend.Shape{9}, backend.Shape{4}, 0)
	add(backend.Shape{9}, backend.Shape{4}, 5)
	add(backend.Shape{4, 5}, backend.Shape{2, 5}, 1, 0)
	add(backend.Shape{4, 5}, backend.Shape{4, 2}, 0, 2)
	add(backend.Shape{4, 5}, backend.Shape{1, 1}, 3, 4)
	add(backend.Shape{2, 6, 6, 3}, backend.Shape{2, 4, 4, 3}, 0, 1, 1, 0)
	add(backend.Shape{2, 6, 6, 3}, backend.Shape{1, 2, 3, 2}, 1, 3, 0, 1)
	add(backend.Shape{2, 2, 3, 2, 3}, backend.Shape{1, 2, 2, 1, 2}, 1, 0, 1, 1, 0)
	for _, c := range widths {
		add(backend.Shape{3, c + 2}, backend.Shape{2, c}, 1, 1)
	}
	for range randomCases {
		var o, i backend.Shape
		var s []int
		for range g.between(1, 5) {
			n := g.between(1, 5)
			m := g.between(1, n)
			o, i, s = append(o, n), append(i, m), append(s, g.between(0, n-m))
		}
		add(o, i, s...)
	}
	return outer, inner, starts
}

func sliceCases(g *generator) {
	for _, t := range types {
		outer, inner, starts := g.boxes()
		for i := range outer {
			g.addFilled(&backend.Slice{Y: view(t, inner[i]), X: view(t, outer[i]), Start: starts[i]}, fills{"X": filler(t)})
		}
	}
}

func embedCases(g *generator) {
	outer, inner, starts := g.boxes()
	for i := range outer {
		g.addFilled(&backend.Embed{Y: f32(outer[i]...), X: f32(inner[i]...), Start: starts[i]}, fills{"X": anything})
	}
}

func concatenateCases(g *generator) {
	add := func(t backend.DType, axis int, shapes ...backend.Shape) {
		op := &backend.Concatenate{Y: view(t, must(backend.ConcatenateShape(axis, shapes...))), Axis: axis}
		f := fills{}
		for _, s := range shapes {
			op.Xs = append(op.Xs, view(t, s))
		}
		for _, o := range op.Operands()[1:] {
			f[o.Name] = filler(t)
		}
		g.addFilled(op, f)
	}
	for _, t := range types {
		add(t, 0, backend.Shape{3})
		add(t, 0, backend.Shape{3}, backend.Shape{1}, backend.Shape{5})
		add(t, 0, backend.Shape{2, 3}, backend.Shape{1, 3})
		add(t, 1, backend.Shape{2, 3}, backend.Shape{2, 1})
		add(t, 3, backend.Shape{2, 3, 2, 4}, backend.Shape{2, 3, 2, 5}, backend.Shape{2, 3, 2, 1})
		add(t, 1, backend.Shape{2, 3, 2, 4}, backend.Shape{2, 1, 2, 4})
		for range randomCases / 3 {
			s := backend.Shape{g.between(1, 3), g.between(1, 4), g.between(1, 20)}
			axis := g.r.IntN(3)
			var all []backend.Shape
			for range g.between(1, 4) {
				x := s.Clone()
				x[axis] = g.between(1, 5)
				all = append(all, x)
			}
			add(t, axis, all...)
		}
	}
	for _, c := range widths {
		add(backend.Float32, 1, backend.Shape{3, c}, backend.Shape{3, 2})
	}
}

func transposeCases(g *generator) {
	add := func(t backend.DType, x backend.Shape, perm ...int) {
		g.addFilled(&backend.Transpose{Y: view(t, must(backend.TransposeShape(x, perm))), X: view(t, x), Perm: perm}, fills{"X": filler(t)})
	}
	for _, t := range types {
		add(t, nil)
		add(t, backend.Shape{5}, 0)
		add(t, backend.Shape{3, 4}, 0, 1)
		add(t, backend.Shape{3, 4}, 1, 0)
		add(t, backend.Shape{1, 7}, 1, 0)
		add(t, backend.Shape{2, 3, 4, 5}, 0, 3, 1, 2) // NHWC to NCHW
		add(t, backend.Shape{2, 5, 3, 4}, 0, 2, 3, 1) // and back
		add(t, backend.Shape{2, 3, 4, 5}, 3, 2, 1, 0)
		add(t, backend.Shape{2, 3, 2, 2, 3}, 4, 1, 3, 0, 2)
		for _, n := range widths {
			add(t, backend.Shape{n, 18}, 1, 0)
		}
		for range randomCases / 3 {
			x := make(backend.Shape, g.between(2, 5))
			for i := range x {
				x[i] = g.between(1, 5)
			}
			add(t, x, g.r.Perm(len(x))...)
		}
	}
	add(backend.Float32, backend.Shape{67, 65}, 1, 0)
}

func gatherCases(g *generator) {
	shapes := []backend.Shape{{1}, {5}, {4, 3}, {7, 2, 3}, {3, 5, 4, 3}, {6, 28}}
	for _, c := range widths {
		shapes = append(shapes, backend.Shape{4, c})
	}
	for _, x := range shapes {
		for _, n := range []int{1, 6} {
			y := x.Clone()
			y[0] = n
			for _, t := range types {
				g.addFilled(&backend.Gather{Y: view(t, y), X: view(t, x), Indices: i32(n)}, fills{"X": filler(t)})
			}
			g.add(&backend.Gather{Y: f32(y...), X: u8(x...), Indices: i32(n)})
			c := x[len(x)-1]
			g.add(&backend.Gather{Y: f32(y...), X: u8(x...), Indices: i32(n), Scale: f32(c), Shift: f32(c)})
		}
	}
	// The same row again and again, the first and the last.
	g.addFilled(&backend.Gather{Y: f32(6, 3), X: f32(4, 3), Indices: i32(6)}, fills{"Indices": constant(3)})
	g.addFilled(&backend.Gather{Y: f32(6, 3), X: f32(4, 3), Indices: i32(6)}, fills{"Indices": constant(0, 3)})
}

func scatterAddCases(g *generator) {
	add := func(n int, y backend.Shape, indices fill) {
		x := y.Clone()
		x[0] = n
		f := fills{}
		if indices != nil {
			f["Indices"] = indices
		}
		g.addFilled(&backend.ScatterAdd{Y: f32(y...), X: f32(x...), Indices: i32(n)}, f)
	}
	add(1, backend.Shape{1}, nil)
	add(5, backend.Shape{3}, nil)
	add(40, backend.Shape{3, 4}, nil) // many to a row
	add(6, backend.Shape{4, 3}, constant(2))
	add(4, backend.Shape{4, 3}, constant(3, 1, 0, 2))
	add(3, backend.Shape{5, 2, 3, 2}, nil)
	for _, c := range widths {
		add(5, backend.Shape{3, c}, nil)
	}
	for range randomCases {
		add(g.between(1, 12), backend.Shape{g.between(1, 6), g.between(1, 4), g.between(1, 9)}, nil)
	}
}

func convertCases(g *generator) {
	shapes := []backend.Shape{nil, {1}, {5}, {2, 3}, {2, 4, 5, 3}}
	for _, c := range widths {
		shapes = append(shapes, backend.Shape{3, c})
	}
	for _, s := range shapes {
		g.add(&backend.Convert{Y: f32(s...), X: u8(s...)})
		g.addFilled(&backend.Convert{Y: f32(s...), X: i32(s...)}, fills{"X": integers(-1<<31, 1<<31)})
		c := 1
		if len(s) > 0 {
			c = s[len(s)-1]
		}
		g.add(&backend.Convert{Y: f32(s...), X: u8(s...), Scale: f32(c), Shift: f32(c)})
	}
	g.addFilled(&backend.Convert{Y: f32(256), X: u8(256)}, fills{"X": func(_ *rand.Rand, a array) {
		for i := range a.u {
			a.u[i] = uint8(i)
		}
	}})
}
