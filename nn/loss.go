package nn

import (
	"fmt"
	"slices"

	"fovea/backend"
)

// Loss is what training minimises, the mean over the examples. Each takes either
// the model's logits or its prediction, and goes with those outputs that it trains, so
// that a mix-up cannot happen unseen ("Logits vs Softmax").
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

// check reports a loss that does not train the model's output: the prediction would
// be another function of the logits than the one that was fitted.
func (l Loss) check(o Output) error {
	fits := []Output{Probabilities}
	switch l.Kind {
	case backend.SigmoidCrossEntropy:
		fits = []Output{IndependentProbabilities}
	case backend.MeanSquaredError:
		fits = []Output{Values, Probabilities, IndependentProbabilities}
	case backend.MultiClassHinge:
		fits = []Output{Probabilities, Values} // scores, of which the largest counts
	}
	if !slices.Contains(fits, o) {
		return fmt.Errorf("the loss %v does not train the output %q, expected one of %q", l, o, fits)
	}
	return nil
}
