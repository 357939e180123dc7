package nn

import (
	"errors"
	"fmt"

	"fovea/backend"
	"fovea/graph"
)

// Model is a network as plain data: it can be printed, stored and built for any
// batch size. As JSON it has the fields named below, and no others; see [Layers].
type Model struct {
	Name string `json:"name"`
	// Input is the shape of one example: [H W C] for images.
	Input backend.Shape `json:"input"`
	// Layers end in the logits: one number for each class, or for each target.
	Layers Layers `json:"layers"`
	// Output makes the prediction of the logits; empty means Probabilities.
	Output Output `json:"output,omitempty"`
}

// output is Output with its default.
func (m *Model) output() Output {
	if m.Output == "" {
		return Probabilities
	}
	return m.Output
}

// The names of a model's inputs and outputs.
const (
	InputName      = "input"      // [N …Input], float32
	TargetName     = "target"     // Int32 [N] or float32 [N …]
	WeightsName    = "weights"    // [N]: the weight of each example
	LogitsName     = "logits"     // [N D]
	PredictionName = "prediction" // [N D]
)

// Built is a model as a graph for one batch size.
type Built struct {
	*graph.Graph
	Input, Logits, Prediction *graph.Node
	Parameters                []ParameterSpec
	States                    []StateSpec
	Layers                    []BuiltLayer // in the order in which they begin
}

// Build makes the graph of the model for a batch of n examples: the one that learns,
// or the one that predicts.
func (m *Model) Build(n int, training bool) (*Built, error) {
	switch {
	case m == nil:
		return nil, errors.New("nn: there is no model")
	case n < 1 || len(m.Input) == 0:
		return nil, fmt.Errorf("nn: model %q: %w: a batch of %d examples of shape %v, expected at least 1 of at least one axis", m.Name, backend.ErrShape, n, m.Input)
	case len(m.Layers) == 0:
		return nil, fmt.Errorf("nn: model %q: %w: it has no layers", m.Name, backend.ErrShape)
	}
	b := newBuilder(training)
	x := b.Graph.Input(InputName, backend.Float32, append(backend.Shape{n}, m.Input...), 0)
	logits := b.Layers(m.Layers, x)
	if b.Err() == nil && (len(logits.Shape()) != 2 || logits.Shape()[0] != n) {
		b.Fail(fmt.Errorf("%w: the layers end in %v, expected rows of logits [%d D]", backend.ErrShape, logits.Shape(), n))
	}
	prediction := logits
	switch m.output() {
	case Probabilities:
		prediction = b.Softmax(logits, false)
	case IndependentProbabilities:
		prediction = b.Unary(backend.Sigmoid, 0, logits)
	case Values:
	default:
		b.Fail(fmt.Errorf("unknown output %q, expected %q, %q or %q", m.Output, Probabilities, IndependentProbabilities, Values))
	}
	if err := b.Err(); err != nil {
		return nil, fmt.Errorf("nn: model %q: %w", m.Name, err)
	}
	return &Built{Graph: b.Graph, Input: x, Logits: logits, Prediction: prediction, Parameters: b.parameters, States: b.states, Layers: b.layers}, nil
}

// Outputs returns the length of the model's prediction: the number of classes, or of
// targets.
func (m *Model) Outputs() (int, error) {
	b, err := m.Build(1, false)
	if err != nil {
		return 0, err
	}
	return b.Logits.Shape()[1], nil
}

// ParameterCount returns how many numbers the model learns.
func (m *Model) ParameterCount() (int, error) {
	b, err := m.Build(1, false)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range b.Parameters {
		n += p.Shape.Elements()
	}
	return n, nil
}

// AddLoss adds the loss to the graph: that of each example, wᵢℓᵢ/divisor, [N], and
// their sum, [1]. The targets are class indices or rows of numbers.
func (b *Built) AddLoss(m *Model, l Loss, indices bool, divisor float64) (losses, total *graph.Node, err error) {
	if err := l.check(m.output()); err != nil {
		return nil, nil, fmt.Errorf("nn: model %q: %w", m.Name, err)
	}
	in := b.Prediction
	if l.TakesLogits() {
		in = b.Logits
	}
	n, d := b.Logits.Shape()[0], b.Logits.Shape()[1]
	var target *graph.Node
	if indices {
		target = b.Graph.Input(TargetName, backend.Int32, backend.Shape{n}, d)
	} else {
		target = b.Graph.Input(TargetName, backend.Float32, backend.Shape{n, d}, 0)
	}
	weights := b.Graph.Input(WeightsName, backend.Float32, backend.Shape{n}, 0)
	losses = b.Loss(l.Kind, in, target, weights, divisor)
	total = b.Reduce(backend.Sum, losses)
	if err := b.Err(); err != nil {
		return nil, nil, fmt.Errorf("nn: model %q: %w", m.Name, err)
	}
	return losses, total, nil
}
