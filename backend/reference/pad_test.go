package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestPad(t *testing.T) {
	for _, c := range []struct {
		mode backend.PadMode
		want []float64
		grad []float64 // each pixel counts its copies
	}{
		{backend.PadZeros, []float64{0, 0, 1, 2, 3, 4, 0, 0}, []float64{1, 1, 1, 1}},
		{backend.PadReflect, []float64{3, 2, 1, 2, 3, 4, 3, 2}, []float64{1, 3, 3, 1}},
		{backend.PadEdge, []float64{1, 1, 1, 2, 3, 4, 4, 4}, []float64{3, 1, 1, 3}},
	} {
		r := newRig(t)
		y, dx := r.out(1, 1, 8, 1), r.out(1, 1, 4, 1)
		p := backend.Padding{Left: 2, Right: 2, Mode: c.mode}
		r.run(&backend.Pad{Y: y, X: r.floats([]float64{1, 2, 3, 4}, 1, 1, 4, 1), Padding: p})
		assert.Equal(t, c.want, r.get(y), c.mode)
		r.run(&backend.PadGrad{DX: dx, DY: r.floats([]float64{1, 1, 1, 1, 1, 1, 1, 1}, 1, 1, 8, 1), Padding: p})
		assert.Equal(t, c.grad, r.get(dx), c.mode)
	}
}

func TestPadAdjoint(t *testing.T) {
	for _, mode := range []backend.PadMode{backend.PadZeros, backend.PadReflect, backend.PadEdge} {
		r := newRig(t)
		x, y, dy, dx := r.normal(2, 4, 5, 3), r.out(2, 8, 7, 3), r.normal(2, 8, 7, 3), r.out(2, 4, 5, 3)
		p := backend.Padding{Top: 3, Bottom: 1, Left: 0, Right: 2, Mode: mode}
		r.adjoint(&backend.Pad{Y: y, X: x, Padding: p}, x, y, &backend.PadGrad{DX: dx, DY: dy, Padding: p}, dy, dx)
	}
}
