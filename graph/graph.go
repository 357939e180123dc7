// Package graph builds networks out of nodes, differentiates them, and lowers
// them to Programs.
//
// A Graph is a list of backend Ops over nodes, each node written once. Building
// checks every shape, so that user errors appear here, with the name of the layer
// they belong to. [Graph.Gradients] adds the nodes of reverse-mode derivatives.
// [Graph.Lower] keeps what the wanted nodes need, fuses activations and their
// derivatives into the Ops before them, and emits a [backend.Program].
//
// Errors stick: after the first one every method returns a node that is not
// valid, and Err tells what went wrong. A network is built in one go and checked
// once.
package graph

import (
	"fmt"

	"fovea/backend"
)

// Role tells where a node's value comes from.
type Role uint8

const (
	// Computed nodes are written by an Op, or are views of another node.
	Computed Role = iota
	// Input nodes are written by the caller before each run.
	Input
	// Parameter nodes are learnt.
	Parameter
	// State nodes last from step to step without being learnt: running statistics.
	State
)

func (r Role) String() string {
	names := [...]string{"Computed", "Input", "Parameter", "State"}
	if int(r) >= len(names) {
		return fmt.Sprintf("Role(%d)", uint8(r))
	}
	return names[r]
}

// Node is a value of a Graph: an array of fixed type and shape.
type Node struct {
	graph *Graph
	id    int // index in graph.nodes; 0 is no node
	role  Role
	name  string // of a leaf
	label string // the layer it was made in

	dtype backend.DType
	shape backend.Shape
	limit int // exclusive bound of an Int32 node's values; 0 if unknown

	made *instruction // the Op that writes it; nil for leaves and views
	// base is the node whose memory this one shares: of a view a node that is no view
	// itself, of a node with an Op of its own the one that the Op changes in place.
	base   *Node
	offset int // of a view: elements from the start of base
}

// instruction is an Op whose operands name nodes: View.Buffer is the node's id.
type instruction struct {
	label string
	op    backend.Op
}

// Shape returns the node's shape; nil if it is not valid.
func (n *Node) Shape() backend.Shape { return n.shape }

// DType returns the type of the node's elements.
func (n *Node) DType() backend.DType { return n.dtype }

// Role tells where the node's value comes from.
func (n *Node) Role() Role { return n.role }

// Name returns the name of an Input, Parameter or State, else the label of the
// layer that made the node.
func (n *Node) Name() string {
	if n.name != "" {
		return n.name
	}
	return n.label
}

// Limit returns the exclusive upper bound of an Int32 node's values, 0 if it has
// none.
func (n *Node) Limit() int { return n.limit }

func (n *Node) valid() bool { return n != nil && n.id != 0 }

// isView reports whether the node is a view of another one.
func (n *Node) isView() bool { return n.base != nil && n.made == nil }

// view is the node as an operand of a graph instruction.
func (n *Node) view() backend.View {
	return backend.View{Buffer: backend.BufferID(n.id), DType: n.dtype, Shape: n.shape}
}

// optional is view for an operand that may be left out.
func optional(n *Node) backend.View {
	if n == nil {
		return backend.View{}
	}
	return n.view()
}

// Tracking asks for a running estimate: after each training step State moves
// towards Value, see backend.MovingAverage.
type Tracking struct {
	State, Value    *Node
	Momentum, Scale float64
}

// Graph is a network under construction. It is not safe for concurrent use.
type Graph struct {
	nodes    []*Node // nodes[0] is the node that is not valid
	leaves   map[string]*Node
	label    string
	tracking []Tracking
	err      error
}

// New returns an empty Graph.
func New() *Graph {
	g := &Graph{leaves: map[string]*Node{}}
	g.nodes = []*Node{{graph: g}}
	return g
}

// Err returns the first error of building, nil if there was none.
func (g *Graph) Err() error { return g.err }

// In runs build with all nodes it makes labelled with the layer's name; inside
// another label the two are joined by a slash.
func (g *Graph) In(label string, build func()) {
	outer := g.label
	if outer != "" && label != "" {
		label = outer + "/" + label
	} else if label == "" {
		label = outer
	}
	g.label = label
	build()
	g.label = outer
}

// Label returns the label that nodes are given at present.
func (g *Graph) Label() string { return g.label }

// Input declares an array that the caller writes before each run, under a name of
// its own. The limit is the exclusive bound of Int32 values, 0 for none.
func (g *Graph) Input(name string, t backend.DType, s backend.Shape, limit int) *Node {
	return g.leaf(Input, name, t, s, limit)
}

// Parameter declares an array that is learnt, float32.
func (g *Graph) Parameter(name string, s backend.Shape) *Node {
	return g.leaf(Parameter, name, backend.Float32, s, 0)
}

