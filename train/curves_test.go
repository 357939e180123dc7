package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

// curve is a training run of PyTorch, see bench/compare/curves/README.md.
type curve struct {
	Model          string
	ParameterCount int `json:"parameter_count"`
	Batch          int
	Image          backend.Shape
	Classes        int
	Steps, Batches int
	Optimizer      struct {
		Name         string
		LearningRate float64 `json:"learning_rate"`
		Momentum     float64
		Beta1, Beta2 float64
		Epsilon      float64
	}
	Seeds      struct{ Parameters, Images, Labels uint64 }
	Parameters []struct {
		Name         string
		Shape        backend.Shape
		First        []float64
		GradientNorm float64 `json:"gradient_norm"`
	}
	ImagesFirst [][]float64 `json:"images_first"`
	Labels      [][]int32

	LossesFloat64     []float64          `json:"losses_float64"`
	Float32Departures map[string]float64 `json:"float32_departures"`
}

// curveNames are the files of testdata/curves.
var curveNames = []string{"lenet5-sgd", "lenet5-adam", "vgg-sgd", "vgg-adam"}

func readCurve(t *testing.T, name string) *curve {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "curves", name+".json"))
	require.NoError(t, err)
	var c curve
	require.NoError(t, json.Unmarshal(text, &c))
	require.Len(t, c.LossesFloat64, c.Steps)
	require.Len(t, c.Float32Departures, 3)
	require.Len(t, c.ImagesFirst, c.Batches)
	return &c
}

// model returns the zoo's model with PyTorch's initial distributions.
func (c *curve) model(t *testing.T) *nn.Model {
	t.Helper()
	m, err := nn.NewModel(c.Model, c.Classes)
	require.NoError(t, err)
	for i, l := range m.Layers {
		switch l := l.(type) {
		case nn.Conv2D:
			l.Init, l.BiasInit = nn.FanInUniform, nn.FanInUniform
			m.Layers[i] = l
		case nn.Dense:
			l.Init, l.BiasInit = nn.FanInUniform, nn.FanInUniform
			m.Layers[i] = l
		}
	}
	count, err := m.ParameterCount()
	require.NoError(t, err)
	require.Equal(t, c.ParameterCount, count)
	return m
}

func (c *curve) optimizer(t *testing.T) nn.Optimizer {
	t.Helper()
	o := c.Optimizer
	switch o.Name {
	case "sgd":
		return nn.Momentum(o.LearningRate, o.Momentum)
	case "adam":
		return nn.Optimizer{Rule: backend.Adam, LearningRate: o.LearningRate, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon}
	}
	t.Fatalf("unknown optimizer %q", o.Name)
	return nn.Optimizer{}
}

// curveBatch draws batch number i.
type curveBatch struct{ images, labels, weights *tensor.Dense }

func (c *curve) batch(i int) curveBatch {
	shape := append(backend.Shape{c.Batch}, c.Image...)
	images, labels, weights := make([]float32, shape.Elements()), make([]int32, c.Batch), make([]float32, c.Batch)
	for e := range images {
		images[e] = float32(2*backend.Uniform(c.Seeds.Images, uint64(e), uint32(i), 0) - 1)
	}
	for e := range labels {
		labels[e] = int32(float64(c.Classes) * backend.Uniform(c.Seeds.Labels, uint64(e), uint32(i), 0))
		weights[e] = 1
	}
	return curveBatch{dense(images, shape...), dense(labels, c.Batch), dense(weights, c.Batch)}
}

// losses trains for a number of steps and returns the loss of each, before its update.
// look, unless nil, is called after the first step.
func (c *curve) losses(t *testing.T, b backend.Backend, steps int, double bool, look func(*Trainer)) []float64 {
	t.Helper()
	net, err := nn.NewNetwork(b, c.model(t), c.Seeds.Parameters, nil)
	require.NoError(t, err)
	trainer, err := NewTrainer(net, TrainerConfig{Loss: nn.SoftmaxCrossEntropy, Optimizer: c.optimizer(t)})
	require.NoError(t, err)
	loss := tensor.New(tensor.WithShape(1), tensor.Of(tensor.Float32))
	if double {
		loss = tensor.New(tensor.WithShape(1), tensor.Of(tensor.Float64))
		// SetLearningRate has rounded it to float32, which is 1e-8 of it off.
		require.NoError(t, trainer.own[graph.LearningRateBuffer].Write(dense([]float64{c.Optimizer.LearningRate}, 1)))
	}
	batches := make([]curveBatch, c.Batches)
	for i := range batches {
		batches[i] = c.batch(i)
	}
	losses := make([]float64, steps)
	for s := range losses {
		batch := batches[s%len(batches)]
		require.NoError(t, trainer.Step(t.Context(), batch.images, batch.labels, batch.weights))
		require.NoError(t, trainer.own[lossBuffer].Read(loss))
		if double {
			losses[s] = loss.Float64s()[0]
		} else {
			losses[s] = float64(loss.Float32s()[0])
		}
		if s == 0 && look != nil {
			look(trainer)
		}
	}
	require.NoError(t, trainer.Close())
	require.NoError(t, net.Close())
	return losses
}

