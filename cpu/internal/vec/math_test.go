package vec

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// ulp returns the distance between neighbouring float32 at |x|.
func ulp(x float64) float64 {
	_, exp := math.Frexp(x)
	return math.Ldexp(1, max(exp-24, -149))
}

// sweep calls f with blocks of float32 that cover every exponent, both signs, subnormal numbers, zeros, infinities and NaN: every bit pattern with a step that is
// prime, and all neighbours of the points where something happens.
func sweep(f func(x []float32)) {
	const block = 1 << 12
	x := make([]float32, 0, block+64)
	add := func(b uint32) {
		x = append(x, math.Float32frombits(b))
		if len(x) >= block {
			f(x)
			x = x[:0]
		}
	}
	step := uint64(10007)
	if testing.Short() {
		step = 40009
	}
	for b := uint64(0); b < 1<<32; b += step {
		add(uint32(b))
	}
	for _, at := range []float32{
		0, 1e-45, 0x1p-126, 1e-4, 0.17328, 0.3465736, 0.625, 1, 9.0109, 10, 16.6355, 20, 44.3614, 87.3365, 88.0297, 88.3763, 88.722839, 89, 103.2789, 103.972, 104, math.MaxFloat32, inf,
	} {
		b := math.Float32bits(at)
		for d := -200; d <= 200; d++ {
			add(b + uint32(d))
			add(b + uint32(d) ^ 1<<31)
		}
	}
	f(x)
}

func TestMathOverAllNumbers(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(k *Kernel, dst, x []float32)
		want func(float64) float64
		ulps float64 // as documented
	}{
		{"Exp", (*Kernel).Exp, math.Exp, 1},
		{"Log", (*Kernel).Log, math.Log, 1},
		{"ELU", func(k *Kernel, dst, x []float32) { k.ELU(dst, x, 1) }, func(x float64) float64 {
			if x <= 0 {
				return math.Expm1(x)
			}
			return x
		}, 3},
		{"Sigmoid", (*Kernel).Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 3},
		{"Tanh", (*Kernel).Tanh, math.Tanh, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachKernel(t, func(t *testing.T, k *Kernel) {
				dst := make([]float32, 1<<13)
				worst, worstAt := 0.0, float32(0)
				sweep(func(x []float32) {
					got := dst[:len(x)]
					c.run(k, got, x)
					for i, v := range x {
						want := c.want(float64(v))
						g := float64(got[i])
						switch {
						case math.IsNaN(want):
							require.True(t, math.IsNaN(g), "%s(%v) = %v", c.name, v, g)
						case want == 0 || math.IsInf(want, 0):
							require.Equal(t, math.Float64bits(want), math.Float64bits(g), "%s(%v) = %v, want %v", c.name, v, g, want)
						case math.Abs(want) > math.MaxFloat32+0x1p103: // rounds to infinity
							require.Equal(t, math.Inf(1), g, "%s(%v)", c.name, v)
						default:
							if off := math.Abs(g-want) / ulp(want); off > worst {
								worst, worstAt = off, v
							}
						}
					}
				})
				t.Logf("%s: at most %.3f ulp off, at %v", c.name, worst, worstAt)
				require.LessOrEqual(t, worst, c.ulps, "at %v", worstAt)
			})
		})
	}
}
