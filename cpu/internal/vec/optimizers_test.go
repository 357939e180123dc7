package vec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMomentum(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, s := range []Momentum{
			{Rate: 0.1, Velocity: 1},
			{Rate: 0.01, Momentum: 0.9, Velocity: 1},
			{Rate: 0.01, Momentum: 0.9, Decay: 5e-4, Direct: 1, Velocity: 0.9},
		} {
			for _, n := range lengths() {
				w0, v0, g := random(r, n), random(r, n), random(r, n)
				w, wholeW := guarded(w0)
				v, wholeV := guarded(v0)
				k.Momentum(w, v, g, &s)
				for i := range w {
					d := float64(g[i]) + float64(s.Decay)*float64(w0[i])
					wantV := float64(s.Momentum)*float64(v0[i]) + d
					wantW := float64(w0[i]) - float64(s.Rate)*(float64(s.Direct)*d+float64(s.Velocity)*wantV)
					// All operands are at most 1, so d and v are at most 2, and no value passes more than eight roundings.
					require.Empty(t, near(v[i], wantV, 8*2*epsilon))
					require.Empty(t, near(w[i], wantW, epsilon*2+float64(s.Rate)*8*4*epsilon))
				}
				requireGuards(t, wholeW)
				requireGuards(t, wholeV)
			}
		}
	})
}

func TestAdam(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, step := range []float64{1, 10, 1000} {
			for _, decoupled := range []bool{false, true} {
				const rate, beta1, beta2 = 1e-3, 0.9, 0.999
				s := Adam{
					Keep: 1, Decay: 0.01, Beta1: beta1, Rest1: 1 - beta1, Beta2: beta2, Rest2: 1 - beta2, Epsilon: 1e-8,
					Rate: float32(rate / (1 - math.Pow(beta1, step))), Correction: float32(1 / math.Sqrt(1-math.Pow(beta2, step))),
				}
				if decoupled {
					s.Keep, s.Decay = 1-rate*0.01, 0
				}
				for _, n := range lengths() {
					w0, m0, v0, g := random(r, n), random(r, n), random(r, n), random(r, n)
					for i := range v0 {
						v0[i] *= v0[i]
					}
					w, wholeW := guarded(w0)
					m, wholeM := guarded(m0)
					v, wholeV := guarded(v0)
					k.Adam(w, m, v, g, &s)
					for i := range w {
						p := float64(s.Keep) * float64(w0[i])
						d := float64(g[i]) + float64(s.Decay)*p
						wantM := float64(s.Beta1)*float64(m0[i]) + float64(s.Rest1)*d
						wantV := float64(s.Beta2)*float64(v0[i]) + float64(s.Rest2)*d*d
						update := float64(s.Rate) * wantM / (math.Sqrt(wantV)*float64(s.Correction) + float64(s.Epsilon))
						// v is a sum of positive terms with four roundings in each, of which the root keeps half; m is of size 1, with cancellation, and its
						// absolute error is magnified by update/m.
						scale := float64(s.Rate) / (math.Sqrt(wantV)*float64(s.Correction) + float64(s.Epsilon))
						require.Empty(t, near(m[i], wantM, 5*1.2*epsilon))
						require.Empty(t, near(v[i], wantV, 8*epsilon*(wantV+0.1*float64(s.Rest2))))
						require.Empty(t, near(w[i], p-update, 3*epsilon+16*epsilon*math.Abs(update)+5*1.2*epsilon*scale))
					}
					requireGuards(t, wholeW)
					requireGuards(t, wholeM)
					requireGuards(t, wholeV)
				}
			}
		}
	})
}

// TestAdamAtRest has parameters that never saw a gradient, such as the padding of an arena: they must stay zero.
func TestAdamAtRest(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		w, m, v, g := make([]float32, 21), make([]float32, 21), make([]float32, 21), make([]float32, 21)
		k.Adam(w, m, v, g, &Adam{Keep: 1, Decay: 0.1, Beta1: 0.9, Rest1: 0.1, Beta2: 0.999, Rest2: 0.001, Rate: 0.01, Correction: 31.6, Epsilon: 1e-8})
		k.Momentum(w, v, g, &Momentum{Rate: 0.1, Momentum: 0.9, Decay: 0.1, Velocity: 1})
		for i := range w {
			require.Zero(t, w[i])
			require.Zero(t, m[i])
			require.Zero(t, v[i])
		}
	})
}
