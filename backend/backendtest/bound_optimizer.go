package backendtest

import (
	"math"

	"fovea/backend"
)

// near is a number with the error it may have. Its methods are one rounded
// float32 operation each: they carry the errors of the operands forward and add
// the rounding of the result (a running error analysis, Higham 2002, section 3.3).
type near struct{ v, err float64 }

// input is a number that is given.
func input(v float64) near { return near{v: v} }

// rounded is an attribute, or what is computed from attributes in float64.
func rounded(v float64) near { return near{v, u * math.Abs(v)} }

func round(v, err float64) near { return near{v, err + u*math.Abs(v) + tiny} }

func (a near) add(b near) near { return round(a.v+b.v, a.err+b.err) }
func (a near) sub(b near) near { return round(a.v-b.v, a.err+b.err) }
func (a near) mul(b near) near {
	return round(a.v*b.v, math.Abs(a.v)*b.err+math.Abs(b.v)*a.err+a.err*b.err)
}

// div and sqrt may be rounded faithfully: one ulp.
func (a near) div(b near) near {
	q := a.v / b.v
	least := math.Abs(b.v) - b.err
	return round(q, (a.err+math.Abs(q)*b.err)/least+u*math.Abs(q))
}

func (a near) sqrt() near {
	s := math.Sqrt(a.v)
	err := math.Sqrt(a.err) // the root of a number near 0
	if a.v > 0 {
		err = min(err, a.err/s)
	}
	return round(s, err+u*s)
}

// optimizerBound follows the rules step by step with a running error. Factors
// that depend on the attributes and the step alone, such as 1 − Beta2ᵗ, are
// computed in float64 and rounded.
func optimizerBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.OptimizerStep)
	p, g := e.values("Parameters"), e.values("Gradients")
	s1, s2 := e.values("Slot1"), e.values("Slot2")
	rate, step := e.values("LearningRate")[0], e.values("Step")[0]
	// Elements outside the segments keep their bits: their bound is 0.
	tol := bounds{"Parameters": make([]float64, len(p)), "Slot1": make([]float64, len(s1)), "Slot2": make([]float64, len(s2))}
	for _, s := range o.Segments {
		for i := s.Offset; i < s.Offset+s.Length; i++ {
			x := parameter{p: input(p[i]), g: input(g[i])}
			if s1 != nil {
				x.s1 = input(s1[i])
			}
			if s2 != nil {
				x.s2 = input(s2[i])
			}
			x.update(o, s, rate, step)
			tol["Parameters"][i] = x.p.err
			if s1 != nil {
				tol["Slot1"][i] = x.s1.err
			}
			if s2 != nil {
				tol["Slot2"][i] = x.s2.err
			}
		}
	}
	return tol, nil
}

// parameter is one element of an OptimizerStep.
type parameter struct{ p, g, s1, s2 near }

func (x *parameter) update(o *backend.OptimizerStep, s backend.Segment, rate, t float64) {
	eta := rounded(rate * s.RateFactor)
	eps := rounded(o.Epsilon)
	if s.WeightDecay != 0 {
		if o.Rule == backend.AdamW {
			x.p = x.p.sub(rounded(rate * s.RateFactor * s.WeightDecay).mul(x.p))
			x.p.err += u * math.Abs(x.p.v) // p·(1 − ηλ) rounds the factor
		} else {
			x.g = x.g.add(rounded(s.WeightDecay).mul(x.p))
		}
	}
	var d near
	switch o.Rule {
	case backend.SGD:
		d = x.g
	case backend.Momentum:
		m := rounded(o.Momentum)
		x.s1 = m.mul(x.s1).add(x.g)
		d = x.s1
		if o.Nesterov {
			d = x.g.add(m.mul(x.s1))
		}
	case backend.AdaGrad:
		x.s1 = x.s1.add(x.g.mul(x.g))
		d = x.g.div(x.s1.sqrt().add(eps))
	case backend.RMSProp:
		x.s1 = average(o.Decay, x.s1, x.g.mul(x.g))
		d = x.g.div(x.s1.sqrt().add(eps))
	case backend.AdaDelta:
		x.s1 = average(o.Decay, x.s1, x.g.mul(x.g))
		d = x.g.mul(x.s2.add(eps).sqrt()).div(x.s1.add(eps).sqrt())
		x.s2 = average(o.Decay, x.s2, d.mul(d))
	case backend.Adam, backend.AdamW:
		x.s1 = average(o.Beta1, x.s1, x.g)
		x.s2 = average(o.Beta2, x.s2, x.g.mul(x.g))
		eta = eta.mul(rounded(1 / (1 - math.Pow(o.Beta1, t))))
		root := x.s2.sqrt().div(rounded(math.Sqrt(1 - math.Pow(o.Beta2, t))))
		d = x.s1.div(root.add(eps))
	}
	x.p = x.p.sub(eta.mul(d))
}

// average is decay·s + (1 − decay)·x.
func average(decay float64, s, x near) near {
	return rounded(decay).mul(s).add(rounded(1 - decay).mul(x))
}
