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

func TestSGD(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range lengths() {
			w0, g := random(r, n), random(r, n)
			w, whole := guarded(w0)
			s := SGD{Rate: 0.1, Decay: 0.01}
			k.SGD(w, g, &s)
			for i := range w {
				d := float64(g[i]) + float64(s.Decay)*float64(w0[i])
				require.Empty(t, near(w[i], float64(w0[i])-float64(s.Rate)*d, 2*epsilon)) // numbers of size 1, and smaller ones times Rate
			}
			requireGuards(t, whole)
		}
	})
}

func TestRMSPropAndAdaDelta(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, keep := range []float32{0.9, 1} {
			const rate, decay, eps = float32(0.01), float32(0.02), float32(1e-6)
			rest := 1 - keep
			if keep == 1 {
				rest = 1 // AdaGrad
			}
			for _, n := range lengths() {
				w0, v0, d0, g := random(r, n), random(r, n), random(r, n), random(r, n)
				for i := range v0 {
					v0[i], d0[i] = v0[i]*v0[i], d0[i]*d0[i]
				}
				w, wholeW := guarded(w0)
				v, wholeV := guarded(v0)
				k.RMSProp(w, v, g, &RMSProp{rate, decay, keep, rest, eps})
				w2, wholeW2 := guarded(w0)
				v2, wholeV2 := guarded(v0)
				d2, wholeD2 := guarded(d0)
				k.AdaDelta(w2, v2, d2, g, &AdaDelta{rate, decay, keep, rest, eps})
				for i := range w {
					// The gradient is a sum of two numbers, of which the second is small; with it the squares have at most ten roundings, and all else is
					// relative to the update.
					grad := float64(g[i]) + float64(decay)*float64(w0[i])
					gradErr := 2 * epsilon * (math.Abs(float64(g[i])) + float64(decay))
					mean := float64(keep)*float64(v0[i]) + float64(rest)*grad*grad
					meanErr := 6*epsilon*mean + 2*float64(rest)*gradErr*(math.Abs(grad)+gradErr)
					require.Empty(t, near(v[i], mean, meanErr))
					require.Equal(t, v[i], v2[i])
					relative := 10*epsilon + meanErr/mean
					update := float64(rate) * grad / (math.Sqrt(mean) + float64(eps))
					require.Empty(t, near(w[i], float64(w0[i])-update, epsilon+math.Abs(update)*relative+float64(rate)*gradErr/math.Sqrt(mean)))

					ratio := math.Sqrt((float64(d0[i]) + float64(eps)) / (mean + float64(eps)))
					u := grad * ratio
					uErr := math.Abs(u)*relative + gradErr*ratio
					square := float64(keep)*float64(d0[i]) + float64(rest)*u*u
					require.Empty(t, near(d2[i], square, 6*epsilon*square+2*float64(rest)*uErr*(math.Abs(u)+uErr)))
					require.Empty(t, near(w2[i], float64(w0[i])-float64(rate)*u, 2*epsilon+float64(rate)*uErr+2*epsilon*math.Abs(float64(rate)*u)))
				}
				for _, whole := range [][]float32{wholeW, wholeV, wholeW2, wholeV2, wholeD2} {
					requireGuards(t, whole)
				}
			}
		}
	})
}
