package nn_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/backend/reference"
	"fovea/nn"
)

// A model is plain data; its summary shows what becomes of it.
func ExampleModel_Summary() {
	fmt.Print(nn.LeNet5(10).Summary())
	// Output:
	// lenet5
	// layer     kind     output      parameters
	// input              [28 28 1]
	// conv1     conv     [28 28 6]          156
	// maxpool1  maxpool  [14 14 6]            0
	// conv2     conv     [10 10 16]       2,416
	// maxpool2  maxpool  [5 5 16]             0
	// flatten1  flatten  [400]                0
	// dense1    dense    [120]           48,120
	// dense2    dense    [84]            10,164
	// dense3    dense    [10]               850
	// 61,706 parameters, 852,420 FLOPs for one example
}

// A small residual network for 32×32 colour images.
func ExampleResidual() {
	conv := func(filters, stride int) nn.Layer {
		return nn.Conv2D{Filters: filters, Kernel: nn.Square(3), Stride: nn.Square(stride), Padding: nn.Same, NoBias: true}
	}
	relu := nn.Activate{Activation: nn.ReLU}
	m := &nn.Model{
		Name:  "resnet",
		Input: backend.Shape{32, 32, 3},
		Layers: nn.Layers{
			conv(16, 1), nn.BatchNorm{}, relu,
			nn.Residual{
				Body:       nn.Layers{conv(16, 1), nn.BatchNorm{}, relu, conv(16, 1), nn.BatchNorm{}},
				Activation: nn.ReLU,
			},
			nn.Residual{
				Body:       nn.Layers{conv(32, 2), nn.BatchNorm{}, relu, conv(32, 1), nn.BatchNorm{}},
				Shortcut:   nn.Layers{nn.Conv2D{Filters: 32, Kernel: nn.Square(1), Stride: nn.Square(2)}},
				Activation: nn.ReLU,
			},
			nn.GlobalAvgPool2D{}, nn.Dense{Units: 10},
		},
	}
	fmt.Print(m.Summary())
	// Output:
	// resnet
	// layer                       kind           output      parameters
	// input                                      [32 32 3]
	// conv1                       conv           [32 32 16]         432
	// batchnorm1                  batchnorm      [32 32 16]          32
	// activation1                 activation     [32 32 16]           0
	// residual1                   residual       [32 32 16]           0
	//   residual1.conv1           conv           [32 32 16]       2,304
	//   residual1.batchnorm1      batchnorm      [32 32 16]          32
	//   residual1.activation1     activation     [32 32 16]           0
	//   residual1.conv2           conv           [32 32 16]       2,304
	//   residual1.batchnorm2      batchnorm      [32 32 16]          32
	// residual2                   residual       [16 16 32]           0
	//   residual2.conv1           conv           [16 16 32]       4,608
	//   residual2.batchnorm1      batchnorm      [16 16 32]          64
	//   residual2.activation1     activation     [16 16 32]           0
	//   residual2.conv2           conv           [16 16 32]       9,216
	//   residual2.batchnorm2      batchnorm      [16 16 32]          64
	//   residual2.shortcut.conv1  conv           [16 16 32]         544
	// globalavgpool1              globalavgpool  [32]                 0
	// dense1                      dense          [10]               330
	// 19,962 parameters, 17,900,252 FLOPs for one example
}

// A network goes to a file and comes back, together with the names of its classes.
func Example_saveAndLoad() {
	b, err := backend.Open("reference", backend.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	model := nn.MLP(backend.Shape{2}, []int{3}, 2)
	net, err := nn.NewNetwork(b, model, 1, nil)
	if err != nil {
		log.Fatal(err)
	}
	arrays, err := net.Arrays()
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "fovea")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "model.safetensors")
	file := &nn.File{Model: model, Loss: nn.SoftmaxCrossEntropy, Classes: []string{"cat", "dog"}, Arrays: arrays}
	if err := file.Write(path); err != nil {
		log.Fatal(err)
	}

	loaded, err := nn.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	same, err := loaded.Network(b, nil)
	if err != nil {
		log.Fatal(err)
	}
	predictor, err := same.NewPredictor(1)
	if err != nil {
		log.Fatal(err)
	}
	input := tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float32{0.5, -0.5}))
	if err := predictor.Run(context.Background(), input); err != nil {
		log.Fatal(err)
	}
	probabilities := tensor.New(tensor.WithShape(1, 2), tensor.Of(tensor.Float32))
	if err := predictor.Prediction(probabilities); err != nil {
		log.Fatal(err)
	}
	for i, p := range probabilities.Float32s() {
		fmt.Printf("%s %.3f\n", loaded.Classes[i], p)
	}
	// Output:
	// cat 0.432
	// dog 0.568
}
