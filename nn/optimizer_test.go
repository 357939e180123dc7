package nn_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/nn"
)

// The defaults are PyTorch's: momentum 0, rho 0.9, alpha 0.99, betas 0.9 and 0.999,
// eps 1e-8 but 1e-10 for AdaGrad and 1e-6 for AdaDelta, and no weight decay.
func TestOptimizers(t *testing.T) {
	for _, c := range []struct {
		optimizer nn.Optimizer
		want      backend.OptimizerStep
		decay     float64
	}{
		{nn.SGD(0.5), backend.OptimizerStep{Rule: backend.SGD}, 0},
		{nn.Momentum(0.5, 0.9), backend.OptimizerStep{Rule: backend.Momentum, Momentum: 0.9}, 0},
		{nn.Nesterov(0.5, 0.9), backend.OptimizerStep{Rule: backend.Momentum, Momentum: 0.9, Nesterov: true}, 0},
		{nn.AdaGrad(0.5), backend.OptimizerStep{Rule: backend.AdaGrad, Epsilon: 1e-10}, 0},
		{nn.AdaDelta(0.5), backend.OptimizerStep{Rule: backend.AdaDelta, Decay: 0.9, Epsilon: 1e-6}, 0},
		{nn.RMSProp(0.5), backend.OptimizerStep{Rule: backend.RMSProp, Decay: 0.99, Epsilon: 1e-8}, 0},
		{nn.Adam(0.5), backend.OptimizerStep{Rule: backend.Adam, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, 0},
		{nn.AdamW(0.5, 0.01), backend.OptimizerStep{Rule: backend.AdamW, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, 0.01},
	} {
		assert.Equal(t, c.want, c.optimizer.Step())
		assert.Equal(t, 0.5, c.optimizer.LearningRate)
		assert.Equal(t, c.decay, c.optimizer.WeightDecay)
		assert.False(t, c.optimizer.SpareBiases)
		assert.NoError(t, c.optimizer.Validate())
		text, err := json.Marshal(c.optimizer)
		require.NoError(t, err)
		var back nn.Optimizer
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, c.optimizer, back)
	}
}

func TestOptimizerErrors(t *testing.T) {
	with := func(change func(o *nn.Optimizer)) nn.Optimizer {
		o := nn.Adam(1e-3)
		change(&o)
		return o
	}
	for _, c := range []struct {
		optimizer nn.Optimizer
		want      string
	}{
		{nn.SGD(-1), "nn: optimizer SGD: the learning rate is -1, expected a finite number of 0 or more"},
		{nn.SGD(math.NaN()), "the learning rate is NaN"},
		{nn.SGD(math.Inf(1)), "the learning rate is +Inf"},
		{nn.AdamW(1, -1), "nn: optimizer AdamW: the weight decay is -1"},
		{nn.Momentum(1, 1), "Momentum is 1, expected 0 to less than 1"},
		{nn.Nesterov(1, 0), "nn: optimizer Momentum: momentum is 0, expected more for Nesterov's"},
		{nn.Optimizer{Rule: backend.SGD, Momentum: 0.9}, "nn: optimizer SGD: it has no momentum, found 0.9"},
		{with(func(o *nn.Optimizer) { o.Nesterov = true }), "nn: optimizer Adam: it has no momentum"},
		{with(func(o *nn.Optimizer) { o.Beta1 = 1 }), "Beta1 is 1, expected 0 to less than 1"},
		{with(func(o *nn.Optimizer) { o.Beta2 = -1 }), "Beta2 is -1"},
		{with(func(o *nn.Optimizer) { o.Epsilon = 0 }), "Epsilon is 0, expected a positive number"},
		{nn.Optimizer{Rule: backend.RMSProp, Epsilon: 1, Decay: 2}, "Decay is 2"},
		{nn.Optimizer{Rule: 99}, "nn: optimizer OptimizerRule(99): "},
	} {
		assert.ErrorContains(t, c.optimizer.Validate(), c.want)
	}
}
