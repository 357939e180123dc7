package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

// lastAxis sees an array as rows of its last axis.
func lastAxis(s backend.Shape) teams {
	length := s[len(s)-1]
	return newTeams(s.Elements()/length, length)
}

func (l *lowering) softmax(o *backend.Softmax) (Work, error) {
	t := lastAxis(o.X.Shape)
	return emit(func(m Memory) []Node {
		return []Node{t.node(kernels.Softmax(m.Address(o.Y), m.Address(o.X), int32(t.rows), int32(t.length), int32(t.lanes), flag(o.Log)))}
	})
}

func (l *lowering) softmaxGrad(o *backend.SoftmaxGrad) (Work, error) {
	t := lastAxis(o.DX.Shape)
	return emit(func(m Memory) []Node {
		return []Node{t.node(kernels.SoftmaxGrad(m.Address(o.DX), m.Address(o.DY), m.Address(o.Y),
			int32(t.rows), int32(t.length), int32(t.lanes), flag(o.Log), epilogue(m, &o.GradEpilogue)))}
	})
}
