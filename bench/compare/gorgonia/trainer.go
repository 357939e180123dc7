package main

import (
	"fmt"
	"math/rand"

	. "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

const classes = 10

// layer is a convolution with bias and ReLU, a 2×2 max-pooling (filters and units are
// 0), or a dense layer with bias, and with ReLU unless it is the last.
type layer struct {
	filters, kernel, padding int
	units                    int
}

// network is a network of fovea's model zoo.
type network struct {
	channels, size int
	layers         []layer
}

var networks = map[string]network{
	"lenet5": {1, 28, []layer{
		{filters: 6, kernel: 5, padding: 2}, {}, {filters: 16, kernel: 5}, {}, {units: 120}, {units: 84}, {units: classes},
	}},
	"vgg": {3, 32, []layer{
		{filters: 32, kernel: 3, padding: 1}, {filters: 32, kernel: 3, padding: 1}, {},
		{filters: 64, kernel: 3, padding: 1}, {filters: 64, kernel: 3, padding: 1}, {},
		{filters: 128, kernel: 3, padding: 1}, {units: classes},
	}},
}

// trainer trains a network on one batch of noise, in float32.
type trainer struct {
	machine VM
	solver  Solver
	weights []ValueGrad
	loss    Value
}

// newTrainer builds forward pass, softmax cross-entropy and backward pass. Gorgonia
// reports mistakes in a graph by panics of Must, which can only be this program's.
func newTrainer(name string, batch int) (*trainer, error) {
	n, ok := networks[name]
	if !ok {
		return nil, fmt.Errorf("network %q is unknown", name)
	}
	random := rand.New(rand.NewSource(1))
	g := NewGraph()
	images := tensor.New(tensor.WithShape(batch, n.channels, n.size, n.size), tensor.Of(tensor.Float32))
	for i := range images.Float32s() {
		images.Float32s()[i] = float32(random.NormFloat64())
	}
	labels := tensor.New(tensor.WithShape(batch, classes), tensor.Of(tensor.Float32))
	for i := range batch {
		labels.Float32s()[i*classes+random.Intn(classes)] = 1
	}
	x := NewTensor(g, Float32, 4, WithShape(images.Shape()...), WithName("images"), WithValue(images))
	y := NewMatrix(g, Float32, WithShape(batch, classes), WithName("labels"), WithValue(labels))

	var weights Nodes
	weight := func(shape ...int) *Node {
		w := NewTensor(g, Float32, len(shape), WithShape(shape...), WithName(fmt.Sprintf("w%d", len(weights))), WithInit(GlorotN(1)))
		weights = append(weights, w)
		return w
	}
	for i, l := range n.layers {
		switch {
		case l.filters > 0:
			w := weight(l.filters, x.Shape()[1], l.kernel, l.kernel)
			x = Must(Conv2d(x, w, tensor.Shape{l.kernel, l.kernel}, []int{l.padding, l.padding}, []int{1, 1}, []int{1, 1}))
			x = Must(Rectify(Must(BroadcastAdd(x, weight(1, l.filters, 1, 1), nil, []byte{0, 2, 3}))))
		case l.units > 0:
			if x.Dims() == 4 {
				x = Must(Reshape(x, tensor.Shape{batch, x.Shape().TotalSize() / batch}))
			}
			x = Must(Mul(x, weight(x.Shape()[1], l.units)))
			x = Must(BroadcastAdd(x, weight(1, l.units), nil, []byte{0}))
			if i < len(n.layers)-1 {
				x = Must(Rectify(x))
			}
		default:
			x = Must(MaxPool2D(x, tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}))
		}
	}
	logarithms := Must(Log(Must(SoftMax(x))))
	loss := Must(Neg(Must(Sum(Must(HadamardProd(logarithms, y))))))
	loss = Must(Div(loss, NewConstant(float32(batch))))
	t := &trainer{solver: NewAdamSolver(WithLearnRate(1e-3)), weights: NodesToValueGrads(weights)}
	Read(loss, &t.loss)
	if _, err := Grad(loss, weights...); err != nil {
		return nil, err
	}
	t.machine = NewTapeMachine(g, BindDualValues(weights...))
	return t, nil
}

// step makes a training step; the loss is that of before.
func (t *trainer) step() error {
	t.machine.Reset()
	if err := t.machine.RunAll(); err != nil {
		return err
	}
	return t.solver.Step(t.weights)
}
