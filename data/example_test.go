package data_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"fovea/data"
)

// The digits that come with fovea, upscaled for a network of 28×28 inputs, in batches.
func Example() {
	digits, err := data.Open(context.Background(), "digits", data.Options{Height: 28, Width: 28, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(digits.Train.Len(), digits.Validation.Len(), digits.Test.Len())

	loader, err := data.NewLoader(digits.Train, data.LoaderConfig{Batch: 64, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer loader.Close()

	if err := loader.Start(0, 0); err != nil {
		log.Fatal(err)
	}
	for {
		batch, err := loader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if batch.Position == 0 || batch.N < 64 {
			fmt.Println(batch.Images.Shape(), batch.Labels.Shape())
		}
	}
	// Output:
	// 1258 269 270
	// (64, 28, 28, 1) (64)
	// (42, 28, 28, 1) (42)
}

// A set made from values in memory: two grey images of 1×2 pixels, and for each how bright it is on the right.
func ExampleNewRegression() {
	images := data.Images{Height: 1, Width: 2, Channels: 1, Bytes: []uint8{0, 255, 255, 0}}
	set, err := data.NewRegression("sides", images, []float32{1, 0}, []string{"right"})
	if err != nil {
		log.Fatal(err)
	}
	set, err = set.Normalized(set.Statistics())
	if err != nil {
		log.Fatal(err)
	}
	pixels := make([]float32, 2)
	set.CopyImage(pixels, 0)
	fmt.Println(pixels, set.Target(0))
	// Output: [-1 1] [1]
}
