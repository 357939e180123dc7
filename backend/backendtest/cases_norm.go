package backendtest

import (
	"fovea/backend"
)

// channelShapes are arrays with the channel last.
func (g *generator) channelShapes() []backend.Shape {
	all := []backend.Shape{{2, 1}, {5, 3}, {64, 10}, {2, 1, 1, 4}, {2, 4, 5, 3}, {3, 7, 7, 6}, {7}}
	for _, c := range widths {
		all = append(all, backend.Shape{5, c}, backend.Shape{1, 2, 3, c})
	}
	for range randomCases {
		all = append(all, backend.Shape{g.between(2, 5), g.between(1, 6), g.between(1, 6), g.between(1, 12)})
	}
	return all
}

// statistics are mean and variance that are given.
func statistics() fills { return fills{"Variance": positive, "Mean": normal} }

const epsilon = 1e-5

func batchNorm(s backend.Shape) *backend.BatchNorm {
	c := s[len(s)-1]
	return &backend.BatchNorm{Y: f32(s...), Mean: f32(c), Variance: f32(c), X: f32(s...), Gamma: f32(c), Beta: f32(c), Epsilon: epsilon}
}

func batchNormCases(g *generator) {
	for i, s := range g.channelShapes() {
		if len(s) == 1 {
			continue // a single value per channel
		}
		f := fills{}
		if i%4 == 0 {
			f["X"] = normalAround(30, 1)
		}
		g.addFilled(batchNorm(s), f)
	}
	s := backend.Shape{40, 5}
	for _, x := range []fill{constant(0), constant(1, 1, 2, 1, 1), normalAround(100, 0.1), normalAround(-1000, 1), normalAround(0, 1e-4), wide, specials(nan)} {
		g.addFilled(batchNorm(s), fills{"X": x})
	}
	op := batchNorm(backend.Shape{1000, 3})
	op.Epsilon = 0.001
	g.add(op)
}

func batchNormGrad(s backend.Shape, parameters, accumulate bool) *backend.BatchNormGrad {
	c := s[len(s)-1]
	op := &backend.BatchNormGrad{DX: f32(s...), DY: f32(s...), X: f32(s...), Gamma: f32(c), Mean: f32(c), Variance: f32(c), Epsilon: epsilon, Accumulate: accumulate}
	if parameters {
		op.DGamma, op.DBeta = f32(c), f32(c)
	}
	return op
}

func batchNormGradCases(g *generator) {
	for i, s := range g.channelShapes() {
		if len(s) == 1 {
			continue
		}
		op := batchNormGrad(s, i%3 > 0, i%4 < 2)
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.addFilled(op, statistics())
	}
	for _, accumulate := range []bool{false, true} {
		g.addEpilogues(batchNormGrad(backend.Shape{4, 3, 5}, true, accumulate), statistics(), false)
	}
	g.addFilled(batchNormGrad(backend.Shape{1000, 3}, true, false), statistics())
	g.addFilled(batchNormGrad(backend.Shape{40, 5}, true, false), fills{"X": normalAround(30, 1), "Mean": constant(30), "Variance": constant(1)})
}

func batchNormInferenceCases(g *generator) {
	inference := func(s backend.Shape, a backend.Activation) *backend.BatchNormInference {
		c := s[len(s)-1]
		return &backend.BatchNormInference{Y: f32(s...), X: f32(s...), Gamma: f32(c), Beta: f32(c), Mean: f32(c), Variance: f32(c), Epsilon: epsilon, Activation: a}
	}
	for i, s := range g.channelShapes() {
		g.addFilled(inference(s, activations[i%len(activations)]), statistics())
		if i%5 == 0 {
			g.addAll(Case{inference(s, activations[i%len(activations)]), statistics(), "X"})
		}
	}
	for _, a := range activations {
		g.addFilled(inference(backend.Shape{4, 3, 17}, a), statistics())
		g.addFilled(inference(backend.Shape{4, 3, 7}, a), fills{"X": normalAround(30, 1), "Mean": constant(30, 29), "Variance": constant(1, 0, 1e-6)})
	}
}

func movingAverageCases(g *generator) {
	for n := 1; n <= 67; n++ {
		g.add(&backend.MovingAverage{Y: f32(n), X: f32(n), Momentum: 0.1, Scale: float64(n+1) / float64(n)})
	}
	for _, m := range []float64{0, 0.1, 0.5, 0.999, 1} {
		g.add(&backend.MovingAverage{Y: f32(2, 3), X: f32(2, 3), Momentum: m, Scale: 1})
	}
	g.add(&backend.MovingAverage{Y: f32(), X: f32(), Momentum: 0.01, Scale: 2})
}

