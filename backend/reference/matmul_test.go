package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestMatMul(t *testing.T) {
	a, at := []float64{1, 2, 3, 4, 5, 6}, []float64{1, 4, 2, 5, 3, 6}
	b, bt := []float64{7, 8, 9, 10, 11, 12}, []float64{7, 9, 11, 8, 10, 12}
	want := []float64{58, 64, 139, 154}
	r := newRig(t)
	c := r.out(2, 2)
	for _, op := range []*backend.MatMul{
		{A: r.floats(a, 2, 3), B: r.floats(b, 3, 2)},
		{A: r.floats(at, 3, 2), B: r.floats(b, 3, 2), TransposeA: true},
		{A: r.floats(a, 2, 3), B: r.floats(bt, 2, 3), TransposeB: true},
		{A: r.floats(at, 3, 2), B: r.floats(bt, 2, 3), TransposeA: true, TransposeB: true},
	} {
		op.C = c
		r.run(op)
		assert.Equal(t, want, r.get(c))
	}
	op := &backend.MatMul{C: c, A: r.floats(a, 2, 3), B: r.floats(b, 3, 2), Bias: r.vector(1, 2), Accumulate: true}
	r.set(c, []float64{1000, 2000, 3000, 4000})
	r.run(op)
	assert.Equal(t, []float64{1059, 2066, 3140, 4156}, r.get(c))
	op.Accumulate = false
	op.Bias = r.vector(-60, -60)
	op.Activation = backend.Activation{Func: backend.LeakyReLU, Alpha: 0.5}
	op.Addend, op.Output, op.Derivative = r.floats([]float64{1, 1, 1, 1}, 2, 2), r.floats([]float64{1, -1, 1, -1}, 2, 2), backend.Activation{Func: backend.ReLU}
	r.run(op)
	assert.Equal(t, []float64{0, 0, 80, 0}, r.get(c), "(σ(−2) + 1)·1, …·0, (79 + 1)·1, …·0")
}

func TestMatMulAdjoints(t *testing.T) {
	for _, s := range []struct{ m, n, k int }{{1, 1, 1}, {2, 3, 5}, {9, 4, 7}, {5, 13, 1}, {40, 37, 50}} {
		for flags := range 4 {
			ta, tb := flags&1 != 0, flags&2 != 0
			r := newRig(t)
			orient := func(h, w int, transposed bool) backend.View {
				if transposed {
					h, w = w, h
				}
				return r.normal(h, w)
			}
			a, b, c := orient(s.m, s.k, ta), orient(s.k, s.n, tb), r.out(s.m, s.n)
			da, db, g := r.out(a.Shape...), r.out(b.Shape...), r.normal(s.m, s.n)
			forward := &backend.MatMul{C: c, A: a, B: b, TransposeA: ta, TransposeB: tb}
			// ∇A = G·op(B)ᵀ and ∇B = op(A)ᵀ·G, transposed where the factor was.
			forA := &backend.MatMul{C: da, A: g, B: b, TransposeB: !tb}
			if ta {
				forA = &backend.MatMul{C: da, A: b, B: g, TransposeA: tb, TransposeB: true}
			}
			forB := &backend.MatMul{C: db, A: a, B: g, TransposeA: !ta}
			if tb {
				forB = &backend.MatMul{C: db, A: g, B: a, TransposeA: true, TransposeB: ta}
			}
			r.adjoint(forward, a, c, forA, g, da)
			r.adjoint(forward, b, c, forB, g, db)
		}
	}
}
