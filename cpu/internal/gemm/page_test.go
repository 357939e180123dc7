//go:build unix

package gemm

import (
	"testing"

	"fovea/cpu/internal/fence"
)

// TestBlockTouchesNothingElse puts A, B, C and the bias next to memory that does not exist.
func TestBlockTouchesNothingElse(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		last := k.NR()
		for _, rows := range []int{1, 2, k.MR() - 1, k.MR(), 2*k.MR() + 3} {
			for _, cols := range []int{1, 7, last - 1, last, last + 3, 3*last + 5} {
				for _, f := range []Block{
					{Depth: 3, Runs: 1, ARow: 3, AStep: 1, BStep: cols},
					{Depth: 90, Runs: 1, ARow: 90, AStep: 1, BStep: cols},
					{Depth: 5, Runs: 3, ARow: 2, AStep: 1, ARun: 40, BStep: cols + 1, BRun: 6 * cols},
				} {
					f.Rows, f.Cols, f.CRow = rows, cols, cols+2
					for _, side := range []fence.Side{fence.Begin, fence.End} {
						a := fence.Floats(t, (rows-1)*f.ARow+(f.Runs-1)*f.ARun+f.Depth, side)
						b := fence.Floats(t, (f.Runs-1)*f.BRun+(f.Depth-1)*f.BStep+cols, side)
						c := fence.Floats(t, (rows-1)*f.CRow+cols, side)
						f.Bias = fence.Floats(t, cols, side)
						for i := range 4 {
							f.Fetch, f.Accumulate, f.ReLU = i%2 == 1, i > 1, i == 2
							k.Block(&f, a, b, c)
						}
					}
				}
			}
		}
	})
}
