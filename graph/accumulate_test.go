package graph_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// gradientsOf places the gradients of y with respect to all leaves in d0, d1, ….
func gradientsOf(t *testing.T, s *subject, y *graph.Node, accumulate bool) []graph.Placement {
	var outputs []graph.Placement
	for i, d := range s.Gradients(y, nil, s.leaves...) {
		outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("d", i), Accumulate: accumulate})
	}
	require.NoError(t, s.Err())
	return outputs
}

// rounding bounds how far two sums of a dozen numbers of the order of 1 are apart if
// they were added in different orders: a dozen roundings of 1.1e-16, ten times over.
const rounding = 1e-14

// The gradients of micro-batches add up to that of the whole batch.
func TestMicroBatchesAddUp(t *testing.T) {
	d := open(t, "reference")
	const batch, micro = 8, 2
	build := func(n int) (*subject, []graph.Placement) {
		s := newSubject()
		x, labels := s.Input("x", backend.Float32, backend.Shape{n, 4, 4, 1}, 0), s.Input("labels", backend.Int32, backend.Shape{n}, 3)
		act := backend.Activation{Func: backend.Tanh}
		h := s.Activate(s.Conv2D(x, s.p(2, 3, 3, 1), s.p(2), plain, 1), act)
		h = s.BatchNormInference(h, s.p(2), s.p(2), s.fixed(-1, 1, 2), s.fixed(0.5, 1, 2), 1e-3)
		h = s.Reshape(s.AvgPool2D(h, 2, 1, plain, false), n, -1)
		w, b := s.p(4, 4), s.p(4)
		for range 2 {
			h = s.Activate(s.MatMul(h, w, b, false, true), act)
		}
		logits := s.MatMul(h, s.p(3, 4), s.p(3), false, true)
		loss := s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, logits, labels, nil, batch))
		return s, gradientsOf(t, s, loss, n < batch)
	}
	s, outputs := build(batch)
	whole := compile(t, d, lower(t, s.Graph, graph.Lowering{Outputs: outputs}))
	x, labels := normal(s.random, batch*16), []int32{0, 2, 1, 1, 0, 2, 2, 1}
	whole.write(s.floats, nil)
	whole.write(floats{"x": x}, ints{"labels": labels})
	whole.step()
	s, outputs = build(micro)
	parts := compile(t, d, lower(t, s.Graph, graph.Lowering{Outputs: outputs}))
	parts.write(s.floats, nil)
	for i := 0; i < batch; i += micro {
		parts.write(floats{"x": x[i*16 : (i+micro)*16]}, ints{"labels": labels[i : i+micro]})
		parts.step()
	}
	for _, out := range outputs {
		assert.InDeltaSlice(t, whole.read(out.Buffer), parts.read(out.Buffer), rounding, out.Buffer)
	}
}

// The gradients of a parameter's uses accumulate where they are made; the sums are
// proved right by finite differences. Only where an Op writes two gradients, one of
// which has nothing to be added to, an addition is left.
func TestUsesOfAParameterAccumulate(t *testing.T) {
	tanh := backend.Activation{Func: backend.Tanh}
	dense := func(s *subject, uses int) *graph.Node {
		w, b, x := s.p(3, 3), s.p(3), s.fixed(-1, 1, 2, 3)
		for range uses {
			x = s.Activate(s.MatMul(x, w, b, false, true), tanh)
		}
		return x
	}
	conv := func(s *subject, uses int, bias func() *graph.Node) *graph.Node {
		w, x := s.p(2, 2, 2, 2), s.fixed(-1, 1, 1, 4, 4, 2)
		for range uses {
			x = s.Activate(s.Conv2D(x, w, bias(), plain, 1), tanh)
		}
		return x
	}
	for _, c := range []struct {
		name      string
		build     func(s *subject) *graph.Node
		additions int
	}{
		{"dense, two uses", func(s *subject) *graph.Node { return dense(s, 2) }, 0},
		{"dense, three uses", func(s *subject) *graph.Node { return dense(s, 3) }, 0},
		{"dense, five uses", func(s *subject) *graph.Node { return dense(s, 5) }, 0},
		{"filter without bias, three uses", func(s *subject) *graph.Node { return conv(s, 3, func() *graph.Node { return nil }) }, 0},
		{"filter and bias, three uses", func(s *subject) *graph.Node {
			b := s.p(2)
			return conv(s, 3, func() *graph.Node { return b })
		}, 0},
		{"filter, with a bias for each use", func(s *subject) *graph.Node { return conv(s, 3, func() *graph.Node { return s.p(2) }) }, 2},
		{"scale and shift of two batch norms", func(s *subject) *graph.Node {
			gamma, beta, x := s.p(2), s.p(2), s.fixed(-1, 1, 5, 2)
			for range 2 {
				x, _, _ = s.BatchNorm(x, gamma, beta, 1e-3)
			}
			return x
		}, 0},
	} {
		s := newSubject()
		y := c.build(s)
		for _, unfused := range []bool{false, true} {
			p := lower(t, s.Graph, graph.Lowering{Name: c.name, Outputs: gradientsOf(t, s, y, false), Unfused: unfused})
			assert.Equal(t, c.additions, count(p)["Binary"], "%s, unfused %t\n%v", c.name, unfused, p)
		}
	}
}

