package vec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChoices has loops that compute nothing: ties, both zeros, infinities and NaN, which the maximum of a processor gets wrong, are met in every lane.
func TestChoices(t *testing.T) {
	one := func(holds bool) float32 {
		if holds {
			return 1
		}
		return 0
	}
	for _, c := range []struct {
		name string
		run  func(k *Kernel, dst, x, y []float32)
		want func(x, y float32) float32
	}{
		{"Larger", (*Kernel).Larger, func(x, y float32) float32 {
			if y > x || y != y && x == x {
				return y
			}
			return x
		}},
		{"Smaller", (*Kernel).Smaller, func(x, y float32) float32 {
			if y < x || y != y && x == x {
				return y
			}
			return x
		}},
		{"Equal", (*Kernel).Equal, func(x, y float32) float32 { return one(x == y) }},
		{"NotEqual", (*Kernel).NotEqual, func(x, y float32) float32 { return one(x != y) }},
		{"Less", (*Kernel).Less, func(x, y float32) float32 { return one(x < y) }},
		{"LessOrEqual", (*Kernel).LessOrEqual, func(x, y float32) float32 { return one(x <= y) }},
		{"Select", func(k *Kernel, dst, x, y []float32) { k.Select(dst, y, x, y) }, func(x, y float32) float32 {
			if y != 0 {
				return x
			}
			return y
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachKernel(t, func(t *testing.T, k *Kernel) {
				r := rand.New(rand.NewPCG(27, 28))
				for _, n := range lengths() {
					x, y := ties(r, n), ties(r, n)
					dst, whole := guarded(x)
					c.run(k, dst, dst, y) // in place
					want := make([]float32, n)
					for i := range want {
						want[i] = c.want(x[i], y[i])
					}
					require.Equal(t, bits(want), bits(dst), "%d elements", n)
					requireGuards(t, whole)
				}
			})
		})
	}
}
