package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// subject is a function under test: its graph, and the values of its leaves.
type subject struct {
	*graph.Graph
	random *rand.Rand
	floats floats
	ints   ints
	leaves []*graph.Node // what is differentiated
}

func newSubject() *subject {
	return &subject{Graph: graph.New(), random: rand.New(rand.NewPCG(3, 5)), floats: floats{}, ints: ints{}}
}

// between declares a differentiated array of different numbers between lo and hi. The
// grids of two arrays are shifted so that they have no number in common.
func (s *subject) between(lo, hi float64, shape ...int) *graph.Node {
	name := fmt.Sprintf("p%d", len(s.leaves))
	n := s.Parameter(name, shape)
	shift := 0.0137 * float64(len(s.leaves))
	s.floats[name] = spread(s.random, n.Shape().Elements(), lo+shift, hi+shift)
	s.leaves = append(s.leaves, n)
	return n
}

// p declares a differentiated array of numbers of both signs.
func (s *subject) p(shape ...int) *graph.Node { return s.between(-1.31, 1.73, shape...) }

// positive declares a differentiated array of numbers from 0.3 up.
func (s *subject) positive(shape ...int) *graph.Node { return s.between(0.3, 2.1, shape...) }

// fixed declares an Input that is not differentiated.
func (s *subject) fixed(lo, hi float64, shape ...int) *graph.Node {
	name := fmt.Sprintf("x%d", len(s.floats))
	n := s.Input(name, backend.Float32, shape, 0)
	s.floats[name] = spread(s.random, n.Shape().Elements(), lo, hi)
	return n
}

// indices declares an Int32 Input with the given values.
func (s *subject) indices(limit int, values ...int32) *graph.Node {
	name := fmt.Sprintf("i%d", len(s.ints))
	s.ints[name] = values
	return s.Input(name, backend.Int32, backend.Shape{len(values)}, limit)
}

// distribution declares an Input of rows of positive numbers that sum to 1.
func (s *subject) distribution(n, d int) *graph.Node {
	x := s.fixed(0.1, 1, n, d)
	values := s.floats[x.Name()]
	for i := 0; i < len(values); i += d {
		sum := 0.0
		for _, v := range values[i : i+d] {
			sum += v
		}
		for j := range d {
			values[i+j] /= sum
		}
	}
	return x
}

// function is a differentiable expression.
type function struct {
	name  string
	build func(s *subject) *graph.Node
}

// checkGradients compares the gradients of L = Σ seed·y, where the seed is an Input,
// with central differences (L(p+h) − L(p−h))/2h for every element of every leaf.
//
// The tolerance: at h = 1e-5 the truncation error is h²/6·|L‴| ≤ 2e-11·|L‴|, where
// third derivatives are below a hundred here, and rounding adds at most some twenty
// eps·Σ|seed·y|/h ≈ 5e-10·Σ|seed·y|. A wrong rule is off by the size of the gradient.
func checkGradients(t *testing.T, s *subject, y *graph.Node) {
	require.NoError(t, s.Err())
	const h = 1e-5
	seed := s.Input("seed", backend.Float32, y.Shape(), 0)
	s.floats["seed"] = spread(s.random, y.Shape().Elements(), 0.4, 1.9)
	gradients := s.Gradients(y, seed, s.leaves...)
	require.NoError(t, s.Err())
	backward := graph.Lowering{Name: "backward"}
	for i, n := range gradients {
		require.True(t, s.leaves[i].Shape().Equal(n.Shape()), "%s %v has a gradient %v", s.leaves[i].Name(), s.leaves[i].Shape(), n.Shape())
		backward.Outputs = append(backward.Outputs, graph.Placement{Node: n, Buffer: "d" + s.leaves[i].Name()})
	}
	d := open(t, "reference")
	value := compile(t, d, lower(t, s.Graph, graph.Lowering{Name: "forward", Outputs: []graph.Placement{{Node: y, Buffer: "y"}}}))
	value.write(s.floats, s.ints)
	slope := compile(t, d, lower(t, s.Graph, backward))
	slope.write(s.floats, s.ints)
	slope.step()
	evaluate := func() (l, magnitude float64) {
		value.step()
		for i, v := range value.read("y") {
			l += v * s.floats["seed"][i]
			magnitude += math.Abs(v * s.floats["seed"][i])
		}
		return l, magnitude
	}
	for _, leaf := range s.leaves {
		analytic := slope.read("d" + leaf.Name())
		at := s.floats[leaf.Name()]
		for i, x := range at {
			at[i] = x + h
			value.write(floats{leaf.Name(): at}, nil)
			above, _ := evaluate()
			at[i] = x - h
			value.write(floats{leaf.Name(): at}, nil)
			below, magnitude := evaluate()
			at[i] = x
			if !assert.InDelta(t, (above-below)/(2*h), analytic[i], 1e-8*(1+magnitude), "%s[%d]", leaf.Name(), i) {
				return
			}
		}
		value.write(floats{leaf.Name(): at}, nil)
	}
}