// dropouts are shapes, rates, streams and draws.
func dropouts(add func(s backend.Shape, rate float64, stream uint32, draw fill)) {
	draws := []fill{constant(0, 0, 0), constant(12345, -678, 9), constant(-1, -1, -1), constant(1<<31-1, -1<<31, 1)}
	i := 0
	for n := 1; n <= 67; n++ {
		i++
		add(backend.Shape{n}, []float64{0.5, 0.25, 0.1, 0}[i%4], uint32(i), draws[i%len(draws)])
	}
	for _, rate := range []float64{0, 0.1, 0.5, 0.9, 0.999} {
		for _, draw := range draws {
			add(backend.Shape{3, 4, 5, 6}, rate, 1<<32-1, draw)
		}
	}
	// Rates that float32 cannot tell from a number that is drawn.
	for e := range uint64(8) {
		drawn := backend.Uniform(12345|1<<40, e, 5, 9)
		for _, rate := range []float64{drawn, drawn + 1e-12, max(0, drawn-1e-12)} {
			add(backend.Shape{8}, rate, 5, constant(12345, 1<<8, 9))
		}
	}
	add(nil, 0.5, 7, draws[1])
	add(backend.Shape{100, 101}, 0.5, 7, draws[1])
}

func dropoutCases(g *generator) {
	dropouts(func(s backend.Shape, rate float64, stream uint32, draw fill) {
		op := &backend.Dropout{Y: f32(s...), X: f32(s...), Draw: i32(3), Rate: rate, Stream: stream}
		g.addFilled(op, fills{"Draw": draw})
		if s.Elements()%4 == 1 {
			g.addAll(Case{backend.CloneOp(op), fills{"Draw": draw}, "X"})
		}
	})
}

func dropoutGradCases(g *generator) {
	i := 0
	dropouts(func(s backend.Shape, rate float64, stream uint32, draw fill) {
		op := &backend.DropoutGrad{DX: f32(s...), DY: f32(s...), Draw: i32(3), Rate: rate, Stream: stream}
		f := fills{"Draw": draw}
		i++
		if i%2 == 0 {
			g.randomEpilogue(op)
		}
		g.addFilled(op, f)
		if i%8 == 0 {
			g.addAll(Case{backend.CloneOp(op), f, "DY"})
		}
	})
	g.addEpilogues(&backend.DropoutGrad{DX: f32(4, 9), DY: f32(4, 9), Draw: i32(3), Rate: 0.25, Stream: 3}, fills{"Draw": constant(1, 2, 3)}, true)
}

// optimizer is a step of n parameters with the usual settings.
func optimizer(rule backend.OptimizerRule, n int, segments ...backend.Segment) *backend.OptimizerStep {
	op := &backend.OptimizerStep{Parameters: f32(n), Gradients: f32(n), LearningRate: f32(1), Step: i32(1), Rule: rule,
		Momentum: 0.9, Decay: 0.99, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Segments: segments}
	if rule.Slots() >= 1 {
		op.Slot1 = f32(n)
	}
	if rule.Slots() >= 2 {
		op.Slot2 = f32(n)
	}
	return op
}

func optimizerCases(g *generator) {
	state := func(rule backend.OptimizerRule, step float64) fills {
		f := fills{"LearningRate": constant(0.01), "Step": constant(step), "Slot2": unit}
		if rule != backend.Momentum && rule != backend.Adam && rule != backend.AdamW {
			f["Slot1"] = unit // a mean square
		}
		return f
	}
	first := func(rule backend.OptimizerRule) fills {
		return state(rule, 1).with("Slot1", constant(0)).with("Slot2", constant(0))
	}
	for _, rule := range backend.OptimizerRules() {
		whole := func(n int, decay float64) *backend.OptimizerStep {
			return optimizer(rule, n, backend.Segment{Length: n, RateFactor: 1, WeightDecay: decay})
		}
		for _, n := range widths {
			g.addFilled(whole(n, 0), state(rule, float64(n)))
		}
		for _, decay := range []float64{0, 1e-4, 0.1} {
			for _, nesterov := range []bool{false, true} {
				if nesterov && rule != backend.Momentum {
					continue
				}
				for _, f := range []fills{first(rule), state(rule, 2), state(rule, 100000), first(rule).with("Gradients", constant(0, 1, -2))} {
					op := whole(19, decay)
					op.Nesterov = nesterov
					g.addFilled(op, f)
				}
			}
		}
		// Segments with padding between them, before and behind.
		g.addFilled(optimizer(rule, 60, backend.Segment{Offset: 3, Length: 10, RateFactor: 1}, backend.Segment{Offset: 16, Length: 17, RateFactor: 0.5, WeightDecay: 0.01},
			backend.Segment{Offset: 33, Length: 1, RateFactor: 0}, backend.Segment{Offset: 40, Length: 16, RateFactor: 2, WeightDecay: 0.1}), state(rule, 3))
		g.addFilled(optimizer(rule, 8), state(rule, 3)) // no segment: nothing changes
		other := whole(33, 0.01)
		other.Momentum, other.Decay, other.Beta1, other.Beta2, other.Epsilon = 0, 0, 0, 0, 1e-3
		g.addFilled(other, state(rule, 5))
		g.addFilled(whole(33, 0), state(rule, 7).with("Gradients", wide))
		g.addFilled(whole(5000, 1e-4), state(rule, 7))
	}
}
