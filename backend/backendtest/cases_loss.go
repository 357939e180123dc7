package backendtest

import (
	"math/rand/v2"

	"fovea/backend"
)

// example is the shape of a Loss: the input, and whether targets are indices.
type example struct {
	input   backend.Shape
	indices bool
}

func examples(k backend.LossKind) []example {
	var all []example
	for _, indices := range []bool{false, true} {
		if indices && !k.TakesIndex() || !indices && !k.TakesRows() {
			continue
		}
		for _, s := range []backend.Shape{{1, 1}, {5}, {4, 3}, {64, 10}, {2, 3, 4, 2}, {3, 200}} {
			all = append(all, example{s, indices})
		}
		for _, d := range widths {
			all = append(all, example{backend.Shape{3, d}, indices})
		}
	}
	return all
}

// lossFills are inputs and targets in the domain of a loss. Scores of the hinge
// lie on a grid, ties at the margin among them, so that its derivative is sure.
func lossFills(k backend.LossKind, input backend.Shape) fills {
	d := input.Elements() / input[0]
	f := fills{"Target": distribution(d, true, false), "Weights": positive}
	switch k {
	case backend.SigmoidCrossEntropy:
		f["Target"] = func(r *rand.Rand, a array) {
			unit(r, a)
			for i := range a.f {
				if i%3 > 0 {
					a.f[i] = float32(i%3 - 1)
				}
			}
		}
	case backend.NegativeLogLikelihood:
		f["Input"] = distribution(d, false, false)
	case backend.MeanSquaredError:
		f["Target"] = normal
	case backend.MultiClassHinge:
		f["Input"] = grid
	}
	return f
}

// indexed leaves the target of an index loss to its limit.
func (f fills) indexed(indices bool) fills {
	c := fills{}
	for name, x := range f {
		if name != "Target" || !indices {
			c[name] = x
		}
	}
	return c
}

func (f fills) with(name string, x fill) fills {
	c := fills{name: x}
	for n, y := range f {
		if n != name {
			c[n] = y
		}
	}
	return c
}

func (x example) loss(k backend.LossKind, weights bool, divisor float64) *backend.Loss {
	n := x.input[0]
	op := &backend.Loss{Losses: f32(n), Input: f32(x.input...), Target: f32(x.input...), Func: k, Divisor: divisor}
	if x.indices {
		op.Target = i32(n)
	}
	if weights {
		op.Weights = f32(n)
	}
	return op
}

func (x example) grad(k backend.LossKind, weights, seeds bool, divisor float64) *backend.LossGrad {
	o := x.loss(k, weights, divisor)
	op := &backend.LossGrad{DX: f32(x.input...), Input: o.Input, Target: o.Target, Weights: o.Weights, Seed: f32(1), Func: k, Divisor: divisor}
	if seeds {
		op.Seed = f32(x.input[0])
	}
	return op
}

// ignored are weights some of which are zero, and inputs that make the examples
// of weight zero anything at all.
var (
	ignored   = constant(0, 1, 0, 2.5)
	undefined = func(x fill, d int) fill {
		return func(r *rand.Rand, a array) {
			x(r, a)
			for i := range a.f {
				if i/d%2 == 0 {
					a.f[i] = []float32{float32(nan), float32(inf), float32(-inf), 0, -1}[i%5]
				}
			}
		}
	}
)

func lossCases(g *generator) {
	for _, k := range backend.LossKinds() {
		for i, x := range examples(k) {
			f := lossFills(k, x.input).indexed(x.indices)
			g.addFilled(x.loss(k, i%2 == 0, []float64{1, 64, 0.3}[i%3]), f)
			if x.input[0] >= 3 && i < 4 {
				d := x.input.Elements() / x.input[0]
				in, ok := f["Input"]
				if !ok {
					in = normal
				}
				g.addFilled(x.loss(k, true, 1), f.with("Weights", ignored).with("Input", undefined(in, d)))
			}
		}
		for _, indices := range []bool{false, true} {
			if indices && !k.TakesIndex() || !indices && !k.TakesRows() {
				continue
			}
			x := example{backend.Shape{6, 7}, indices}
			f := lossFills(k, x.input).indexed(indices)
			edges := []fill{specials(nan), constant(nan)}
			if k != backend.NegativeLogLikelihood && k != backend.MeanSquaredError && k != backend.MultiClassHinge {
				edges = append(edges, constant(1000, -1000, 3), constant(88, 103, -104, -88), constant(0), constant(1e30, 0, -1e30), wide)
			}
			for _, e := range edges {
				g.addFilled(x.loss(k, false, 1), f.with("Input", e))
			}
		}
	}
	// An impossible class costs infinitely much; one that is not the target, nothing.
	g.addFilled(example{backend.Shape{3, 2}, true}.loss(backend.NegativeLogLikelihood, false, 1),
		fills{"Input": constant(1, 0, 0, 1, 0.5, 0.5), "Target": constant(0)})
	g.addFilled(example{backend.Shape{3, 2}, false}.loss(backend.NegativeLogLikelihood, false, 1),
		fills{"Input": constant(1, 0, 0, 1, 0.5, 0.5), "Target": constant(1, 0)})
	g.addFilled(example{backend.Shape{3, 2}, true}.loss(backend.SoftmaxCrossEntropy, false, 1),
		fills{"Input": constant(0, -inf, -inf, 0), "Target": constant(0)})
	for _, k := range []backend.LossKind{backend.SoftmaxCrossEntropy, backend.KLDivergence} {
		g.addFilled(example{backend.Shape{4, 3}, false}.loss(k, false, 1), fills{"Input": constant(1, -inf, 2), "Target": constant(0.25, 0, 0.75)})
		g.addFilled(example{backend.Shape{4, 3}, false}.loss(k, false, 1), fills{"Input": constant(1, -inf, 2), "Target": constant(0.25, 0.5, 0.25)})
	}
}

func lossGradCases(g *generator) {
	for _, k := range backend.LossKinds() {
		for i, x := range examples(k) {
			f := lossFills(k, x.input).indexed(x.indices)
			op := x.grad(k, i%2 == 0, i%4 >= 2, []float64{1, 64, 0.3}[i%3])
			g.addFilled(op, f)
			if i%3 == 0 {
				g.addAll(Case{backend.CloneOp(op), f, "Input"})
			}
			g.addFilled(g.randomEpilogue(backend.CloneOp(op)), f)
			if x.input[0] >= 3 && i < 4 {
				d := x.input.Elements() / x.input[0]
				in, ok := f["Input"]
				if !ok {
					in = normal
				}
				g.addFilled(x.grad(k, true, false, 1), f.with("Weights", ignored).with("Input", undefined(in, d)))
			}
		}
		x := example{backend.Shape{6, 7}, !k.TakesRows()}
		f := lossFills(k, x.input).indexed(x.indices)
		g.addEpilogues(x.grad(k, true, true, 6), f, true)
		edges := []fill{constant(0), constant(1, -1, 2.5)}
		if k == backend.NegativeLogLikelihood {
			edges = nil
		}
		if k <= backend.SigmoidCrossEntropy {
			edges = append(edges, constant(1000, -1000, 3), constant(88, 103, -104, -88), constant(1e30, 0, -1e30), wide, specials(nan))
		}
		for _, e := range edges {
			g.addFilled(x.grad(k, false, false, 1), f.with("Input", e))
		}
	}
}
