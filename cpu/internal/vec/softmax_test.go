package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExpRows(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(21, 22))
		for _, rows := range []int{0, 1, 2, 7} {
			for _, cols := range []int{1, 2, 3, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 100, 1000} {
				x := random(r, rows*cols)
				for i := range x {
					x[i] = 20*x[i] - 50
				}
				dst, whole := guarded(make([]float32, len(x)))
				maxima, wholeMaxima := guarded(make([]float32, rows))
				sums, wholeSums := guarded(make([]float32, rows))
				k.ExpRows(dst, maxima, sums, x, cols)
				for i := range rows {
					row := x[i*cols : (i+1)*cols]
					require.Equal(t, maxPortable(row), maxima[i], "row %d of %d×%d", i, rows, cols)
					sum := 0.0
					for j, v := range row {
						want := math.Exp(float64(v - maxima[i]))
						require.Empty(t, near(dst[i*cols+j], want, ulp(want)))
						sum += float64(dst[i*cols+j])
					}
					require.Empty(t, near(sums[i], sum, (float64(cols)/8+8)*epsilon*sum))
				}
				requireGuards(t, whole)
				requireGuards(t, wholeMaxima)
				requireGuards(t, wholeSums)

				again := make([]float32, rows)
				k.ExpRows(nil, maxima, again, x, cols)
				require.Equal(t, bits(sums), bits(again), "sums alone")
				k.ExpRows(x, maxima, sums, x, cols)
				require.Equal(t, bits(dst), bits(x), "in place")
			}
		}
	})
}

func TestExpRowsEdges(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, cols := range []int{3, 40} {
			for _, at := range []int{0, 1, cols - 1} {
				x, dst, maxima, sums := make([]float32, 4*cols), make([]float32, 4*cols), make([]float32, 4), make([]float32, 4)
				x[at] = nan
				x[cols+at] = inf
				Fill(x[2*cols:3*cols], -inf)
				x[3*cols+at] = -inf
				k.ExpRows(dst, maxima, sums, x, cols)
				for i := range 3 {
					assert.True(t, math.IsNaN(float64(sums[i])), "row %d", i)
				}
				assert.Equal(t, float32(cols-1), sums[3])
				assert.Equal(t, float32(0), dst[3*cols+at])
			}
		}
	})
}

func TestAffineRows(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(23, 24))
		for _, rows := range []int{0, 1, 5} {
			for cols := range 70 {
				x, factors, offsets := random(r, rows*cols), random(r, rows), random(r, rows)
				dst, whole := guarded(x)
				k.AffineRows(dst, dst, factors, offsets, cols)
				for i := range dst {
					product := float64(x[i]) * float64(factors[i/cols])
					offset := float64(offsets[i/cols])
					require.Empty(t, near(dst[i], product+offset, 2*epsilon*(math.Abs(product)+math.Abs(offset))))
				}
				requireGuards(t, whole)
			}
		}
	})
}
