package reference

import (
	"math"

	"fovea/backend"
)

func optimizerStep(m *memory, o *backend.OptimizerStep) {
	p, g, s1, s2 := m.floats(o.Parameters), m.floats(o.Gradients), m.floats(o.Slot1), m.floats(o.Slot2)
	rate, t := m.floats(o.LearningRate)[0], float64(m.ints(o.Step)[0])
	for _, s := range o.Segments {
		for i := s.Offset; i < s.Offset+s.Length; i++ {
			var none float64
			slot1, slot2 := &none, &none
			if s1 != nil {
				slot1 = &s1[i]
			}
			if s2 != nil {
				slot2 = &s2[i]
			}
			p[i] = update(o, p[i], g[i], rate*s.RateFactor, s.WeightDecay, t, slot1, slot2)
		}
	}
}

// update returns the new value of one parameter and changes its slots. The names
// are those of backend.OptimizerRule.
func update(o *backend.OptimizerStep, p, g, eta, lambda, t float64, s1, s2 *float64) float64 {
	if o.Rule == backend.AdamW {
		p -= eta * lambda * p
	} else {
		g += lambda * p
	}
	switch o.Rule {
	case backend.SGD:
		return p - eta*g
	case backend.Momentum:
		*s1 = o.Momentum**s1 + g
		if o.Nesterov {
			return p - eta*(g+o.Momentum**s1)
		}
		return p - eta**s1
	case backend.AdaGrad:
		*s1 += g * g
		return p - eta*g/(math.Sqrt(*s1)+o.Epsilon)
	case backend.AdaDelta:
		*s1 = o.Decay**s1 + (1-o.Decay)*g*g
		d := g * math.Sqrt(*s2+o.Epsilon) / math.Sqrt(*s1+o.Epsilon)
		*s2 = o.Decay**s2 + (1-o.Decay)*d*d
		return p - eta*d
	case backend.RMSProp:
		*s1 = o.Decay**s1 + (1-o.Decay)*g*g
		return p - eta*g/(math.Sqrt(*s1)+o.Epsilon)
	case backend.Adam, backend.AdamW:
		*s1 = o.Beta1**s1 + (1-o.Beta1)*g
		*s2 = o.Beta2**s2 + (1-o.Beta2)*g*g
		return p - eta/(1-math.Pow(o.Beta1, t))**s1/(math.Sqrt(*s2)/math.Sqrt(1-math.Pow(o.Beta2, t))+o.Epsilon)
	}
	panic("BUG: reference: " + o.Rule.String() + " passed Check")
}
