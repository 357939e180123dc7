package nn

import (
	"fmt"
	"reflect"
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
	// reported through Builder.Fail or by the graph, which keeps the first; Build is
	// not called after one.
	Build(b *Builder, x *graph.Node) *graph.Node
}

// Named is a layer that may carry a name of its own, instead of its kind and a
// number. Two layers of one kind and name, side by side, share their parameters.
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

// BuiltLayer is a layer in a graph.
type BuiltLayer struct {
	Name  string // with the names of the layers around it: "residual1.conv1"
	Kind  string
	Depth int // the number of layers around it
	// Output is the layer's output, its activation included.
	Output *graph.Node
	// Parameters counts the numbers that the layer itself brings: without those of
	// layers inside it, and those shared with an earlier layer.
	Parameters int
}

// maxDepth bounds how deep layers lie inside one another, so that no description
// exhausts the stack.
const maxDepth = 32

// Builder turns layers into a graph.
type Builder struct {
	*graph.Graph
	// Training builds the network that learns: dropout drops and batch normalisation
	// uses, and tracks, the statistics of the batch.
	Training bool

	parameters []ParameterSpec
	states     []StateSpec
	declared   map[string]int // index of a parameter or state by name
	streams    uint32

	layers []BuiltLayer
	inside []int            // indices of the layers around the present place
	scopes map[string]scope // by label
	counts map[string]int   // layers without a name in the present scope, by label and kind
	depth  int              // of scopes
}

// scope is what lies under a label: a layer, or a branch of one.
type scope struct {
	kind      string
	automatic bool // the label is a kind and a number
}

func (s scope) String() string {
	if s.automatic {
		return "a " + s.kind + " without a name"
	}
	return "a " + s.kind
}

func newBuilder(training bool) *Builder {
	return &Builder{
		Graph: graph.New(), Training: training,
		declared: map[string]int{}, scopes: map[string]scope{}, counts: map[string]int{},
	}
}

// Layers builds layers one behind the other. Each works under its own name, or its
// kind and a number that counts the layers of that kind side by side.
//
// Two layers of one kind and name share their parameters, which must agree in shape
// and initializer. All other clashes of names are errors.
func (b *Builder) Layers(layers []Layer, x *graph.Node) *graph.Node {
	for i, l := range layers {
		if b.Err() != nil {
			return x
		}
		if isNil(l) {
			return b.Fail(fmt.Errorf("layer %d is nil", i))
		}
		x = b.layer(l, x)
	}
	return x
}

// isNil reports whether l is no layer, or a nil pointer to one.
func isNil(l Layer) bool {
	v := reflect.ValueOf(l)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

func (b *Builder) layer(l Layer, x *graph.Node) *graph.Node {
	name, s := "", scope{kind: l.Kind()}
	if n, ok := l.(Named); ok {
		name = n.LayerName()
	}
	if name == "" {
		key := b.Label() + "/" + s.kind
		b.counts[key]++
		name, s.automatic = fmt.Sprintf("%s%d", s.kind, b.counts[key]), true
	}
	at := len(b.layers)
	b.layers = append(b.layers, BuiltLayer{Kind: s.kind, Depth: len(b.inside)})
	b.inside = append(b.inside, at)
	b.enter(name, s, func() {
		b.layers[at].Name = b.path()
		if x = l.Build(b, x); x == nil {
			x = b.Fail(fmt.Errorf("a layer of kind %q made no output", s.kind))
		}
	})
	b.inside = b.inside[:len(b.inside)-1]
	b.layers[at].Output = x
	return x
}

// Branch builds layers under a name of their own inside the present layer, for
// layers that hold several lists of them.
func (b *Builder) Branch(name string, layers []Layer, x *graph.Node) *graph.Node {
	b.enter(name, scope{kind: "branch"}, func() { x = b.Layers(layers, x) })
	return x
}

// enter runs build under a name inside the present one.
func (b *Builder) enter(name string, s scope, build func()) {
	if name == "" || strings.ContainsAny(name, "./") {
		b.Fail(fmt.Errorf("the name %q of a %s, expected one without dots and slashes", name, s.kind))
		return
	}
	if b.depth == maxDepth {
		b.Fail(fmt.Errorf("layers are nested more than %d deep", maxDepth))
		return
	}
	counts := b.counts
	b.counts = map[string]int{}
	b.depth++
	b.In(name, func() {
		if known, ok := b.scopes[b.Label()]; ok && known != s {
			b.Fail(fmt.Errorf("the name belongs to %v and to %v", known, s))
			return
		}
		b.scopes[b.Label()] = s
		build()
	})
	b.depth--
	b.counts = counts
}

// path is the present label as parameters and users see it: "residual1.conv1".
func (b *Builder) path() string { return strings.ReplaceAll(b.Label(), "/", ".") }

// Parameter declares a parameter of the present layer. Its first axis counts
// outputs, the others together inputs, unless it has one axis only. One used twice
// under one name is shared.
func (b *Builder) Parameter(name string, s backend.Shape, init Initializer) *graph.Node {
	p := ParameterSpec{Name: name, Shape: s.Clone(), Init: init, FanIn: 1, FanOut: 1, Bias: len(s) < 2}
	if len(s) >= 2 && s.Validate() == nil {
		p.FanIn = s[1:].Elements()
		p.FanOut = s.Elements() / s[len(s)-1]
	}
	return b.declare(p)
}

// declare adds a parameter of the present layer, or returns the one of that name.
func (b *Builder) declare(p ParameterSpec) *graph.Node {
	if err := p.Init.validate(); err != nil {
		return b.Fail(fmt.Errorf("parameter %q: %w", p.Name, err))
	}
	p.Name = b.path() + "." + p.Name
	n := b.Graph.Parameter(p.Name, p.Shape)
	if b.Err() != nil {
		return n
	}
	if i, ok := b.declared[p.Name]; ok {
		if q := b.parameters[i]; q.Init != p.Init || q.FanIn != p.FanIn || q.FanOut != p.FanOut {
			return b.Fail(fmt.Errorf("%q is shared, but begins as %q (fan-in %d, fan-out %d) and as %q (fan-in %d, fan-out %d)",
				p.Name, q.Init, q.FanIn, q.FanOut, p.Init, p.FanIn, p.FanOut))
		}
		return n
	}
	b.declared[p.Name] = len(b.parameters)
	b.parameters = append(b.parameters, p)
	if len(b.inside) > 0 {
		b.layers[b.inside[len(b.inside)-1]].Parameters += p.Shape.Elements()
	}
	return n
}

// State declares an array of the present layer that lasts without being learnt. One
// used twice under one name is shared.
func (b *Builder) State(name string, s backend.Shape, initial float32) *graph.Node {
	name = b.path() + "." + name
	n := b.Graph.State(name, s)
	if b.Err() != nil {
		return n
	}
	if i, ok := b.declared[name]; ok {
		if q := b.states[i]; q.Initial != initial {
			return b.Fail(fmt.Errorf("%q is shared, but begins as %g and as %g", name, q.Initial, initial))
		}
		return n
	}
	b.declared[name] = len(b.states)
	b.states = append(b.states, StateSpec{name, s.Clone(), initial})
	return n
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
