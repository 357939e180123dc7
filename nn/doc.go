// Package nn holds what a user writes: layers, models, losses and optimizers.
//
// A [Model] is plain data, a list of layers with the shape of its input. Building
// it makes a graph; a [Network] is a model with its parameters on a backend, and a
// [Predictor] runs it. Package train fits a Network to data.
//
// Images are NHWC; a model's input shape leaves the batch out: 28×28 grey pixels
// are [28 28 1].
package nn
