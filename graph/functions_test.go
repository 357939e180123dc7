package graph_test

import (
	"fmt"

	"fovea/backend"
	"fovea/graph"
)

// windowFunctions are the Ops that move a window over images, and their like.
func windowFunctions() []function {
	conv := func(x, w backend.Shape, bias bool, win backend.Window, groups int) func(*subject) *graph.Node {
		return func(s *subject) *graph.Node {
			var b *graph.Node
			if bias {
				b = s.p(w[0])
			}
			return s.Conv2D(s.p(x...), s.p(w...), b, win, groups)
		}
	}
	max := func(x backend.Shape, kh, kw int, win backend.Window) func(*subject) *graph.Node {
		return func(s *subject) *graph.Node { return s.MaxPool2D(s.p(x...), kh, kw, win) }
	}
	avg := func(x backend.Shape, kh, kw int, win backend.Window, count bool) func(*subject) *graph.Node {
		return func(s *subject) *graph.Node { return s.AvgPool2D(s.p(x...), kh, kw, win, count) }
	}
	uneven := backend.Window{StrideH: 2, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 1, PadLeft: 2, PadRight: 1}
	dilated := backend.Window{StrideH: 1, StrideW: 2, DilationH: 2, DilationW: 3, PadTop: 2, PadBottom: 1, PadLeft: 3}
	list := []function{
		{"conv", conv(backend.Shape{2, 4, 5, 2}, backend.Shape{3, 3, 2, 2}, false, plain, 1)},
		{"conv with bias", conv(backend.Shape{2, 3, 3, 2}, backend.Shape{3, 2, 2, 2}, true, plain, 1)},
		{"conv with stride", conv(backend.Shape{1, 6, 5, 2}, backend.Shape{2, 3, 2, 2}, true, stride(2), 1)},
		{"conv with uneven padding", conv(backend.Shape{1, 4, 3, 2}, backend.Shape{2, 3, 3, 2}, true, uneven, 1)},
		{"conv with dilation", conv(backend.Shape{1, 5, 6, 1}, backend.Shape{2, 3, 2, 1}, false, dilated, 1)},
		{"conv in groups", conv(backend.Shape{2, 3, 3, 4}, backend.Shape{6, 2, 2, 2}, true, plain, 2)},
		{"conv by channel", conv(backend.Shape{1, 3, 4, 3}, backend.Shape{3, 2, 2, 1}, false, plain, 3)},
		{"conv over a pixel", conv(backend.Shape{1, 1, 1, 2}, backend.Shape{2, 1, 1, 2}, true, plain, 1)},
		{"conv with fixed filters", func(s *subject) *graph.Node {
			return s.Conv2D(s.fixed(-1, 1, 1, 3, 3, 2), s.fixed(-1, 1, 2, 2, 2, 2), s.p(2), plain, 1)
		}},
		{"max pool", max(backend.Shape{2, 4, 4, 2}, 2, 2, stride(2))},
		{"max pool with overlap", max(backend.Shape{1, 5, 4, 2}, 3, 2, plain)},
		{"max pool with padding", max(backend.Shape{1, 4, 5, 1}, 3, 3, uneven)},
		{"max pool with dilation", max(backend.Shape{1, 5, 6, 1}, 2, 2, backend.Window{StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 3})},
		{"average pool", avg(backend.Shape{2, 4, 4, 2}, 2, 2, stride(2), false)},
		{"average pool with padding", avg(backend.Shape{1, 4, 5, 2}, 3, 3, uneven, false)},
		{"average pool that counts padding", avg(backend.Shape{1, 4, 5, 2}, 3, 3, uneven, true)},
		{"global average pool", avg(backend.Shape{2, 3, 4, 2}, 3, 4, plain, false)},
	}
	for _, mode := range []backend.PadMode{backend.PadZeros, backend.PadReflect, backend.PadEdge} {
		list = append(list, function{"pad with " + mode.String(), func(s *subject) *graph.Node {
			return s.Pad(s.p(2, 4, 3, 2), backend.Padding{Top: 2, Bottom: 3, Left: 1, Right: 2, Mode: mode})
		}})
	}
	for _, mode := range []backend.ResizeMode{backend.Nearest, backend.Bilinear, backend.Area} {
		for _, to := range [][2]int{{2, 7}, {9, 3}, {4, 5}} {
			list = append(list, function{fmt.Sprintf("resize %v to %v", mode, to), func(s *subject) *graph.Node {
				return s.Resize(s.p(1, 4, 5, 2), to[0], to[1], mode)
			}})
		}
	}
	return list
}

