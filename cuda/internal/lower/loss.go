package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

// examples sees the input of a loss as a matrix.
func examples(input backend.Shape) teams {
	return newTeams(input[0], input.Elements()/input[0])
}

// examplesArgument is what goes with the input.
func examplesArgument(m Memory, target, weights backend.View, f backend.LossKind, divisor float64) kernels.Examples {
	e := kernels.Examples{Weights: m.Address(weights), Kind: int32(f), Divisor: float32(divisor)}
	if target.DType == backend.Int32 {
		e.Indices = m.Address(target)
	} else {
		e.Target = m.Address(target)
	}
	return e
}

func (l *lowering) loss(o *backend.Loss) (Work, error) {
	t := examples(o.Input.Shape)
	return emit(func(m Memory) []Node {
		return []Node{t.node(kernels.Loss(m.Address(o.Losses), m.Address(o.Input), int32(t.rows), int32(t.length), int32(t.lanes),
			examplesArgument(m, o.Target, o.Weights, o.Func, o.Divisor)))}
	})
}

func (l *lowering) lossGrad(o *backend.LossGrad) (Work, error) {
	t, seeds := examples(o.Input.Shape), int32(o.Seed.Shape[0])
	n := o.Input.Shape.Elements()
	return emit(func(m Memory) []Node {
		dx, input, seed := m.Address(o.DX), m.Address(o.Input), m.Address(o.Seed)
		x, e := examplesArgument(m, o.Target, o.Weights, o.Func, o.Divisor), epilogue(m, &o.GradEpilogue)
		switch o.Func {
		case backend.SoftmaxCrossEntropy, backend.KLDivergence, backend.MultiClassHinge:
			return []Node{t.node(kernels.LossGradRows(dx, input, seed, int32(t.rows), int32(t.length), seeds, int32(t.lanes), x, e))}
		default: // the derivative of an element depends on no other one
			vector := rowVector(t.length, 4, dx, input, x.Target, e.Addend, e.Output)
			return []Node{elements(n, kernels.LossGradElements(dx, input, seed, int32(n), divisor(t.length), seeds, x, e, vector))}
		}
	})
}
