package graph_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// Outputs lie where they are placed, whatever they are: computed, leaves, views of
// either, parts of them, twice the same.
func TestOutputsLieWhereTheyArePlaced(t *testing.T) {
	d := open(t, "reference")
	x := []float64{1, 2, 3, 4, 5, 6}
	for _, c := range []struct {
		name  string
		build func(s *subject, x *graph.Node) []graph.Placement
		want  floats
		ops   map[string]int
	}{
		{"computed", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Unary(backend.Neg, 0, x), Buffer: "y"}}
		}, floats{"y": {-1, -2, -3, -4, -5, -6}}, map[string]int{"Unary": 1}},
		{"leaf", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: x, Buffer: "y"}}
		}, floats{"y": x, "x": x}, map[string]int{"Copy": 1}},
		{"view of a leaf", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Reshape(x, 6), Buffer: "y"}}
		}, floats{"y": x}, map[string]int{"Copy": 1}},
		{"part of a leaf", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Slice(x, []int{1, 1}, backend.Shape{1, 2}), Buffer: "y"}}
		}, floats{"y": {5, 6}}, map[string]int{"Copy": 1}},
		{"view", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Reshape(s.Unary(backend.Neg, 0, x), 3, 2), Buffer: "y"}}
		}, floats{"y": {-1, -2, -3, -4, -5, -6}}, map[string]int{"Unary": 1}},
		{"part", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Slice(s.Unary(backend.Neg, 0, x), []int{1, 0}, backend.Shape{1, 3}), Buffer: "y"}}
		}, floats{"y": {-4, -5, -6}}, map[string]int{"Unary": 1, "Copy": 1}},
		{"twice", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Unary(backend.Neg, 0, x)
			return []graph.Placement{{Node: y, Buffer: "y"}, {Node: y, Buffer: "z"}}
		}, floats{"y": {-1, -2, -3, -4, -5, -6}, "z": {-1, -2, -3, -4, -5, -6}}, map[string]int{"Unary": 1, "Copy": 1}},
		{"whole and part", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Unary(backend.Neg, 0, x)
			return []graph.Placement{{Node: s.Slice(y, []int{0, 1}, backend.Shape{1, 2}), Buffer: "z"}, {Node: y, Buffer: "y"}}
		}, floats{"y": {-1, -2, -3, -4, -5, -6}, "z": {-2, -3}}, map[string]int{"Unary": 1, "Copy": 1}},
		{"two in one buffer, with a gap", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Reduce(backend.Sum, x, 1), Buffer: "y", Offset: 4}, {Node: s.Reduce(backend.Sum, x, 0), Buffer: "y"}}
		}, floats{"y": {5, 7, 9, 0, 6, 15}}, map[string]int{"Reduce": 2}},
		{"twice in one buffer", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Reduce(backend.Sum, x, 1)
			return []graph.Placement{{Node: y, Buffer: "y", Offset: 3}, {Node: y, Buffer: "y", Offset: 1}}
		}, floats{"y": {0, 6, 15, 6, 15}}, map[string]int{"Reduce": 1, "Copy": 1}},
		{"an output that others read", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Unary(backend.Neg, 0, x)
			return []graph.Placement{{Node: y, Buffer: "y"}, {Node: s.Reduce(backend.Sum, s.Unary(backend.Square, 0, y)), Buffer: "z"}}
		}, floats{"y": {-1, -2, -3, -4, -5, -6}, "z": {91}}, map[string]int{"Unary": 2, "Reduce": 1}},
		{"constant", func(s *subject, x *graph.Node) []graph.Placement {
			return []graph.Placement{{Node: s.Constant(7, backend.Shape{2}), Buffer: "y"}}
		}, floats{"y": {7, 7}}, map[string]int{"Fill": 1}},
		{"no dead code", func(s *subject, x *graph.Node) []graph.Placement {
			s.Unary(backend.Exp, 0, s.MatMul(x, s.p(3, 3), nil, false, false))
			return []graph.Placement{{Node: s.Unary(backend.Neg, 0, x), Buffer: "y"}}
		}, floats{"y": {-1, -2, -3, -4, -5, -6}}, map[string]int{"Unary": 1}},
		{"nothing", func(s *subject, x *graph.Node) []graph.Placement { return nil }, floats{}, map[string]int{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject()
			outputs := c.build(s, s.Input("x", backend.Float32, backend.Shape{2, 3}, 0))
			p := lower(t, s.Graph, graph.Lowering{Name: c.name, Outputs: outputs})
			assert.Equal(t, c.ops, count(p), "%v", p)
			run := compile(t, d, p)
			run.write(floats{"x": x}, nil)
			run.step()
			for name, want := range c.want {
				assert.Equal(t, want, run.read(name), name)
			}
			for _, b := range p.Buffers[1:] {
				assert.False(t, b.Kind == backend.Bound && b.Name == "p0", "a leaf that nothing needs is bound")
			}
		})
	}
}

