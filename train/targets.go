package train

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/nn"
)

// targets brings the targets of a batch to the form that a loss takes: class indices
// where it takes them, else rows of numbers, for classes one-hot.
type targets struct {
	rows    bool
	classes int // of one-hot rows; 0 where the set has rows of its own
	oneHot  map[int]*tensor.Dense
}

func newTargets(m *nn.Model, loss nn.Loss, set *data.Set) (*targets, error) {
	outputs, err := m.Outputs()
	if err != nil {
		return nil, err
	}
	t := &targets{oneHot: map[int]*tensor.Dense{}}
	if set.Regression() {
		if n := len(set.TargetNames()); n != outputs {
			return nil, fmt.Errorf("train: the set %q has %d targets, the model %q has %d outputs", set.Name(), n, m.Name, outputs)
		}
		if !loss.Kind.TakesRows() {
			return nil, fmt.Errorf("train: the loss %v takes classes, the set %q has numbers", loss, set.Name())
		}
		t.rows = true
		return t, nil
	}
	if n := len(set.Classes()); n != outputs {
		return nil, fmt.Errorf("train: the set %q has %d classes, the model %q has %d outputs", set.Name(), n, m.Name, outputs)
	}
	if !loss.Kind.TakesIndex() {
		t.rows, t.classes = true, outputs
	}
	return t, nil
}

// of returns the targets of a batch. They are valid until the next call.
func (t *targets) of(b *data.Batch) (*tensor.Dense, error) {
	switch {
	case !t.rows && b.Labels != nil:
		return b.Labels, nil
	case t.rows && t.classes == 0 && b.Targets != nil:
		return b.Targets, nil
	case t.classes > 0 && b.Labels != nil:
		return t.encode(b), nil
	}
	return nil, fmt.Errorf("train: the batch has no targets of the kind that the loss takes (rows of numbers: %t)", t.rows)
}

// encode makes one-hot rows of labels.
func (t *targets) encode(b *data.Batch) *tensor.Dense {
	d, ok := t.oneHot[b.N]
	if !ok {
		d = tensor.New(tensor.WithShape(b.N, t.classes), tensor.Of(tensor.Float32))
		t.oneHot[b.N] = d
	}
	rows := d.Float32s()
	clear(rows)
	for i, label := range b.Labels.Int32s() {
		rows[i*t.classes+int(label)] = 1
	}
	return d
}