// State declares an array that lasts from step to step, float32.
func (g *Graph) State(name string, s backend.Shape) *Node {
	return g.leaf(State, name, backend.Float32, s, 0)
}

// leaf returns the leaf of that name, made on its first declaration: a second one
// with the same role, type and shape shares it (tied weights).
func (g *Graph) leaf(role Role, name string, t backend.DType, s backend.Shape, limit int) *Node {
	if g.err != nil {
		return g.nodes[0]
	}
	what := fmt.Sprintf("%v %q", role, name)
	if g.label != "" {
		what += " of"
	}
	if name == "" {
		return g.failOp(what, fmt.Errorf("%w: a leaf needs a name", backend.ErrShape))
	}
	if err := s.Validate(); err != nil {
		return g.failOp(what, err)
	}
	if limit < 0 || limit > 0 && t != backend.Int32 {
		return g.failOp(what, fmt.Errorf("%w: a limit of %d goes with int32 and is not negative, found %v", backend.ErrType, limit, t))
	}
	if n, ok := g.leaves[name]; ok {
		if n.role != role || n.dtype != t || !n.shape.Equal(s) || n.limit != limit {
			return g.failOp(what, fmt.Errorf("%w: it is declared twice: as %v %v %v with limit %d and as %v %v %v with limit %d", backend.ErrShape,
				n.role, n.dtype, n.shape, n.limit, role, t, s, limit))
		}
		return n
	}
	n := g.add(&Node{role: role, name: name, dtype: t, shape: s.Clone(), limit: limit})
	g.leaves[name] = n
	return n
}

func (g *Graph) add(n *Node) *Node {
	n.graph, n.id, n.label = g, len(g.nodes), g.label
	g.nodes = append(g.nodes, n)
	return n
}

// Leaves lists the nodes of one role in the order of their declaration.
func (g *Graph) Leaves(role Role) []*Node {
	var leaves []*Node
	for _, n := range g.nodes[1:] {
		if n.role == role && n.name != "" {
			leaves = append(leaves, n)
		}
	}
	return leaves
}

// Leaf returns the leaf of that name, nil if there is none.
func (g *Graph) Leaf(name string) *Node { return g.leaves[name] }

// Track asks for a running estimate of a value in a State of the same shape, which
// is tracked once.
func (g *Graph) Track(t Tracking) {
	if !g.ready("Track", t.State, t.Value) {
		return
	}
	if t.State.role != State || !t.State.shape.Equal(t.Value.shape) || t.Value.dtype != backend.Float32 {
		g.failOp("Track", fmt.Errorf("%w: %v %q %v does not keep a value of %v %v, expected a State of its shape", backend.ErrShape,
			t.State.role, t.State.Name(), t.State.shape, t.Value.dtype, t.Value.shape))
		return
	}
	for _, other := range g.tracking {
		if other.State == t.State {
			g.failOp("Track", fmt.Errorf("%w: the state %q is tracked twice", backend.ErrShape, t.State.name))
			return
		}
	}
	g.tracking = append(g.tracking, t)
}

// ready reports whether building can go on: there is no error, and all nodes are
// valid and of this graph.
func (g *Graph) ready(what string, nodes ...*Node) bool {
	if g.err != nil {
		return false
	}
	for i, n := range nodes {
		found := ""
		switch {
		case n == nil:
			found = "nil"
		case n.graph != g:
			found = "a node of another graph"
		case n.id == 0:
			found = "not valid"
		default:
			continue
		}
		g.failOp(what, fmt.Errorf("%w: operand %d is %s", backend.ErrShape, i, found))
		return false
	}
	return true
}

// readyOptional is ready with an operand that may be nil, the one behind the given
// nodes.
func (g *Graph) readyOptional(what string, last *Node, nodes ...*Node) bool {
	if last != nil {
		nodes = append(nodes, last)
	}
	return g.ready(what, nodes...)
}

// emit appends an Op that writes the given new nodes, whose shapes the caller has
// derived; output pairs a node with the operand that it is.
func (g *Graph) emit(op backend.Op, outputs ...output) bool {
	in := &instruction{label: g.label, op: op}
	for _, out := range outputs {
		out.node.made = in
		*out.view = g.add(out.node).view()
	}
	if err := op.Check(); err != nil {
		g.nodes = g.nodes[:len(g.nodes)-len(outputs)]
		g.failCheck(op, err)
		return false
	}
	return true
}

type output struct {
	view *backend.View
	node *Node
}

// single appends an Op with one float32 output of shape s.
func (g *Graph) single(op backend.Op, y *backend.View, s backend.Shape) *Node {
	n := &Node{dtype: backend.Float32, shape: s}
	if !g.emit(op, output{y, n}) {
		return g.nodes[0]
	}
	return n
}

// at returns the node that an operand of a graph instruction names.
func (g *Graph) at(v backend.View) *Node { return g.nodes[v.Buffer] }
