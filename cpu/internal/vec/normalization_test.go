package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNormalization allows each result a rounding for each of its operations, of numbers no larger than the terms' sizes.
func TestNormalization(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(19, 20))
		for _, n := range lengths() {
			x, dy, shift, factor := random(r, n), random(r, n), random(r, n), random(r, n)
			a, b, gamma := random(r, n), random(r, n), random(r, n)
			y, wholeY := guarded(x)
			k.Normalize(y, y, shift, factor, a) // in place
			terms, wholeTerms := guarded(make([]float32, n))
			k.NormalizedTimes(terms, x, shift, factor, dy)
			dx, wholeDX := guarded(dy)
			k.NormalizeGrad(dx, dx, x, shift, factor, a, b, gamma) // in place
			for i := range n {
				f := func(s []float32) float64 { return float64(s[i]) }
				normal := (f(x) + f(shift)) * f(factor)
				size := (math.Abs(f(x)) + math.Abs(f(shift))) * math.Abs(f(factor))
				require.Empty(t, near(y[i], normal+f(a), 3*epsilon*(size+math.Abs(f(a)))))
				require.Empty(t, near(terms[i], normal*f(dy), 4*epsilon*size*math.Abs(f(dy))+0x1p-149))
				sum := size*math.Abs(f(a)) + math.Abs(f(dy)) + math.Abs(f(b))
				require.Empty(t, near(dx[i], (normal*f(a)+f(dy)+f(b))*f(gamma), 6*epsilon*sum*math.Abs(f(gamma))+0x1p-149))
			}
			for _, whole := range [][]float32{wholeY, wholeTerms, wholeDX} {
				requireGuards(t, whole)
			}
		}
	})
}
