package reference

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestResize(t *testing.T) {
	for _, c := range []struct {
		mode backend.ResizeMode
		x    []float64
		want []float64
	}{
		{backend.Nearest, []float64{1, 2, 3}, []float64{1, 1, 2, 2, 3, 3}},
		{backend.Nearest, []float64{1, 2, 3, 4}, []float64{1, 3}},
		{backend.Bilinear, []float64{1, 5}, []float64{1, 2, 4, 5}},
		{backend.Bilinear, []float64{1, 2, 3, 4}, []float64{1.5, 3.5}},
		{backend.Area, []float64{1, 3, 5, 9}, []float64{2, 7}},
		{backend.Area, []float64{2, 4, 8}, []float64{(2 + 4*0.5) / 1.5, (4*0.5 + 8) / 1.5}},
	} {
		r := newRig(t)
		along, down := r.out(1, 1, len(c.want), 1), r.out(1, len(c.want), 1, 1)
		r.run(&backend.Resize{Y: along, X: r.floats(c.x, 1, 1, len(c.x), 1), Mode: c.mode})
		r.run(&backend.Resize{Y: down, X: r.floats(c.x, 1, len(c.x), 1, 1), Mode: c.mode})
		// The weights of a pixel are rounded once each: at most three ulps of 9.
		assert.InDeltaSlice(t, c.want, r.get(along), 1e-14, c.mode)
		assert.Equal(t, r.get(along), r.get(down), c.mode)
	}
}

func TestResizeAdjoint(t *testing.T) {
	for _, mode := range []backend.ResizeMode{backend.Nearest, backend.Bilinear, backend.Area} {
		for _, to := range [][2]int{{5, 4}, {3, 3}, {11, 2}, {1, 9}} {
			t.Run(fmt.Sprint(mode, to), func(t *testing.T) {
				r := newRig(t)
				x, y, dy, dx := r.normal(2, 5, 4, 3), r.out(2, to[0], to[1], 3), r.normal(2, to[0], to[1], 3), r.out(2, 5, 4, 3)
				r.adjoint(&backend.Resize{Y: y, X: x, Mode: mode}, x, y, &backend.ResizeGrad{DX: dx, DY: dy, Mode: mode}, dy, dx)
			})
		}
	}
}
