package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestBatchNorm(t *testing.T) {
	r := newRig(t)
	// Channel 0 has mean 4 and variance 9, channel 1 mean 0 and variance 0.
	x := r.floats([]float64{1, 0, 7, 0, 1, 0, 7, 0}, 2, 2, 1, 2)
	y, mean, variance := r.out(2, 2, 1, 2), r.out(2), r.out(2)
	gamma, beta := r.vector(10, 3), r.vector(1, 5)
	r.run(&backend.BatchNorm{Y: y, Mean: mean, Variance: variance, X: x, Gamma: gamma, Beta: beta, Epsilon: 16})
	assert.Equal(t, []float64{4, 0}, r.get(mean))
	assert.Equal(t, []float64{9, 0}, r.get(variance))
	assert.Equal(t, []float64{-5, 5, 7, 5, -5, 5, 7, 5}, r.get(y), "10·(∓3)/√25 + 1")
	r.run(&backend.BatchNormInference{Y: x, X: x, Gamma: gamma, Beta: beta, Mean: mean, Variance: variance, Epsilon: 16, Activation: backend.Activation{Func: backend.ReLU}})
	assert.Equal(t, []float64{0, 5, 7, 5, 0, 5, 7, 5}, r.get(x), "in place")
}

func TestBatchNormGrad(t *testing.T) {
	r := newRig(t)
	x, y, dy, dx := r.normal(3, 4, 2), r.out(3, 4, 2), r.out(3, 4, 2), r.out(3, 4, 2)
	mean, variance, gamma, beta, dgamma, dbeta := r.out(2), r.out(2), r.normal(2), r.normal(2), r.out(2), r.out(2)
	forward := &backend.BatchNorm{Y: y, Mean: mean, Variance: variance, X: x, Gamma: gamma, Beta: beta, Epsilon: 1e-3}
	backward := &backend.BatchNormGrad{DX: dx, DGamma: dgamma, DBeta: dbeta, DY: dy, X: x, Gamma: gamma, Mean: mean, Variance: variance, Epsilon: 1e-3}
	r.gradient(forward, x, y, backward, dy, dx)
	r.gradient(forward, gamma, y, backward, dy, dgamma)
	r.gradient(forward, beta, y, backward, dy, dbeta)

	alone := r.out(3, 4, 2)
	r.run(backward)
	r.run(&backend.BatchNormGrad{DX: alone, DY: dy, X: x, Gamma: gamma, Mean: mean, Variance: variance, Epsilon: 1e-3})
	assert.Equal(t, r.get(dx), r.get(alone), "parameter gradients are optional")
	a, b := r.get(dgamma), r.get(dbeta)
	backward.Accumulate = true
	r.run(backward)
	assert.Equal(t, []float64{2 * a[0], 2 * a[1]}, r.get(dgamma))
	assert.Equal(t, []float64{2 * b[0], 2 * b[1]}, r.get(dbeta))
}

func TestMovingAverage(t *testing.T) {
	r := newRig(t)
	y := r.vector(8, -4)
	r.run(&backend.MovingAverage{Y: y, X: r.vector(2, 4), Momentum: 0.25, Scale: 2})
	assert.Equal(t, []float64{7, -1}, r.get(y), "0.75·8 + 0.25·2·2")
}
