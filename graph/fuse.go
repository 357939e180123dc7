package graph

import "fovea/backend"

// fuseActivations moves an activation into the Op that makes its argument, if that
// Op has room for one and nothing else reads the argument.
func (c *compiler) fuseActivations() {
	for i, in := range c.code {
		if in == nil {
			continue
		}
		u, ok := in.op.(*backend.Unary)
		if !ok || !u.Func.Rule().Activation {
			continue
		}
		x := c.rootOf(u.X)
		at := c.writer(x)
		if at < 0 || c.soleReader(x) != i {
			continue
		}
		a := activationOf(c.code[at].op)
		if a == nil || a.Func != backend.Identity {
			continue
		}
		*a = backend.Activation{Func: u.Func, Alpha: u.Alpha}
		rename(c.code[at].op.Operands()[0].View, u.Y)
		c.code[i] = nil
		c.enter(at)
	}
}

// activationOf returns the activation of an Op that has one to give.
func activationOf(op backend.Op) *backend.Activation {
	switch o := op.(type) {
	case *backend.Conv2D:
		return &o.Activation
	case *backend.BatchNormInference:
		return &o.Activation
	case *backend.MatMul:
		return &o.Activation
	}
	return nil
}

// rename lets an operand name another node of as many elements; it keeps its shape.
func rename(v *backend.View, to backend.View) { v.Buffer = to.Buffer }

// fuseEpilogues moves additions and derivatives of activations into the Ops that
// write input gradients: DX = (g + Addend)·σ′(Output). The Op takes the place of
// what it swallows, where all it reads is known.
func (c *compiler) fuseEpilogues() {
	for i := 0; i < len(c.code); i++ {
		if c.code[i] == nil {
			continue
		}
		op, ok := c.code[i].op.(interface{ Epilogue() *backend.GradEpilogue })
		if !ok {
			continue
		}
		e := op.Epilogue()
		if e.Output.Present() {
			continue
		}
		dx := c.code[i].op.Operands()[0].View
		result := c.rootOf(*dx)
		at := c.soleReader(result)
		if at <= i || !c.movable(i, at) || len(c.writers(result, 2)) > 1 {
			continue
		}
		switch next := c.code[at].op.(type) {
		case *backend.Binary:
			other, ok := c.otherTerm(next, result)
			if !ok || e.Addend.Present() {
				continue
			}
			other.Shape = dx.Shape
			e.Addend = other
			rename(dx, next.Y)
		case *backend.UnaryGrad:
			if !next.Func.Rule().Activation || next.Func == backend.Identity || c.rootOf(next.DY) != result || c.rootOf(next.Y) == result {
				continue
			}
			e.Derivative = backend.Activation{Func: next.Func, Alpha: next.Alpha}
			e.Output = next.Y
			e.Output.Shape = dx.Shape
			rename(dx, next.DX)
		default:
			continue
		}
		c.code[i], c.code[at] = nil, c.code[i]
		c.enter(at)
	}
}

// otherTerm returns the operand that a sum without broadcasting adds to the given
// memory.
func (c *compiler) otherTerm(sum *backend.Binary, n *Node) (backend.View, bool) {
	if sum.Func != backend.Add || !sum.A.Shape.Equal(sum.B.Shape) {
		return backend.View{}, false
	}
	a, b := c.rootOf(sum.A), c.rootOf(sum.B)
	switch {
	case a == n && b != n:
		return sum.B, true
	case b == n && a != n:
		return sum.A, true
	}
	return backend.View{}, false
}

// movable reports whether the instruction at i can take the place of a later one:
// nothing in between reads its other outputs, or adds to them.
func (c *compiler) movable(i, to int) bool {
	for _, o := range c.code[i].op.Operands()[1:] {
		if !o.Access.Writes() {
			continue
		}
		n := c.rootOf(*o.View)
		for _, at := range append(c.readers(n, all), c.writers(n, all)...) {
			if at > i && at <= to {
				return false
			}
		}
	}
	return true
}

// foldSums lets the second of two Ops whose results are added accumulate into the
// result of the first: gradients of a parameter that is used twice. Only sums that
// are seen from outside in the end are folded; others are left to the epilogues. It
// goes before all fusion, so that a Program that is not fused adds in the same way.
func (c *compiler) foldSums() {
	for i, in := range c.code {
		if in == nil {
			continue
		}
		outputs, accumulate := accumulators(in.op)
		if accumulate == nil {
			continue
		}
		folds := make([]fold, 0, len(outputs))
		for _, v := range outputs {
			f, ok := c.foldOf(i, v)
			if !ok {
				break
			}
			folds = append(folds, f)
		}
		if len(folds) != len(outputs) {
			continue
		}
		*accumulate = true
		for k, f := range folds {
			sum := c.code[f.sum].op.(*backend.Binary)
			outputs[k].Buffer = backend.BufferID(f.into.id)
			c.merge(c.rootOf(sum.Y), f.into)
			if c.pinned[c.g.at(sum.Y)] {
				c.pinned[f.into] = true
			}
			c.code[f.sum] = nil
		}
		c.enter(i)
	}
}

