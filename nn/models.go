package nn

import (
	"fmt"
	"sort"
	"strings"

	"fovea/backend"
)

// LeNet5 is LeNet-5 for 28×28 grey images in a modern reading: ReLU and max pooling.
// With ten classes it has 61,706 parameters. Source: LeCun et al. 1998.
func LeNet5(classes int) *Model {
	return leNet5("lenet5", ReLU, MaxPool2D{}, classes)
}

// LeNet5Tanh is LeNet-5 with tanh and average pooling, closer to the original.
func LeNet5Tanh(classes int) *Model {
	return leNet5("lenet5-tanh", Tanh, AvgPool2D{}, classes)
}

func leNet5(name string, a Activation, pool Layer, classes int) *Model {
	return &Model{
		Name:  name,
		Input: backend.Shape{28, 28, 1},
		Layers: Layers{
			Conv2D{Filters: 6, Kernel: Square(5), Padding: Same, Activation: a},
			pool,
			Conv2D{Filters: 16, Kernel: Square(5), Activation: a},
			pool,
			Flatten{},
			Dense{Units: 120, Activation: a},
			Dense{Units: 84, Activation: a},
			Dense{Units: classes},
		},
	}
}

// MLP is a multi-layer perceptron over inputs of any shape: dense layers with ReLU
// and the given numbers of units, then one for each class.
func MLP(input backend.Shape, hidden []int, classes int) *Model {
	m := &Model{Name: "mlp", Input: input, Layers: Layers{Flatten{}}}
	for _, units := range hidden {
		m.Layers = append(m.Layers, Dense{Units: units, Activation: ReLU})
	}
	m.Layers = append(m.Layers, Dense{Units: classes})
	return m
}

// VGG is a small network of 3×3 convolutions for 32×32 colour images: 32-32-pool-
// 64-64-pool-128-dense. With ten classes it has 221,354 parameters. Source: Simonyan
// and Zisserman 2015.
func VGG(classes int) *Model {
	conv := func(filters int) Layer {
		return Conv2D{Filters: filters, Kernel: Square(3), Padding: Same, Activation: ReLU}
	}
	return &Model{
		Name:  "vgg",
		Input: backend.Shape{32, 32, 3},
		Layers: Layers{
			conv(32), conv(32), MaxPool2D{},
			conv(64), conv(64), MaxPool2D{},
			conv(128), Flatten{},
			Dense{Units: classes},
		},
	}
}

// named holds the models that NewModel knows.
var named = map[string]func(classes int) *Model{
	"lenet5":      LeNet5,
	"lenet5-tanh": LeNet5Tanh,
	"mlp":         func(classes int) *Model { return MLP(backend.Shape{28, 28, 1}, []int{128, 64}, classes) },
	"vgg":         VGG,
}

// ModelNames lists the names that NewModel takes.
func ModelNames() []string {
	names := make([]string, 0, len(named))
	for n := range named {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// NewModel returns a model of the zoo by its name.
func NewModel(name string, classes int) (*Model, error) {
	build, ok := named[name]
	if !ok {
		return nil, fmt.Errorf("nn: unknown model %q, expected one of %s", name, strings.Join(ModelNames(), ", "))
	}
	if classes < 1 {
		return nil, fmt.Errorf("nn: model %q for %d classes, expected at least 1", name, classes)
	}
	return build(classes), nil
}
