package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

// emit is the work of nodes that need no workspace.
func emit(nodes func(m Memory) []Node) (Work, error) {
	return Work{Emit: func(m Memory, _ kernels.Pointer) []Node { return nodes(m) }}, nil
}

// elements launches an element-wise kernel for n elements.
func elements(n int, call kernels.Call) Launch {
	return Launch{
		Call:  call,
		Grid:  [3]uint32{blocks(n, kernels.ElementBlock), 1, 1},
		Block: [3]uint32{kernels.ElementThreads, 1, 1},
	}
}

// blocks is ⌈n/size⌉.
func blocks(n, size int) uint32 { return uint32((n + size - 1) / size) }

// aligned is 1 if all addresses are multiples of 16, so that four elements can be
// moved at once, else 0. Operands left out do not count against it.
func aligned(addresses ...kernels.Pointer) int32 {
	for _, a := range addresses {
		if a%16 != 0 {
			return 0
		}
	}
	return 1
}

func activation(a backend.Activation) kernels.Activation {
	return kernels.Activation{Function: int32(a.Func), Alpha: float32(a.Alpha)}
}

func epilogue(m Memory, e *backend.GradEpilogue) kernels.GradEpilogue {
	return kernels.GradEpilogue{Addend: m.Address(e.Addend), Output: m.Address(e.Output), Derivative: activation(e.Derivative)}
}

func (l *lowering) unary(o *backend.Unary) (Work, error) {
	n := o.Y.Shape.Elements()
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		f := activation(backend.Activation{Func: o.Func, Alpha: o.Alpha})
		return []Node{elements(n, kernels.Unary(y, x, int32(n), f, aligned(y, x)))}
	})
}

func (l *lowering) unaryGrad(o *backend.UnaryGrad) (Work, error) {
	n := o.DX.Shape.Elements()
	return emit(func(m Memory) []Node {
		dx, dy, x, y := m.Address(o.DX), m.Address(o.DY), m.Address(o.X), m.Address(o.Y)
		f := activation(backend.Activation{Func: o.Func, Alpha: o.Alpha})
		e := epilogue(m, &o.GradEpilogue)
		return []Node{elements(n, kernels.UnaryGrad(dx, dy, x, y, int32(n), f, e, aligned(dx, dy, x, y, e.Addend, e.Output)))}
	})
}

func (l *lowering) binary(o *backend.Binary) (Work, error) {
	n := o.Y.Shape.Elements()
	w := broadcast(o.Y.Shape, o.A.Shape, o.B.Shape)
	s, err := w.strided(o)
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node {
		y, a, b := m.Address(o.Y), m.Address(o.A), m.Address(o.B)
		return []Node{elements(n, kernels.Binary(y, a, b, int32(n), s, int32(o.Func), w.vector(4, y, a, b)))}
	})
}

func (l *lowering) compare(o *backend.Compare) (Work, error) {
	n := o.Y.Shape.Elements()
	w := broadcast(o.Y.Shape, o.A.Shape, o.B.Shape)
	s, err := w.strided(o)
	if err != nil {
		return Work{}, err
	}
	kernel := kernels.CompareFloats
	if o.A.DType == backend.Int32 {
		kernel = kernels.CompareInts
	}
	return emit(func(m Memory) []Node {
		y, a, b := m.Address(o.Y), m.Address(o.A), m.Address(o.B)
		return []Node{elements(n, kernel(y, a, b, int32(n), s, int32(o.Func), w.vector(4, y, a, b)))}
	})
}

// choose lowers Select, whose name is a keyword.
func (l *lowering) choose(o *backend.Select) (Work, error) {
	n := o.Y.Shape.Elements()
	w := broadcast(o.Y.Shape, o.Cond.Shape, o.A.Shape, o.B.Shape)
	s, err := w.strided(o)
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node {
		y, cond, a, b := m.Address(o.Y), m.Address(o.Cond), m.Address(o.A), m.Address(o.B)
		return []Node{elements(n, kernels.SelectWhere(y, cond, a, b, int32(n), s, w.vector(4, y, cond, a, b)))}
	})
}
