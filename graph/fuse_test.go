package graph_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// Fused equals unfused, bit for bit, on every backend that is linked into the test:
// the result, every gradient, and what is seen of the layers between. Two steps show
// that what accumulates does so in the same way.
func TestFusedEqualsUnfused(t *testing.T) {
	for _, name := range backend.Names() {
		d := open(t, name)
		fewer := 0
		for seed := range uint64(60) {
			s, outputs := randomNetwork(seed)
			require.NoError(t, s.Err(), "network %d", seed)
			fused := lower(t, s.Graph, graph.Lowering{Name: "fused", Outputs: outputs})
			unfused := lower(t, s.Graph, graph.Lowering{Name: "unfused", Outputs: outputs, Unfused: true})
			a, b := compile(t, d, fused), compile(t, d, unfused)
			for range 2 {
				for _, x := range []*session{a, b} {
					x.write(s.floats, s.ints)
					x.step()
				}
			}
			for _, out := range outputs {
				got, want := a.read(out.Buffer), b.read(out.Buffer)
				require.Equal(t, bitsOf(want), bitsOf(got), "%s, network %d, %s:\n%v\n%v", name, seed, out.Buffer, unfused, fused)
				for _, v := range got {
					require.False(t, math.IsNaN(v), "%s, network %d, %s", name, seed, out.Buffer)
				}
			}
			a.close()
			b.close()
			if len(fused.Code) < len(unfused.Code) {
				fewer++
			}
		}
		assert.Greater(t, fewer, 50, "hardly a network has anything to fuse")
	}
}

// leNet is LeNet-5 in small: two convolutions, two poolings, three dense layers.
func leNet(s *subject, act backend.Activation, pool func(*graph.Node) *graph.Node) *graph.Node {
	layer := func(x *graph.Node, filters, k int) *graph.Node {
		return pool(s.Activate(s.Conv2D(x, s.p(filters, k, k, x.Shape()[3]), s.p(filters), plain, 1), act))
	}
	x := layer(layer(s.fixed(-1, 1, 2, 14, 14, 1), 2, 3), 3, 3)
	x = s.Reshape(x, 2, -1)
	for _, units := range []int{6, 5} {
		x = s.Activate(s.MatMul(x, s.p(units, x.Shape()[1]), s.p(units), false, true), act)
	}
	return s.MatMul(x, s.p(3, 5), s.p(3), false, true)
}

// A network like LeNet-5 leaves no element-wise Op by itself: the very list of Ops of
// a step is known.
func TestLeNetIsFusedWhole(t *testing.T) {
	for _, act := range []backend.Func{backend.Sigmoid, backend.Tanh, backend.ReLU, backend.LeakyReLU, backend.ELU} {
		for _, average := range []bool{false, true} {
			s := newSubject()
			logits := leNet(s, backend.Activation{Func: act}, func(x *graph.Node) *graph.Node {
				if average {
					return s.AvgPool2D(x, 2, 2, stride(2), false)
				}
				return s.MaxPool2D(x, 2, 2, stride(2))
			})
			loss := s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, logits, s.indices(3, 0, 2), nil, 2))
			var outputs []graph.Placement
			for i, d := range s.Gradients(loss, nil, s.leaves...) {
				outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("d", i)})
			}
			outputs = append(outputs, graph.Placement{Node: loss, Buffer: "loss"})
			want := map[string]int{
				"Conv2D": 2, "Conv2DInputGrad": 1, "Conv2DFilterGrad": 2, "MaxPool2D": 2, "MaxPool2DGrad": 2,
				"MatMul": 3 + 3 + 3, "Reduce": 3 + 1, "Loss": 1, "LossGrad": 1, "Fill": 1,
			}
			if average {
				delete(want, "MaxPool2D")
				delete(want, "MaxPool2DGrad")
				want["AvgPool2D"], want["AvgPool2DGrad"] = 2, 2
			}
			p := lower(t, s.Graph, graph.Lowering{Name: "lenet", Outputs: outputs})
			assert.Equal(t, want, count(p), "%v\n%v", act, p)
			want["Unary"], want["UnaryGrad"] = 4, 4
			assert.Equal(t, want, count(lower(t, s.Graph, graph.Lowering{Outputs: outputs, Unfused: true})), "%v", act)
		}
	}
}

