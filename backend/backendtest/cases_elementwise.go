package backendtest

import (
	"math/rand/v2"

	"fovea/backend"
)

// domain is what a function of the table is tried on, besides special values,
// and its parameter.
func domain(f backend.Func) (x fill, alphas []float64) {
	switch f {
	case backend.Sqrt, backend.Rsqrt, backend.Log:
		return positive, []float64{0}
	case backend.Reciprocal:
		return wide, []float64{0}
	case backend.LeakyReLU:
		return normal, []float64{0, 0.1, 2}
	case backend.ELU:
		return normal, []float64{0, 0.9, 1}
	case backend.Scale, backend.Offset:
		return normal, []float64{0, 0.1, -3}
	case backend.Power:
		return positive, []float64{0, 0.1, 2, 3, -1.5, 0.5}
	}
	return normal, []float64{0}
}

func unaryCases(g *generator) {
	for _, f := range backend.Funcs() {
		x, alphas := domain(f)
		for _, alpha := range alphas {
			op := func(shape ...int) *backend.Unary {
				return &backend.Unary{Y: f32(shape...), X: f32(shape...), Func: f, Alpha: alpha}
			}
			g.addFilled(op(), fills{"X": x}) // a scalar
			g.addFilled(op(2, 3, 5), fills{"X": x})
			g.addFilled(op(67), fills{"X": normal}) // outside the domain too
			g.addFilled(op(300), fills{"X": anything})
			g.addFilled(op(64), fills{"X": each(func(r *rand.Rand) float64 { return 20 * r.NormFloat64() })})
			g.addFilled(op(33), fills{"X": signs})
			g.addAll(Case{Op: op(4, 9), fills: fills{"X": x}, inPlace: "X"})
		}
	}
	for n := 1; n <= 67; n++ {
		for i, f := range []backend.Func{backend.Exp, backend.Tanh, backend.Sigmoid, backend.ReLU, backend.Square} {
			if n%5 == i {
				g.add(&backend.Unary{Y: f32(n), X: f32(n), Func: f})
			}
		}
	}
	g.add(&backend.Unary{Y: f32(100, 101), X: f32(100, 101), Func: backend.Tanh}) // enough to share among threads
}

func unaryGradCases(g *generator) {
	for _, f := range backend.Funcs() {
		x, alphas := domain(f)
		rule := f.Rule()
		for _, alpha := range alphas {
			op := func(shape ...int) *backend.UnaryGrad {
				o := &backend.UnaryGrad{DX: f32(shape...), DY: f32(shape...), Func: f, Alpha: alpha}
				if rule.NeedsX {
					o.X = f32(shape...)
				}
				if rule.NeedsY {
					o.Y = f32(shape...)
				}
				return o
			}
			fs := fills{"X": x, "Y": func(r *rand.Rand, a array) {
				x(r, a)
				for i, v := range a.f {
					a.f[i] = float32(rule.Value(float64(v), alpha))
				}
			}}
			g.addFilled(op(), fs)
			g.addFilled(op(2, 3, 11), fs)
			g.addFilled(g.randomEpilogue(op(5, 7)), fs)
			g.addAll(Case{Op: op(19), fills: fs, inPlace: "DY"})
			if rule.NeedsX {
				g.addAll(Case{Op: op(19), fills: fs, inPlace: "X"})
			}
			if rule.NeedsY {
				g.addAll(Case{Op: op(19), fills: fs, inPlace: "Y"})
				g.addFilled(op(19), fills{"Y": fs["Y"], "DY": constant(0, negZero, denormal, 1e30, -2)})
			}
			if f == backend.ReLU || f == backend.Abs || f == backend.LeakyReLU || f == backend.ELU {
				g.addFilled(op(19), fills{"X": signs, "Y": signs}) // the kink
			}
		}
	}
	for n := 1; n <= 67; n++ {
		g.addFilled(&backend.UnaryGrad{DX: f32(n), DY: f32(n), Y: f32(n), Func: backend.Tanh}, fills{"Y": activated(backend.Activation{Func: backend.Tanh})})
	}
	g.addEpilogues(&backend.UnaryGrad{DX: f32(3, 13), DY: f32(3, 13), Y: f32(3, 13), Func: backend.Sigmoid}, fills{"Y": unit}, true)
	g.addEpilogues(&backend.UnaryGrad{DX: f32(3, 13), DY: f32(3, 13), X: f32(3, 13), Func: backend.Square}, nil, false)
}

