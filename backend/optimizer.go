package backend

import (
	"fmt"
	"math"
)

// OptimizerRule is how an OptimizerStep uses the gradient. p is a parameter, g its
// gradient, η the learning rate times the segment's factor, λ the segment's
// weight decay; s₁ and s₂ are the slots, zero at first; t counts updates from 1.
// Except in AdamW, g stands for g + λ·p. The definitions are PyTorch's.
type OptimizerRule uint8

const (
	// SGD is gradient descent, p ← p − η·g ("But How Do You Actually Train?"). It has no slot.
	SGD OptimizerRule = iota
	// Momentum: s₁ ← Momentum·s₁ + g; p ← p − η·s₁; with Nesterov p ← p − η·(g + Momentum·s₁).
	// Polyak 1964; Sutskever et al. 2013.
	Momentum
	// AdaGrad: s₁ ← s₁ + g²; p ← p − η·g/(√s₁ + Epsilon). Duchi et al. 2011.
	AdaGrad
	// AdaDelta: s₁ ← Decay·s₁ + (1−Decay)·g²; d = g·√(s₂ + Epsilon)/√(s₁ + Epsilon);
	// s₂ ← Decay·s₂ + (1−Decay)·d²; p ← p − η·d. Zeiler 2012.
	AdaDelta
	// RMSProp: s₁ ← Decay·s₁ + (1−Decay)·g²; p ← p − η·g/(√s₁ + Epsilon). Tieleman and Hinton 2012.
	RMSProp
	// Adam: s₁ ← Beta1·s₁ + (1−Beta1)·g; s₂ ← Beta2·s₂ + (1−Beta2)·g²;
	// p ← p − η/(1−Beta1ᵗ)·s₁/(√s₂/√(1−Beta2ᵗ) + Epsilon). Kingma and Ba 2015.
	Adam
	// AdamW is Adam with decoupled weight decay: first p ← p − η·λ·p, then Adam with the plain gradient.
	// Loshchilov and Hutter 2019.
	AdamW
	optimizerRules
)

func (r OptimizerRule) String() string {
	names := [optimizerRules]string{"SGD", "Momentum", "AdaGrad", "AdaDelta", "RMSProp", "Adam", "AdamW"}
	if r >= optimizerRules {
		return fmt.Sprintf("OptimizerRule(%d)", uint8(r))
	}
	return names[r]
}

// OptimizerRules lists all rules.
func OptimizerRules() []OptimizerRule {
	return []OptimizerRule{SGD, Momentum, AdaGrad, AdaDelta, RMSProp, Adam, AdamW}
}

// Slots returns how many numbers the rule remembers for each parameter.
func (r OptimizerRule) Slots() int {
	switch r {
	case SGD:
		return 0
	case AdaDelta, Adam, AdamW:
		return 2
	}
	return 1
}

// Segment is a stretch of the parameter arena with its own settings.
type Segment struct {
	Offset, Length int     // in elements
	RateFactor     float64 // multiplies the learning rate
	WeightDecay    float64
}

// OptimizerStep updates all parameters of an arena at once.
//
//	Parameters   [P]   updated
//	Slot1, Slot2 [P]   updated; present as Rule.Slots tells
//	Gradients    [P]
//	LearningRate [1]
//	Step         [1]   Int32: t, the number of this update, counted from 1
//
// Elements outside the segments (the padding between parameters) do not change.
type OptimizerStep struct {
	Parameters, Slot1, Slot2, Gradients, LearningRate, Step View
	Rule                                                    OptimizerRule
	Momentum                                                float64 // of Momentum
	Nesterov                                                bool    // of Momentum
	Decay                                                   float64 // of AdaDelta and RMSProp
	Beta1, Beta2                                            float64 // of Adam and AdamW
	Epsilon                                                 float64 // of all but SGD and Momentum
	Segments                                                []Segment
}

// Kind returns "OptimizerStep".
func (*OptimizerStep) Kind() string { return "OptimizerStep" }

// Operands lists Parameters, Slot1, Slot2, Gradients, LearningRate and Step.
func (o *OptimizerStep) Operands() []Operand {
	return operands{}.update("Parameters", &o.Parameters).update("Slot1", &o.Slot1).update("Slot2", &o.Slot2).
		in("Gradients", &o.Gradients).in("LearningRate", &o.LearningRate).in("Step", &o.Step)
}

// Check implements Op.
func (o *OptimizerStep) Check() error {
	c := check(o)
	c.that(o.Rule < optimizerRules, "unknown rule %v", o.Rule)
	c.float("Parameters", o.Parameters, 1)
	c.shaped("Gradients", o.Gradients, o.Parameters.Shape)
	slots := o.Rule.Slots()
	c.that(o.Slot1.Present() == (slots >= 1) && o.Slot2.Present() == (slots >= 2), "%v has %d slots", o.Rule, slots)
	c.optional("Slot1", o.Slot1, o.Parameters.Shape)
	c.optional("Slot2", o.Slot2, o.Parameters.Shape)
	c.shaped("LearningRate", o.LearningRate, Shape{1})
	c.shapedAs("Step", o.Step, Int32, Shape{1})
	c.hyperparameters(o)
	at := 0
	for i, s := range o.Segments {
		c.that(s.Offset >= at && s.Length >= 1 && s.Length <= o.Parameters.Shape.Elements()-s.Offset,
			"segment %d covers %d to %d, expected ascending, disjoint stretches of %v", i, s.Offset, s.Offset+s.Length, o.Parameters.Shape)
		c.that(s.RateFactor >= 0 && s.WeightDecay >= 0, "segment %d: RateFactor %g and WeightDecay %g, expected 0 or more", i, s.RateFactor, s.WeightDecay)
		at = s.Offset + s.Length
	}
	return c.err
}

func (c *checker) hyperparameters(o *OptimizerStep) {
	share := func(name string, v float64) { c.that(v >= 0 && v < 1, "%s is %g, expected 0 to less than 1", name, v) }
	switch o.Rule {
	case Momentum:
		share("Momentum", o.Momentum)
	case AdaDelta, RMSProp:
		share("Decay", o.Decay)
	case Adam, AdamW:
		share("Beta1", o.Beta1)
		share("Beta2", o.Beta2)
	}
	if o.Rule >= AdaGrad {
		c.that(o.Epsilon > 0 && !math.IsInf(o.Epsilon, 0), "Epsilon is %g, expected a positive number", o.Epsilon)
	}
}

// Cost counts, for each parameter, 2 FLOPs for SGD, 4 for Momentum, 6 for AdaGrad
// and RMSProp, 12 for AdaDelta, Adam and AdamW, and 2 for weight decay.
func (o *OptimizerStep) Cost() Cost {
	per := [optimizerRules]int{SGD: 2, Momentum: 4, AdaGrad: 6, AdaDelta: 12, RMSProp: 6, Adam: 12, AdamW: 12}[o.Rule]
	n := 0
	for _, s := range o.Segments {
		n += per * s.Length
		if s.WeightDecay != 0 {
			n += 2 * s.Length
		}
	}
	return cost(o, n)
}