// Outputs placed with Accumulate add up over the runs, whether their Op accumulates
// or an addition follows, and whoever else sees the node sees its own value.
func TestOutputsAccumulate(t *testing.T) {
	d := open(t, "reference")
	place := func(n *graph.Node, buffer string, accumulate bool) graph.Placement {
		return graph.Placement{Node: n, Buffer: buffer, Accumulate: accumulate}
	}
	all := func(nodes ...*graph.Node) (outputs []graph.Placement) {
		for i, n := range nodes {
			outputs = append(outputs, place(n, fmt.Sprint("out", i), true))
		}
		return outputs
	}
	for _, c := range []struct {
		name      string
		build     func(s *subject, x *graph.Node) []graph.Placement // x [4 3]
		additions int
	}{
		{"product", func(s *subject, x *graph.Node) []graph.Placement {
			return all(s.MatMul(x, s.p(3, 2), s.p(2), false, false))
		}, 0},
		{"sum and mean", func(s *subject, x *graph.Node) []graph.Placement {
			return all(s.Reduce(backend.Sum, x, 0), s.Reduce(backend.Mean, x))
		}, 0},
		{"maximum", func(s *subject, x *graph.Node) []graph.Placement { return all(s.Reduce(backend.ReduceMax, x, 0)) }, 1},
		{"product under another shape", func(s *subject, x *graph.Node) []graph.Placement {
			return all(s.Reshape(s.MatMul(x, s.p(3, 2), nil, false, false), 2, 4))
		}, 0},
		{"part of a product", func(s *subject, x *graph.Node) []graph.Placement {
			return all(s.Slice(s.MatMul(x, s.p(3, 2), nil, false, false), []int{1, 0}, backend.Shape{2, 2}))
		}, 1},
		{"product with an activation", func(s *subject, x *graph.Node) []graph.Placement {
			return all(s.Unary(backend.Tanh, 0, s.MatMul(x, s.p(3, 2), nil, false, false)))
		}, 1},
		{"leaf", func(s *subject, x *graph.Node) []graph.Placement { return all(x) }, 1},
		{"constant", func(s *subject, x *graph.Node) []graph.Placement { return all(s.Constant(3, x.Shape())) }, 1},
		{"filter and bias", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Conv2D(s.Reshape(x, 1, 2, 2, 3), s.p(2, 1, 1, 3), s.p(2), plain, 1)
			return all(s.Gradients(s.Mul(y, y), nil, s.leaves...)...)
		}, 0},
		{"filter alone of both", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Conv2D(s.Reshape(x, 1, 2, 2, 3), s.p(2, 1, 1, 3), s.p(2), plain, 1)
			out := all(s.Gradients(s.Mul(y, y), nil, s.leaves...)...)
			out[1].Accumulate = false
			return out
		}, 1},
		{"filter, and a part of the bias", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Conv2D(s.Reshape(x, 1, 2, 2, 3), s.p(2, 1, 1, 3), s.p(2), plain, 1)
			d := s.Gradients(s.Mul(y, y), nil, s.leaves...)
			return all(d[0], s.Slice(d[1], []int{1}, backend.Shape{1}))
		}, 2},
		{"scale alone of scale and shift", func(s *subject, x *graph.Node) []graph.Placement {
			y, _, _ := s.BatchNorm(x, s.p(3), s.p(3), 1e-3)
			return all(s.Gradients(s.Mul(y, x), nil, s.leaves[0])...)
		}, 1},
		{"gradients of a tied parameter", func(s *subject, x *graph.Node) []graph.Placement {
			w := s.p(3, 3)
			return all(s.Gradients(s.MatMul(s.MatMul(x, w, nil, false, false), w, nil, false, false), nil, w)...)
		}, 0},
		{"seen by another Op too", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.MatMul(x, s.p(3, 2), nil, false, false)
			return all(y, s.Unary(backend.Square, 0, y))
		}, 2},
		{"placed twice, first accumulating", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.MatMul(x, s.p(3, 2), nil, false, false)
			return []graph.Placement{place(y, "sum", true), place(y, "now", false)}
		}, 1},
		{"placed twice, then accumulating", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.MatMul(x, s.p(3, 2), nil, false, false)
			return []graph.Placement{place(y, "now", false), place(y, "sum", true)}
		}, 1},
		{"placed twice, both accumulating", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.MatMul(x, s.p(3, 2), nil, false, false)
			return []graph.Placement{place(y, "a", true), place(y, "b", true)}
		}, 2},
		{"one gradient of two parameters", func(s *subject, x *graph.Node) []graph.Placement {
			y := s.Add(s.p(1, 2), s.p(1, 2))
			return all(s.Gradients(s.Reduce(backend.Sum, s.MatMul(s.MatMul(x, s.p(3, 1), nil, false, false), y, nil, false, false)), nil, s.leaves[:2]...)...)
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject()
			outputs := c.build(s, s.Input("x", backend.Float32, backend.Shape{4, 3}, 0))
			require.NoError(t, s.Err())
			var fresh []graph.Placement
			for _, out := range outputs {
				out.Accumulate = false
				fresh = append(fresh, out)
			}
			p, q := lower(t, s.Graph, graph.Lowering{Name: "sum", Outputs: outputs}), lower(t, s.Graph, graph.Lowering{Name: "now", Outputs: fresh})
			additions := count(p)["Binary"] - count(q)["Binary"]
			assert.Equal(t, c.additions, additions, "%v", p)
			sum, now := compile(t, d, p), compile(t, d, q)
			sum.write(s.floats, s.ints)
			now.write(s.floats, s.ints)
			want := floats{}
			for range 3 {
				x := floats{"x": normal(s.random, 12)}
				sum.write(x, nil)
				now.write(x, nil)
				sum.step()
				now.step()
				for _, out := range outputs {
					v := now.read(out.Buffer)
					for i := range v {
						if w := want[out.Buffer]; w != nil && out.Accumulate {
							v[i] += w[i]
						}
					}
					want[out.Buffer] = v
				}
			}
			for _, out := range outputs {
				// Three values of up to a few tens.
				assert.InDeltaSlice(t, want[out.Buffer], sum.read(out.Buffer), 100*rounding, out.Buffer)
			}
		})
	}
}
