package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// Two updates of one parameter that starts at 1, worked by hand: with the
// gradient 1/2 twice where the rule is linear, with 1/2 and −1/4 where it is not.
func TestOptimizerStep(t *testing.T) {
	for _, c := range []struct {
		name     string
		op       backend.OptimizerStep
		decay    float64
		gradient [2]float64
		p        [2]float64
		s1, s2   float64 // after the second step
	}{
		{"SGD", backend.OptimizerStep{Rule: backend.SGD}, 0, [2]float64{0.5, 0.5}, [2]float64{0.95, 0.9}, 0, 0},
		{"SGD with decay", backend.OptimizerStep{Rule: backend.SGD}, 0.1, [2]float64{0.5, 0.5}, [2]float64{0.94, 0.8806}, 0, 0},
		{"Momentum", backend.OptimizerStep{Rule: backend.Momentum, Momentum: 0.9}, 0, [2]float64{0.5, 0.5}, [2]float64{0.95, 0.855}, 0.95, 0},
		{"Nesterov", backend.OptimizerStep{Rule: backend.Momentum, Momentum: 0.9, Nesterov: true}, 0, [2]float64{0.5, 0.5}, [2]float64{0.905, 0.7695}, 0.95, 0},
		{"AdaGrad", backend.OptimizerStep{Rule: backend.AdaGrad, Epsilon: 0.1}, 0, [2]float64{0.5, -0.25}, [2]float64{0.9166666666666666, 0.9546019554579847}, 0.3125, 0},
		{"AdaDelta", backend.OptimizerStep{Rule: backend.AdaDelta, Decay: 0.9, Epsilon: 0.01}, 0, [2]float64{0.5, -0.25}, [2]float64{0.9732738758087576, 0.9899020956729684}, 0.02875, 0.009193548387096776},
		{"RMSProp", backend.OptimizerStep{Rule: backend.RMSProp, Decay: 0.9, Epsilon: 0.01}, 0, [2]float64{0.5, -0.25}, [2]float64{0.7025825642401226, 0.8418131485142339}, 0.02875, 0},
		{"Adam with decay", backend.OptimizerStep{Rule: backend.Adam, Beta1: 0.9, Beta2: 0.99, Epsilon: 0.01}, 0.1, [2]float64{0.5, -0.25}, [2]float64{0.901639344262295, 0.8569874042947003}, 0.03801639344262295, 0.0038194756785810266},
		{"AdamW", backend.OptimizerStep{Rule: backend.AdamW, Beta1: 0.9, Beta2: 0.99, Epsilon: 0.01}, 0.1, [2]float64{0.5, -0.25}, [2]float64{0.8919607843137254, 0.8570302577931024}, 0.02, 0.0031},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			op := c.op
			op.Parameters, op.Gradients, op.LearningRate, op.Step = r.vector(7, 1, 7), r.out(3), r.vector(0.2), r.ints(0, []int32{1}, 1)
			if op.Rule.Slots() > 0 {
				op.Slot1 = r.vector(7, 0, 7)
			}
			if op.Rule.Slots() > 1 {
				op.Slot2 = r.vector(7, 0, 7)
			}
			op.Segments = []backend.Segment{{Offset: 1, Length: 1, RateFactor: 0.5, WeightDecay: c.decay}}
			for i, g := range c.gradient {
				r.set(op.Gradients, []float64{1, g, 1})
				assert.NoError(t, r.tensor(op.Step).Write(tensor.New(tensor.WithShape(1), tensor.WithBacking([]int32{int32(i + 1)}))))
				r.run(&op)
				got := r.get(op.Parameters)
				// A dozen roundings of numbers of size 1.
				assert.InDelta(t, c.p[i], got[1], 1e-15, "step %d", i+1)
				assert.Equal(t, []float64{7, 7}, []float64{got[0], got[2]}, "outside the segment nothing changes")
			}
			if op.Slot1.Present() {
				got := r.get(op.Slot1)
				assert.InDelta(t, c.s1, got[1], 1e-15)
				assert.Equal(t, []float64{7, 7}, []float64{got[0], got[2]})
			}
			if op.Slot2.Present() {
				got := r.get(op.Slot2)
				assert.InDelta(t, c.s2, got[1], 1e-15)
				assert.Equal(t, []float64{7, 7}, []float64{got[0], got[2]})
			}
		})
	}
}

func TestOptimizerSegments(t *testing.T) {
	r := newRig(t)
	p := r.vector(1, 1, 1, 1)
	r.run(&backend.OptimizerStep{Parameters: p, Gradients: r.vector(1, 1, 1, 1), LearningRate: r.vector(0.5), Step: r.ints(0, []int32{1}, 1), Rule: backend.SGD,
		Segments: []backend.Segment{{Offset: 0, Length: 1, RateFactor: 1}, {Offset: 1, Length: 1}, {Offset: 3, Length: 1, RateFactor: 2, WeightDecay: 1}}})
	assert.Equal(t, []float64{0.5, 1, 1, -1}, r.get(p))
}

// The learning rate keeps all digits of a float64 host array.
func TestLearningRateKeepsPrecision(t *testing.T) {
	r := newRig(t)
	p := r.vector(0)
	r.run(&backend.OptimizerStep{Parameters: p, Gradients: r.vector(-1), LearningRate: r.vector(0.05), Step: r.ints(0, []int32{1}, 1), Rule: backend.SGD,
		Segments: []backend.Segment{{Length: 1, RateFactor: 1}}})
	assert.Equal(t, []float64{0.05}, r.get(p))
}
