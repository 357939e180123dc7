package graph

import (
	"fmt"
	"slices"

	"fovea/backend"
)

// The buffers that the Programs of a model share. Inputs and outputs have buffers
// of their own names beside them.
const (
	ParametersBuffer      = "parameters"       // all learnt parameters
	FrozenBuffer          = "frozen"           // parameters that are not learnt
	GradientsBuffer       = "gradients"        // laid out as the parameters
	Slot1Buffer           = "slot1"            // the optimizer's memory, laid out as the parameters
	Slot2Buffer           = "slot2"            // likewise
	StatisticsBuffer      = "statistics"       // running averages: the states
	BatchStatisticsBuffer = "batch_statistics" // what the last batch says of them, laid out alike
	LearningRateBuffer    = "learning_rate"    // [1]
	StepBuffer            = "step"             // Int32 [1]: the number of the update, from 1
)

// arenaAlignment is the distance, in elements, on whose multiples an arena's arrays
// begin: one cache line.
const arenaAlignment = 16

// Slot is the place of one named array in an arena.
type Slot struct {
	Name   string
	Shape  backend.Shape
	Offset int // elements
}

// Arena is a layout: named arrays in one buffer, each at the start of a cache line.
// What lies between them is never written and stays zero.
type Arena struct {
	Buffer   string
	Slots    []Slot
	Elements int // of the whole arena
}

// add appends an array.
func (a *Arena) add(name string, s backend.Shape) {
	a.Slots = append(a.Slots, Slot{name, s, a.Elements})
	n := s.Elements()
	a.Elements += (n + arenaAlignment - 1) / arenaAlignment * arenaAlignment
}

// Slot returns the place of the array of that name.
func (a *Arena) Slot(name string) (Slot, bool) {
	for _, s := range a.Slots {
		if s.Name == name {
			return s, true
		}
	}
	return Slot{}, false
}

// byName maps the names of all arrays to what Slot returns for them.
func (a *Arena) byName() map[string]Slot {
	slots := make(map[string]Slot, len(a.Slots))
	for _, s := range a.Slots {
		if _, ok := slots[s.Name]; !ok {
			slots[s.Name] = s
		}
	}
	return slots
}

// Layout is where the lasting arrays of a model lie: a function of the model and of
// which parameters are frozen, the same for every batch size and for training and
// inference.
type Layout struct {
	Parameters, Frozen, Statistics Arena
}

// Layout places the leaves of the graph. A nil function freezes nothing.
func (g *Graph) Layout(frozen func(parameter string) bool) *Layout {
	l := &Layout{
		Parameters: Arena{Buffer: ParametersBuffer},
		Frozen:     Arena{Buffer: FrozenBuffer},
		Statistics: Arena{Buffer: StatisticsBuffer},
	}
	for _, n := range g.Leaves(Parameter) {
		if frozen != nil && frozen(n.name) {
			l.Frozen.add(n.name, n.shape)
		} else {
			l.Parameters.add(n.name, n.shape)
		}
	}
	for _, n := range g.Leaves(State) {
		l.Statistics.add(n.name, n.shape)
	}
	return l
}

// place adds the layout's arenas to a lowering.
func (l *Layout) place(g *Graph, to *Lowering) error {
	if to.Sizes == nil {
		to.Sizes = map[string]int{}
	}
	arenas := []*Arena{&l.Parameters, &l.Frozen, &l.Statistics}
	slots := make([]map[string]Slot, len(arenas))
	for i, a := range arenas {
		slots[i] = a.byName()
	}
	for _, n := range append(g.Leaves(Parameter), g.Leaves(State)...) {
		i := slices.IndexFunc(slots, func(m map[string]Slot) bool {
			s, ok := m[n.name]
			return ok && s.Shape.Equal(n.shape)
		})
		if i < 0 {
			return fmt.Errorf("graph: %w: the layout has no place for %q %v", backend.ErrShape, n.name, n.shape)
		}
		to.Sizes[arenas[i].Buffer] = arenas[i].Elements
		to.Leaves = append(to.Leaves, Placement{Node: n, Buffer: arenas[i].Buffer, Offset: slots[i][n.name].Offset})
	}
	return nil
}

// LowerInference emits the Program that computes outputs from inputs, parameters and
// running statistics.
func (g *Graph) LowerInference(name string, l *Layout, outputs ...Placement) (*backend.Program, error) {
	if g.err != nil {
		return nil, g.err
	}
	if l == nil {
		return nil, fmt.Errorf("graph: LowerInference %q: %w: no layout is given", name, backend.ErrShape)
	}
	low := Lowering{Name: name, Outputs: outputs}
	if err := l.place(g, &low); err != nil {
		return nil, err
	}
	return g.Lower(low)
}
