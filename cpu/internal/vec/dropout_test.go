package vec

import (
	"math/rand/v2"
	"testing"

	"fovea/backend"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDropout draws every element on its own. First elements make the low word of the counter overflow.
func TestDropout(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(25, 26))
		for _, n := range lengths() {
			first := []int{0, 4, 1 << 20, 4 * (1<<32 - 3)}[n%4]
			rate := []float64{0.5, 0, 0.1, 0.999}[n/4%4]
			seed := r.Uint64()
			d := Dropout{Rate: rate, Key: [2]uint32{uint32(seed), uint32(seed >> 32)}, Stream: r.Uint32(), Step: r.Uint32()}
			x := random(r, n)
			y, whole := guarded(make([]float32, n))
			k.Dropout(y, x, first, d)
			for i := range y {
				want := float32(0)
				if backend.Uniform(seed, uint64(first+i), d.Stream, d.Step) >= rate {
					want = x[i] * float32(1/(1-rate))
				}
				require.Equal(t, want, y[i], "element %d of %d, rate %v", i, n, rate)
			}
			requireGuards(t, whole)
			copied := append([]float32(nil), x...)
			k.Dropout(copied, copied, first, d)
			require.Equal(t, bits(y), bits(copied), "in place")
		}
		assert.Panics(t, func() { k.Dropout(make([]float32, 4), make([]float32, 4), 3, Dropout{}) })
	})
}
