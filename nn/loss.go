package nn

import (
	"fmt"

	"fovea/backend"
)

// Loss is what training minimises, the mean over the examples. Each takes either
// the model's logits or its prediction, so that a mix-up of the two cannot happen
// unseen ("Logits vs Softmax").
type Loss struct {
	Kind backend.LossKind `json:"kind"`
}

// The losses of the lecture ("What Is 𝓛?") and their relatives; see
// backend.LossKind for the formulas.
var (
	SoftmaxCrossEntropy   = Loss{backend.SoftmaxCrossEntropy}   // of logits; class indices or distributions
	KLDivergence          = Loss{backend.KLDivergence}          // of logits; distributions
	SigmoidCrossEntropy   = Loss{backend.SigmoidCrossEntropy}   // of logits; several independent classes, numbers from 0 to 1
	NegativeLogLikelihood = Loss{backend.NegativeLogLikelihood} // of the prediction, which must be probabilities
	MeanSquaredError      = Loss{backend.MeanSquaredError}      // of the prediction; numbers
	MultiClassHinge       = Loss{backend.MultiClassHinge}       // of logits; class indices
)

// TakesLogits reports whether the loss is computed from the model's logits; else it
// is computed from its prediction.
func (l Loss) TakesLogits() bool {
	return l.Kind != backend.NegativeLogLikelihood && l.Kind != backend.MeanSquaredError
}

func (l Loss) String() string { return l.Kind.String() }

// Output is what a model's prediction is made of its logits.
type Output string

// The outputs.
const (
	// Probabilities of exclusive classes: softmax of the logits.
	Probabilities Output = "probabilities"
	// IndependentProbabilities of classes that may coincide: sigmoid of each logit.
	IndependentProbabilities Output = "independent-probabilities"
	// Values of a regression: the logits themselves.
	Values Output = "values"
)

// check reports a loss that the model's output and targets do not fit.
func (l Loss) check(o Output) error {
	if l.Kind == backend.NegativeLogLikelihood && o != Probabilities {
		return fmt.Errorf("nn: %v takes probabilities, the model's output is %q", l, o)
	}
	return nil
}
