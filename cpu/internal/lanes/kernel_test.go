package lanes

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// integers are so small that all sums are exact in any order.
func integers(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.IntN(9) - 4)
	}
	return x
}

func eachKernel(t *testing.T, f func(t *testing.T, k *Kernel)) {
	for _, k := range Kernels() {
		t.Run(k.Name(), func(t *testing.T) {
			require.Same(t, k, Of(k.Name()))
			f(t, k)
		})
	}
	require.Equal(t, "portable", Of("unknown").Name())
}

func TestProducts(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, rows := range []int{1, 2, 3, 4, 5, 6, 7, 13} {
			for _, lanes := range []int{1, 7, 8, 15, 16, 17, 40} {
				for _, runs := range []int{1, 3} {
					f := Products{Rows: rows, Lanes: lanes, Depth: 5, Runs: runs, ARow: lanes + 3, AStep: 2 * lanes, ARun: 30 * lanes,
						BStep: lanes, BRun: 5*lanes + 2, CRow: lanes + 1, Accumulate: runs == 3}
					a, b := integers(r, rows*f.ARow+f.Depth*f.AStep+runs*f.ARun), integers(r, f.Depth*f.BStep+runs*f.BRun)
					got := integers(r, (rows-1)*f.CRow+lanes)
					want := append([]float32(nil), got...)
					for i := range rows {
						for j := range lanes {
							sum := float32(0)
							for run := range runs {
								for p := range f.Depth {
									sum += a[i*f.ARow+run*f.ARun+p*f.AStep+j] * b[run*f.BRun+p*f.BStep+j]
								}
							}
							if f.Accumulate {
								sum += want[i*f.CRow+j]
							}
							want[i*f.CRow+j] = sum
						}
					}
					k.Products(&f, a, b, got)
					require.Equal(t, want, got, "%+v", f)
				}
			}
		}
	})
}

func TestDots(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, rows := range []int{1, 2, 3, 4, 6} {
			for _, shifts := range []int{1, 2, 3, 4, 5, 7} {
				for _, n := range []int{1, 8, 16, 28, 35} {
					f := Dots{Rows: rows, Shifts: shifts, N: n, Runs: 3, ARow: 4 * (n + 1), ARun: n + 1, BRun: n + 9}
					a, b := integers(r, rows*f.ARow), integers(r, 3*f.BRun)
					sums := make([]float32, k.SizeDots(rows, shifts))
					k.Dots(&f, a, b, sums)
					k.Dots(&f, a, b, sums)
					got := make([]float32, rows*(shifts+1))
					k.Fold(got, sums, rows, shifts, shifts+1, 1)
					for i := range rows {
						for j := range shifts {
							want := float32(0)
							for run := range f.Runs {
								for p := range n {
									want += 2 * a[i*f.ARow+run*f.ARun+p] * b[run*f.BRun+p+j]
								}
							}
							require.Equal(t, want, got[i*(shifts+1)+j], "%+v, row %d, shift %d", f, i, j)
						}
					}
				}
			}
		}
	})
}

// TestOperandsAreChecked holds the kernels inside the slices.
func TestOperandsAreChecked(t *testing.T) {
	k := Kernels()[0]
	x := make([]float32, 64)
	require.Panics(t, func() { k.Products(&Products{Rows: 2, Lanes: 33, Depth: 1, Runs: 1, ARow: 33, CRow: 33}, x, x, x) })
	require.Panics(t, func() { k.Products(&Products{Rows: 1, Lanes: 3, Depth: 2, Runs: 1, AStep: -3, CRow: 3}, x, x, x) })
	require.Panics(t, func() { k.Dots(&Dots{Rows: 1, Shifts: 2, N: 64, Runs: 1}, x, x, x) })
	require.NotPanics(t, func() { k.Dots(&Dots{Rows: 1, Shifts: 2, N: 63, Runs: 1}, x, x, x) })
}