// fold is a sum that an accumulating Op makes superfluous.
type fold struct {
	sum  int   // position of the addition
	into *Node // memory of its other term
}

// foldOf returns the sum that the instruction at i can form by accumulating its
// output v into the other term: memory that was written before, and that nothing
// but the sum reads.
func (c *compiler) foldOf(i int, v *backend.View) (fold, bool) {
	n := c.rootOf(*v)
	at := c.soleReader(n)
	if at < 0 {
		return fold{}, false
	}
	sum, ok := c.code[at].op.(*backend.Binary)
	if !ok || !c.lasting(c.rootOf(sum.Y)) {
		return fold{}, false
	}
	other, ok := c.otherTerm(sum, n)
	if !ok {
		return fold{}, false
	}
	into := c.rootOf(other)
	if w := c.writer(into); w < 0 || w >= i || c.soleReader(into) != at {
		return fold{}, false
	}
	return fold{at, into}, true
}

// lasting reports whether the memory of n is seen from outside, by itself or as a
// term of a sum that is. What it has found out stays true, because what a fold merges
// has the same end as before: so a sum of many terms is followed to its end once.
func (c *compiler) lasting(n *Node) bool {
	var way []*Node
	for {
		if _, known := c.lasts[n]; known || c.pinned[n] {
			break
		}
		way = append(way, n)
		next := c.partialSum(n)
		if next == nil {
			break
		}
		n = next
	}
	found := c.lasts[n] || c.pinned[n]
	for _, n := range way {
		c.lasts[n] = found
	}
	return found
}

// partialSum returns the memory of the sum of which the memory of n is a term; nil
// where it is none, or more than that.
func (c *compiler) partialSum(n *Node) *Node {
	at := c.soleReader(n)
	if at < 0 {
		return nil
	}
	sum, ok := c.code[at].op.(*backend.Binary)
	if !ok {
		return nil
	}
	if _, ok := c.otherTerm(sum, n); !ok {
		return nil
	}
	return c.rootOf(sum.Y)
}

// accumulators returns the outputs that an Op overwrites or accumulates into, and
// the attribute that tells which; nil for an Op without that choice.
func accumulators(op backend.Op) ([]*backend.View, *bool) {
	some := func(vs ...*backend.View) []*backend.View {
		out := vs[:0]
		for _, v := range vs {
			if v.Present() {
				out = append(out, v)
			}
		}
		return out
	}
	switch o := op.(type) {
	case *backend.Conv2DFilterGrad:
		return some(&o.DW, &o.DB), &o.Accumulate
	case *backend.MatMul:
		if o.Activation.Func == backend.Identity && !o.Addend.Present() && !o.Output.Present() {
			return some(&o.C), &o.Accumulate
		}
	case *backend.Reduce:
		if o.Func == backend.Sum || o.Func == backend.Mean {
			return some(&o.Y), &o.Accumulate
		}
	case *backend.BatchNormGrad:
		if outs := some(&o.DGamma, &o.DBeta); len(outs) > 0 {
			return outs, &o.Accumulate
		}
	}
	return nil, nil
}

// accumulateInto makes the first Op that writes the memory of n add to what is
// there. It reports false, and changes nothing, if that Op cannot, or would not do
// so for its other outputs.
func (c *compiler) accumulateInto(n *Node) bool {
	at := c.writer(n)
	if at < 0 {
		return false
	}
	outputs, accumulate := accumulators(c.code[at].op)
	if accumulate == nil {
		return false
	}
	found := false
	for _, v := range outputs {
		root := c.rootOf(*v)
		found = found || root == n
		if !c.accumulates(root) {
			return false
		}
	}
	if found {
		*accumulate = true
	}
	return found
}

// accumulates reports whether the memory of n is an output that accumulates, and
// that alone: whoever else looked at it would see the sum over the runs instead of
// this run's value.
func (c *compiler) accumulates(n *Node) bool {
	places := 0
	for _, out := range c.outputs[n] {
		if places++; !out.Accumulate || out.Node.base != nil && !out.Node.whole() {
			return false
		}
	}
	return places == 1 && len(c.readers(n, 1)) == 0
}
