package graph_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// classifier is a small network with everything that a step of training touches:
// filters, a tied dense layer, dropout, batch normalisation with running statistics.
func classifier(n int) (s *subject, loss *graph.Node) {
	s = newSubject()
	s.ints["labels"], s.floats["x"] = make([]int32, n), normal(s.random, n*16)
	for i := range n {
		s.ints["labels"][i] = int32(i % 3)
	}
	s.ints[graph.DrawName] = []int32{1, 0, 1}
	x := s.Input("x", backend.Float32, backend.Shape{n, 4, 4, 1}, 0)
	act := backend.Activation{Func: backend.Tanh}
	h := s.Conv2D(x, s.Parameter("conv.weight", backend.Shape{2, 3, 3, 1}), s.Parameter("conv.bias", backend.Shape{2}), plain, 1)
	h, mean, variance := s.BatchNorm(s.Activate(h, act), s.Parameter("norm.gamma", backend.Shape{2}), s.Parameter("norm.beta", backend.Shape{2}), 1e-3)
	values := float64(n * 4)
	s.Track(graph.Tracking{State: s.State("norm.mean", backend.Shape{2}), Value: mean, Momentum: 0.1, Scale: 1})
	s.Track(graph.Tracking{State: s.State("norm.variance", backend.Shape{2}), Value: variance, Momentum: 0.1, Scale: values / (values - 1)})
	h = s.Dropout(s.Reshape(h, n, 8), 0.25, 1)
	w := s.Parameter("dense.weight", backend.Shape{8, 8})
	for range 2 {
		h = s.Activate(s.MatMul(h, w, nil, false, true), act)
	}
	logits := s.MatMul(h, s.Parameter("head.weight", backend.Shape{3, 8}), s.Parameter("head.bias", backend.Shape{3}), false, true)
	labels := s.Input("labels", backend.Int32, backend.Shape{n}, 3)
	return s, s.Reduce(backend.Sum, s.Loss(backend.SoftmaxCrossEntropy, logits, labels, nil, float64(n)))
}

// settings are some for each rule.
func settings(r backend.OptimizerRule) backend.OptimizerStep {
	return backend.OptimizerStep{Rule: r, Momentum: 0.9, Nesterov: r == backend.Momentum, Decay: 0.9, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-6}
}

// arena fills an array of the layout with numbers; the padding stays zero.
func (s *subject) arena(a graph.Arena) []float64 {
	values := make([]float64, a.Elements)
	for _, slot := range a.Slots {
		n := slot.Shape.Elements()
		copy(values[slot.Offset:], spread(s.random, n, -0.5, 0.6))
	}
	return values
}

// gap reports the first element of an arena's padding that is not zero.
func gap(a graph.Arena, values []float64) string {
	inside := make([]bool, len(values))
	for _, slot := range a.Slots {
		for i := range slot.Shape.Elements() {
			inside[slot.Offset+i] = true
		}
	}
	for i, v := range values {
		if !inside[i] && (v != 0 || math.Signbit(v)) {
			return fmt.Sprintf("element %d of %s is %g", i, a.Buffer, v)
		}
	}
	return ""
}

// trainer runs the Programs of a step over shared tensors.
type trainer struct {
	programs []*session
}

func newTrainer(t *testing.T, d backend.Backend, programs ...*backend.Program) *trainer {
	r := &trainer{}
	for _, p := range programs {
		if p != nil {
			r.programs = append(r.programs, compile(t, d, p, r.programs...))
		}
	}
	return r
}

func (r *trainer) write(f floats, i ints) {
	for _, p := range r.programs {
		p.write(f, i)
	}
}

// steps runs the step numbers from 1 to n.
func (r *trainer) steps(n int32) {
	for k := range n {
		r.write(nil, ints{graph.StepBuffer: {k + 1}, graph.DrawName: {1, 0, k + 1}})
		for _, p := range r.programs {
			p.step()
		}
	}
}

// contents reads all Float32 buffers.
func (r *trainer) contents() floats {
	all := floats{}
	for _, p := range r.programs {
		for name, x := range p.tensors {
			if x.Spec().DType == backend.Float32 {
				all[name] = p.read(name)
			}
		}
	}
	return all
}

