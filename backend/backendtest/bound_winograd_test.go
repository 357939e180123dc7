package backendtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// TestWinogradBoundOfTheDirectAlgorithm takes F(1×1, 3×3), whose matrices are those of
// the direct algorithm: each tile is a pixel, all transforms leave things as they are.
// Its sums of magnitudes are those of the Op itself.
func TestWinogradBoundOfTheDirectAlgorithm(t *testing.T) {
	one := [][]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	w := &Winograd{AT: [][]float64{{1, 1, 1}}, G: one, BT: one, Roundings: 5}
	ref := openReference(t)
	defer closeBackend(t, ref)
	q := geometry{2, 4, 5, 3, 2, 3, 3, 1, backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 0, PadBottom: 1, PadLeft: 2, PadRight: 1}}
	pixels := 2 * 3 * 6
	for _, c := range []struct {
		op    backend.Op
		out   string
		terms int // channels, or tiles
	}{
		{q.forward(false, backend.Activation{}), "Y", 3},
		{q.inputGrad(), "DX", 2},
		{q.filterGrad(true, false), "DW", pixels},
	} {
		e, err := Config{Winograd: func(backend.Op) *Winograd { return w }}.evaluate(ref, c.op, drawInputs(Case{Op: c.op}, random(1, "", 0)))
		require.NoError(t, err)
		require.Same(t, w, e.winograd)
		abs, err := e.with(c.op, absolute)
		require.NoError(t, err)
		require.Same(t, w, abs.winograd, "inputs that are changed keep the algorithm")
		b, err := convolutionBound(e)
		require.NoError(t, err)
		require.Len(t, b[c.out], len(abs.out[c.out]))
		n := gamma(float64(c.terms + w.Roundings + 3))
		for i, s := range abs.out[c.out] {
			assert.InEpsilon(t, n*s, b[c.out][i], 1e-12, "%s, element %d", c.op.Kind(), i)
		}

		// What is right passes, what is off by more does not.
		got := map[string]array{}
		for _, o := range c.op.Operands() {
			if o.Access.Writes() {
				a := newArray(o.View.DType, o.View.Shape.Elements())
				for i, v := range e.out[o.Name] {
					a.set(i, v)
				}
				got[o.Name] = a
			}
		}
		require.NoError(t, e.verify(got))
		got[c.out].f[3] += float32(3 * b[c.out][3])
		assert.ErrorContains(t, e.verify(got), "element 3")
	}
}

// TestNoBoundForWhatIsNotFinite allows anything in a tile that has seen a NaN.
func TestNoBoundForWhatIsNotFinite(t *testing.T) {
	assert.True(t, agrees(nan, 1, inf))
	assert.False(t, agrees(nan, 1, 1))
	assert.Equal(t, inf, orAnything(nan))
	assert.Equal(t, 2.0, orAnything(2))
}
