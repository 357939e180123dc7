package backendtest

import (
	"math/rand/v2"

	"fovea/backend"
)

// reduction is a shape with the axes that are reduced.
type reduction struct {
	x    backend.Shape
	axes []int
}

func (g *generator) reductions() []reduction {
	all := []reduction{
		{nil, nil}, {backend.Shape{1}, []int{0}}, {backend.Shape{5}, nil}, {backend.Shape{5}, []int{0}},
		{backend.Shape{3, 4}, []int{0}}, {backend.Shape{3, 4}, []int{1}}, {backend.Shape{3, 4}, []int{0, 1}},
		{backend.Shape{2, 3, 4}, []int{1}}, {backend.Shape{2, 3, 4}, []int{0, 2}},
		{backend.Shape{2, 5, 4, 3}, []int{0, 1, 2}}, {backend.Shape{2, 5, 4, 3}, []int{1, 2}}, {backend.Shape{2, 5, 4, 3}, []int{3}},
		{backend.Shape{2, 5, 4, 3}, []int{1, 3}}, {backend.Shape{2, 3, 2, 2, 3}, []int{0, 2, 4}}, {backend.Shape{1000}, []int{0}}, {backend.Shape{1, 6, 1}, []int{0, 2}},
	}
	for _, n := range widths {
		all = append(all, reduction{backend.Shape{3, n}, []int{1}}, reduction{backend.Shape{5, n}, []int{0}})
	}
	for range randomCases {
		q := reduction{}
		for a := range g.between(1, 5) {
			q.x = append(q.x, g.between(1, 5))
			if g.coin() {
				q.axes = append(q.axes, a)
			}
		}
		all = append(all, q)
	}
	return all
}

func (q reduction) result() backend.Shape {
	s, _, err := backend.ReduceShape(q.x, q.axes)
	return must(s, err)
}

func reduceCases(g *generator) {
	for _, f := range backend.ReduceFuncs() {
		for i, q := range g.reductions() {
			op := &backend.Reduce{Y: f32(q.result()...), X: f32(q.x...), Func: f, Axes: q.axes}
			fs := fills{}
			switch f {
			case backend.ReduceArgmax:
				op.Y = i32(q.result()...)
				fallthrough
			case backend.ReduceMax:
				if i%2 == 0 {
					fs["X"] = grid
				}
				if i%5 == 0 {
					fs["X"] = anything
				}
			default:
				op.Accumulate = i%3 == 0
			}
			g.addFilled(op, fs)
		}
		y := f32(1, 9)
		if f == backend.ReduceArgmax {
			y = i32(1, 9)
		}
		for _, x := range []fill{specials(nan), specials(-inf), constant(-inf), constant(nan), specials(inf), specials(inf, -inf), specials(negZero, 0), constant(negZero, 0)} {
			g.addFilled(&backend.Reduce{Y: y, X: f32(7, 9), Func: f, Axes: []int{0}}, fills{"X": x})
		}
	}
	g.addFilled(&backend.Reduce{Y: f32(1), X: f32(3000), Axes: []int{0}}, fills{"X": wide})
}

func reduceMaxGradCases(g *generator) {
	for i, q := range g.reductions() {
		s := q.result()
		n := q.x.Elements() / s.Elements()
		op := &backend.ReduceMaxGrad{DX: f32(q.x...), DY: f32(s...), Argmax: i32(s...), Axes: q.axes}
		f := fills{"Argmax": integers(0, n)}
		if i == 8 {
			g.addEpilogues(op, f, true)
		}
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.addFilled(op, f)
	}
}

// rowShapes are arrays of rows of 1 to 67 elements.
func rowShapes() []backend.Shape {
	all := []backend.Shape{{1}, {10}, {2, 3, 5}, {64, 10}, {3, 1000}}
	for n := 1; n <= 67; n++ {
		all = append(all, backend.Shape{3, n})
	}
	return all
}

// edgeLogits are logits that overflow an exponential, differ much, or are no
// numbers.
var edgeLogits = []fill{
	constant(1000, 1001, 999), constant(-1000, -1001, -1002), constant(3e38, -3e38, 0), constant(0), constant(88, -88, 0, 103),
	specials(nan), specials(inf), specials(-inf), constant(-inf, 0, 1), anything, wide,
	each(func(r *rand.Rand) float64 { return 1e4 + r.NormFloat64() }),
}

func softmaxCases(g *generator) {
	for _, log := range []bool{false, true} {
		for i, s := range rowShapes() {
			g.add(&backend.Softmax{Y: f32(s...), X: f32(s...), Log: log})
			if i%8 == 0 {
				g.addInPlace(&backend.Softmax{Y: f32(s...), X: f32(s...), Log: log}, "X")
			}
		}
		for _, x := range edgeLogits {
			g.addFilled(&backend.Softmax{Y: f32(5, 7), X: f32(5, 7), Log: log}, fills{"X": x})
		}
	}
}

func softmaxGradCases(g *generator) {
	for _, log := range []bool{false, true} {
		for i, s := range rowShapes() {
			f := fills{"Y": distribution(s[len(s)-1], false, log)}
			op := &backend.SoftmaxGrad{DX: f32(s...), DY: f32(s...), Y: f32(s...), Log: log}
			if i%2 == 0 {
				g.randomEpilogue(op)
			}
			g.addFilled(op, f)
			if i%8 == 0 {
				g.addAll(Case{backend.CloneOp(op), f, "DY"})
			}
		}
		f := fills{"Y": distribution(9, false, log)}
		g.addEpilogues(&backend.SoftmaxGrad{DX: f32(4, 9), DY: f32(4, 9), Y: f32(4, 9), Log: log}, f, true)
	}
}

// maxouts are results of Maxout, and the number of pieces.
func (g *generator) maxouts() (ys []backend.Shape, pieces []int) {
	add := func(p int, s ...int) { ys, pieces = append(ys, s), append(pieces, p) }
	add(1, 1)
	add(1, 2, 5)
	add(2, 1)
	add(3, 2, 2, 3, 4)
	add(7, 4, 1)
	for _, c := range widths {
		add(2, 3, c)
		add(3, 2, c)
	}
	for range randomCases {
		add(g.between(1, 6), g.between(1, 3), g.between(1, 4), g.between(1, 20))
	}
	return ys, pieces
}

func widened(s backend.Shape, pieces int) backend.Shape {
	s = s.Clone()
	s[len(s)-1] *= pieces
	return s
}

func maxoutCases(g *generator) {
	ys, pieces := g.maxouts()
	for i, y := range ys {
		op := &backend.Maxout{Y: f32(y...), X: f32(widened(y, pieces[i])...), Pieces: pieces[i]}
		if i%3 > 0 {
			op.Argmax = i32(y...)
		}
		g.addFilled(op, fills{"X": []fill{normal, grid, anything}[i%3]})
	}
	for _, x := range []fill{specials(nan), constant(nan), specials(-inf), constant(-inf), constant(0, negZero), constant(negZero, 0), grid, anything} {
		g.addFilled(&backend.Maxout{Y: f32(4, 5), Argmax: i32(4, 5), X: f32(4, 15), Pieces: 3}, fills{"X": x})
	}
}

func maxoutGradCases(g *generator) {
	ys, pieces := g.maxouts()
	for i, y := range ys {
		op := &backend.MaxoutGrad{DX: f32(widened(y, pieces[i])...), DY: f32(y...), Argmax: i32(y...), Pieces: pieces[i]}
		f := fills{"Argmax": integers(0, pieces[i])}
		if i == 3 {
			g.addEpilogues(op, f, true)
		}
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.addFilled(op, f)
	}
}
