package gemm

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMicroKernels runs every tile of every kernel alone, on panels whose padding is not zero, so that a lane too many would show. Small whole numbers make sums exact.
func TestMicroKernels(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	whole := func(n int) []float32 {
		s := make([]float32, n+1)[1:]
		for i := range s {
			s[i] = float32(1 + r.IntN(8))
		}
		return s
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, h := range k.heights {
			for _, w := range k.widths {
				micro := k.micro[slot(k.heights, h)][slot(k.widths, w)]
				require.NotNil(t, micro, "%d×%d", h, w)
				for rows := h - k.heights[0] + 1; rows <= h; rows++ {
					for cols := w - k.widths[0] + 1; cols <= w; cols++ {
						for _, depth := range []int{1, 2, 5} {
							for _, accumulate := range []bool{false, true} {
								a, b := whole(h*depth), whole(w*depth)
								ldc := w + 3
								c, all := guarded(h * ldc)
								micro(depth, &a[0], &b[0], &c[0], ldc, rows, cols, accumulate)
								for at, got := range c {
									i, j := at/ldc, at%ldc
									want := guard
									if i < rows && j < cols {
										if !accumulate {
											want = 0
										}
										for p := range depth {
											want += a[p*h+i] * b[p*w+j]
										}
									}
									if got != want {
										require.Failf(t, "wrong element", "%d×%d tile, %d rows, %d columns, depth %d, accumulate %t: C[%d,%d] = %v, want %v",
											h, w, rows, cols, depth, accumulate, i, j, got, want)
									}
								}
								requireGuards(t, all)
							}
						}
					}
				}
			}
		}
	})
}
