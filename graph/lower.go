package graph

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"fovea/backend"
)

// Placement puts a node into a bound buffer.
type Placement struct {
	Node   *Node
	Buffer string
	Offset int // elements from the start of the buffer
	// Accumulate adds an output to what the buffer holds instead of overwriting it.
	// Ops that read the node still see its own value.
	Accumulate bool
}

// Lowering says what a Program shall compute and where its values lie.
type Lowering struct {
	Name string
	// Outputs are the nodes to compute.
	Outputs []Placement
	// Leaves places those leaves that share a buffer with others. Every other leaf
	// that is needed gets a buffer of its own name.
	Leaves []Placement
	// Sizes gives the elements of the buffers named in Placements; where one is left
	// out its placements' reach is taken.
	Sizes map[string]int
	// Unfused leaves every activation and every derivative an Op of its own. Results
	// are the same, bit for bit; tests and profiles use it.
	Unfused bool
}

// Lower emits the Program that computes the wanted outputs and nothing else.
func (g *Graph) Lower(l Lowering) (*backend.Program, error) {
	if g.err != nil {
		return nil, g.err
	}
	if err := l.check(g); err != nil {
		return nil, fmt.Errorf("graph: Lower %q: %w", l.Name, err)
	}
	c := newCompiler(g, l)
	if err := c.checkOverlaps(); err != nil {
		return nil, fmt.Errorf("graph: Lower %q: %w", l.Name, err)
	}
	c.foldSums()
	c.exchangePoolGrads()
	if !l.Unfused {
		c.fuseActivations()
		c.fuseEpilogues()
	}
	p := c.emit()
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("graph: Lower %q: %w", l.Name, err)
	}
	return p, nil
}

// check demands that every placement names a node and a place.
func (l Lowering) check(g *Graph) error {
	bad := func(p Placement, format string, args ...any) error {
		return fmt.Errorf("%w: placement in buffer %q: %s", backend.ErrShape, p.Buffer, fmt.Sprintf(format, args...))
	}
	for i, p := range append(append([]Placement(nil), l.Outputs...), l.Leaves...) {
		switch {
		case !p.Node.valid() || p.Node.graph != g:
			return bad(p, "it names no node of this graph")
		case p.Buffer == "":
			return bad(p, "%q needs the name of a buffer", p.Node.Name())
		case p.Offset < 0 || p.Offset > math.MaxInt32-p.Node.shape.Elements():
			return bad(p, "%q %v has the offset %d, expected at least 0 and an end within 31 bits", p.Node.Name(), p.Node.shape, p.Offset)
		case i >= len(l.Outputs) && p.Node.name == "":
			return bad(p, "%q is computed, expected an Input, a Parameter or a State", p.Node.Name())
		case i >= len(l.Outputs) && p.Accumulate:
			return bad(p, "%q is not computed, and cannot accumulate", p.Node.Name())
		}
	}
	return nil
}

// checkOverlaps demands that a leaf has one place, and that no two placements share an
// element of a buffer, the leaves in buffers of their own names among them.
func (c *compiler) checkOverlaps() error {
	all := append(append([]Placement(nil), c.l.Outputs...), c.l.Leaves...)
	placed := map[*Node]bool{}
	for _, p := range c.l.Leaves {
		if placed[p.Node] {
			return fmt.Errorf("%w: %q is placed twice", backend.ErrProgram, p.Node.name)
		}
		placed[p.Node] = true
	}
	for _, n := range c.g.nodes[1:] {
		if n.name != "" && c.live[n] && !placed[n] {
			all = append(all, Placement{Node: n, Buffer: n.name})
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].Buffer != all[j].Buffer {
			return all[i].Buffer < all[j].Buffer
		}
		return all[i].Offset < all[j].Offset
	})
	for i := 1; i < len(all); i++ {
		p, q := all[i-1], all[i]
		if p.Buffer == q.Buffer && p.Offset+p.Node.shape.Elements() > q.Offset {
			return fmt.Errorf("%w: %q %v at %d and %q %v at %d overlap in buffer %q", backend.ErrProgram,
				p.Node.Name(), p.Node.shape, p.Offset, q.Node.Name(), q.Node.shape, q.Offset, p.Buffer)
		}
	}
	return nil
}

// compiler is one lowering at work: a list of Ops that passes shorten.
type compiler struct {
	g *Graph
	l Lowering
	// code holds copies of the needed instructions in an order that respects their
	// dependencies. A removed instruction leaves a nil.
	code []*instruction
	// storage leads from a node to the one whose memory it uses, set where a pass has
	// merged two; see root.
	storage map[*Node]*Node
	// pinned marks memory that is seen from outside, wholly or in part: outputs, leaves
	// and nodes of which a part is a needed view.
	pinned map[*Node]bool
	live   map[*Node]bool
	users  users
	// lasts holds what lasting has found out.
	lasts map[*Node]bool
	// outputs are the wanted ones by the memory that they are in, once that is settled.
	outputs map[*Node][]Placement
}

