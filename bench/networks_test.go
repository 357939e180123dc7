package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
	"fovea/train"
)

const classes = 10

var (
	models = []*nn.Model{nn.LeNet5(classes), nn.VGG(classes)}
	adam   = nn.Adam(1e-3)
)

// BenchmarkTraining measures training steps: a batch is written, then forward pass,
// softmax cross-entropy, backward pass and Adam.
func BenchmarkTraining(b *testing.B) {
	for _, model := range models {
		for _, batch := range []int{64, 8, 512} {
			b.Run(fmt.Sprintf("%s/%d", model.Name, batch), func(b *testing.B) {
				net := network(b, model)
				trainer, err := train.NewTrainer(net, train.TrainerConfig{Loss: nn.SoftmaxCrossEntropy, Optimizer: adam})
				require.NoError(b, err)
				b.Cleanup(func() { require.NoError(b, trainer.Close()) })
				images, labels, weights := examples(model, batch)
				perSecond := measure(b, net.Backend, trainingCost(b, net, batch),
					func() error { return trainer.Step(context.Background(), images, labels, weights) },
					func() error { _, err := trainer.Loss(); return err })
				b.ReportMetric(float64(batch)*perSecond, "images/s")
				b.ReportMetric(float64(net.Backend.Memory().Peak)/(1<<20), "MiB")
			})
		}
	}
}

// examples draws a batch of images with labels, all of weight 1.
func examples(model *nn.Model, batch int) (images, labels, weights *tensor.Dense) {
	r := rand.New(rand.NewPCG(1, 2))
	images = normal(r, append([]int{batch}, model.Input...)...)
	labels = tensor.New(tensor.WithShape(batch), tensor.Of(tensor.Int32))
	for i := range labels.Int32s() {
		labels.Int32s()[i] = r.Int32N(classes)
	}
	return images, labels, tensor.Ones(tensor.Float32, batch)
}

// BenchmarkInference measures predictions, from a batch on the host to its
// probabilities there.
func BenchmarkInference(b *testing.B) {
	for _, model := range models {
		for _, batch := range []int{64, 1} {
			b.Run(fmt.Sprintf("%s/%d", model.Name, batch), func(b *testing.B) {
				net := network(b, model)
				predictor, err := net.NewPredictor(batch)
				require.NoError(b, err)
				b.Cleanup(func() { require.NoError(b, predictor.Close()) })
				images := normal(rand.New(rand.NewPCG(1, 2)), append([]int{batch}, model.Input...)...)
				probabilities := tensor.New(tensor.WithShape(batch, classes), tensor.Of(tensor.Float32))
				cost, err := model.Cost(batch)
				require.NoError(b, err)
				perSecond := measure(b, net.Backend, cost, func() error {
					if err := predictor.Run(context.Background(), images); err != nil {
						return err
					}
					return predictor.Prediction(probabilities)
				}, func() error { return nil })
				b.ReportMetric(float64(batch)*perSecond, "images/s")
			})
		}
	}
}

func network(b *testing.B, model *nn.Model) *nn.Network {
	net, err := nn.NewNetwork(open(b), model, 1, nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, net.Close()) })
	return net
}

// trainingCost counts the work of a training step.
func trainingCost(b *testing.B, net *nn.Network, batch int) backend.Cost {
	built, err := net.Model.Build(batch, true)
	require.NoError(b, err)
	_, loss, err := built.AddLoss(net.Model, nn.SoftmaxCrossEntropy, true, float64(batch))
	require.NoError(b, err)
	step, err := built.LowerTraining(net.Model.Name, graph.Training{Loss: loss, Layout: net.Layout, Optimizer: adam.Step()})
	require.NoError(b, err)
	return step.Gradient.Cost().Add(step.Update.Cost())
}
