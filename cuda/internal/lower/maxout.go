package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

func (l *lowering) maxout(o *backend.Maxout) (Work, error) {
	n := o.Y.Shape.Elements()
	if o.Pieces > kernels.MaxoutPieces {
		return l.largest(o, o.Y, o.Argmax, o.X,
			newWalk(backend.Shape{n}, []int{o.Pieces}), newWalk(backend.Shape{o.Pieces}, []int{1}))
	}
	return emit(func(m Memory) []Node {
		return []Node{Launch{
			Call:  kernels.Maxout(m.Address(o.Y), m.Address(o.Argmax), m.Address(o.X), int32(n), int32(o.Pieces)),
			Grid:  [3]uint32{blocks(n, kernels.MaxoutThreads), 1, 1},
			Block: [3]uint32{kernels.MaxoutThreads, 1, 1},
		}}
	})
}

func (l *lowering) maxoutGrad(o *backend.MaxoutGrad) (Work, error) {
	n := o.DX.Shape.Elements()
	return emit(func(m Memory) []Node {
		return []Node{elements(n, kernels.MaxoutGrad(m.Address(o.DX), m.Address(o.DY), m.Address(o.Argmax), int32(n), divisor(o.Pieces), epilogue(m, &o.GradEpilogue)))}
	})
}