// The optional outputs of an Op are there if somebody reads them.
func TestOptionalOutputsAreDroppedUnlessRead(t *testing.T) {
	outputsOf := func(p *backend.Program, kind string) []string {
		var names []string
		for _, in := range p.Code {
			if in.Op.Kind() == kind {
				for _, o := range in.Op.Operands() {
					if o.Access.Writes() {
						names = append(names, o.Name)
					}
				}
			}
		}
		return names
	}
	s := newSubject()
	x, w, b := s.p(1, 4, 4, 2), s.p(2, 1, 1, 2), s.p(2)
	y := s.Maxout(s.MaxPool2D(s.Conv2D(x, w, b, plain, 1), 2, 2, stride(2)), 2)
	d := s.Gradients(y, nil, w, b)
	for _, c := range []struct {
		out               *graph.Node
		kind              string
		absent, different []string
	}{
		{y, "MaxPool2D", []string{"Y"}, []string{"Y", "Argmax"}},
		{y, "Maxout", []string{"Y"}, []string{"Y", "Argmax"}},
		{d[0], "Conv2DFilterGrad", []string{"DW"}, []string{"DW", "DB"}},
	} {
		p := lower(t, s.Graph, graph.Lowering{Outputs: []graph.Placement{{Node: c.out, Buffer: "out"}}})
		assert.Equal(t, c.absent, outputsOf(p, c.kind))
		p = lower(t, s.Graph, graph.Lowering{Outputs: []graph.Placement{{Node: c.out, Buffer: "out"}, {Node: d[1], Buffer: "db"}}})
		assert.Equal(t, c.different, outputsOf(p, c.kind))
	}
}

// Buffers are as large as is asked for, or as what lies in them reaches; they keep
// the type and the bound of what lies in them.
func TestBuffers(t *testing.T) {
	s := newSubject()
	x, w := s.Input("x", backend.Float32, backend.Shape{2, 3}, 0), s.Parameter("w", backend.Shape{3, 4})
	y := s.MatMul(x, w, nil, false, false)
	best := s.Reduce(backend.ReduceArgmax, y, 1)
	p := lower(t, s.Graph, graph.Lowering{
		Outputs: []graph.Placement{{Node: y, Buffer: "y", Offset: 3}, {Node: best, Buffer: "best"}},
		Leaves:  []graph.Placement{{Node: w, Buffer: "arena", Offset: 16}},
		Sizes:   map[string]int{"arena": 64},
	})
	assert.ElementsMatch(t, []backend.Buffer{
		{Name: "arena", Elements: 64}, {Name: "x", Elements: 6}, {Name: "y", Elements: 11}, {Name: "best", DType: backend.Int32, Elements: 2, Limit: 4},
	}, p.Buffers[1:])
	run := compile(t, open(t, "reference"), p)
	weights := make([]float64, 64)
	weights[16+1] = 5 // w[0, 1]
	weights[16+7] = 9 // w[1, 3]
	run.write(floats{"x": {1, 0, 0, 0, 1, 0}, "arena": weights}, nil)
	run.step()
	assert.Equal(t, []float64{0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 9}, run.read("y"))
	assert.Equal(t, []int32{1, 3}, run.readInts("best"))
}

