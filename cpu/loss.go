package cpu

import (
	"math"

	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// examples is what Loss and LossGrad have in common. All arithmetic but that of
// the exponentials is in float64: there are few outputs, and much cancels.
type examples struct {
	vec     *vec.Kernel
	kind    backend.LossKind
	n, d    int
	input   []float32
	targets []float32 // nil where there are indices
	indices []int32   // nil where there are rows
	weights []float32 // nil where all are 1
}

func (c *compiler) examples(kind backend.LossKind, input, target, weights backend.View) *examples {
	n := input.Shape[0]
	e := &examples{vec: c.device.vec, kind: kind, n: n, d: input.Shape.Elements() / n, input: c.floats(input), weights: c.floats(weights)}
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

// softmax reports whether the loss is that of a softmax.
func (e *examples) softmax() bool {
	return e.kind == backend.SoftmaxCrossEntropy || e.kind == backend.KLDivergence
}

func (c *compiler) loss(p *plan, o *backend.Loss) {
	scratch := c.normalisers(p)
	p.bind = func(work []byte) {
		losses := c.floats(o.Losses)
		e := c.examples(o.Func, o.Input, o.Target, o.Weights)
		scratch := each[float32](work, scratch)
		c.split(e.n, grainFor(e.d*scalarCost), 1, func(lo, hi, worker int) {
			blocks(lo, hi, func(lo, hi int) {
				maxima, sums := pairs(scratch[worker], hi-lo)
				if e.softmax() {
					e.vec.ExpRows(nil, maxima, sums, e.input[lo*e.d:hi*e.d], e.d)
				}
				for i := lo; i < hi; i++ {
					losses[i] = 0
					if w := e.weight(i); w != 0 {
						losses[i] = float32(w * e.loss(i, maxima[i-lo], sums[i-lo]) / o.Divisor)
					}
				}
			})
		})
	}
}

// loss is ℓ of one example; maximum and sum are those of its exponentials, if the
// loss is that of a softmax.
func (e *examples) loss(i int, maximum, sum float32) float64 {
	z, d := e.row(i), float64(e.d)
	total := 0.0
	switch e.kind {
	case backend.SoftmaxCrossEntropy, backend.KLDivergence:
		l := logSum(maximum, sum)
		if e.indices != nil {
			return l - float64(z[e.indices[i]])
		}
		for j, v := range z {
			t := e.target(i, j)
			if t == 0 {
				continue
			}
			total += t * (l - float64(v))
			if e.kind == backend.KLDivergence {
				total += t * math.Log(t)
			}
		}
	case backend.SigmoidCrossEntropy:
		for j, v := range z {
			v := float64(v)
			total += (math.Max(v, 0) - v*e.target(i, j) + math.Log1p(math.Exp(-math.Abs(v)))) / d
		}
	case backend.NegativeLogLikelihood:
		for j, v := range z {
			if t := e.target(i, j); t != 0 {
				total -= t * math.Log(float64(v))
			}
		}
	case backend.MeanSquaredError:
		for j, v := range z {
			r := float64(v) - e.target(i, j)
			total += r * r / d
		}
	case backend.MultiClassHinge:
		y := int(e.indices[i])
		for j, v := range z {
			if j != y {
				total += math.Max(0, 1-float64(z[y])+float64(v))
			}
		}
	}
	return total
}

func (c *compiler) lossGrad(p *plan, o *backend.LossGrad) {
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	scratch := c.normalisers(p)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, seed := c.floats(o.DX), c.floats(o.Seed)
		e := c.examples(o.Func, o.Input, o.Target, o.Weights)
		scratch := each[float32](work, scratch)
		c.split(e.n, grainFor(e.d*scalarCost), 1, func(lo, hi, worker int) {
			blocks(lo, hi, func(lo, hi int) {
				rows := dx[lo*e.d : hi*e.d]
				factor := func(i int) float64 { return float64(seed[i%len(seed)]) * e.weight(i) / o.Divisor }
				if e.softmax() {
					a, b := pairs(scratch[worker], hi-lo)
					e.softmaxGradient(rows, lo, a, b, factor)
				}
				for i := lo; i < hi; i++ {
					g := rows[(i-lo)*e.d:][:e.d]
					switch {
					case e.weight(i) == 0:
						clear(g)
					case !e.softmax():
						e.gradient(g, i, factor(i))
					}
				}
				epilogue.apply(rows, lo*e.d)
			})
		})
	}
}

// softmaxGradient writes factor·(softmax(z)·Σt − t) of the examples from lo, whose
// gradients g may be where their z are; a and b are scratch.
func (e *examples) softmaxGradient(g []float32, lo int, a, b []float32, factor func(i int) float64) {
	hi := lo + len(a)
	e.vec.ExpRows(g, a, b, e.input[lo*e.d:hi*e.d], e.d)
	for i, sum := range b {
		mass := 1.0
		if e.targets != nil {
			mass = 0
			for _, t := range e.targets[(lo+i)*e.d:][:e.d] {
				mass += float64(t)
			}
		}
		a[i], b[i] = float32(factor(lo+i)*mass/float64(sum)), 0
	}
	e.vec.AffineRows(g, g, a, b, e.d)
	for i := lo; i < hi; i++ {
		row, f := g[(i-lo)*e.d:][:e.d], float32(factor(i))
		if e.targets != nil {
			e.vec.Axpy(row, e.targets[i*e.d:(i+1)*e.d], -f)
		} else if y := int(e.indices[i]); uint(y) < uint(e.d) {
			row[y] -= f
		}
	}
}

// gradient writes factor·∂ℓ/∂z of one example; g may be where its z is.
func (e *examples) gradient(g []float32, i int, factor float64) {
	z, d := e.row(i), float64(e.d)
	switch e.kind {
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
