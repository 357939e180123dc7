package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

func (l *lowering) movingAverage(o *backend.MovingAverage) (Work, error) {
	n := o.Y.Shape.Elements()
	keep, share := float32(1-o.Momentum), float32(o.Momentum*o.Scale)
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		return []Node{elements(n, kernels.MovingAverage(y, x, int32(n), keep, share, aligned(y, x)))}
	})
}

// group is a number of segments that one launch serves.
type group struct {
	segments kernels.Segments
	n        int  // elements
	fours    bool // all segments begin and end at multiples of four elements
}

// groups deals out the segments, MaxSegments a launch.
func groups(segments []backend.Segment) []group {
	var all []group
	for i, s := range segments {
		k := i % kernels.MaxSegments
		if k == 0 {
			all = append(all, group{fours: true})
		}
		g := &all[len(all)-1]
		g.segments.Begin[k] = int32(g.n)
		g.segments.Shift[k] = int32(s.Offset - g.n)
		g.segments.RateFactor[k] = s.RateFactor
		g.segments.WeightDecay[k] = s.WeightDecay
		g.n += s.Length
		g.fours = g.fours && s.Offset%4 == 0 && s.Length%4 == 0
	}
	for i := range all {
		for k := (len(segments)-1)%kernels.MaxSegments + 1; i == len(all)-1 && k < kernels.MaxSegments; k++ {
			all[i].segments.Begin[k] = int32(all[i].n)
		}
	}
	return all
}

func (l *lowering) optimizerStep(o *backend.OptimizerStep) (Work, error) {
	settings := kernels.OptimizerSettings{
		Rule:     int32(o.Rule),
		Momentum: float32(o.Momentum), Epsilon: float32(o.Epsilon),
		Decay: float32(o.Decay), DecayRest: float32(1 - o.Decay),
		Beta2: float32(o.Beta2), Beta2Rest: float32(1 - o.Beta2),
		Beta1Exact: o.Beta1, Beta2Exact: o.Beta2,
	}
	if o.Nesterov {
		settings.Nesterov = 1
	}
	if o.Rule == backend.Adam || o.Rule == backend.AdamW {
		settings.Decay, settings.DecayRest = float32(o.Beta1), float32(1-o.Beta1)
	}
	launches := groups(o.Segments)
	return emit(func(m Memory) []Node {
		p, s1, s2, g := m.Address(o.Parameters), m.Address(o.Slot1), m.Address(o.Slot2), m.Address(o.Gradients)
		nodes := make([]Node, len(launches))
		for i, group := range launches {
			vector := aligned(p, s1, s2, g)
			if !group.fours {
				vector = 0
			}
			nodes[i] = elements(group.n, kernels.OptimizerStep(p, s1, s2, g, m.Address(o.LearningRate), m.Address(o.Step),
				int32(group.n), group.segments, settings, vector))
		}
		return nodes
	})
}
