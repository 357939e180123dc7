package nn

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
)

// Array is a named array on the host, row-major.
type Array struct {
	Name  string
	Shape backend.Shape
	Data  []float32
}

// Network is a model with its parameters and running statistics on a backend.
// Programs of any batch size, for training and for prediction, share them.
type Network struct {
	Model   *Model
	Backend backend.Backend
	Layout  *graph.Layout
	// Specs describes the parameters in the order of the layers.
	Specs []ParameterSpec

	tensors map[string]backend.Tensor // the arenas that are not empty, by buffer
	free    []backend.Tensor
}

// NewNetwork places a model on a backend. Parameter i of the model draws its initial
// values from stream i of the seed; frozen tells which parameters will not be learnt
// (nil: none).
func NewNetwork(b backend.Backend, m *Model, seed uint64, frozen func(parameter string) bool) (*Network, error) {
	built, err := m.Build(1, false)
	if err != nil {
		return nil, err
	}
	n := &Network{Model: m, Backend: b, Layout: built.Layout(frozen), Specs: built.Parameters, tensors: map[string]backend.Tensor{}}
	for _, a := range n.arenas() {
		if a.Elements == 0 {
			continue
		}
		t, err := b.NewTensor(backend.TensorSpec{Name: a.Buffer, DType: backend.Float32, Shape: backend.Shape{a.Elements}})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("nn: model %q: %w", m.Name, err), n.Close())
		}
		n.tensors[a.Buffer] = t
		n.free = append(n.free, t)
	}
	arrays, err := initialValues(built, seed)
	if err == nil {
		err = n.SetArrays(arrays)
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Network) arenas() []*graph.Arena {
	return []*graph.Arena{&n.Layout.Parameters, &n.Layout.Frozen, &n.Layout.Statistics}
}

func initialValues(b *Built, seed uint64) ([]Array, error) {
	var arrays []Array
	for i, p := range b.Parameters {
		a := Array{p.Name, p.Shape, make([]float32, p.Shape.Elements())}
		if err := p.Init.Fill(a.Data, p.FanIn, p.FanOut, seed, uint32(i)); err != nil {
			return nil, fmt.Errorf("nn: parameter %q: %w", p.Name, trimmed{err})
		}
		arrays = append(arrays, a)
	}
	for _, s := range b.States {
		a := Array{s.Name, s.Shape, make([]float32, s.Shape.Elements())}
		fill(a.Data, s.Initial)
		arrays = append(arrays, a)
	}
	return arrays, nil
}

// Tensors returns the arenas of parameters, frozen parameters and running
// statistics, those that are not empty, by the name of their buffer.
func (n *Network) Tensors() map[string]backend.Tensor { return n.tensors }

// ReadArena copies the arrays of an arena laid out as a, held by t, to the host.
func ReadArena(a *graph.Arena, t backend.Tensor) ([]Array, error) {
	flat := make([]float32, a.Elements)
	if err := t.Read(dense(flat)); err != nil {
		return nil, err
	}
	arrays := make([]Array, len(a.Slots))
	for i, s := range a.Slots {
		n := s.Shape.Elements()
		arrays[i] = Array{s.Name, s.Shape, append([]float32(nil), flat[s.Offset:s.Offset+n]...)}
	}
	return arrays, nil
}

// WriteArena sets the arrays of an arena laid out as a, held by t, to those of the
// same names. All of them must be there, in their shapes.
func WriteArena(a *graph.Arena, t backend.Tensor, arrays map[string]Array) error {
	flat := make([]float32, a.Elements)
	for _, s := range a.Slots {
		from, ok := arrays[s.Name]
		switch {
		case !ok:
			return fmt.Errorf("nn: array %q is missing, expected shape %v", s.Name, s.Shape)
		case !from.Shape.Equal(s.Shape) || len(from.Data) != s.Shape.Elements():
			return fmt.Errorf("nn: array %q has shape %v, expected %v", s.Name, from.Shape, s.Shape)
		}
		copy(flat[s.Offset:], from.Data)
	}
	return t.Write(dense(flat))
}

