package reference

import (
	"math"

	"fovea/backend"
)

func batchNorm(m *memory, o *backend.BatchNorm) {
	y, mean, variance := m.floats(o.Y), m.floats(o.Mean), m.floats(o.Variance)
	x, gamma, beta := m.floats(o.X), m.floats(o.Gamma), m.floats(o.Beta)
	r, c := rows(o.X.Shape)
	clear(mean)
	for i, v := range x {
		mean[i%c] += v
	}
	for k := range mean {
		mean[k] /= float64(r)
	}
	clear(variance)
	for i, v := range x {
		d := v - mean[i%c]
		variance[i%c] += d * d
	}
	for k := range variance {
		variance[k] /= float64(r)
	}
	normalise(y, x, gamma, beta, mean, variance, o.Epsilon)
}

// normalise computes Y = Gamma·(X − Mean)/√(Variance + Epsilon) + Beta; y may be
// x.
func normalise(y, x, gamma, beta, mean, variance []float64, epsilon float64) {
	c := len(mean)
	for i, v := range x {
		k := i % c
		y[i] = gamma[k]*(v-mean[k])/math.Sqrt(variance[k]+epsilon) + beta[k]
	}
}

func batchNormGrad(m *memory, o *backend.BatchNormGrad) {
	dx, dgamma, dbeta, dy := m.floats(o.DX), m.floats(o.DGamma), m.floats(o.DBeta), m.floats(o.DY)
	x, gamma, mean, variance := m.floats(o.X), m.floats(o.Gamma), m.floats(o.Mean), m.floats(o.Variance)
	r, c := rows(o.X.Shape)
	s := make([]float64, c)
	for k, v := range variance {
		s[k] = 1 / math.Sqrt(v+o.Epsilon)
	}
	normalised := func(i int) float64 { return (x[i] - mean[i%c]) * s[i%c] }
	a, b := make([]float64, c), make([]float64, c)
	for i, d := range dy {
		a[i%c] += d * normalised(i)
		b[i%c] += d
	}
	g := make([]float64, len(dx))
	for i, d := range dy {
		k := i % c
		g[i] = gamma[k] * s[k] * (d - b[k]/float64(r) - normalised(i)*a[k]/float64(r))
	}
	if dgamma != nil {
		store(dgamma, a, o.Accumulate)
		store(dbeta, b, o.Accumulate)
	}
	m.finish(dx, g, o.GradEpilogue)
}

func batchNormInference(m *memory, o *backend.BatchNormInference) {
	y := m.floats(o.Y)
	normalise(y, m.floats(o.X), m.floats(o.Gamma), m.floats(o.Beta), m.floats(o.Mean), m.floats(o.Variance), o.Epsilon)
	activate(y, o.Activation)
}

func movingAverage(m *memory, o *backend.MovingAverage) {
	y := m.floats(o.Y)
	for i, v := range m.floats(o.X) {
		y[i] = (1-o.Momentum)*y[i] + o.Momentum*o.Scale*v
	}
}
