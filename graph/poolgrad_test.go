package graph_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// behind counts the derivatives of activations that work on what a max pooling's gradient
// has written, as Ops of their own or in its epilogue.
func behind(p *backend.Program) int {
	n := 0
	written := map[backend.BufferID]bool{}
	for _, in := range p.Code {
		switch o := in.Op.(type) {
		case *backend.MaxPool2DGrad:
			written[o.DX.Buffer] = true
			if o.GradEpilogue.Output.Present() {
				n++
			}
		case *backend.UnaryGrad:
			if written[o.DY.Buffer] {
				n++
			}
		}
	}
	return n
}

// A derivative goes in front of a max pooling's gradient where that changes nothing: the
// gradients are equal to those of the same graph in which somebody looks at the gradient
// in between, which keeps the two as they are.
func TestDerivativesGoBeforeGradientsOfMaxPoolings(t *testing.T) {
	window := func(stride, dilation, pad int) backend.Window {
		return backend.Window{StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation, PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad}
	}
	relu := backend.Activation{Func: backend.ReLU}
	tanh := backend.Activation{Func: backend.Tanh}
	for _, c := range []struct {
		name   string
		act    backend.Activation
		k      int
		win    backend.Window
		pool   func(s *subject, x *graph.Node) *graph.Node // instead of the window
		seen   bool                                        // what is pooled is an output
		behind int                                         // derivatives that stay
		none   bool                                        // there is none that could
	}{
		{name: "windows side by side", act: relu, k: 2, win: stride(2)},
		{name: "windows side by side, sigmoid", act: backend.Activation{Func: backend.Sigmoid}, k: 2, win: stride(2)},
		{name: "windows side by side, tanh", act: tanh, k: 2, win: stride(2)},
		{name: "windows side by side, leaky", act: backend.Activation{Func: backend.LeakyReLU, Alpha: 0.3}, k: 3, win: stride(3)},
		{name: "windows side by side, ELU", act: backend.Activation{Func: backend.ELU, Alpha: 0.7}, k: 2, win: stride(2)},
		{name: "windows with gaps and padding", act: tanh, k: 2, win: window(3, 1, 1)},
		{name: "overlapping windows of a derivative that is 0 or 1", act: relu, k: 3, win: window(2, 1, 1)},
		{name: "overlapping windows of another", act: tanh, k: 3, win: window(2, 1, 1), behind: 1},
		{name: "windows that overlap in one direction", act: tanh, k: 2, win: backend.Window{StrideH: 2, StrideW: 1, DilationH: 1, DilationW: 1}, behind: 1},
		{name: "dilated windows that overlap", act: tanh, k: 2, win: window(2, 2, 0), behind: 1},
		{name: "dilated windows that do not", act: tanh, k: 2, win: window(3, 2, 0)},
		{name: "through a reshape", act: tanh, pool: func(s *subject, x *graph.Node) *graph.Node {
			return s.MaxPool2D(s.Reshape(x, 4, 6, 3, 3), 2, 2, stride(2))
		}},
		{name: "past two poolings", act: tanh, pool: func(s *subject, x *graph.Node) *graph.Node {
			return s.MaxPool2D(s.MaxPool2D(x, 2, 2, stride(2)), 2, 2, stride(2))
		}},
		{name: "past one of two", act: tanh, pool: func(s *subject, x *graph.Node) *graph.Node {
			return s.MaxPool2D(s.MaxPool2D(x, 2, 2, stride(1)), 2, 2, stride(2))
		}, behind: 1},
		{name: "of a pooling whose result is seen", act: relu, k: 2, win: stride(2), seen: true},
		{name: "not of what has another reader", act: relu, pool: func(s *subject, x *graph.Node) *graph.Node {
			return s.Add(s.MaxPool2D(x, 2, 2, stride(2)), s.AvgPool2D(x, 2, 2, stride(2), false))
		}, none: true},
		{name: "not of a part", act: relu, pool: func(s *subject, x *graph.Node) *graph.Node {
			return s.MaxPool2D(s.Slice(x, []int{1, 0, 0, 0}, backend.Shape{1, 6, 6, 3}), 2, 2, stride(2))
		}, none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject()
			x := s.Activate(s.Conv2D(s.p(2, 7, 7, 2), s.p(3, 2, 2, 2), s.p(3), plain, 1), c.act)
			var y *graph.Node
			if c.pool != nil {
				y = c.pool(s, x)
			} else {
				y = s.MaxPool2D(x, c.k, c.k, c.win)
			}
			pooled := y
			y = s.Mul(y, y)
			seed := s.fixed(-1, 1, y.Shape()...)
			targets := append(s.leaves, x)
			var outputs []graph.Placement
			for i, d := range s.Gradients(y, seed, targets...) {
				outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("d", i)})
			}
			if c.seen {
				outputs = append(outputs, graph.Placement{Node: pooled, Buffer: "pooled"})
			}
			require.NoError(t, s.Err())
			last := len(targets) - 1
			moved := append(outputs[:last:last], outputs[last+1:]...)
			for _, unfused := range []bool{false, true} {
				p := lower(t, s.Graph, graph.Lowering{Name: "moved", Outputs: moved, Unfused: unfused})
				kept := lower(t, s.Graph, graph.Lowering{Name: "kept", Outputs: outputs, Unfused: unfused})
				assert.Equal(t, c.behind, behind(p), "%v", p)
				assert.Equal(t, c.none, behind(kept) == 0, "%v", kept)
				assert.Equal(t, p.String(), lower(t, s.Graph, graph.Lowering{Name: "moved", Outputs: moved, Unfused: unfused}).String(), "lowering leaves the graph as it is")
				requireSameGradients(t, s, p, kept, moved)
			}
		})
	}
}