// With every rule: the three Programs one after the other, and the same joined to
// one, fused and not, end with the same bits everywhere; parameters move, and the
// padding between them, their gradients and slots stays zero.
func TestTrainingSteps(t *testing.T) {
	for _, name := range backend.Names() {
		for _, rule := range backend.OptimizerRules() {
			t.Run(name+"/"+rule.String(), func(t *testing.T) { testTrainingSteps(t, open(t, name), rule) })
		}
	}
}

func testTrainingSteps(t *testing.T, d backend.Backend, rule backend.OptimizerRule) {
	var first floats
	for _, variant := range []string{"three programs", "one program", "unfused"} {
		s, loss := classifier(4)
		l := s.Layout(nil)
		step, err := s.LowerTraining("train", graph.Training{Loss: loss, Layout: l, Optimizer: settings(rule), Unfused: variant == "unfused",
			Outputs: []graph.Placement{{Node: loss, Buffer: "loss"}}})
		require.NoError(t, err)
		r := newTrainer(t, d, step.Gradient, step.Statistics, step.Update)
		if variant == "one program" {
			p, err := step.Fused("step")
			require.NoError(t, err)
			require.NoError(t, p.Check())
			r = newTrainer(t, d, p)
		}
		start := s.arena(l.Parameters)
		r.write(s.floats, s.ints)
		r.write(floats{graph.ParametersBuffer: start, graph.LearningRateBuffer: {0.05}}, nil)
		r.steps(25)
		end := r.contents()
		if first == nil {
			first = end
		}
		require.Len(t, end, len(first))
		for name, want := range first {
			assert.Equal(t, bitsOf(want), bitsOf(end[name]), "%s: %s", variant, name)
		}
		for _, buffer := range []string{graph.ParametersBuffer, graph.GradientsBuffer, graph.Slot1Buffer, graph.Slot2Buffer} {
			if values, ok := end[buffer]; ok {
				assert.Empty(t, gap(l.Parameters, values), "%s: %s", variant, buffer)
			}
		}
		for _, slot := range l.Parameters.Slots {
			for i := slot.Offset; i < slot.Offset+slot.Shape.Elements(); i++ {
				assert.NotEqual(t, start[i], end[graph.ParametersBuffer][i], "%s: %s does not learn", variant, slot.Name)
			}
		}
	}
}

// A frozen parameter lies elsewhere, does not change, and costs nothing.
func TestFrozenParametersStay(t *testing.T) {
	s, loss := classifier(4)
	l := s.Layout(func(name string) bool { return strings.HasPrefix(name, "conv") || name == "norm.beta" })
	step, err := s.LowerTraining("train", graph.Training{Loss: loss, Layout: l, Optimizer: settings(backend.Adam)})
	require.NoError(t, err)
	assert.Zero(t, count(step.Gradient)["Conv2DFilterGrad"], "%v", step.Gradient)
	for _, slot := range l.Frozen.Slots {
		_, ok := l.Parameters.Slot(slot.Name)
		assert.False(t, ok, slot.Name)
	}
	require.Len(t, l.Frozen.Slots, 3)
	for id, a := range step.Gradient.Accesses() {
		if step.Gradient.Buffers[id].Name == graph.FrozenBuffer {
			assert.Equal(t, backend.Read, a)
		}
	}
	r := newTrainer(t, open(t, "reference"), step.Gradient, step.Statistics, step.Update)
	frozen := s.arena(l.Frozen)
	r.write(s.floats, s.ints)
	r.write(floats{graph.FrozenBuffer: frozen, graph.ParametersBuffer: s.arena(l.Parameters), graph.LearningRateBuffer: {0.05}}, nil)
	r.steps(5)
	assert.Equal(t, bitsOf(frozen), bitsOf(r.contents()[graph.FrozenBuffer]))
}