// ownDeparture is the largest difference of PyTorch's float32 runs from its float64
// run. Which of its ways to compute the same is its own is a matter of the machine, so
// the largest of those recorded counts.
func (c *curve) ownDeparture() float64 {
	own := 0.0
	for _, d := range c.Float32Departures {
		own = max(own, d)
	}
	return own
}

// departure is the largest difference of two curves, and the step where it is.
func departure(a, b []float64) (worst float64, step int) {
	for i := range a {
		if d := math.Abs(a[i] - b[i]); d > worst || math.IsNaN(d) {
			worst, step = d, i
		}
	}
	return worst, step
}

// curveSteps is how many steps of a curve are compared. The race detector makes the
// reference's loops twenty times slower.
func curveSteps(c *curve) int {
	switch {
	case raceDetector && c.Model == "vgg":
		return 1
	case raceDetector || testing.Short():
		return 5
	}
	return c.Steps
}

// TestCurvesOfPyTorchInFloat64 trains on the reference backend. In float64 both sides
// round at 1e-16, and training as short as this does not amplify that; 1e-8 leaves
// no room for another formula, nor for a setting rounded to float32.
func TestCurvesOfPyTorchInFloat64(t *testing.T) {
	for _, name := range curveNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := readCurve(t, name)
			losses := c.losses(t, openBackend(t, "reference", 1), curveSteps(c), true, func(trainer *Trainer) {
				c.checkFirstGradients(t, trainer)
			})
			worst, step := departure(losses, c.LossesFloat64)
			t.Logf("%d steps, largest departure from PyTorch's float64 losses: %.2g at step %d", len(losses), worst, step)
			assert.Less(t, worst, 1e-8, "step %d: %v, expected %v", step, losses[step], c.LossesFloat64[step])
		})
	}
}

// checkFirstGradients compares the length of each parameter's first gradient: a
// mistake there says in which layer to look.
func (c *curve) checkFirstGradients(t *testing.T, trainer *Trainer) {
	arena := &trainer.net.Layout.Parameters
	gradients := tensor.New(tensor.WithShape(arena.Elements), tensor.Of(tensor.Float64))
	require.NoError(t, trainer.own[graph.GradientsBuffer].Read(gradients))
	require.Len(t, arena.Slots, len(c.Parameters))
	for i, p := range c.Parameters {
		s := arena.Slots[i]
		norm := 0.0
		for _, g := range gradients.Float64s()[s.Offset : s.Offset+s.Shape.Elements()] {
			norm += g * g
		}
		assert.Equal(t, p.Name, s.Name)
		assert.InEpsilon(t, p.GradientNorm, math.Sqrt(norm), 1e-10, p.Name)
	}
}

// TestCurvesBeginAsRecorded compares what is drawn for the curves with the samples
// that were recorded of it.
func TestCurvesBeginAsRecorded(t *testing.T) {
	for _, name := range curveNames {
		c := readCurve(t, name)
		net, err := nn.NewNetwork(openBackend(t, "reference", 1), c.model(t), c.Seeds.Parameters, nil)
		require.NoError(t, err)
		arrays, err := net.Arrays()
		require.NoError(t, err)
		require.Len(t, arrays, len(c.Parameters))
		for i, p := range c.Parameters {
			assert.Equal(t, p.Shape, arrays[i].Shape, "%s: %s", name, p.Name)
			assert.Equal(t, p.First, widen(arrays[i].Data[:len(p.First)]), "%s: %s", name, p.Name)
		}
		for i := range c.Batches {
			b := c.batch(i)
			assert.Equal(t, c.ImagesFirst[i], widen(b.images.Float32s()[:len(c.ImagesFirst[i])]), "%s: batch %d", name, i)
			assert.Equal(t, c.Labels[i], b.labels.Int32s(), "%s: batch %d", name, i)
		}
	}
}

func widen(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}

// TestCurvesOfPyTorchInFloat32 trains on every instruction set of the cpu backend and
// allows four times what PyTorch's own float32 runs depart from its float64 run: as
// many roundings, in another order.
func TestCurvesOfPyTorchInFloat32(t *testing.T) {
	for _, name := range curveNames {
		c := readCurve(t, name)
		own := c.ownDeparture()
		for _, device := range cpuDevices(t) {
			t.Run(name+"/"+device, func(t *testing.T) {
				t.Parallel()
				steps := curveSteps(c)
				if device == "cpu:portable" && c.Model == "vgg" && raceDetector {
					t.Skip("too slow under the race detector")
				}
				losses := c.losses(t, openBackend(t, device, 2), steps, false, nil)
				worst, step := departure(losses, c.LossesFloat64)
				t.Logf("%d steps, largest departure from PyTorch's float64 losses: %.2g at step %d; PyTorch's own in float32: %.2g", steps, worst, step, own)
				assert.LessOrEqual(t, worst, 4*own, "step %d: %v, expected %v", step, losses[step], c.LossesFloat64[step])
			})
		}
	}
}
