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
}

// stretch is a piece of a segment.
type stretch struct {
	lo, hi  int
	segment *backend.Segment
}

func (c *compiler) optimizerStep(p *plan, o *backend.OptimizerStep) {
	p.bind = func([]byte) {
		u := &update{o, c.device.vec, c.floats(o.Parameters), c.floats(o.Slot1), c.floats(o.Slot2),
			c.floats(o.Gradients), c.floats(o.LearningRate), c.ints(o.Step)}
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
	for i := range segments {
		s := &segments[i]
		const size = elementGrain / 2
		for at := 0; at < s.Length; at += size {
			pieces = append(pieces, stretch{s.Offset + at, s.Offset + min(at+size, s.Length), s})
		}
	}
	return pieces
}

// part returns the elements of a vector that belong to a stretch; nil of nil.
func (s stretch) part(x []float32) []float32 {
	if x == nil {
		return nil
	}
	return x[s.lo:s.hi]
}

func (u *update) apply(s stretch) {
	o := u.o
	w, s1, s2, g := s.part(u.w), s.part(u.s1), s.part(u.s2), s.part(u.grad)
	rate := float64(u.rate[0]) * s.segment.RateFactor
	decay := s.segment.WeightDecay
	switch o.Rule {
	case backend.SGD:
		sgd(w, g, float32(rate), float32(decay))
	case backend.Momentum:
		m := vec.Momentum{Rate: float32(rate), Momentum: float32(o.Momentum), Decay: float32(decay), Velocity: 1}
		if o.Nesterov {
			m.Direct, m.Velocity = 1, float32(o.Momentum)
		}
		u.vec.Momentum(w, s1, g, &m)
	case backend.AdaGrad:
		adaGrad(w, s1, g, float32(rate), float32(decay), float32(o.Epsilon))
	case backend.AdaDelta:
		adaDelta(w, s1, s2, g, float32(rate), float32(decay), o.Decay, float32(o.Epsilon))
	case backend.RMSProp:
		rmsProp(w, s1, g, float32(rate), float32(decay), o.Decay, float32(o.Epsilon))
	case backend.Adam, backend.AdamW:
		a := u.adam(rate, decay)
		u.vec.Adam(w, s1, s2, g, &a)
	}
}

// adam returns the numbers of this step of Adam or AdamW.
func (u *update) adam(rate, decay float64) vec.Adam {
	o, t := u.o, float64(u.step[0])
	a := vec.Adam{
		Keep: 1, Decay: float32(decay),
		Beta1: float32(o.Beta1), Rest1: float32(1 - o.Beta1),
		Beta2: float32(o.Beta2), Rest2: float32(1 - o.Beta2),
		Rate:       float32(rate / (1 - math.Pow(o.Beta1, t))),
		Correction: float32(1 / math.Sqrt(1-math.Pow(o.Beta2, t))),
		Epsilon:    float32(o.Epsilon),
	}
	if o.Rule == backend.AdamW {
		a.Keep, a.Decay = float32(1-rate*decay), 0
	}
	return a
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func sgd(w, g []float32, rate, decay float32) {
	for i, d := range g {
		w[i] -= rate * (d + decay*w[i])
	}
}

func adaGrad(w, s, g []float32, rate, decay, epsilon float32) {
	for i, d := range g {
		d += decay * w[i]
		s[i] += d * d
		w[i] -= rate * d / (sqrt(s[i]) + epsilon)
	}
}

func adaDelta(w, s1, s2, g []float32, rate, decay float32, rho float64, epsilon float32) {
	keep, rest := float32(rho), float32(1-rho)
	for i, d := range g {
		d += decay * w[i]
		s1[i] = keep*s1[i] + rest*d*d
		d *= sqrt(s2[i]+epsilon) / sqrt(s1[i]+epsilon)
		s2[i] = keep*s2[i] + rest*d*d
		w[i] -= rate * d
	}
}

func rmsProp(w, s, g []float32, rate, decay float32, rho float64, epsilon float32) {
	keep, rest := float32(rho), float32(1-rho)
	for i, d := range g {
		d += decay * w[i]
		s[i] = keep*s[i] + rest*d*d
		w[i] -= rate * d / (sqrt(s[i]) + epsilon)
	}
}
