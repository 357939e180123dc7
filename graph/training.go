package graph

import (
	"fmt"

	"fovea/backend"
)

// Training says what a training step does.
type Training struct {
	// Loss is what is minimised: one number.
	Loss *Node
	// Outputs are other nodes to compute in the forward pass. Placed with Accumulate
	// they add up over the steps until the caller clears their buffers.
	Outputs []Placement
	Layout  *Layout
	// Optimizer is the rule and its settings; operands and segments are filled in.
	Optimizer backend.OptimizerStep
	// Parameter returns the settings of one parameter: what its learning rate is
	// multiplied with, and its weight decay. Nil means 1 and 0.
	Parameter func(name string) (rateFactor, weightDecay float64)
	// Accumulate adds the gradients to those of earlier micro-batches.
	Accumulate bool
	// Unfused is as in Lowering.
	Unfused bool
}

// Step is a training step as three Programs over shared tensors.
type Step struct {
	// Gradient runs forward and backward: it writes the outputs, the gradients and
	// the batch statistics, and changes nothing else that lasts.
	Gradient *backend.Program
	// Statistics moves the running statistics towards the batch's; nil where there
	// are none.
	Statistics *backend.Program
	// Update is the optimizer.
	Update *backend.Program
}

// Fused is the whole step as one Program.
func (s *Step) Fused(name string) (*backend.Program, error) {
	parts := []*backend.Program{s.Gradient}
	if s.Statistics != nil {
		parts = append(parts, s.Statistics)
	}
	return backend.Concat(name, append(parts, s.Update)...)
}

// LowerTraining differentiates the loss with respect to all parameters that are not
// frozen, and emits the Programs of a training step.
func (g *Graph) LowerTraining(name string, t Training) (*Step, error) {
	if g.err != nil {
		return nil, g.err
	}
	if !t.Loss.valid() || t.Loss.graph != g || t.Loss.shape.Elements() != 1 {
		return nil, fmt.Errorf("graph: LowerTraining %q: %w: the loss must be one number of this graph", name, backend.ErrShape)
	}
	if t.Layout == nil {
		return nil, fmt.Errorf("graph: LowerTraining %q: %w: no layout is given", name, backend.ErrShape)
	}
	if len(t.Layout.Parameters.Slots) == 0 {
		return nil, fmt.Errorf("graph: LowerTraining %q: %w: there is nothing to learn: every parameter is frozen, or there are none", name, backend.ErrShape)
	}
	params := make([]*Node, len(t.Layout.Parameters.Slots))
	for i, s := range t.Layout.Parameters.Slots {
		n := g.leaves[s.Name]
		if n == nil || n.role != Parameter || !n.shape.Equal(s.Shape) {
			return nil, fmt.Errorf("graph: LowerTraining %q: %w: the graph has no parameter %q %v of the layout", name, backend.ErrShape, s.Name, s.Shape)
		}
		params[i] = n
	}
	low := Lowering{
		Name:    name + "/gradient",
		Outputs: append([]Placement(nil), t.Outputs...),
		Sizes:   map[string]int{GradientsBuffer: t.Layout.Parameters.Elements, BatchStatisticsBuffer: t.Layout.Statistics.Elements},
		Unfused: t.Unfused,
	}
	for i, gradient := range g.Gradients(t.Loss, nil, params...) {
		low.Outputs = append(low.Outputs, Placement{Node: gradient, Buffer: GradientsBuffer, Offset: t.Layout.Parameters.Slots[i].Offset, Accumulate: t.Accumulate})
	}
	if g.err != nil {
		return nil, g.err
	}
	statistics, err := g.statistics(name, t.Layout, &low)
	if err != nil {
		return nil, err
	}
	if err := t.Layout.place(g, &low); err != nil {
		return nil, err
	}
	gradient, err := g.Lower(low)
	if err != nil {
		return nil, err
	}
	update := t.update(name)
	if err := update.Check(); err != nil {
		return nil, fmt.Errorf("graph: LowerTraining %q: %w", name, err)
	}
	return &Step{gradient, statistics, update}, nil
}

// statistics asks low for the tracked values, and returns the Program that moves
// the running estimates; nil where nothing is tracked.
func (g *Graph) statistics(name string, l *Layout, low *Lowering) (*backend.Program, error) {
	if len(g.tracking) == 0 {
		return nil, nil
	}
	p := backend.NewProgram(name + "/statistics")
	arena := backend.Buffer{Kind: backend.Bound, Elements: l.Statistics.Elements}
	arena.Name = StatisticsBuffer
	running := p.AddBuffer(arena)
	arena.Name = BatchStatisticsBuffer
	batch := p.AddBuffer(arena)
	slots := l.Statistics.byName()
	for _, t := range g.tracking {
		s, ok := slots[t.State.name]
		if !ok {
			return nil, fmt.Errorf("graph: %w: the layout has no place for the state %q", backend.ErrShape, t.State.name)
		}
		low.Outputs = append(low.Outputs, Placement{Node: t.Value, Buffer: BatchStatisticsBuffer, Offset: s.Offset})
		x := backend.View{Buffer: batch, Offset: 4 * s.Offset, Shape: s.Shape}
		y := x
		y.Buffer = running
		p.Add(t.State.label, &backend.MovingAverage{Y: y, X: x, Momentum: t.Momentum, Scale: t.Scale})
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("graph: statistics of %q: %w", name, err)
	}
	return p, nil
}

// update returns the optimizer's Program.
func (t *Training) update(name string) *backend.Program {
	p := backend.NewProgram(name + "/update")
	arena := t.Layout.Parameters
	bound := func(name string, d backend.DType, elements int) backend.View {
		id := p.AddBuffer(backend.Buffer{Name: name, Kind: backend.Bound, DType: d, Elements: elements})
		return backend.View{Buffer: id, DType: d, Shape: backend.Shape{elements}}
	}
	op := t.Optimizer
	op.Parameters = bound(ParametersBuffer, backend.Float32, arena.Elements)
	op.Gradients = bound(GradientsBuffer, backend.Float32, arena.Elements)
	slots := op.Rule.Slots()
	if slots >= 1 {
		op.Slot1 = bound(Slot1Buffer, backend.Float32, arena.Elements)
	}
	if slots >= 2 {
		op.Slot2 = bound(Slot2Buffer, backend.Float32, arena.Elements)
	}
	op.LearningRate = bound(LearningRateBuffer, backend.Float32, 1)
	op.Step = bound(StepBuffer, backend.Int32, 1)
	op.Segments = t.segments()
	p.Add("optimizer", &op)
	return p
}

// segments covers the parameters with as few segments as their settings allow;
// padding between two parameters of equal settings holds zeros with zero gradients,
// which every rule leaves alone.
func (t *Training) segments() []backend.Segment {
	var segments []backend.Segment
	for _, s := range t.Layout.Parameters.Slots {
		factor, decay := 1.0, 0.0
		if t.Parameter != nil {
			factor, decay = t.Parameter(s.Name)
		}
		end := s.Offset + s.Shape.Elements()
		if n := len(segments); n > 0 && segments[n-1].RateFactor == factor && segments[n-1].WeightDecay == decay {
			segments[n-1].Length = end - segments[n-1].Offset
			continue
		}
		segments = append(segments, backend.Segment{Offset: s.Offset, Length: end - s.Offset, RateFactor: factor, WeightDecay: decay})
	}
	return segments
}