// Fusion stops at what is seen from outside, and where a value has two readers.
func TestFusionStops(t *testing.T) {
	conv := func(s *subject) *graph.Node { return s.Conv2D(s.p(1, 3, 3, 2), s.p(2, 2, 2, 2), s.p(2), plain, 1) }
	relu := func(s *subject, x *graph.Node) *graph.Node { return s.Unary(backend.ReLU, 0, x) }
	for _, c := range []struct {
		name  string
		build func(s *subject) []*graph.Node // the outputs
		want  map[string]int
	}{
		{"it does go on otherwise", func(s *subject) []*graph.Node { return []*graph.Node{relu(s, conv(s))} }, map[string]int{"Conv2D": 1}},
		{"through a reshape, too", func(s *subject) []*graph.Node {
			return []*graph.Node{relu(s, s.Reshape(conv(s), 4, 2))}
		}, map[string]int{"Conv2D": 1}},
		{"at an output", func(s *subject) []*graph.Node {
			z := conv(s)
			return []*graph.Node{relu(s, z), z}
		}, map[string]int{"Conv2D": 1, "Unary": 1}},
		{"at an output under another shape", func(s *subject) []*graph.Node {
			z := conv(s)
			return []*graph.Node{relu(s, z), s.Reshape(z, 8)}
		}, map[string]int{"Conv2D": 1, "Unary": 1}},
		{"at an output of a part", func(s *subject) []*graph.Node {
			z := conv(s)
			return []*graph.Node{relu(s, z), s.Slice(z, []int{0, 1, 0, 0}, backend.Shape{1, 1, 2, 2})}
		}, map[string]int{"Conv2D": 1, "Unary": 1, "Copy": 1}},
		{"at a leaf", func(s *subject) []*graph.Node { return []*graph.Node{relu(s, s.p(3))} }, map[string]int{"Unary": 1}},
		{"at two readers", func(s *subject) []*graph.Node {
			z := conv(s)
			return []*graph.Node{s.Add(relu(s, z), s.Unary(backend.Tanh, 0, z))}
		}, map[string]int{"Conv2D": 1, "Unary": 2, "Binary": 1}},
		{"at a second activation", func(s *subject) []*graph.Node { return []*graph.Node{relu(s, relu(s, conv(s)))} }, map[string]int{"Conv2D": 1, "Unary": 1}},
		{"at a function that is no activation", func(s *subject) []*graph.Node {
			return []*graph.Node{s.Unary(backend.Sqrt, 0, s.Unary(backend.Exp, 0, conv(s)))}
		}, map[string]int{"Conv2D": 1, "Unary": 2}},
		{"at the gradient of an activation", func(s *subject) []*graph.Node {
			y := relu(s, conv(s))
			loss := s.Reduce(backend.Sum, s.MatMul(s.Reshape(y, 1, 8), s.p(8, 2), nil, false, false))
			return s.Gradients(loss, nil, append(s.leaves, y)...)
		}, map[string]int{"Conv2D": 1, "Conv2DInputGrad": 1, "Conv2DFilterGrad": 1, "MatMul": 2, "Fill": 1, "UnaryGrad": 1, "Copy": 1}},
		{"and not at that of its argument", func(s *subject) []*graph.Node {
			z := conv(s)
			loss := s.Reduce(backend.Sum, s.MatMul(s.Reshape(relu(s, z), 1, 8), s.p(8, 2), nil, false, false))
			return s.Gradients(loss, nil, append(s.leaves, z)...)
		}, map[string]int{"Conv2D": 1, "Conv2DInputGrad": 1, "Conv2DFilterGrad": 1, "MatMul": 2, "Fill": 1, "Copy": 1}},
		{"at a derivative of what it is multiplied with", func(s *subject) []*graph.Node {
			y := s.Unary(backend.Tanh, 0, s.MatMul(s.p(2, 3), s.p(3, 4), nil, false, false))
			return s.Gradients(y, y, s.leaves...)
		}, map[string]int{"MatMul": 3, "UnaryGrad": 1}},
		{"residual sums go into the product", func(s *subject) []*graph.Node {
			x := s.p(2, 3)
			h := s.Unary(backend.Tanh, 0, s.MatMul(x, s.p(3, 3), s.p(3), false, true))
			return []*graph.Node{s.Add(h, x)}
		}, map[string]int{"MatMul": 1}},
		{"gradients of two branches are added in an epilogue", func(s *subject) []*graph.Node {
			x := relu(s, conv(s))
			y := s.Add(s.Conv2D(x, s.p(2, 1, 1, 2), nil, plain, 1), s.Conv2D(x, s.p(2, 1, 1, 2), nil, plain, 1))
			return s.Gradients(y, nil, s.leaves[0])
		}, map[string]int{"Conv2D": 1, "Conv2DInputGrad": 3, "Fill": 1}},
		{"at a part, though nothing else is read", func(s *subject) []*graph.Node {
			return []*graph.Node{relu(s, s.Slice(conv(s), []int{0, 1, 0, 0}, backend.Shape{1, 1, 2, 2}))}
		}, map[string]int{"Conv2D": 1, "Unary": 1}},
		{"at the sum of a product and itself", func(s *subject) []*graph.Node {
			y := s.MatMul(s.p(2, 3), s.p(3, 4), nil, false, false)
			return []*graph.Node{s.Add(y, y)}
		}, map[string]int{"MatMul": 1, "Binary": 1}},
		{"at a difference", func(s *subject) []*graph.Node {
			return []*graph.Node{s.Sub(s.MatMul(s.p(2, 3), s.p(3, 4), nil, false, false), s.p(2, 4))}
		}, map[string]int{"MatMul": 1, "Binary": 1}},
		{"at a sum with broadcasting", func(s *subject) []*graph.Node {
			return []*graph.Node{s.Add(s.MatMul(s.p(2, 3), s.p(3, 4), nil, false, false), s.p(4))}
		}, map[string]int{"MatMul": 1, "Binary": 1}},
		{"at a second sum", func(s *subject) []*graph.Node {
			x := relu(s, conv(s))
			y := s.Mul(x, s.fixed(-1, 1, 2))
			for range 2 {
				y = s.Add(y, s.Conv2D(x, s.p(2, 1, 1, 2), nil, plain, 1))
			}
			return s.Gradients(y, nil, s.leaves[0])
		}, map[string]int{"Conv2D": 1, "Conv2DInputGrad": 3, "Fill": 1, "Binary": 2, "UnaryGrad": 1}},
		{"gradients of two products are added in an epilogue, and finished there", func(s *subject) []*graph.Node {
			x := s.p(2, 3)
			h := s.Unary(backend.Tanh, 0, x)
			y := s.Add(s.MatMul(h, s.p(3, 4), nil, false, false), s.MatMul(h, s.p(3, 4), nil, false, false))
			return s.Gradients(y, s.fixed(-1, 1, 2, 4), x)
		}, map[string]int{"Unary": 1, "MatMul": 2}},
		{"where another gradient of the Op is read first", func(s *subject) []*graph.Node {
			x := relu(s, s.p(5, 2))
			h := s.MatMul(x, s.p(2, 2), nil, false, false)
			y, _, _ := s.BatchNorm(x, s.Unary(backend.Exp, 0, s.p(2)), s.p(2), 1e-3)
			return s.Gradients(s.Add(h, y), s.fixed(-1, 1, 5, 2), s.leaves...)
		}, map[string]int{"Unary": 2, "BatchNorm": 1, "BatchNormGrad": 1, "UnaryGrad": 1, "MatMul": 2}},
		{"where another gradient of the Op is added to first", func(s *subject) []*graph.Node {
			x, gamma, beta := relu(s, s.p(5, 2)), s.p(2), s.p(2)
			y, _, _ := s.BatchNorm(x, gamma, beta, 1e-3)
			z, _, _ := s.BatchNorm(x, gamma, beta, 1e-1)
			return s.Gradients(s.Add(y, z), s.fixed(-1, 1, 5, 2), s.leaves...)
		}, map[string]int{"Unary": 1, "BatchNorm": 2, "BatchNormGrad": 2}},
		{"at a gradient that another one was added to", func(s *subject) []*graph.Node {
			p := s.p(2, 3)
			y := s.Add(s.Reduce(backend.Sum, s.Mul(p, s.fixed(-1, 1, 2, 3))), s.Reduce(backend.Sum, s.MatMul(p, s.fixed(-1, 1, 3, 2), nil, false, false)))
			return s.Gradients(s.Add(y, s.Reduce(backend.Sum, s.Unary(backend.Tanh, 0, p))), nil, p)
		}, map[string]int{"Fill": 1, "Copy": 3, "Unary": 1, "UnaryGrad": 1, "MatMul": 1, "Binary": 2}},
		{"at a sum that is an output", func(s *subject) []*graph.Node {
			w := s.p(3, 3)
			d := s.Gradients(s.MatMul(s.MatMul(s.fixed(-1, 1, 2, 3), w, nil, false, false), w, nil, false, false), nil, w)[0]
			return []*graph.Node{d, relu(s, d)}
		}, map[string]int{"Fill": 1, "MatMul": 4, "Unary": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject()
			var outputs []graph.Placement
			for i, n := range c.build(s) {
				outputs = append(outputs, graph.Placement{Node: n, Buffer: fmt.Sprint("out", i)})
			}
			require.NoError(t, s.Err())
			fused := lower(t, s.Graph, graph.Lowering{Name: "fused", Outputs: outputs})
			assert.Equal(t, c.want, count(fused), "%v", fused)
			unfused := lower(t, s.Graph, graph.Lowering{Outputs: outputs, Unfused: true})
			for _, name := range backend.Names() {
				d := open(t, name)
				a, b := compile(t, d, fused), compile(t, d, unfused)
				for _, x := range []*session{a, b} {
					x.write(s.floats, s.ints)
					x.step()
				}
				for _, out := range outputs {
					assert.Equal(t, bitsOf(b.read(out.Buffer)), bitsOf(a.read(out.Buffer)), "%s: %s", name, out.Buffer)
				}
			}
		})
	}
}
