// Package nn holds what a user writes: layers, models, losses and optimizers.
//
// A [Model] is plain data, a list of layers with the shape of its input; it can be
// written as JSON and read back, and [Model.Summary] prints what it becomes. Building
// it makes a graph; a [Network] is a model with its parameters on a backend, and a
// [Predictor] runs it. A [File] keeps a network. Package train fits a Network to data.
//
// Images are NHWC; a model's input shape leaves the batch out: 28×28 grey pixels
// are [28 28 1].
//
// Parameters are named after their layers, "residual1.conv2.weight": by the layer's own
// name or its kind and a number. Layers of one kind and name side by side share their
// parameters. A type of layer from elsewhere implements [Layer]; [RegisterLayer] makes
// it known to model files.
package nn