func TestLoweringErrors(t *testing.T) {
	s := newSubject()
	x, w := s.Input("x", backend.Float32, backend.Shape{2, 3}, 0), s.Parameter("w", backend.Shape{3})
	y, z := s.Add(x, w), s.Mul(x, w)
	best := s.Reduce(backend.ReduceArgmax, y, 1)
	other := newSubject().p(2)
	out := func(n *graph.Node, buffer string, offset int) []graph.Placement {
		return []graph.Placement{{Node: n, Buffer: buffer, Offset: offset}}
	}
	for _, c := range []struct {
		name  string
		l     graph.Lowering
		is    error
		words string
	}{
		{"no node", graph.Lowering{Outputs: out(nil, "y", 0)}, backend.ErrShape, `placement in buffer "y": it names no node of this graph`},
		{"another graph's node", graph.Lowering{Outputs: out(other, "y", 0)}, backend.ErrShape, `it names no node of this graph`},
		{"no buffer", graph.Lowering{Outputs: out(w, "", 0)}, backend.ErrShape, `"w" needs the name of a buffer`},
		{"negative offset", graph.Lowering{Outputs: out(y, "y", -1)}, backend.ErrShape, `has the offset -1`},
		{"huge offset", graph.Lowering{Outputs: out(y, "y", math.MaxInt-2)}, backend.ErrShape, `within 31 bits`},
		{"outputs overlap", graph.Lowering{Outputs: append(out(y, "y", 0), out(z, "y", 5)...)}, backend.ErrProgram, `overlap in buffer "y"`},
		{"the same output overlaps itself", graph.Lowering{Outputs: append(out(y, "y", 0), out(y, "y", 0)...)}, backend.ErrProgram, `overlap in buffer "y"`},
		{"an output over its own leaf", graph.Lowering{Outputs: out(x, "x", 0)}, backend.ErrProgram, `overlap in buffer "x"`},
		{"an output over a leaf", graph.Lowering{Outputs: out(y, "x", 0)}, backend.ErrProgram, `overlap in buffer "x"`},
		{"an output over a placed leaf", graph.Lowering{Outputs: out(y, "a", 2), Leaves: out(w, "a", 0)}, backend.ErrProgram, `"w" [3] at 0`},
		{"leaves overlap", graph.Lowering{Outputs: out(y, "y", 0), Leaves: append(out(w, "a", 0), out(x, "a", 2)...)}, backend.ErrProgram, `overlap in buffer "a"`},
		{"a leaf placed twice", graph.Lowering{Outputs: out(y, "y", 0), Leaves: append(out(w, "a", 0), out(w, "b", 0)...)}, backend.ErrProgram, `"w" is placed twice`},
		{"a computed leaf", graph.Lowering{Outputs: out(y, "y", 0), Leaves: out(z, "a", 0)}, backend.ErrShape, `is computed, expected an Input`},
		{"a leaf that accumulates", graph.Lowering{Outputs: out(y, "y", 0), Leaves: []graph.Placement{{Node: w, Buffer: "a", Accumulate: true}}}, backend.ErrShape, `cannot accumulate`},
		{"a buffer too small", graph.Lowering{Outputs: out(y, "y", 0), Sizes: map[string]int{"y": 5}}, backend.ErrProgram, `lies outside its buffer`},
		{"a negative size", graph.Lowering{Outputs: out(y, "y", 0), Sizes: map[string]int{"y": -5}}, backend.ErrProgram, `-5 elements`},
		{"two types in a buffer", graph.Lowering{Outputs: append(out(y, "y", 0), out(best, "y", 6)...)}, backend.ErrProgram, `in a buffer of`},
		{"indices that accumulate", graph.Lowering{Outputs: []graph.Placement{{Node: best, Buffer: "b", Accumulate: true}}}, backend.ErrType, `int32`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.l.Name = "test"
			p, err := s.Lower(c.l)
			require.ErrorIs(t, err, c.is)
			assert.Nil(t, p)
			assert.ErrorContains(t, err, `graph: Lower "test": `)
			assert.ErrorContains(t, err, c.words)
			assert.NoError(t, s.Err(), "lowering leaves the graph alone")
		})
	}
}
