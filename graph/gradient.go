package graph

import (
	"fmt"

	"fovea/backend"
)

// Gradients adds to the graph the gradients of a node with respect to others, by
// reverse-mode differentiation: for each w of withRespectTo, the node
//
//	Σ_i seed[i]·∂of[i]/∂w
//
// The seed has the shape of `of`; nil means 1 everywhere. It may be an Input, so
// that a caller asks for the gradient of one output after the other with the same
// Program. A w on which `of` does not depend has the gradient 0.
//
// Source: the lecture's "CNN Backprop" and "AutoGrad".
func (g *Graph) Gradients(of, seed *Node, withRespectTo ...*Node) []*Node {
	gradients := make([]*Node, len(withRespectTo))
	for i := range gradients {
		gradients[i] = g.nodes[0]
	}
	if !g.readyOptional("Gradients", seed, append([]*Node{of}, withRespectTo...)...) {
		return gradients
	}
	outer := g.label
	defer func() { g.label = outer }()
	if seed == nil {
		g.label = of.label
		seed = g.Constant(1, of.shape)
		g.label = outer
	}
	if !seed.shape.Equal(of.shape) {
		g.failOp("Gradients", fmt.Errorf("%w: the seed is %v, expected %v", backend.ErrShape, seed.shape, of.shape))
		return gradients
	}
	for _, n := range append([]*Node{of, seed}, withRespectTo...) {
		if n.dtype != backend.Float32 {
			g.failOp("Gradients", fmt.Errorf("%w: %q is %v, expected %v", backend.ErrType, n.Name(), n.dtype, backend.Float32))
			return gradients
		}
	}
	b := newBackprop(g, of, withRespectTo)
	b.contribute(of, seed)
	b.run(of.id)
	for i, w := range withRespectTo {
		g.label = w.label
		if gradients[i] = b.total(w); gradients[i] == nil {
			gradients[i] = g.Constant(0, w.shape)
		}
	}
	return gradients
}

// backprop is one reverse pass.
type backprop struct {
	g      *Graph
	wanted []bool    // by node: lies between the targets and the differentiated node
	parts  [][]*Node // by node: the gradients that have reached it so far
	sums   []*Node   // by node: their sum, once it has been formed
}

func newBackprop(g *Graph, of *Node, targets []*Node) *backprop {
	n := len(g.nodes)
	b := &backprop{g: g, wanted: make([]bool, n), parts: make([][]*Node, n), sums: make([]*Node, n)}
	for _, t := range targets {
		b.wanted[t.id] = true
	}
	for _, node := range g.nodes[1 : of.id+1] {
		for _, in := range node.inputs() {
			if b.wanted[in.id] {
				b.wanted[node.id] = true
			}
		}
	}
	return b
}

// inputs lists the nodes that a node is computed from.
func (n *Node) inputs() []*Node {
	if n.isView() {
		return []*Node{n.base}
	}
	if n.made == nil {
		return nil
	}
	var in []*Node
	for _, o := range n.made.op.Operands() {
		if !o.Access.Writes() {
			in = append(in, n.graph.at(*o.View))
		}
	}
	return in
}

// wants reports whether the gradient of an operand is needed.
func (b *backprop) wants(v backend.View) bool { return v.Present() && b.wanted[v.Buffer] }

// contribute adds a gradient that reaches a node.
func (b *backprop) contribute(n, gradient *Node) {
	if gradient.valid() && b.wanted[n.id] {
		b.parts[n.id] = append(b.parts[n.id], gradient)
	}
}

// give is contribute for an operand.
func (b *backprop) give(v backend.View, gradient *Node) { b.contribute(b.g.at(v), gradient) }

// total returns the sum of the gradients that reached a node, nil if none did. They
// are added in the order in which they came.
func (b *backprop) total(n *Node) *Node {
	if b.sums[n.id] == nil {
		for _, p := range b.parts[n.id] {
			if b.sums[n.id] == nil {
				b.sums[n.id] = p
			} else {
				b.sums[n.id] = b.g.Add(b.sums[n.id], p)
			}
		}
	}
	return b.sums[n.id]
}

// of returns the gradient of an output that has been reached.
func (b *backprop) of(v backend.View) *Node { return b.total(b.g.at(v)) }

// run visits the nodes from the last to the first. The outputs of one Op follow
// each other, so that all of them have been reached when its first one is.
func (b *backprop) run(last int) {
	outer := b.g.label
	defer func() { b.g.label = outer }()
	for id := last; id > 0 && b.g.err == nil; id-- {
		n := b.g.nodes[id]
		b.g.label = n.label
		switch {
		case !b.wanted[id]:
		case n.isView():
			if t := b.total(n); t != nil {
				b.contribute(n.base, b.unview(n, t))
			}
		case n.made != nil && b.first(n) && b.reached(n):
			b.differentiate(n.made.op)
		}
	}
}

// first reports whether n is the first output of its Op, or what it has changed.
func (b *backprop) first(n *Node) bool {
	return n.base != nil || b.g.at(*n.made.op.Operands()[0].View) == n
}

// reached reports whether a gradient has come to an output of the Op that made n.
func (b *backprop) reached(n *Node) bool {
	for _, o := range n.made.op.Operands() {
		if o.Access.Writes() && len(b.parts[o.View.Buffer]) > 0 {
			return true
		}
	}
	return len(b.parts[n.id]) > 0
}

// unview is the adjoint of taking a view: the gradient in the shape of the base,
// zero outside.
func (b *backprop) unview(n, gradient *Node) *Node {
	g := b.g
	if n.shape.Elements() == n.base.shape.Elements() {
		return g.Reshape(gradient, n.base.shape...)
	}
	op := &backend.Embed{X: g.Reshape(gradient, n.shape.Elements()).view(), Start: []int{n.offset}}
	flat := g.single(op, &op.Y, backend.Shape{n.base.shape.Elements()})
	return g.Reshape(flat, n.base.shape...)
}
