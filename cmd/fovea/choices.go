package main

import (
	"strings"

	"fovea/data"
	"fovea/nn"
)

// losses are the values of --loss.
var losses = []struct {
	name string
	loss nn.Loss
}{
	{"cross-entropy", nn.SoftmaxCrossEntropy},
	{"kl-divergence", nn.KLDivergence},
	{"negative-log-likelihood", nn.NegativeLogLikelihood},
	{"mean-squared-error", nn.MeanSquaredError},
	{"hinge", nn.MultiClassHinge},
}

// autoLoss stands for the loss that usually goes with the data.
const autoLoss = "auto"

func lossNames() string {
	names := []string{autoLoss}
	for _, l := range losses {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}

// checkLoss reports a name that newLoss does not know.
func checkLoss(name string) error {
	if name == autoLoss {
		return nil
	}
	for _, l := range losses {
		if l.name == name {
			return nil
		}
	}
	return misusef("unknown loss %q, expected one of %s", name, lossNames())
}

// newLoss returns a loss by name, for the data of a set.
func newLoss(name string, set *data.Set) nn.Loss {
	for _, l := range losses {
		if l.name == name {
			return l.loss
		}
	}
	if set.Regression() {
		return nn.MeanSquaredError
	}
	return nn.SoftmaxCrossEntropy
}

// optimizers are the values of --optimizer with their usual learning rates, which
// suit the models of the zoo under a cosine schedule.
var optimizers = []struct {
	name        string
	rate        float64
	weightDecay float64
	make        func(rate float64) nn.Optimizer
}{
	{"sgd", 0.1, 0, nn.SGD},
	{"momentum", 0.02, 0, func(rate float64) nn.Optimizer { return nn.Momentum(rate, 0.9) }},
	{"nesterov", 0.02, 0, func(rate float64) nn.Optimizer { return nn.Nesterov(rate, 0.9) }},
	{"adagrad", 0.02, 0, nn.AdaGrad},
	{"adadelta", 1, 0, nn.AdaDelta},
	{"rmsprop", 1e-3, 0, nn.RMSProp},
	{"adam", 2e-3, 0, nn.Adam},
	{"adamw", 3e-3, 0.3, func(rate float64) nn.Optimizer { return nn.AdamW(rate, 0) }},
}

func optimizerNames() string {
	names := make([]string, len(optimizers))
	for i, o := range optimizers {
		names[i] = o.name
	}
	return strings.Join(names, ", ")
}

// newOptimizer returns an optimizer by name, with its usual learning rate if rate is
// 0 and its usual weight decay if weightDecay is negative.
func newOptimizer(name string, rate, weightDecay float64) (nn.Optimizer, error) {
	for _, o := range optimizers {
		if o.name != name {
			continue
		}
		if rate == 0 {
			rate = o.rate
		}
		if weightDecay < 0 {
			weightDecay = o.weightDecay
		}
		made := o.make(rate)
		made.WeightDecay = weightDecay
		made.SpareBiases = weightDecay > 0
		return made, nil
	}
	return nn.Optimizer{}, misusef("unknown optimizer %q, expected one of %s", name, optimizerNames())
}
