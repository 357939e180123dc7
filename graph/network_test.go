package graph_test

import (
	"fmt"
	"math/rand/v2"

	"fovea/backend"
	"fovea/graph"
)

// network is a random convolutional network under construction.
type network struct {
	*subject
	x       *graph.Node
	between []*graph.Node // what the layers have made
	filters []*graph.Node // for layers that share them
}

// randomNetwork builds a network of all kinds of layers, its loss, and the gradients
// with respect to its parameters and some nodes between. Among the outputs are some
// of the nodes between, too, which fusion must leave alone. The same seed gives the
// same network.
func randomNetwork(seed uint64) (*subject, []graph.Placement) {
	s := newSubject()
	s.random = rand.New(rand.NewPCG(seed, 17))
	n := &network{subject: s}
	s.ints[graph.DrawName] = []int32{int32(seed), 0, 1}
	n.x = s.p(2, 4+s.random.IntN(3), 4+s.random.IntN(3), 1+s.random.IntN(3))
	for layer := range 3 + s.random.IntN(6) {
		s.In(fmt.Sprintf("layer%d", layer), n.image)
		n.between = append(n.between, n.x)
	}
	n.x = s.Reshape(n.x, 2, -1)
	for layer := range 1 + s.random.IntN(4) {
		s.In(fmt.Sprintf("dense%d", layer), n.dense)
		n.between = append(n.between, n.x)
	}
	classes := n.x.Shape()[1]
	loss := s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, n.x, s.indices(classes, int32(s.random.IntN(classes)), 0), nil, 2))
	targets := append([]*graph.Node(nil), s.leaves...)
	outputs := []graph.Placement{{Node: loss, Buffer: "loss"}}
	for i, b := range n.between {
		switch s.random.IntN(6) {
		case 0:
			outputs = append(outputs, graph.Placement{Node: b, Buffer: fmt.Sprint("between", i)})
		case 1:
			targets = append(targets, b)
		}
	}
	for i, d := range s.Gradients(loss, nil, targets...) {
		outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("gradient", i), Accumulate: s.random.IntN(3) == 0})
	}
	return s, outputs
}

func (n *network) activation() backend.Activation {
	all := []backend.Activation{{}, {Func: backend.Sigmoid}, {Func: backend.Tanh}, {Func: backend.ReLU}, {Func: backend.LeakyReLU, Alpha: 0.1}, {Func: backend.ELU, Alpha: 0.7}}
	return all[n.random.IntN(len(all))]
}

// image adds a layer that makes images of images.
func (n *network) image() {
	s, r := n.subject, n.random
	shape := n.x.Shape()
	h, w, c := shape[1], shape[2], shape[3]
	switch r.IntN(13) {
	case 0:
		n.x = s.Activate(n.conv(n.x, 1+r.IntN(4)), n.activation())
	case 1:
		n.x = s.Activate(s.Add(n.conv(s.Activate(n.conv(n.x, c), n.activation()), c), n.x), n.activation())
	case 2:
		n.x = s.Add(s.Activate(n.conv(n.x, c), n.activation()), s.Activate(n.conv(n.x, c), n.activation()))
	case 3:
		n.x = s.Activate(s.MaxPool2D(s.Activate(n.conv(n.x, c), n.activation()), min(h, 2), min(w, 2), plain), n.activation())
	case 4:
		n.x = s.AvgPool2D(s.Activate(n.conv(n.x, c), n.activation()), min(h, 2), min(w, 2), plain, false)
	case 5:
		y, _, _ := s.BatchNorm(n.x, s.p(c), s.p(c), 1e-3)
		n.x = s.Activate(y, n.activation())
	case 6:
		n.x = s.Activate(s.BatchNormInference(n.x, s.p(c), s.p(c), s.fixed(-1, 1, c), s.fixed(0.5, 2, c), 1e-3), n.activation())
	case 7:
		n.x = s.Dropout(s.Activate(n.x, n.activation()), 0.3, uint32(r.IntN(100)))
	case 8:
		n.x = s.Pad(s.Activate(n.x, n.activation()), backend.Padding{Top: 1, Right: 1, Mode: backend.PadEdge})
	case 9:
		n.x = s.Resize(s.Activate(n.x, n.activation()), 4, 5, backend.ResizeMode(r.IntN(3)))
	case 10:
		n.x = s.Maxout(s.Activate(n.conv(n.x, 2*c), n.activation()), 2)
	case 11: // two branches, one from a part of the image
		part := s.Slice(n.x, []int{0, 0, 0, 0}, backend.Shape{2, 1, w, c})
		n.x = s.Activate(s.Add(n.conv(n.x, c), part), n.activation())
	case 12: // squeeze and excite: a factor for each channel
		factor := s.Activate(s.Reduce(backend.Mean, n.x, 1, 2), n.activation())
		n.x = s.Mul(n.x, factor)
	}
}

// conv adds a convolution that keeps the size, sometimes with filters that another
// one has too, with or without a bias.
func (n *network) conv(x *graph.Node, filters int) *graph.Node {
	k := 1 + 2*n.random.IntN(2)
	win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: k / 2, PadBottom: k / 2, PadLeft: k / 2, PadRight: k / 2}
	shape := backend.Shape{filters, k, k, x.Shape()[3]}
	w := n.shared(shape)
	if w == nil {
		w = n.p(shape...)
		n.filters = append(n.filters, w)
	}
	var b *graph.Node
	if n.random.IntN(2) == 0 {
		if b = n.shared(backend.Shape{filters}); b == nil {
			b = n.p(filters)
			n.filters = append(n.filters, b)
		}
	}
	return n.Conv2D(x, w, b, win, 1)
}

// shared returns a parameter of that shape to use again, two times of three.
func (n *network) shared(s backend.Shape) *graph.Node {
	for _, p := range n.filters {
		if p.Shape().Equal(s) && n.random.IntN(3) > 0 {
			return p
		}
	}
	return nil
}

// dense adds a layer that makes rows of rows.
func (n *network) dense() {
	s := n.subject
	d := n.x.Shape()[1]
	shape := backend.Shape{3 + n.random.IntN(3), d}
	residual := n.random.IntN(3) == 0
	if residual {
		shape[0] = d
	}
	w := n.shared(shape)
	if w == nil {
		w = s.p(shape...)
		n.filters = append(n.filters, w)
	}
	var b *graph.Node
	if n.random.IntN(2) == 0 {
		b = s.p(shape[0])
	}
	y := s.Activate(s.MatMul(n.x, w, b, false, true), n.activation())
	if residual {
		y = s.Activate(s.Add(y, n.x), n.activation())
	}
	n.x = y
}