func newCompiler(g *Graph, l Lowering) *compiler {
	own := &Graph{nodes: slices.Clip(g.nodes)} // passes may add nodes, which are theirs alone
	c := &compiler{
		g: own, l: l, storage: map[*Node]*Node{}, pinned: map[*Node]bool{}, live: map[*Node]bool{},
		users: users{map[*Node][]int{}, map[*Node][]int{}}, lasts: map[*Node]bool{}, outputs: map[*Node][]Placement{},
	}
	needed := map[*instruction]bool{}
	for _, p := range l.Outputs {
		c.need(p.Node, needed)
	}
	for _, n := range g.nodes[1:] {
		if !c.live[n] {
			continue
		}
		if n.name != "" || n.isView() && !n.whole() {
			c.pinned[c.root(n)] = true
		}
		if n.made != nil && needed[n.made] {
			needed[n.made] = false
			c.code = append(c.code, &instruction{n.made.label, backend.CloneOp(n.made.op)})
		}
	}
	for _, p := range l.Outputs {
		c.pinned[c.root(p.Node)] = true
	}
	for i, in := range c.code {
		c.dropUnused(in.op)
		c.enter(i)
	}
	return c
}

// need marks what a node is computed from.
func (c *compiler) need(n *Node, needed map[*instruction]bool) {
	if c.live[n] {
		return
	}
	c.live[n] = true
	if n.base != nil {
		c.need(n.base, needed)
	}
	if n.made == nil {
		return
	}
	if _, seen := needed[n.made]; !seen {
		needed[n.made] = true
		for _, o := range n.made.op.Operands() {
			if o.Access.Reads() {
				c.need(c.g.at(*o.View), needed)
			}
		}
	}
}

// dropUnused leaves out the optional outputs that nobody reads.
func (c *compiler) dropUnused(op backend.Op) {
	drop := func(v *backend.View) {
		if v.Present() && !c.live[c.g.at(*v)] {
			*v = backend.View{}
		}
	}
	switch o := op.(type) {
	case *backend.MaxPool2D:
		drop(&o.Argmax)
	case *backend.Maxout:
		drop(&o.Argmax)
	case *backend.Conv2DFilterGrad:
		drop(&o.DB)
	}
}

// whole reports whether a view covers all of its base.
func (n *Node) whole() bool { return n.shape.Elements() == n.base.shape.Elements() }

// root returns the node that stands for the memory of n: itself, the base of which
// n is a whole view, or what a pass has merged that with. A view of a part stands
// for its base too.
func (c *compiler) root(n *Node) *Node {
	for {
		switch {
		case n.base != nil:
			n = n.base
		case c.storage[n] != nil:
			n = c.storage[n]
		default:
			return n
		}
	}
}

func (c *compiler) rootOf(v backend.View) *Node { return c.root(c.g.at(v)) }

// emit turns the instructions into a Program: nodes become buffers.
func (c *compiler) emit() *backend.Program {
	e := &emitter{compiler: c, p: backend.NewProgram(c.l.Name), buffers: map[string]backend.BufferID{}, homes: map[*Node]home{}}
	for _, l := range c.l.Leaves {
		if c.live[l.Node] {
			e.homes[l.Node] = home{e.bound(l.Buffer, l), l.Offset}
		}
	}
	for _, out := range c.l.Outputs {
		root := c.root(out.Node)
		c.outputs[root] = append(c.outputs[root], out)
	}
	var copies []Placement
	for _, out := range c.l.Outputs {
		root := c.root(out.Node)
		_, placed := e.homes[root]
		inPlace := root.name == "" && !placed && (out.Node.base == nil || out.Node.whole()) &&
			(!out.Accumulate || c.accumulateInto(root))
		id := e.bound(out.Buffer, out)
		if inPlace {
			e.homes[root] = home{id, out.Offset}
		} else {
			copies = append(copies, out)
		}
	}
	for _, in := range c.code {
		if in == nil {
			continue
		}
		for _, o := range in.op.Operands() {
			*o.View = e.resolve(*o.View)
		}
		e.p.Add(in.label, in.op)
	}
	for _, out := range copies {
		x := e.resolve(out.Node.view())
		y := x
		y.Buffer, y.Offset = e.buffers[out.Buffer], out.Offset*y.DType.Size()
		if out.Accumulate {
			e.p.Add(out.Node.label, &backend.Binary{Y: y, A: y, B: x, Func: backend.Add})
		} else {
			e.p.Add(out.Node.label, &backend.Copy{Y: y, X: x})
		}
	}
	return e.p
}

// home is where a node's memory lies.
type home struct {
	buffer backend.BufferID
	offset int // elements
}

type emitter struct {
	*compiler
	p       *backend.Program
	buffers map[string]backend.BufferID
	homes   map[*Node]home
}

// bound returns the buffer of a placement, made or enlarged as it needs.
func (e *emitter) bound(name string, p Placement) backend.BufferID {
	id, ok := e.buffers[name]
	if !ok {
		id = e.p.AddBuffer(backend.Buffer{Name: name, Kind: backend.Bound, DType: p.Node.dtype, Elements: e.l.Sizes[name], Limit: p.Node.limit})
		e.buffers[name] = id
	}
	b := &e.p.Buffers[id]
	if _, fixed := e.l.Sizes[name]; !fixed {
		b.Elements = max(b.Elements, p.Offset+p.Node.shape.Elements())
	}
	return id
}

// resolve turns an operand that names a node into one that names a buffer.
func (e *emitter) resolve(v backend.View) backend.View {
	n := e.g.at(v)
	root := e.root(n)
	h, ok := e.homes[root]
	if !ok {
		if root.name != "" {
			h = home{buffer: e.bound(root.name, Placement{Node: root})}
		} else {
			h = home{buffer: e.p.AddBuffer(backend.Buffer{Name: root.label, Kind: backend.Scratch, DType: root.dtype, Elements: root.shape.Elements(), Limit: root.limit})}
		}
		e.homes[root] = h
	}
	v.Buffer = h.buffer
	v.Offset = (h.offset + n.offset) * v.DType.Size()
	return v
}