// pairs are shapes that broadcast.
func (g *generator) pairs() [][2]backend.Shape {
	all := [][2]backend.Shape{
		{nil, nil}, {nil, {7}}, {{7}, nil}, {{1}, {1}}, {{5}, {5}}, {{2, 3}, {2, 3}},
		{{2, 3}, {3}}, {{3}, {2, 3}}, {{2, 3}, {2, 1}}, {{2, 1}, {1, 3}}, {{4, 1, 3}, {2, 1}}, {{2, 3, 4}, nil},
		{{2, 3, 4, 5}, {5}}, {{2, 3, 4, 5}, {2, 1, 1, 5}}, {{2, 3, 4, 5}, {3, 1, 1}}, {{1, 3, 1, 5}, {2, 1, 4, 1}},
		{{2, 3, 2, 2, 3}, {3, 1, 2, 1}}, {{2, 1, 2, 1, 2, 1}, {1, 2, 1, 2, 1, 2}},
	}
	for _, n := range widths {
		all = append(all, [2]backend.Shape{{3, n}, {n}}, [2]backend.Shape{{n}, {n}}, [2]backend.Shape{{n, 3}, {n, 1}})
	}
	for range randomCases {
		var a, b backend.Shape
		for range g.between(0, 5) {
			d, e := g.between(1, 4), 0
			if e = d; g.coin() {
				if g.coin() {
					d = 1
				} else {
					e = 1
				}
			}
			a, b = append(a, d), append(b, e)
		}
		if len(a) > 1 && g.coin() {
			a = a[g.between(0, len(a)-1):]
		}
		if _, err := backend.Broadcast(a, b); err == nil {
			all = append(all, [2]backend.Shape{a, b})
		}
	}
	return all
}

func binaryCases(g *generator) {
	for i, f := range backend.BinaryFuncs() {
		for j, s := range g.pairs() {
			if j >= 18 && j%len(backend.BinaryFuncs()) != i {
				continue // sizes and random shapes are shared among the functions
			}
			op := &backend.Binary{Y: f32(must(backend.Broadcast(s[0], s[1]))...), A: f32(s[0]...), B: f32(s[1]...), Func: f}
			g.add(op)
			if op.A.Shape.Equal(op.Y.Shape) && j%2 == 0 {
				g.addInPlace(backend.CloneOp(op), "A")
			}
			if op.B.Shape.Equal(op.Y.Shape) && j%2 == 1 {
				g.addInPlace(backend.CloneOp(op), "B")
			}
		}
		op := func() *backend.Binary { return &backend.Binary{Y: f32(300), A: f32(300), B: f32(300), Func: f} }
		g.addFilled(op(), fills{"A": anything, "B": anything})
		g.addFilled(op(), fills{"A": grid, "B": grid})
		g.addFilled(op(), fills{"A": signs, "B": constant(negZero, 0, 0, 0, 1)})
		g.addFilled(op(), fills{"A": wide, "B": wide})
	}
}

func compareCases(g *generator) {
	for i, f := range backend.CompareFuncs() {
		for j, s := range g.pairs() {
			if j >= 18 && j%len(backend.CompareFuncs()) != i {
				continue
			}
			op := &backend.Compare{Y: f32(must(backend.Broadcast(s[0], s[1]))...), A: f32(s[0]...), B: f32(s[1]...), Func: f}
			few := fills{"A": grid, "B": grid}
			g.addFilled(op, few)
			if op.A.Shape.Equal(op.Y.Shape) && j%2 == 0 {
				g.addAll(Case{backend.CloneOp(op), few, "A"})
			}
			if op.B.Shape.Equal(op.Y.Shape) && j%2 == 1 {
				g.addAll(Case{backend.CloneOp(op), few, "B"})
			}
			if j%3 == 0 {
				g.addFilled(&backend.Compare{Y: op.Y, A: i32(s[0]...), B: i32(s[1]...), Func: f}, fills{"A": integers(-3, 3), "B": integers(-3, 3)})
			}
		}
		g.addFilled(&backend.Compare{Y: f32(300), A: f32(300), B: f32(300), Func: f}, fills{"A": anything, "B": anything})
		g.addFilled(&backend.Compare{Y: f32(20), A: f32(20), B: f32(20), Func: f}, fills{"A": signs, "B": constant(0, negZero, 1, denormal, nan)})
		// Neighbours that float32 cannot tell apart.
		g.addFilled(&backend.Compare{Y: f32(12), A: i32(12), B: i32(12), Func: f}, fills{"A": constant(16777216, -16777217, 1<<31-1, -1<<31), "B": constant(16777217, -16777216, 1<<31-2, -1<<31+1)})
	}
}

func selectCases(g *generator) {
	condition := specials(0, 0, negZero, nan, denormal)
	for i, s := range g.pairs() {
		y := must(backend.Broadcast(s[0], s[1]))
		shapes := [3]backend.Shape{s[0], s[1], y}
		a, b, c := shapes[i%3], shapes[(i+1)%3], shapes[(i+2)%3]
		op := &backend.Select{Y: f32(y...), Cond: f32(c...), A: f32(a...), B: f32(b...)}
		f := fills{"Cond": condition, "A": anything, "B": anything}
		g.addFilled(op, f)
		for _, x := range []struct {
			name  string
			shape backend.Shape
		}{{"Cond", c}, {"A", a}, {"B", b}} {
			if x.shape.Equal(y) {
				g.addAll(Case{backend.CloneOp(op), f, x.name})
			}
		}
	}
	g.addFilled(&backend.Select{Y: f32(2, 3), Cond: f32(), A: f32(3), B: f32(2, 1)}, fills{"Cond": constant(1)})
	g.addFilled(&backend.Select{Y: f32(2, 3), Cond: f32(), A: f32(3), B: f32(2, 1)}, fills{"Cond": constant(0)})
}
