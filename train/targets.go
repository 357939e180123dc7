package train

import (
	"errors"
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// targets brings the targets of a batch to the form that a loss takes: class indices
// where it takes them, else rows of numbers, for classes one-hot.
type targets struct {
	model   *nn.Model
	loss    nn.Loss
	outputs int

	regression bool // the sets hold numbers, not classes
	rows       bool // the loss gets rows
	accuracy   bool // each example is of one class, and the largest logit is a guess at it
	oneHot     map[int]*tensor.Dense
}

func newTargets(net *nn.Network, loss nn.Loss, set *data.Set) (*targets, error) {
	if net == nil || set == nil {
		return nil, errors.New("train: there is no network, or no data set")
	}
	outputs, err := net.Model.Outputs()
	if err != nil {
		return nil, err
	}
	t := &targets{model: net.Model, loss: loss, outputs: outputs, regression: set.Regression(), oneHot: map[int]*tensor.Dense{}}
	t.rows = t.regression || !loss.Kind.TakesIndex()
	t.accuracy = !t.regression || output(net.Model) == nn.Probabilities
	return t, t.check(set)
}

// output is what a model's prediction is made of its logits.
func output(m *nn.Model) nn.Output {
	if m.Output == "" {
		return nn.Probabilities
	}
	return m.Output
}

// check reports a set that the model cannot learn, or be measured on.
func (t *targets) check(set *data.Set) error {
	if err := checkImages(t.model, set); err != nil {
		return err
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("train: the set %q: "+format, append([]any{set.Name()}, args...)...)
	}
	switch {
	case set.Regression() != t.regression:
		return fail("regression is %t, expected %t", set.Regression(), t.regression)
	case t.regression && len(set.TargetNames()) != t.outputs:
		return fail("%w: %d targets, the model %q has %d outputs", backend.ErrShape, len(set.TargetNames()), t.model.Name, t.outputs)
	case t.regression && !t.loss.Kind.TakesRows():
		return fail("the loss %v takes classes, found numbers", t.loss)
	case t.regression:
		return checkValues(t.model, set)
	case len(set.Classes()) != t.outputs:
		return fail("%w: %d classes, the model %q has %d outputs", backend.ErrShape, len(set.Classes()), t.model.Name, t.outputs)
	}
	return nil
}

// checkImages compares the size of a set's images with the model's input. An input
// that is no image takes any of as many pixels.
func checkImages(m *nn.Model, set *data.Set) error {
	h, w, c := set.Size()
	image := backend.Shape{h, w, c}
	if image.Equal(m.Input) || len(m.Input) != len(image) && image.Elements() == m.Input.Elements() {
		return nil
	}
	return fmt.Errorf("train: the set %q: %w: images %v, the model %q takes %v", set.Name(), backend.ErrShape, image, m.Name, m.Input)
}

// sumTolerance is how far the sum of a distribution may be from 1: what rounding, and
// tables with three digits, leave.
const sumTolerance = 1e-2

// checkValues reports targets that no prediction of the model can reach, because it
// consists of probabilities: a model for numbers has the output nn.Values.
func checkValues(m *nn.Model, set *data.Set) error {
	o := output(m)
	if o == nn.Values {
		return nil
	}
	for i := range set.Len() {
		sum := 0.0
		for j, v := range set.Target(i) {
			if v < 0 || v > 1 {
				return fmt.Errorf("train: the set %q: %w: target %q of example %d is %g, expected 0 to 1, for the model %q predicts %s (of numbers: %q)",
					set.Name(), backend.ErrRange, set.TargetNames()[j], i, v, m.Name, o, nn.Values)
			}
			sum += float64(v)
		}
		if o == nn.Probabilities && math.Abs(sum-1) > sumTolerance {
			return fmt.Errorf("train: the set %q: %w: the targets of example %d sum to %g, expected 1, for the model %q predicts %s (of numbers: %q)",
				set.Name(), backend.ErrRange, i, sum, m.Name, o, nn.Values)
		}
	}
	return nil
}

// of returns the targets of a batch. They are valid until the next call.
func (t *targets) of(b *data.Batch) *tensor.Dense {
	switch {
	case t.regression:
		return b.Targets
	case t.rows:
		return t.encode(b)
	}
	return b.Labels
}

// encode makes one-hot rows of labels.
func (t *targets) encode(b *data.Batch) *tensor.Dense {
	d, ok := t.oneHot[b.N]
	if !ok {
		d = tensor.New(tensor.WithShape(b.N, t.outputs), tensor.Of(tensor.Float32))
		t.oneHot[b.N] = d
	}
	rows := d.Float32s()
	clear(rows)
	for i, label := range b.Labels.Int32s() {
		rows[i*t.outputs+int(label)] = 1
	}
	return d
}
