package lower

import (
	"math"

	"fovea/backend"
	"fovea/kernels"
)

// dropoutFactors returns the least random number below 2²⁴ with which an element
// stays, and what it is multiplied by then. A random number of rate·2²⁴ or more is
// one of ⌈rate·2²⁴⌉ or more.
func dropoutFactors(rate float64) (threshold uint32, scale float32) {
	return uint32(math.Ceil(rate * (1 << 24))), float32(1 / (1 - rate))
}

func (l *lowering) dropout(o *backend.Dropout) (Work, error) {
	n := o.Y.Shape.Elements()
	threshold, scale := dropoutFactors(o.Rate)
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		return []Node{elements(n, kernels.Dropout(y, x, m.Address(o.Draw), int32(n), o.Stream, threshold, scale, aligned(y, x)))}
	})
}

func (l *lowering) dropoutGrad(o *backend.DropoutGrad) (Work, error) {
	n := o.DX.Shape.Elements()
	threshold, scale := dropoutFactors(o.Rate)
	return emit(func(m Memory) []Node {
		dx, dy, e := m.Address(o.DX), m.Address(o.DY), epilogue(m, &o.GradEpilogue)
		return []Node{elements(n, kernels.DropoutGrad(dx, dy, m.Address(o.Draw), int32(n), o.Stream, threshold, scale, e, aligned(dx, dy, e.Addend, e.Output)))}
	})
}
