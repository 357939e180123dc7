package main

import (
	"strings"

	"fovea/nn"
)

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
	{"adamw", 2e-3, 0.01, func(rate float64) nn.Optimizer { return nn.AdamW(rate, 0) }},
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
