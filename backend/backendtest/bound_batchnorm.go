package backendtest

import (
	"math"

	"fovea/backend"
)

// channelStats is what a BatchNorm computes for one channel of R values, with
// its errors:
//
//	δ(μ) = γ_{R+1}·Σ|x|/R
//	δ(v) = γ_{R+4}·(1 + 2κ)·v + δ(μ)², κ = √(1 + μ²/v)
//
// κ is the condition of the variance (Chan, Golub and LeVeque 1983). Two passes
// and Welford's recurrence keep within it; Σx²/R − μ², whose error grows with κ²,
// does not.
type channelStats struct {
	mean, meanErr         float64
	variance, varianceErr float64
}

// normalError bounds the error of γ·(x − μ)/√(v + ε) + β. With s = 1/√(v + ε):
// the error of s is |s|·δ(v)/(2(v + ε)) and 3 ulp; each of x, μ and β may be scaled
// on its own, as in x·γs + (β − μ·γs), so that the roundings are of numbers of the
// size of |γ|s·(|x| + |μ|) + |β|.
func (c channelStats) normalError(x, gamma, beta, epsilon float64) float64 {
	v := c.variance + epsilon
	s := 1 / math.Sqrt(v)
	g := math.Abs(gamma) * s
	return g*c.meanErr +
		g*math.Abs(x-c.mean)*(c.varianceErr/v+3*ulp) +
		4*u*(g*(math.Abs(x)+math.Abs(c.mean))+math.Abs(beta)) + 4*tiny
}

// channel returns the values of one channel of an array with channels last.
func channel(x []float64, c, channels int) []float64 {
	out := make([]float64, 0, len(x)/channels)
	for i := c; i < len(x); i += channels {
		out = append(out, x[i])
	}
	return out
}

// batchNormBound is that of channelStats and normalError.
func batchNormBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.BatchNorm)
	x, g, beta := e.values("X"), e.values("Gamma"), e.values("Beta")
	channels := len(g)
	tol := bounds{"Y": make([]float64, len(x)), "Mean": make([]float64, channels), "Variance": make([]float64, channels)}
	for c := range channels {
		s := channelStats{mean: e.out["Mean"][c], variance: e.out["Variance"][c]}
		xs := channel(x, c, channels)
		r := float64(len(xs))
		s.meanErr = gamma(r+1) * sumAbsolute(xs) / r
		s.varianceErr = s.meanErr*s.meanErr + tiny
		if s.variance > 0 {
			kappa := math.Sqrt(1 + s.mean*s.mean/s.variance)
			s.varianceErr += gamma(r+4) * (1 + 2*kappa) * s.variance
		}
		tol["Mean"][c], tol["Variance"][c] = s.meanErr+tiny, s.varianceErr
		for i := c; i < len(x); i += channels {
			tol["Y"][i] = s.normalError(x[i], g[c], beta[c], o.Epsilon)
		}
	}
	return tol, nil
}

// batchNormInferenceBound is normalError with statistics that are given.
func batchNormInferenceBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.BatchNormInference)
	x, g, beta, mean, variance := e.values("X"), e.values("Gamma"), e.values("Beta"), e.values("Mean"), e.values("Variance")
	tol := make([]float64, len(x))
	for i := range tol {
		c := i % len(g)
		tol[i] = channelStats{mean: mean[c], variance: variance[c]}.normalError(x[i], g[c], beta[c], o.Epsilon)
	}
	return bounds{"Y": tol}, nil
}

// batchNormGradBound, with s = 1/√(v + ε) and X = s·(|x| + |μ|), the size of the
// numbers that make x̂ in any order: x̂ errs by 6u·X, so that
//
//	δ(b) = γ_{R+1}·Σ|DY|,  δ(a) = γ_{R+8}·Σ|DY|·X
//	δ(g) = |γ|s·(8u·(|DY| + |b|/R + X·|a|/R) + δ(b)/R + X·δ(a)/R)
//
// A gradient that is accumulated has one more rounding, of a number at most as
// large as the former value and the sum.
func batchNormGradBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.BatchNormGrad)
	dy, x := e.values("DY"), e.values("X")
	g, mean, variance := e.values("Gamma"), e.values("Mean"), e.values("Variance")
	channels := len(g)
	tol := bounds{"DX": make([]float64, len(x)), "DGamma": make([]float64, channels), "DBeta": make([]float64, channels)}
	for c := range channels {
		s := 1 / math.Sqrt(variance[c]+o.Epsilon)
		r := float64(len(x) / channels)
		var a, b, sumDY, sumA float64
		for i := c; i < len(x); i += channels {
			b += dy[i]
			a += dy[i] * (x[i] - mean[c]) * s
			sumDY += math.Abs(dy[i])
			sumA += math.Abs(dy[i]) * s * (math.Abs(x[i]) + math.Abs(mean[c]))
		}
		aErr, bErr := gamma(r+8)*sumA, gamma(r+1)*sumDY
		for i := c; i < len(x); i += channels {
			size := s * (math.Abs(x[i]) + math.Abs(mean[c]))
			tol["DX"][i] = math.Abs(g[c])*s*(8*u*(math.Abs(dy[i])+math.Abs(b)/r+size*math.Abs(a)/r)+bErr/r+size*aErr/r) + 8*tiny
		}
		tol["DGamma"][c], tol["DBeta"][c] = aErr+tiny, bErr+tiny
		if o.Accumulate && o.DGamma.Present() {
			tol["DGamma"][c] += u * (math.Abs(e.values("DGamma")[c]) + sumA)
			tol["DBeta"][c] += u * (math.Abs(e.values("DBeta")[c]) + sumDY)
		}
	}
	return tol, nil
}
