package graph_test

import (
	"fmt"

	"fovea/backend"
	"fovea/graph"
)

// rowFunctions combine elements: products, reductions, softmax, losses, statistics.
func rowFunctions() []function {
	var list []function
	for _, ta := range []bool{false, true} {
		for _, tb := range []bool{false, true} {
			for _, bias := range []bool{false, true} {
				list = append(list, function{fmt.Sprintf("product, transposed %t %t, bias %t", ta, tb, bias), func(s *subject) *graph.Node {
					a, b := backend.Shape{2, 3}, backend.Shape{3, 4}
					if ta {
						a = backend.Shape{3, 2}
					}
					if tb {
						b = backend.Shape{4, 3}
					}
					var c *graph.Node
					if bias {
						c = s.p(4)
					}
					return s.MatMul(s.p(a...), s.p(b...), c, ta, tb)
				}})
			}
		}
	}
	for _, f := range []backend.ReduceFunc{backend.Sum, backend.Mean, backend.ReduceMax} {
		for subset := range 8 {
			var axes []int
			for a := range 3 {
				if subset>>a&1 == 1 {
					axes = append(axes, a)
				}
			}
			list = append(list, function{fmt.Sprintf("%v over %v", f, axes), func(s *subject) *graph.Node {
				return s.Unary(backend.Square, 0, s.Reduce(f, s.p(2, 3, 2), axes...))
			}})
		}
		list = append(list, function{fmt.Sprintf("%v of a scalar", f), func(s *subject) *graph.Node { return s.Reduce(f, s.p()) }})
	}
	for _, log := range []bool{false, true} {
		list = append(list,
			function{fmt.Sprintf("softmax, log %t", log), func(s *subject) *graph.Node { return s.Softmax(s.p(3, 4), log) }},
			function{fmt.Sprintf("softmax of pixels, log %t", log), func(s *subject) *graph.Node { return s.Softmax(s.p(1, 2, 2, 3), log) }},
			function{fmt.Sprintf("softmax of one class, log %t", log), func(s *subject) *graph.Node { return s.Softmax(s.p(3, 1), log) }})
	}
	for _, pieces := range []int{1, 2, 3, 6} {
		list = append(list, function{fmt.Sprintf("maxout of %d", pieces), func(s *subject) *graph.Node { return s.Maxout(s.p(2, 3, 6), pieces) }})
	}
	return append(append(list, lossFunctions()...),
		function{"batch norm", func(s *subject) *graph.Node {
			y, _, _ := s.BatchNorm(s.p(2, 3, 2, 3), s.p(3), s.p(3), 1e-3)
			return s.Unary(backend.Square, 0, y)
		}},
		function{"batch norm of rows", func(s *subject) *graph.Node {
			y, _, _ := s.BatchNorm(s.p(5, 2), s.p(2), s.p(2), 1e-5)
			return y
		}},
		function{"batch norm of a fixed input", func(s *subject) *graph.Node {
			y, _, _ := s.BatchNorm(s.fixed(-1, 1, 5, 2), s.p(2), s.p(2), 1e-5)
			return y
		}},
		function{"batch norm with fixed parameters", func(s *subject) *graph.Node {
			y, _, _ := s.BatchNorm(s.p(5, 2), s.fixed(0.5, 1.5, 2), s.fixed(-1, 1, 2), 1e-5)
			return y
		}},
		function{"batch norm with one parameter for scale and shift", func(s *subject) *graph.Node {
			p := s.p(2)
			y, _, _ := s.BatchNorm(s.p(5, 2), p, p, 1e-5)
			return y
		}},
		function{"batch norm inference", func(s *subject) *graph.Node {
			return s.BatchNormInference(s.p(2, 2, 3), s.p(3), s.p(3), s.fixed(-1, 1, 3), s.fixed(0.5, 2, 3), 1e-3)
		}},
	)
}

// lossFunctions are all losses with all kinds of targets, with and without weights.
func lossFunctions() []function {
	var list []function
	for _, kind := range backend.LossKinds() {
		input := func(s *subject) *graph.Node {
			if kind == backend.NegativeLogLikelihood {
				return s.positive(3, 4)
			}
			return s.p(3, 4)
		}
		for _, weighted := range []bool{false, true} {
			weights := func(s *subject) *graph.Node {
				if !weighted {
					return nil
				}
				w := s.fixed(0.5, 2, 3)
				s.floats[w.Name()][1] = 0
				return w
			}
			if kind.TakesIndex() {
				list = append(list, function{fmt.Sprintf("%v of an index, weighted %t", kind, weighted), func(s *subject) *graph.Node {
					return s.Loss(kind, input(s), s.indices(4, 2, 0, 3), weights(s), 1.7)
				}})
			}
			if kind.TakesRows() {
				list = append(list, function{fmt.Sprintf("%v of rows, weighted %t", kind, weighted), func(s *subject) *graph.Node {
					return s.Loss(kind, input(s), s.distribution(3, 4), weights(s), 1.7)
				}})
			}
		}
	}
	return append(list,
		function{"loss, summed: the seed is one number", func(s *subject) *graph.Node {
			return s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, s.p(3, 4), s.indices(4, 2, 0, 3), nil, 3))
		}},
		function{"loss, averaged and squared", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Reduce(backend.Mean, s.Loss(backend.MeanSquaredError, s.p(3, 4), s.distribution(3, 4), nil, 1)))
		}},
		function{"loss of one example", func(s *subject) *graph.Node {
			return s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, s.p(1, 4), s.indices(4, 2), nil, 1))
		}},
		function{"loss of images", func(s *subject) *graph.Node {
			return s.Loss(backend.SigmoidCrossEntropy, s.p(2, 2, 2, 1), s.fixed(0, 1, 2, 2, 2, 1), nil, 2)
		}},
	)
}

