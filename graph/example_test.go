package graph_test

import (
	"context"
	"fmt"
	"log"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
)

// One dense layer, y = ReLU(x·Wᵀ + b), and the gradient of the sum of y with respect
// to W and b: as the Program that it lowers to, and as numbers.
func Example() {
	g := graph.New()
	var y *graph.Node
	x := g.Input("x", backend.Float32, backend.Shape{1, 3}, 0)
	w, b := g.Parameter("W", backend.Shape{2, 3}), g.Parameter("b", backend.Shape{2})
	g.In("dense", func() {
		y = g.Unary(backend.ReLU, 0, g.MatMul(x, w, b, false, true))
	})
	gradients := g.Gradients(y, nil, w, b)
	p, err := g.Lower(graph.Lowering{Name: "dense", Outputs: []graph.Placement{
		{Node: y, Buffer: "y"}, {Node: gradients[0], Buffer: "dW"}, {Node: gradients[1], Buffer: "db"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(p)

	device, err := backend.Open("reference", backend.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer device.Close()
	bind := map[string]backend.Tensor{}
	for _, buffer := range p.Buffers[1:] {
		if buffer.Kind == backend.Bound {
			if bind[buffer.Name], err = device.NewTensor(backend.TensorSpec{Name: buffer.Name, Shape: backend.Shape{buffer.Elements}}); err != nil {
				log.Fatal(err)
			}
		}
	}
	for name, values := range map[string][]float32{"x": {1, 2, 3}, "W": {1, 0, 1, 0, -1, 0}, "b": {0.5, 1}} {
		if err := bind[name].Write(tensor.New(tensor.WithBacking(values))); err != nil {
			log.Fatal(err)
		}
	}
	run, err := device.Compile(p, bind)
	if err != nil {
		log.Fatal(err)
	}
	if err := run.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"y", "dW", "db"} {
		values := make([]float32, bind[name].Spec().Shape.Elements())
		if err := bind[name].Read(tensor.New(tensor.WithBacking(values))); err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, values)
	}
	// Output:
	// program dense
	//   %1 = bound y float32[2]
	//   %2 = bound dW float32[6]
	//   %3 = bound db float32[2]
	//   %4 = bound x float32[3]
	//   %5 = bound W float32[6]
	//   %6 = bound b float32[2]
	//   dense      MatMul →C=%1[1 2] A=%4[1 3] B=%5[2 3] Bias=%6[2]
	//   dense      Fill →Y=%7[1 2]
	//   dense      UnaryGrad →DX=%8[1 2] DY=%7[1 2] Y=%1[1 2]
	//   dense      MatMul →C=%2[2 3] A=%8[1 2] B=%4[1 3]
	//   dense      Reduce →Y=%3[1 2] X=%8[1 2]
	// y [4.5 0]
	// dW [1 2 3 0 0 0]
	// db [1 0]
}