// scalarFunctions work element by element.
func scalarFunctions() []function {
	var list []function
	alphas := map[backend.Func]float64{backend.LeakyReLU: 0.1, backend.ELU: 0.7, backend.Scale: -1.5, backend.Offset: 0.25, backend.Power: 2.5}
	positive := map[backend.Func]bool{backend.Sqrt: true, backend.Rsqrt: true, backend.Log: true, backend.Reciprocal: true, backend.Power: true}
	for _, f := range backend.Funcs() {
		list = append(list, function{f.String(), func(s *subject) *graph.Node {
			if positive[f] {
				return s.Unary(f, alphas[f], s.positive(3, 4))
			}
			return s.Unary(f, alphas[f], s.p(3, 4))
		}})
	}
	shapes := [][2]backend.Shape{
		{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{3}, {2, 3}}, {{2, 1}, {1, 3}}, {{2, 3}, {1, 3}}, {{2, 1, 3}, {4, 1}}, {{2, 3}, nil}, {nil, {2, 3}}, {{1, 1}, {2, 3}}, {nil, nil},
		{{1}, {1, 1, 1}}, {{2, 3, 1, 2}, {2, 3, 4, 2}},
	}
	for _, f := range backend.BinaryFuncs() {
		for _, ab := range shapes {
			list = append(list, function{fmt.Sprintf("%v of %v and %v", f, ab[0], ab[1]), func(s *subject) *graph.Node {
				if f == backend.Div {
					return s.Binary(f, s.p(ab[0]...), s.positive(ab[1]...))
				}
				return s.Binary(f, s.p(ab[0]...), s.p(ab[1]...))
			}})
		}
	}
	for _, shapes := range [][3]backend.Shape{{{2, 3}, {2, 3}, {2, 3}}, {{3}, {2, 3}, nil}, {{2, 1}, nil, {1, 3}}, {{2, 3}, {1}, {3}}, {{1, 3}, {2, 1}, {2, 1}}} {
		list = append(list, function{fmt.Sprintf("select %v", shapes), func(s *subject) *graph.Node {
			cond := s.Compare(backend.Greater, s.p(shapes[0]...), s.Constant(0.1, nil))
			return s.Select(cond, s.p(shapes[1]...), s.p(shapes[2]...))
		}})
	}
	return append(list,
		function{"select with a differentiated condition", func(s *subject) *graph.Node {
			x := s.p(2, 3)
			return s.Select(x, s.Mul(x, x), x)
		}},
		function{"dropout", func(s *subject) *graph.Node {
			s.ints[graph.DrawName] = []int32{7, 0, 3}
			return s.Dropout(s.p(4, 5), 0.4, 2)
		}},
		function{"dropout twice, from two streams", func(s *subject) *graph.Node {
			s.ints[graph.DrawName] = []int32{7, -9, 3}
			x := s.p(4, 5)
			return s.Mul(s.Dropout(x, 0.4, 1), s.Dropout(x, 0.4, 2))
		}},
	)
}