// structureFunctions are graphs in which nodes are used in more than one way.
func structureFunctions() []function {
	return []function{
		{"diamond", func(s *subject) *graph.Node {
			x := s.Unary(backend.Tanh, 0, s.p(2, 3))
			return s.Add(s.Unary(backend.Sigmoid, 0, x), s.Mul(x, x))
		}},
		{"sum of a node and itself", func(s *subject) *graph.Node {
			x := s.Unary(backend.Tanh, 0, s.p(2, 3))
			return s.Add(x, x)
		}},
		{"quotient of a node by itself squared", func(s *subject) *graph.Node {
			x := s.positive(2, 3)
			return s.Div(x, s.Mul(x, x))
		}},
		{"deep diamond", func(s *subject) *graph.Node {
			x := s.p(4)
			for range 6 {
				x = s.Unary(backend.Sin, 0, s.Add(x, s.Unary(backend.Cos, 0, x)))
			}
			return x
		}},
		{"one parameter in two dense layers", func(s *subject) *graph.Node {
			w, b := s.p(3, 3), s.p(3)
			h := s.Unary(backend.Tanh, 0, s.MatMul(s.p(2, 3), w, b, false, true))
			return s.MatMul(h, w, b, false, true)
		}},
		{"one parameter in three dense layers", func(s *subject) *graph.Node {
			w, b, x := s.p(3, 3), s.p(3), s.p(2, 3)
			for range 3 {
				x = s.Unary(backend.Tanh, 0, s.MatMul(x, w, b, false, true))
			}
			return x
		}},
		{"one filter in two convolutions, one bias", func(s *subject) *graph.Node {
			w, b := s.p(2, 2, 2, 2), s.p(2)
			h := s.Unary(backend.Tanh, 0, s.Conv2D(s.p(1, 4, 4, 2), w, b, plain, 1))
			return s.Conv2D(h, w, b, plain, 1)
		}},
		{"one filter in two convolutions, two biases", func(s *subject) *graph.Node {
			w := s.p(2, 2, 2, 2)
			h := s.Unary(backend.Tanh, 0, s.Conv2D(s.p(1, 4, 4, 2), w, s.p(2), plain, 1))
			return s.Conv2D(h, w, s.p(2), plain, 1)
		}},
		{"gram matrix", func(s *subject) *graph.Node {
			x := s.p(2, 3)
			return s.MatMul(x, x, nil, false, true)
		}},
		{"convolution of an image with itself", func(s *subject) *graph.Node {
			x := s.p(1, 3, 3, 1)
			return s.Conv2D(x, x, nil, plain, 1)
		}},
		{"scale used in two batch norms", func(s *subject) *graph.Node {
			gamma, beta, x := s.p(2), s.p(2), s.p(5, 2)
			h, _, _ := s.BatchNorm(s.Unary(backend.Tanh, 0, x), gamma, beta, 1e-3)
			y, _, _ := s.BatchNorm(s.Mul(h, x), gamma, beta, 1e-3)
			return y
		}},
		{"two branches, one without a gradient", func(s *subject) *graph.Node {
			x := s.p(3, 4)
			return s.Mul(s.Unary(backend.Square, 0, x), s.Compare(backend.Greater, x, s.Constant(0.2, nil)))
		}},
		{"a comparison alone", func(s *subject) *graph.Node {
			return s.Compare(backend.Less, s.p(3, 4), s.p(4))
		}},
		{"an integer branch", func(s *subject) *graph.Node {
			x := s.p(3, 4)
			best := s.Convert(s.Reduce(backend.ReduceArgmax, x, 1), nil, nil)
			return s.Mul(x, best)
		}},
		{"a parameter that does not matter", func(s *subject) *graph.Node {
			s.p(2, 2)
			return s.Unary(backend.Square, 0, s.p(3))
		}},
		{"residual block", func(s *subject) *graph.Node {
			x := s.p(1, 3, 3, 2)
			same := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
			h := s.Unary(backend.ELU, 1, s.Conv2D(x, s.p(2, 3, 3, 2), s.p(2), same, 1))
			return s.Unary(backend.Sigmoid, 0, s.Add(s.Conv2D(h, s.p(2, 3, 3, 2), nil, same, 1), x))
		}},
	}
}
