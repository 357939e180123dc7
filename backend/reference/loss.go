package reference

import (
	"math"

	"fovea/backend"
)

// examples is what Loss and LossGrad have in common: rows of numbers with their
// targets and weights.
type examples struct {
	kind    backend.LossKind
	n, d    int
	input   []float64
	targets []float64 // indices are made one-hot rows
	indices []int32   // nil where targets are rows
	weights []float64 // nil where all are 1
}

func newExamples(m *memory, kind backend.LossKind, input, target, weights backend.View) (*examples, error) {
	n := input.Shape[0]
	e := &examples{kind: kind, n: n, d: input.Shape.Elements() / n, input: m.floats(input), weights: m.floats(weights)}
	if target.DType != backend.Int32 {
		e.targets = m.floats(target)
		return e, nil
	}
	var err error
	if e.indices, err = m.indices("Target", target, e.d); err != nil {
		return nil, err
	}
	e.targets = make([]float64, n*e.d)
	for i, y := range e.indices {
		e.targets[i*e.d+int(y)] = 1
	}
	return e, nil
}

func (e *examples) weight(i int) float64 {
	if e.weights == nil {
		return 1
	}
	return e.weights[i]
}

func (e *examples) row(i int) (z, t []float64) {
	return e.input[i*e.d : (i+1)*e.d], e.targets[i*e.d : (i+1)*e.d]
}

func loss(m *memory, o *backend.Loss) error {
	e, err := newExamples(m, o.Func, o.Input, o.Target, o.Weights)
	if err != nil {
		return err
	}
	losses := m.floats(o.Losses)
	for i := range losses {
		losses[i] = 0
		if w := e.weight(i); w != 0 {
			losses[i] = w * e.loss(i) / o.Divisor
		}
	}
	return nil
}

func lossGrad(m *memory, o *backend.LossGrad) error {
	e, err := newExamples(m, o.Func, o.Input, o.Target, o.Weights)
	if err != nil {
		return err
	}
	dx, seed := m.floats(o.DX), m.floats(o.Seed)
	g := make([]float64, len(dx))
	for i := range e.n {
		w := e.weight(i)
		if w == 0 {
			continue
		}
		factor := seed[i%len(seed)] * w / o.Divisor
		for j, d := range e.gradient(i) {
			g[i*e.d+j] = factor * d
		}
	}
	m.finish(dx, g, o.GradEpilogue)
	return nil
}

// loss is ℓ of one example.
func (e *examples) loss(i int) float64 {
	z, t := e.row(i)
	d := float64(e.d)
	var sum float64
	switch e.kind {
	case backend.SoftmaxCrossEntropy:
		for j, l := range logSoftmax(z) {
			if t[j] != 0 {
				sum -= t[j] * l
			}
		}
	case backend.KLDivergence:
		for j, l := range logSoftmax(z) {
			if t[j] != 0 {
				sum += t[j] * (math.Log(t[j]) - l)
			}
		}
	case backend.SigmoidCrossEntropy:
		for j, v := range z {
			sum += math.Max(v, 0) - v*t[j] + math.Log1p(math.Exp(-math.Abs(v)))
		}
		sum /= d
	case backend.NegativeLogLikelihood:
		for j, v := range z {
			if t[j] != 0 {
				sum -= t[j] * math.Log(v)
			}
		}
	case backend.MeanSquaredError:
		for j, v := range z {
			sum += (v - t[j]) * (v - t[j])
		}
		sum /= d
	case backend.MultiClassHinge:
		y := int(e.indices[i])
		for j, v := range z {
			if j != y {
				sum += math.Max(0, 1-z[y]+v)
			}
		}
	}
	return sum
}

// gradient is ∂ℓ/∂z of one example.
func (e *examples) gradient(i int) []float64 {
	z, t := e.row(i)
	d := float64(e.d)
	g := make([]float64, e.d)
	switch e.kind {
	case backend.SoftmaxCrossEntropy, backend.KLDivergence:
		var sum float64
		for _, v := range t {
			sum += v
		}
		for j, p := range probabilities(z) {
			g[j] = p*sum - t[j]
		}
	case backend.SigmoidCrossEntropy:
		for j, v := range z {
			g[j] = (1/(1+math.Exp(-v)) - t[j]) / d
		}
	case backend.NegativeLogLikelihood:
		for j, v := range z {
			if t[j] != 0 {
				g[j] = -t[j] / v
			}
		}
	case backend.MeanSquaredError:
		for j, v := range z {
			g[j] = 2 * (v - t[j]) / d
		}
	case backend.MultiClassHinge:
		y := int(e.indices[i])
		for j, v := range z {
			if j != y && 1-z[y]+v > 0 {
				g[j] = 1
				g[y]--
			}
		}
	}
	return g
}