// movingFunctions reorder, repeat and pick.
func movingFunctions() []function {
	return []function{
		{"broadcast a row", func(s *subject) *graph.Node { return s.Broadcast(s.p(3), backend.Shape{2, 4, 3}) }},
		{"broadcast a column", func(s *subject) *graph.Node { return s.Broadcast(s.p(2, 1, 3), backend.Shape{2, 4, 3}) }},
		{"broadcast a scalar", func(s *subject) *graph.Node { return s.Broadcast(s.p(), backend.Shape{2, 3}) }},
		{"broadcast to the same shape", func(s *subject) *graph.Node { return s.Broadcast(s.p(2, 3), backend.Shape{2, 3}) }},
		{"reshape", func(s *subject) *graph.Node { return s.Unary(backend.Square, 0, s.Reshape(s.p(2, 6), 3, -1)) }},
		{"reshape twice", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Reshape(s.Reshape(s.p(2, 6), 3, 4), 12))
		}},
		{"reshape of a leaf alone", func(s *subject) *graph.Node { return s.Reshape(s.p(2, 6), 4, 3) }},
		{"slice of rows, a view", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Slice(s.p(4, 3), []int{1, 0}, backend.Shape{2, 3}))
		}},
		{"slice of a part of a row, a view", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Slice(s.p(4, 5), []int{2, 1}, backend.Shape{1, 3}))
		}},
		{"slice of columns, a copy", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Slice(s.p(4, 3), []int{0, 1}, backend.Shape{4, 2}))
		}},
		{"slice of a box, a copy", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Slice(s.p(3, 4, 3), []int{1, 1, 0}, backend.Shape{2, 2, 2}))
		}},
		{"view of a view of a view", func(s *subject) *graph.Node {
			rows := s.Slice(s.p(6, 4), []int{1, 0}, backend.Shape{4, 4})
			wide := s.Reshape(rows, 2, 8)
			return s.Unary(backend.Square, 0, s.Slice(wide, []int{1, 2}, backend.Shape{1, 5}))
		}},
		{"views that overlap", func(s *subject) *graph.Node {
			x := s.Unary(backend.Tanh, 0, s.p(5))
			return s.Mul(s.Slice(x, []int{0}, backend.Shape{4}), s.Slice(x, []int{1}, backend.Shape{4}))
		}},
		{"concatenate rows", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Concatenate(0, s.p(2, 3), s.p(1, 3), s.p(3, 3)))
		}},
		{"concatenate columns", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Concatenate(1, s.p(2, 3), s.p(2, 1)))
		}},
		{"concatenate with itself", func(s *subject) *graph.Node {
			x := s.p(2, 3)
			return s.Unary(backend.Square, 0, s.Concatenate(1, x, x, s.Unary(backend.Tanh, 0, x)))
		}},
		{"transpose", func(s *subject) *graph.Node {
			return s.Mul(s.Transpose(s.p(2, 3, 4), 2, 0, 1), s.p(4, 2, 3))
		}},
		{"transpose there and back", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Transpose(s.Transpose(s.p(2, 3, 4), 1, 2, 0), 2, 0, 1))
		}},
		{"gather", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Gather(s.p(4, 3), s.indices(4, 2, 0, 2, 3, 2), nil, nil))
		}},
		{"gather from a view", func(s *subject) *graph.Node {
			return s.Unary(backend.Square, 0, s.Gather(s.Reshape(s.p(12), 4, 3), s.indices(4, 2, 0, 2, 3, 2), nil, nil))
		}},
		{"gather from a part", func(s *subject) *graph.Node {
			table := s.Slice(s.p(5, 2), []int{1, 0}, backend.Shape{3, 2})
			return s.Unary(backend.Square, 0, s.Gather(table, s.indices(3, 1, 1, 2), nil, nil))
		}},
		{"gather twice from one table", func(s *subject) *graph.Node {
			table := s.p(4, 3)
			return s.Mul(s.Gather(table, s.indices(4, 2, 0), nil, nil), s.Gather(table, s.indices(4, 2, 1), nil, nil))
		}},
		{"gather and product with one table", func(s *subject) *graph.Node {
			table := s.p(4, 3)
			return s.MatMul(s.Gather(table, s.indices(4, 2, 0), nil, nil), table, nil, false, true)
		}},
		{"embed, the adjoint of slice", func(s *subject) *graph.Node {
			// The gradient of a slice is linear in its seed: differentiated once more, an Embed.
			x := s.fixed(-1, 1, 3, 4)
			return s.Gradients(s.Slice(x, []int{0, 1}, backend.Shape{3, 2}), s.p(3, 2), x)[0]
		}},
		{"embed, the adjoint of a view", func(s *subject) *graph.Node {
			x := s.fixed(-1, 1, 3, 4)
			return s.Gradients(s.Slice(x, []int{1, 0}, backend.Shape{1, 4}), s.p(1, 4), x)[0]
		}},
	}
}
