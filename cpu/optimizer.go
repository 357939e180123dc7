package cpu

import (
	"math"

	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// update is an OptimizerStep with its operands.
type update struct {
	o               *backend.OptimizerStep
	vec             *vec.Kernel
	w, s1, s2, grad []float32
	rate            []float32
	step            []int32
	settings        []setting // of the segments, in this step
}

// setting holds the numbers of one step for one segment, computed in float64: those
// of the rule in use.
type setting struct {
	sgd      vec.SGD
	momentum vec.Momentum
	rmsProp  vec.RMSProp
	adaDelta vec.AdaDelta
	adam     vec.Adam
}

// stretch is a piece of a segment.
type stretch struct{ segment, lo, hi int }

func (c *compiler) optimizerStep(p *plan, o *backend.OptimizerStep) {
	p.bind = func([]byte) {
		u := &update{
			o: o, vec: c.device.vec, w: c.floats(o.Parameters), s1: c.floats(o.Slot1), s2: c.floats(o.Slot2), grad: c.floats(o.Gradients),
			rate: c.floats(o.LearningRate), step: c.ints(o.Step), settings: make([]setting, len(o.Segments)),
		}
		c.once(u.set)
		pieces := stretches(o.Segments)
		c.split(len(pieces), 1, 1, func(lo, hi, _ int) {
			for _, s := range pieces[lo:hi] {
				u.apply(s)
			}
		})
	}
}

// stretches cuts segments into pieces that are worth a part.
func stretches(segments []backend.Segment) []stretch {
	var pieces []stretch
	for i, s := range segments {
		const size = elementGrain / 2
		for at := 0; at < s.Length; at += size {
			pieces = append(pieces, stretch{i, s.Offset + at, s.Offset + min(at+size, s.Length)})
		}
	}
	return pieces
}

// set computes the settings of this step.
func (u *update) set() {
	o, t := u.o, float64(u.step[0])
	for i, s := range o.Segments {
		rate, decay := float64(u.rate[0])*s.RateFactor, s.WeightDecay
		n := &u.settings[i]
		switch o.Rule {
		case backend.SGD:
			n.sgd = vec.SGD{Rate: float32(rate), Decay: float32(decay)}
		case backend.Momentum:
			n.momentum = vec.Momentum{Rate: float32(rate), Momentum: float32(o.Momentum), Decay: float32(decay), Velocity: 1}
			if o.Nesterov {
				n.momentum.Direct, n.momentum.Velocity = 1, float32(o.Momentum)
			}
		case backend.AdaGrad:
			n.rmsProp = vec.RMSProp{Rate: float32(rate), Decay: float32(decay), Keep: 1, Rest: 1, Epsilon: float32(o.Epsilon)}
		case backend.RMSProp:
			n.rmsProp = vec.RMSProp{Rate: float32(rate), Decay: float32(decay), Keep: float32(o.Decay), Rest: float32(1 - o.Decay), Epsilon: float32(o.Epsilon)}
		case backend.AdaDelta:
			n.adaDelta = vec.AdaDelta{Rate: float32(rate), Decay: float32(decay), Keep: float32(o.Decay), Rest: float32(1 - o.Decay), Epsilon: float32(o.Epsilon)}
		case backend.Adam, backend.AdamW:
			n.adam = vec.Adam{
				Keep: 1, Decay: float32(decay),
				Beta1: float32(o.Beta1), Rest1: float32(1 - o.Beta1),
				Beta2: float32(o.Beta2), Rest2: float32(1 - o.Beta2),
				Rate:       float32(rate / (1 - math.Pow(o.Beta1, t))),
				Correction: float32(1 / math.Sqrt(1-math.Pow(o.Beta2, t))),
				Epsilon:    float32(o.Epsilon),
			}
			if o.Rule == backend.AdamW {
				n.adam.Keep, n.adam.Decay = float32(1-rate*decay), 0
			}
		}
	}
}

func (u *update) apply(s stretch) {
	n := &u.settings[s.segment]
	w, s1, s2, g := part(u.w, s.lo, s.hi), part(u.s1, s.lo, s.hi), part(u.s2, s.lo, s.hi), part(u.grad, s.lo, s.hi)
	switch u.o.Rule {
	case backend.SGD:
		u.vec.SGD(w, g, &n.sgd)
	case backend.Momentum:
		u.vec.Momentum(w, s1, g, &n.momentum)
	case backend.AdaGrad, backend.RMSProp:
		u.vec.RMSProp(w, s1, g, &n.rmsProp)
	case backend.AdaDelta:
		u.vec.AdaDelta(w, s1, s2, g, &n.adaDelta)
	case backend.Adam, backend.AdamW:
		u.vec.Adam(w, s1, s2, g, &n.adam)
	}
}