func TestGradientsAgainstFiniteDifferences(t *testing.T) {
	for _, f := range functions() {
		t.Run(f.name, func(t *testing.T) {
			s := newSubject()
			checkGradients(t, s, f.build(s))
		})
	}
}

// functions lists all cases; TestEveryOpHasAGradient reads it too.
func functions() []function {
	var all []function
	for _, list := range [][]function{windowFunctions(), scalarFunctions(), movingFunctions(), rowFunctions(), structureFunctions()} {
		all = append(all, list...)
	}
	return all
}

// underivable are the Ops that only gradients, statistics and updates are made of:
// to differentiate through one is an error.
var underivable = map[string]bool{
	"Conv2DInputGrad": true, "Conv2DFilterGrad": true, "MaxPool2DGrad": true, "AvgPool2DGrad": true, "PadGrad": true, "ResizeGrad": true,
	"UnaryGrad": true, "ReduceMaxGrad": true, "ScatterAdd": true, "MaxoutGrad": true, "SoftmaxGrad": true, "LossGrad": true,
	"DropoutGrad": true, "BatchNormGrad": true, "MovingAverage": true, "OptimizerStep": true,
}

// A new Op must be differentiated in one of the cases, which Fill, Compare and Convert
// are part of too, with the gradient 0, or be declared underivable.
func TestEveryOpHasAGradient(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range functions() {
		s := newSubject()
		y := f.build(s)
		require.NoError(t, s.Err(), f.name)
		for kind := range count(lower(t, s.Graph, graph.Lowering{Name: f.name, Unfused: true, Outputs: []graph.Placement{{Node: y, Buffer: "y"}}})) {
			seen[kind] = true
		}
	}
	for _, kind := range backend.Kinds() {
		if underivable[kind] {
			assert.False(t, seen[kind], "%s is in a case of its own: take it off the list", kind)
		} else {
			assert.True(t, seen[kind], "%s has no case in functions(), and is not underivable", kind)
		}
	}
}

// A gradient can be differentiated again where it is made of Ops that have a
// derivative. Where it is not, that is an error: it is never taken for a constant.
func TestSecondDerivativesAreRightOrRefused(t *testing.T) {
	for _, f := range functions() {
		t.Run(f.name, func(t *testing.T) {
			for k := 0; ; k++ {
				s := newSubject()
				y := f.build(s)
				if k == len(s.leaves) {
					return
				}
				// All that the first gradient is made of depends on its seed.
				first := s.Gradients(y, s.between(0.4, 1.9, y.Shape()...), s.leaves...)[k]
				require.NoError(t, s.Err())
				refused := false
				for kind := range count(lower(t, s.Graph, graph.Lowering{Unfused: true, Outputs: []graph.Placement{{Node: first, Buffer: "d"}}})) {
					refused = refused || underivable[kind]
				}
				if !refused {
					checkGradients(t, s, first)
					continue
				}
				s.Gradients(first, nil, s.leaves...)
				require.ErrorIs(t, s.Err(), backend.ErrUnsupported)
			}
		})
	}
}

// Of equal arguments the first is taken, and gets the gradient.
func TestGradientOfTies(t *testing.T) {
	for _, f := range []backend.BinaryFunc{backend.Max, backend.Min} {
		s := newSubject()
		a, b := s.p(3), s.p(3)
		s.floats[a.Name()], s.floats[b.Name()] = []float64{1, 2, 3}, []float64{1, 2, 3}
		d := s.Gradients(s.Binary(f, a, b), nil, a, b)
		x := compile(t, open(t, "reference"), lower(t, s.Graph, graph.Lowering{Outputs: []graph.Placement{{Node: d[0], Buffer: "da"}, {Node: d[1], Buffer: "db"}}}))
		x.write(s.floats, nil)
		x.step()
		assert.Equal(t, []float64{1, 1, 1}, x.read("da"), "%v", f)
		assert.Equal(t, []float64{0, 0, 0}, x.read("db"), "%v", f)
	}
}

