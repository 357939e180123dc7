package cpu

import (
	"math"

	"fovea/backend"
)

// examples is what Loss and LossGrad have in common. All arithmetic is in
// float64: there are few outputs, and much cancels.
type examples struct {
	kind    backend.LossKind
	n, d    int
	input   []float32
	targets []float32 // nil where there are indices
	indices []int32   // nil where there are rows
	weights []float32 // nil where all are 1
}

func (c *compiler) examples(kind backend.LossKind, input, target, weights backend.View) *examples {
	n := input.Shape[0]
	e := &examples{kind: kind, n: n, d: input.Shape.Elements() / n, input: c.floats(input), weights: c.floats(weights)}
	if target.DType == backend.Int32 {
		e.indices = c.ints(target)
		c.checked("Target", e.indices, e.d)
	} else {
		e.targets = c.floats(target)
	}
	return e
}

// weight returns the weight of an example; 0, too, for one whose target is out of
// range, which has been reported.
func (e *examples) weight(i int) float64 {
	if e.indices != nil && uint32(e.indices[i]) >= uint32(e.d) {
		return 0
	}
	if e.weights == nil {
		return 1
	}
	return float64(e.weights[i])
}

func (e *examples) row(i int) []float32 { return e.input[i*e.d : (i+1)*e.d] }

// target returns the target of output j of example i, an index being a one-hot row.
func (e *examples) target(i, j int) float64 {
	if e.indices == nil {
		return float64(e.targets[i*e.d+j])
	}
	if int(e.indices[i]) == j {
		return 1
	}
	return 0
}

func (c *compiler) loss(p *plan, o *backend.Loss) {
	p.bind = func([]byte) {
		losses := c.floats(o.Losses)
		e := c.examples(o.Func, o.Input, o.Target, o.Weights)
		c.split(e.n, grainFor(e.d*transcendentalCost), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				losses[i] = 0
				if w := e.weight(i); w != 0 {
					losses[i] = float32(w * e.loss(i) / o.Divisor)
				}
			}
		})
	}
}

// loss is ℓ of one example.
func (e *examples) loss(i int) float64 {
	z, d := e.row(i), float64(e.d)
	sum := 0.0
	switch e.kind {
	case backend.SoftmaxCrossEntropy, backend.KLDivergence:
		m, total := normaliser(z)
		m += math.Log(total)
		for j, v := range z {
			t := e.target(i, j)
			if t == 0 {
				continue
			}
			sum += t * (m - float64(v))
			if e.kind == backend.KLDivergence {
				sum += t * math.Log(t)
			}
		}
	case backend.SigmoidCrossEntropy:
		for j, v := range z {
			v := float64(v)
			sum += (math.Max(v, 0) - v*e.target(i, j) + math.Log1p(math.Exp(-math.Abs(v)))) / d
		}
	case backend.NegativeLogLikelihood:
		for j, v := range z {
			if t := e.target(i, j); t != 0 {
				sum -= t * math.Log(float64(v))
			}
		}
	case backend.MeanSquaredError:
		for j, v := range z {
			r := float64(v) - e.target(i, j)
			sum += r * r / d
		}
	case backend.MultiClassHinge:
		y := int(e.indices[i])
		for j, v := range z {
			if j != y {
				sum += math.Max(0, 1-float64(z[y])+float64(v))
			}
		}
	}
	return sum
}

func (c *compiler) lossGrad(p *plan, o *backend.LossGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, seed := c.floats(o.DX), c.floats(o.Seed)
		e := c.examples(o.Func, o.Input, o.Target, o.Weights)
		c.split(e.n, grainFor(e.d*transcendentalCost), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				g := dx[i*e.d : (i+1)*e.d]
				if w := e.weight(i); w == 0 {
					clear(g)
				} else {
					e.gradient(g, i, float64(seed[i%len(seed)])*w/o.Divisor)
				}
				epilogue.apply(g, i*e.d)
			}
		})
	}
}

// gradient writes factor·∂ℓ/∂z of one example; g may be where its z is.
func (e *examples) gradient(g []float32, i int, factor float64) {
	z, d := e.row(i), float64(e.d)
	switch e.kind {
	case backend.SoftmaxCrossEntropy, backend.KLDivergence:
		m, total := normaliser(z)
		mass := 0.0
		for j := range z {
			mass += e.target(i, j)
		}
		for j, v := range z {
			g[j] = float32(factor * (math.Exp(float64(v)-m)/total*mass - e.target(i, j)))
		}
	case backend.SigmoidCrossEntropy:
		for j, v := range z {
			g[j] = float32(factor * (1/(1+math.Exp(-float64(v))) - e.target(i, j)) / d)
		}
	case backend.NegativeLogLikelihood:
		for j, v := range z {
			r := 0.0
			if t := e.target(i, j); t != 0 {
				r = -t / float64(v)
			}
			g[j] = float32(factor * r)
		}
	case backend.MeanSquaredError:
		for j, v := range z {
			g[j] = float32(factor * 2 * (float64(v) - e.target(i, j)) / d)
		}
	case backend.MultiClassHinge:
		y := int(e.indices[i])
		right, wrong := float64(z[y]), 0
		for j, v := range z {
			r := 0.0
			if j != y && 1-right+float64(v) > 0 {
				r = 1
				wrong++
			}
			g[j] = float32(factor * r)
		}
		g[y] = float32(-factor * float64(wrong))
	}
}