// requireSameGradients runs two Programs on every backend.
func requireSameGradients(t *testing.T, s *subject, p, q *backend.Program, outputs []graph.Placement) {
	for _, name := range backend.Names() {
		d := open(t, name)
		a, b := compile(t, d, p), compile(t, d, q)
		for _, x := range []*session{a, b} {
			x.write(s.floats, s.ints)
			x.step()
		}
		for _, out := range outputs {
			assert.Equal(t, b.read(out.Buffer), a.read(out.Buffer), "%s: %s\n%v", name, out.Buffer, p)
		}
	}
}

// A derivative stays where it is if something else reads the gradient of the pooling, or if
// it is that of something else than what was pooled.
func TestDerivativesStayBehindGradientsOfMaxPoolings(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(s *subject, x, y *graph.Node) (out, between *graph.Node)
	}{
		{"a second reader", func(s *subject, x, y *graph.Node) (out, between *graph.Node) {
			d := s.Gradients(s.Mul(y, y), nil, s.leaves[1], x)
			return s.Add(s.Reduce(backend.Sum, d[0]), s.Reduce(backend.Sum, s.Mul(d[1], d[1]))), d[1]
		}},
		{"the gradient is the seed of another", func(s *subject, x, y *graph.Node) (out, between *graph.Node) {
			between = s.Gradients(s.Mul(y, y), nil, x)[0]
			other := s.p(x.Shape()...)
			return s.Gradients(s.Unary(backend.Tanh, 0, other), between, other)[0], between
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject()
			x := s.Activate(s.Conv2D(s.p(2, 7, 7, 2), s.p(3, 2, 2, 2), s.p(3), plain, 1), backend.Activation{Func: backend.ReLU})
			out, between := c.build(s, x, s.MaxPool2D(x, 2, 2, stride(2)))
			outputs := []graph.Placement{{Node: out, Buffer: "out"}, {Node: between, Buffer: "between"}}
			p, kept := lower(t, s.Graph, graph.Lowering{Outputs: outputs[:1]}), lower(t, s.Graph, graph.Lowering{Outputs: outputs})
			assert.Equal(t, 1, behind(p), "%v", p)
			requireSameGradients(t, s, p, kept, outputs[:1])
		})
	}
}

// A step of a network like LeNet-5 reads what a convolution has computed once, to pool it.
func TestConvolutionsBeforePoolingsAreNotKept(t *testing.T) {
	s := newSubject()
	logits := leNet(s, backend.Activation{Func: backend.ReLU}, func(x *graph.Node) *graph.Node { return s.MaxPool2D(x, 2, 2, stride(2)) })
	loss := s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, logits, s.indices(3, 0, 2), nil, 2))
	var outputs []graph.Placement
	for i, d := range s.Gradients(loss, nil, s.leaves...) {
		outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("d", i)})
	}
	p := lower(t, s.Graph, graph.Lowering{Name: "lenet", Outputs: outputs})
	readers := map[backend.BufferID][]string{}
	for _, in := range p.Code {
		for _, o := range in.Op.Operands() {
			if o.Access.Reads() {
				readers[o.View.Buffer] = append(readers[o.View.Buffer], in.Op.Kind())
			}
		}
	}
	for _, in := range p.Code {
		if o, ok := in.Op.(*backend.Conv2D); ok {
			assert.Equal(t, []string{"MaxPool2D"}, readers[o.Y.Buffer])
		}
	}
}