func dense(flat []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(flat)), tensor.WithBacking(flat))
}

// Arrays copies all parameters and running statistics to the host.
func (n *Network) Arrays() ([]Array, error) {
	var arrays []Array
	for _, a := range n.arenas() {
		if a.Elements == 0 {
			continue
		}
		part, err := ReadArena(a, n.tensors[a.Buffer])
		if err != nil {
			return nil, fmt.Errorf("nn: model %q: %w", n.Model.Name, err)
		}
		arrays = append(arrays, part...)
	}
	return arrays, nil
}

// SetArrays sets all parameters and running statistics. Each must be there in its
// shape, and nothing else; else nothing is changed.
func (n *Network) SetArrays(arrays []Array) error {
	var slots []graph.Slot
	for _, a := range n.arenas() {
		slots = append(slots, a.Slots...)
	}
	if err := checkArrays(arrays, slots); err != nil {
		return fmt.Errorf("nn: model %q: %w", n.Model.Name, err)
	}
	byName := make(map[string]Array, len(arrays))
	for _, a := range arrays {
		byName[a.Name] = a
	}
	for _, arena := range n.arenas() {
		if arena.Elements == 0 {
			continue
		}
		if err := WriteArena(arena, n.tensors[arena.Buffer], byName); err != nil {
			return fmt.Errorf("nn: model %q: %w", n.Model.Name, trimmed{err})
		}
	}
	return nil
}

// arrays lists the parameters and states with their shapes.
func (b *Built) arrays() []graph.Slot {
	var slots []graph.Slot
	for _, p := range b.Parameters {
		slots = append(slots, graph.Slot{Name: p.Name, Shape: p.Shape})
	}
	for _, s := range b.States {
		slots = append(slots, graph.Slot{Name: s.Name, Shape: s.Shape})
	}
	return slots
}

// checkArrays demands exactly the arrays that the slots name, in their shapes. Errors
// have no prefix.
func checkArrays(arrays []Array, slots []graph.Slot) error {
	open := make(map[string]backend.Shape, len(slots))
	for _, s := range slots {
		open[s.Name] = s.Shape
	}
	seen := make(map[string]bool, len(arrays))
	for _, a := range arrays {
		s, ok := open[a.Name]
		switch {
		case seen[a.Name]:
			return fmt.Errorf("array %q is there twice", a.Name)
		case !ok:
			return fmt.Errorf("array %q, %v, is none of the model's", a.Name, a.Shape)
		case !s.Equal(a.Shape):
			return fmt.Errorf("array %q has shape %v, expected %v", a.Name, a.Shape, s)
		case len(a.Data) != s.Elements():
			return fmt.Errorf("array %q has %d numbers, expected %d for %v", a.Name, len(a.Data), s.Elements(), s)
		}
		seen[a.Name] = true
	}
	for _, s := range slots {
		if !seen[s.Name] {
			return fmt.Errorf("array %q is missing, expected shape %v", s.Name, s.Shape)
		}
	}
	return nil
}

// Bind returns the tensors that a Program of this network needs: the network's own,
// and those given.
func (n *Network) Bind(p *backend.Program, own map[string]backend.Tensor) map[string]backend.Tensor {
	bind := map[string]backend.Tensor{}
	for _, b := range p.Buffers[1:] {
		if b.Kind != backend.Bound {
			continue
		}
		if t, ok := own[b.Name]; ok {
			bind[b.Name] = t
		} else if t, ok := n.tensors[b.Name]; ok {
			bind[b.Name] = t
		}
	}
	return bind
}

// Close frees the network's tensors.
func (n *Network) Close() error {
	var errs []error
	for _, t := range n.free {
		errs = append(errs, t.Free())
	}
	n.free = nil
	return errors.Join(errs...)
}
