package nn

import (
	"fmt"
	"strings"

	"fovea/backend"
	"fovea/graph"
)

// Layer is one step of a model: a plain struct of settings.
type Layer interface {
	// Kind names the type of layer, in lower case: "conv", "dense". Parameters and
	// model files use it.
	Kind() string
	// Build adds the layer to the network and returns its output. Mistakes are
	// reported through Builder.Fail or by the graph, which keeps the first.
	Build(b *Builder, x *graph.Node) *graph.Node
}

// Named is a layer that may carry a name of its own, instead of its kind and a
// number.
type Named interface {
	Layer
	LayerName() string
}

// ParameterSpec describes one parameter of a model.
type ParameterSpec struct {
	Name          string
	Shape         backend.Shape
	Init          Initializer
	FanIn, FanOut int
	Bias          bool // a bias or a shift, or a scale of normalisation: usually spared weight decay
}

// StateSpec describes an array that lasts without being learnt.
type StateSpec struct {
	Name    string
	Shape   backend.Shape
	Initial float32
}

// Builder turns layers into a graph.
type Builder struct {
	*graph.Graph
	// Training builds the network that learns: dropout drops and batch normalisation
	// uses, and tracks, the statistics of the batch.
	Training bool

	parameters []ParameterSpec
	states     []StateSpec
	streams    uint32
	counts     map[string]int
}

func newBuilder(training bool) *Builder {
	return &Builder{Graph: graph.New(), Training: training, counts: map[string]int{}}
}

// Parameters lists the parameters declared so far.
func (b *Builder) Parameters() []ParameterSpec { return b.parameters }

// States lists the states declared so far.
func (b *Builder) States() []StateSpec { return b.states }

// Layers builds layers one behind the other. Each works under its own name, or its
// kind and a number that counts the layers of that kind side by side.
func (b *Builder) Layers(layers []Layer, x *graph.Node) *graph.Node {
	for i, l := range layers {
		if l == nil {
			return b.Fail(fmt.Errorf("nn: layer %d is nil", i))
		}
		b.In(b.name(l), func() { x = l.Build(b, x) })
	}
	return x
}

func (b *Builder) name(l Layer) string {
	if n, ok := l.(Named); ok && n.LayerName() != "" {
		return n.LayerName()
	}
	path := b.Label() + "/" + l.Kind()
	b.counts[path]++
	return fmt.Sprintf("%s%d", l.Kind(), b.counts[path])
}

// qualified is a name inside the present layer: "conv1.weight".
func (b *Builder) qualified(name string) string {
	return strings.ReplaceAll(b.Label(), "/", ".") + "." + name
}

// Parameter declares a parameter of the present layer. Its first axis counts
// outputs, the others together inputs, unless it has one axis only. One used twice
// under one name is shared.
func (b *Builder) Parameter(name string, s backend.Shape, init Initializer) *graph.Node {
	if err := init.validate(); err != nil {
		return b.Fail(err)
	}
	p := ParameterSpec{Name: b.qualified(name), Shape: s, Init: init, FanIn: 1, FanOut: 1, Bias: len(s) < 2}
	if len(s) >= 2 {
		p.FanIn = s[1:].Elements()
		p.FanOut = s.Elements() / s[len(s)-1]
	}
	return b.declare(p)
}

func (b *Builder) declare(p ParameterSpec) *graph.Node {
	n := b.Graph.Parameter(p.Name, p.Shape)
	if b.Err() != nil {
		return n
	}
	for _, q := range b.parameters {
		if q.Name == p.Name {
			return n
		}
	}
	b.parameters = append(b.parameters, p)
	return n
}

// State declares an array of the present layer that lasts without being learnt.
func (b *Builder) State(name string, s backend.Shape, initial float32) *graph.Node {
	q := b.qualified(name)
	b.states = append(b.states, StateSpec{q, s, initial})
	return b.Graph.State(q, s)
}

// Stream returns the number of a random stream that no other layer draws from.
func (b *Builder) Stream() uint32 {
	b.streams++
	return b.streams
}

// weightInit chooses what DefaultInit means in front of an activation.
func weightInit(i Initializer, a Activation) Initializer {
	if i != DefaultInit {
		return i
	}
	switch a.Func {
	case backend.ReLU, backend.LeakyReLU, backend.ELU:
		return HeNormal
	}
	return XavierUniform
}

// image demands a node with four axes.
func (b *Builder) image(x *graph.Node) bool {
	if b.Err() == nil && len(x.Shape()) != 4 {
		b.Fail(fmt.Errorf("%w: the input is %v, expected images [N H W C]", backend.ErrShape, x.Shape()))
	}
	return b.Err() == nil
}