// Running statistics follow PyTorch: r ← 0.9·r + 0.1·batch, with the unbiased variance
// of the batch; Gradient alone leaves them.
func TestRunningStatistics(t *testing.T) {
	const n = 6
	s := newSubject()
	x := s.Input("x", backend.Float32, backend.Shape{n, 2}, 0)
	y, mean, variance := s.BatchNorm(x, s.Parameter("gamma", backend.Shape{2}), s.Parameter("beta", backend.Shape{2}), 1e-5)
	s.Track(graph.Tracking{State: s.State("mean", backend.Shape{2}), Value: mean, Momentum: 0.1, Scale: 1})
	s.Track(graph.Tracking{State: s.State("variance", backend.Shape{2}), Value: variance, Momentum: 0.1, Scale: n / (n - 1.0)})
	l := s.Layout(nil)
	step, err := s.LowerTraining("train", graph.Training{Loss: s.Reduce(backend.Sum, s.Mul(y, y)), Layout: l, Optimizer: settings(backend.SGD)})
	require.NoError(t, err)
	r := newTrainer(t, open(t, "reference"), step.Gradient, step.Statistics)
	running := make([]float64, l.Statistics.Elements)
	at := func(name string) int {
		slot, ok := l.Statistics.Slot(name)
		require.True(t, ok)
		return slot.Offset
	}
	m, v := at("mean"), at("variance")
	running[v], running[v+1] = 1, 1
	r.write(floats{graph.StatisticsBuffer: running}, nil)
	for range 4 {
		data := normal(s.random, 2*n)
		r.write(floats{"x": data}, nil)
		for c := range 2 {
			sum, squares := 0.0, 0.0
			for i := range n {
				sum += data[2*i+c]
			}
			for i := range n {
				squares += (data[2*i+c] - sum/n) * (data[2*i+c] - sum/n)
			}
			running[m+c] = 0.9*running[m+c] + 0.1*sum/n
			running[v+c] = 0.9*running[v+c] + 0.1*squares/(n-1)
		}
		before := bitsOf(r.contents()[graph.StatisticsBuffer])
		r.programs[0].step()
		assert.Equal(t, before, bitsOf(r.contents()[graph.StatisticsBuffer]), "Gradient changes nothing that lasts")
		r.programs[1].step()
		assert.InDeltaSlice(t, running, r.contents()[graph.StatisticsBuffer], rounding)
	}
}

// Each parameter has its own factor and decay; neighbours with equal ones share a
// segment.
func TestSegments(t *testing.T) {
	s := newSubject()
	var y *graph.Node
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		p := s.Reduce(backend.Sum, s.Unary(backend.Square, 0, s.Parameter(name, backend.Shape{3})))
		if y == nil {
			y = p
		} else {
			y = s.Add(y, p)
		}
	}
	factor := map[string]float64{"a": 1, "b": 1, "c": 0.5, "d": 0.5, "e": 0}
	decay := map[string]float64{"a": 0.1, "b": 0.1, "c": 0.1, "d": 0, "e": 0.1}
	l := s.Layout(nil)
	step, err := s.LowerTraining("train", graph.Training{Loss: y, Layout: l, Optimizer: settings(backend.SGD),
		Parameter: func(name string) (float64, float64) { return factor[name], decay[name] }})
	require.NoError(t, err)
	assert.Equal(t, []backend.Segment{
		{Offset: 0, Length: 19, RateFactor: 1, WeightDecay: 0.1}, {Offset: 32, Length: 3, RateFactor: 0.5, WeightDecay: 0.1}, {Offset: 48, Length: 3, RateFactor: 0.5},
		{Offset: 64, Length: 3, WeightDecay: 0.1},
	}, step.Update.Code[0].Op.(*backend.OptimizerStep).Segments)
	r := newTrainer(t, open(t, "reference"), step.Gradient, step.Update)
	start := s.arena(l.Parameters)
	r.write(floats{graph.ParametersBuffer: start, graph.LearningRateBuffer: {0.25}}, nil)
	r.steps(1)
	end := r.contents()[graph.ParametersBuffer]
	for _, slot := range l.Parameters.Slots {
		for i := slot.Offset; i < slot.Offset+3; i++ {
			p := start[i]
			assert.InDelta(t, p-0.25*factor[slot.Name]*(2*p+decay[slot.Name]*p), end[i], rounding, slot.Name)
		}
	}
}

