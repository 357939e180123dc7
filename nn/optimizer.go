package nn

import (
	"errors"
	"fmt"
	"math"

	"fovea/backend"
)

// Optimizer is how parameters follow their gradients. The definitions are
// PyTorch's, see backend.OptimizerRule.
type Optimizer struct {
	Rule         backend.OptimizerRule `json:"rule"`
	LearningRate float64               `json:"learning_rate"`
	Momentum     float64               `json:"momentum,omitempty"`
	Nesterov     bool                  `json:"nesterov,omitempty"`
	Decay        float64               `json:"decay,omitempty"` // of the averages of AdaDelta and RMSProp
	Beta1        float64               `json:"beta1,omitempty"`
	Beta2        float64               `json:"beta2,omitempty"`
	Epsilon      float64               `json:"epsilon,omitempty"`
	// WeightDecay shrinks the parameters: by their gradient, or directly with AdamW.
	WeightDecay float64 `json:"weight_decay,omitempty"`
	// SpareBiases keeps biases and the parameters of normalisation from weight decay.
	SpareBiases bool `json:"spare_biases,omitempty"`
}

// SGD is gradient descent on mini-batches.
func SGD(rate float64) Optimizer { return Optimizer{Rule: backend.SGD, LearningRate: rate} }

// Momentum is SGD with momentum, usually 0.9.
func Momentum(rate, momentum float64) Optimizer {
	return Optimizer{Rule: backend.Momentum, LearningRate: rate, Momentum: momentum}
}

// Nesterov is SGD with Nesterov's momentum.
func Nesterov(rate, momentum float64) Optimizer {
	return Optimizer{Rule: backend.Momentum, LearningRate: rate, Momentum: momentum, Nesterov: true}
}

// AdaGrad divides by the root of the sum of squared gradients.
func AdaGrad(rate float64) Optimizer {
	return Optimizer{Rule: backend.AdaGrad, LearningRate: rate, Epsilon: 1e-10}
}

// AdaDelta needs no learning rate of its own: 1 is usual.
func AdaDelta(rate float64) Optimizer {
	return Optimizer{Rule: backend.AdaDelta, LearningRate: rate, Decay: 0.9, Epsilon: 1e-6}
}

// RMSProp divides by the root of a running average of squared gradients.
func RMSProp(rate float64) Optimizer {
	return Optimizer{Rule: backend.RMSProp, LearningRate: rate, Decay: 0.99, Epsilon: 1e-8}
}

// Adam is the usual choice; its rate is usually 1e-3.
func Adam(rate float64) Optimizer {
	return Optimizer{Rule: backend.Adam, LearningRate: rate, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// AdamW is Adam with decoupled weight decay, usually 0.01.
func AdamW(rate, weightDecay float64) Optimizer {
	o := Adam(rate)
	o.Rule, o.WeightDecay = backend.AdamW, weightDecay
	return o
}

// Step returns the backend's Op with these settings.
func (o Optimizer) Step() backend.OptimizerStep {
	return backend.OptimizerStep{
		Rule: o.Rule, Momentum: o.Momentum, Nesterov: o.Nesterov, Decay: o.Decay,
		Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon,
	}
}

// Validate reports a setting that the rule does not take.
func (o Optimizer) Validate() error {
	fail := func(err error) error { return fmt.Errorf("nn: optimizer %v: %w", o.Rule, err) }
	for _, v := range []struct {
		name  string
		value float64
	}{{"learning rate", o.LearningRate}, {"weight decay", o.WeightDecay}} {
		if !(v.value >= 0) || math.IsInf(v.value, 0) {
			return fail(fmt.Errorf("the %s is %g, expected a finite number of 0 or more", v.name, v.value))
		}
	}
	if o.Rule != backend.Momentum && (o.Momentum != 0 || o.Nesterov) {
		return fail(fmt.Errorf("it has no momentum, found %g (Nesterov: %v)", o.Momentum, o.Nesterov))
	}
	if o.Nesterov && o.Momentum == 0 {
		return fail(errors.New("momentum is 0, expected more for Nesterov's"))
	}
	// The Op checks the rest; operands of one number stand in for its own.
	number := backend.View{Buffer: 1, Shape: backend.Shape{1}}
	step := o.Step()
	step.Parameters, step.Gradients, step.LearningRate, step.Step = number, number, number, number
	step.Step.DType = backend.Int32
	if o.Rule.Slots() >= 1 {
		step.Slot1 = number
	}
	if o.Rule.Slots() >= 2 {
		step.Slot2 = number
	}
	if err := step.Check(); err != nil {
		return fail(err)
	}
	return nil
}
