package main

import (
	"math"
	"testing"
)

// TestTrains proves that what is timed is training: the loss of one batch starts near
// that of a guess, ln 10, and falls.
func TestTrains(t *testing.T) {
	trainer, err := newTrainer("lenet5", 16)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	for range 40 {
		if err := trainer.step(); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, float64(trainer.loss.Data().(float32)))
	}
	if first, last := losses[0], losses[len(losses)-1]; math.Abs(first-math.Log(10)) > 2 || last > first/2 || math.IsNaN(last) {
		t.Errorf("losses of one batch: %v", losses)
	}
}

// TestParameters compares the networks with those of fovea's model zoo.
func TestParameters(t *testing.T) {
	for name, want := range map[string]int{"lenet5": 61706, "vgg": 221354} {
		trainer, err := newTrainer(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, w := range trainer.weights {
			count += w.Value().Shape().TotalSize()
		}
		if count != want {
			t.Errorf("%s has %d parameters, expected %d", name, count, want)
		}
	}
}