// Without a seed every element counts once; with respect to the node itself the
// gradient is the seed, and to one that it does not depend on 0.
func TestGradientsOfNodesBetween(t *testing.T) {
	s := newSubject()
	x, other := s.p(3), s.p(2, 2)
	z := s.Unary(backend.Exp, 0, x)
	y := s.Unary(backend.Square, 0, z)
	later := s.Unary(backend.Exp, 0, y)
	var outputs []graph.Placement
	for i, d := range s.Gradients(y, nil, x, z, y, other, later) {
		outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("d", i)})
	}
	run := compile(t, open(t, "reference"), lower(t, s.Graph, graph.Lowering{Outputs: outputs}))
	run.write(s.floats, nil)
	run.step()
	for i, v := range s.floats[x.Name()] {
		e := math.Exp(v)
		// Two roundings each.
		assert.InEpsilon(t, 2*e*e, run.read("d0")[i], 4e-16)
		assert.InEpsilon(t, 2*e, run.read("d1")[i], 4e-16)
	}
	assert.Equal(t, []float64{1, 1, 1}, run.read("d2"))
	assert.Equal(t, make([]float64, 4), run.read("d3"))
	assert.Equal(t, make([]float64, 3), run.read("d4"))
}

// A seed that is the same for all losses is passed on as one number; one that is only
// copied is not.
func TestSeedsOfLosses(t *testing.T) {
	s := newSubject()
	loss := s.Loss(backend.SoftmaxCrossEntropy, s.p(3, 4), s.indices(4, 1, 0, 3), nil, 1)
	each, one := s.fixed(1, 2, 3), s.fixed(1, 2, 1)
	var outputs []graph.Placement
	for i, seed := range []*graph.Node{each, s.Broadcast(each, backend.Shape{3}), s.Broadcast(one, backend.Shape{3})} {
		outputs = append(outputs, graph.Placement{Node: s.Gradients(loss, seed, s.leaves...)[0], Buffer: fmt.Sprint("d", i)})
	}
	p := lower(t, s.Graph, graph.Lowering{Outputs: outputs})
	run := compile(t, open(t, "reference"), p)
	run.write(s.floats, s.ints)
	run.step()
	assert.Equal(t, bitsOf(run.read("d0")), bitsOf(run.read("d1")))
	assert.Equal(t, 1, count(p)["Copy"], "one seed is a number: nothing is copied\n%v", p)
}

// What is given to a method is the caller's: changing it later changes nothing.
func TestArgumentsAreCopied(t *testing.T) {
	s := newSubject()
	shape, axes, perm, start := backend.Shape{2, 3}, []int{0}, []int{1, 0}, []int{0, 1}
	x := s.Parameter("x", shape)
	s.floats["x"] = []float64{1, 2, 3, 4, 5, 6}
	box := backend.Shape{2, 2}
	nodes := []*graph.Node{s.Reduce(backend.Sum, x, axes...), s.Transpose(x, perm...), s.Slice(x, start, box), s.Constant(1, box), s.Broadcast(s.Constant(2, nil), box), s.Reshape(x, shape[1], shape[0])}
	shape[0], axes[0], perm[0], perm[1], start[1], box[1] = 9, 1, 0, 1, 0, 3
	var outputs []graph.Placement
	for i, n := range nodes {
		outputs = append(outputs, graph.Placement{Node: n, Buffer: fmt.Sprint(i)})
	}
	run := compile(t, open(t, "reference"), lower(t, s.Graph, graph.Lowering{Outputs: outputs}))
	run.write(s.floats, nil)
	run.step()
	for i, want := range [][]float64{{5, 7, 9}, {1, 4, 2, 5, 3, 6}, {2, 3, 5, 6}, {1, 1, 1, 1}, {2, 2, 2, 2}, {1, 2, 3, 4, 5, 6}} {
		assert.Equal(t, want, run.read(fmt.Sprint(i)), "%d", i)
	}
}
