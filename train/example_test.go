package train_test

import (
	"context"
	"fmt"
	"log"

	"fovea/backend"
	_ "fovea/cpu"
	"fovea/data"
	"fovea/nn"
	"fovea/train"
)

// A perceptron learns handwritten digits; every step that can fail is checked the same
// way.
func Example() {
	device, err := backend.Open("cpu", backend.Options{})
	check(err)
	digits, err := data.Digits()
	check(err)
	digits, err = digits.Normalized(data.Normalization{Mean: []float32{128}, Std: []float32{64}})
	check(err)
	parts, err := digits.SplitStratified(1, 0.7, 0.15, 0.15)
	check(err)
	net, err := nn.NewNetwork(device, nn.MLP(backend.Shape{8, 8, 1}, []int{64}, 10), 1, nil)
	check(err)
	run, err := train.Fit(context.Background(), net, parts[0], parts[1], train.Config{Epochs: 10, Seed: 1})
	check(err)
	test, err := train.Evaluate(context.Background(), net, parts[2], nn.SoftmaxCrossEntropy, 64, nil)
	check(err)
	fmt.Println(len(run.History), "epochs; more than nine of ten right:", test.Accuracy > 0.9)
	check(device.Close())
	// Output: 10 epochs; more than nine of ten right: true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