// Micro-batches accumulate in the gradient arena, tied and batch-normalised
// parameters among them, and the padding stays zero.
func TestTrainingAccumulates(t *testing.T) {
	d := open(t, "reference")
	run := func(accumulate bool, times int) ([]float64, graph.Arena) {
		s, loss := classifier(4)
		l := s.Layout(nil)
		step, err := s.LowerTraining("train", graph.Training{Loss: loss, Layout: l, Optimizer: settings(backend.SGD), Accumulate: accumulate})
		require.NoError(t, err)
		assert.Zero(t, count(step.Gradient)["Binary"], "%v", step.Gradient)
		r := newTrainer(t, d, step.Gradient)
		r.write(s.floats, s.ints)
		r.write(floats{graph.ParametersBuffer: s.arena(l.Parameters)}, nil)
		for range times {
			require.NoError(t, r.programs[0].run.Run(context.Background()))
		}
		return r.contents()[graph.GradientsBuffer], l.Parameters
	}
	one, layout := run(false, 2)
	three, _ := run(true, 3)
	for i := range one {
		assert.InDelta(t, 3*one[i], three[i], rounding)
	}
	assert.Empty(t, gap(layout, three))
}

// Training at one batch size and inference at another share a layout.
func TestInferenceSharesTheLayout(t *testing.T) {
	small, loss := classifier(2)
	large, _ := classifier(5)
	assert.Equal(t, large.Layout(nil), small.Layout(nil))
	p, err := small.LowerInference("loss", large.Layout(nil), graph.Placement{Node: loss, Buffer: "loss"})
	require.NoError(t, err)
	sizes := map[string]int{}
	for _, b := range p.Buffers[1:] {
		sizes[b.Name] = b.Elements
	}
	assert.Equal(t, large.Layout(nil).Parameters.Elements, sizes[graph.ParametersBuffer])
}

func TestTrainingErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *subject, t *graph.Training)
		is     error
		words  string
	}{
		{"no loss", func(s *subject, t *graph.Training) { t.Loss = nil }, backend.ErrShape, "the loss must be one number"},
		{"several losses", func(s *subject, t *graph.Training) { t.Loss = s.Leaf("head.bias") }, backend.ErrShape, "the loss must be one number"},
		{"another graph's loss", func(s *subject, t *graph.Training) { _, t.Loss = classifier(2) }, backend.ErrShape, "of this graph"},
		{"no layout", func(s *subject, t *graph.Training) { t.Layout = nil }, backend.ErrShape, "no layout"},
		{"everything frozen", func(s *subject, t *graph.Training) { t.Layout = s.Layout(func(string) bool { return true }) }, backend.ErrShape, "nothing to learn"},
		{"another model's layout", func(s *subject, t *graph.Training) {
			other := newSubject()
			other.p(3)
			t.Layout = other.Layout(nil)
		}, backend.ErrShape, `no parameter "p0" [3]`},
		{"a layout without a place", func(s *subject, t *graph.Training) { t.Layout.Parameters.Slots = t.Layout.Parameters.Slots[1:] }, backend.ErrShape, `no place for "conv.weight"`},
		{"a layout without statistics", func(s *subject, t *graph.Training) { t.Layout.Statistics.Slots = nil }, backend.ErrShape, `no place for the state "norm.mean"`},
		{"another shape in the layout", func(s *subject, t *graph.Training) { t.Layout.Parameters.Slots[0].Shape = backend.Shape{18} }, backend.ErrShape, `no parameter "conv.weight" [18]`},
		{"an unknown rule", func(s *subject, t *graph.Training) { t.Optimizer.Rule = 99 }, backend.ErrShape, "unknown rule"},
		{"a negative decay", func(s *subject, t *graph.Training) {
			t.Parameter = func(string) (float64, float64) { return 1, -1 }
		}, backend.ErrShape, "WeightDecay -1"},
		{"an output over the gradients", func(s *subject, t *graph.Training) {
			t.Outputs = []graph.Placement{{Node: t.Loss, Buffer: graph.GradientsBuffer}}
		}, backend.ErrProgram, "overlap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, loss := classifier(2)
			training := graph.Training{Loss: loss, Layout: s.Layout(nil), Optimizer: settings(backend.Adam)}
			c.change(s, &training)
			step, err := s.LowerTraining("train", training)
			require.ErrorIs(t, err, c.is)
			assert.Nil(t, step)
			assert.ErrorContains(t, err, "graph: ")
			assert.ErrorContains(t, err, c.words)
		})
	}
	s, loss := classifier(2)
	_, err := s.LowerInference("infer", nil, graph.Placement{Node: loss, Buffer: "loss"})
	require.ErrorIs(t, err, backend.ErrShape)
}
