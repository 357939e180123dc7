package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// TestBroadcastLines has operands that go on, stand still and are periodic, in rows longer than the copies that are made of them and cut anywhere.
func TestBroadcastLines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	periodicSeen := false
	for _, c := range []struct {
		out      backend.Shape
		operands []backend.Shape
	}{
		{backend.Shape{5000}, []backend.Shape{{5000}, {1}, {}}},
		{backend.Shape{301, 37}, []backend.Shape{{301, 37}, {37}, {1, 37}}},
		{backend.Shape{301, 37}, []backend.Shape{{301, 37}, {301, 1}, {}}},
		{backend.Shape{7, 3, 90, 6}, []backend.Shape{{7, 3, 90, 6}, {6}, {7, 1, 1, 6}}},
		{backend.Shape{7, 3, 90, 6}, []backend.Shape{{7, 1, 90, 6}, {3, 1, 6}, {7, 3, 90, 6}}},
		{backend.Shape{2, 400, 200}, []backend.Shape{{2, 400, 200}, {200}, {2, 1, 200}}},
		{backend.Shape{1, 1}, []backend.Shape{{1, 1}, {}, {1}}},
	} {
		b := newBroadcast(c.out, c.operands...)
		b.mergeShort()
		periodicSeen = periodicSeen || b.period > 1
		n := c.out.Elements()
		for lo := 0; lo < n; {
			hi := min(lo+16*(1+r.IntN(1000)), n)
			for i, shape := range c.operands {
				x := make([]float32, shape.Elements())
				for j := range x {
					x[j] = float32(j)
				}
				steps, copies := backend.BroadcastStrides(shape, c.out), make([]float32, repeated)
				b.rows(lo, hi, func(at, n, row, col int) {
					size := b.pieceLength(n)
					l := b.along(i, x, row, col, size, copies)
					for done := 0; done < n; done += size {
						for j, v := range l.piece(done, min(size, n-done)) {
							want := unravel(at+done+j, c.out, steps)
							require.Equal(t, float32(want), v, "element %d of operand %d of %v", at+done+j, i, c)
						}
					}
				})
			}
			lo = hi
		}
	}
	require.True(t, periodicSeen)
}
