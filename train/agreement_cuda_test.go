//go:build cuda

package train

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/nn"
)

// TestCUDAAgreesOnDigits gives reference, cpu and cuda the weights of a LeNet-5 that
// has learnt a little.
func TestCUDAAgreesOnDigits(t *testing.T) {
	gpu := openCUDA(t)
	sets, err := largeDigits(t).SplitStratified(1, 0.7, 0.3)
	require.NoError(t, err)
	cpu := openBackend(t, "cpu", 2)
	trained := newNetwork(t, cpu, nn.LeNet5(10), 1)
	_, err = Fit(t.Context(), trained, sets[0], sets[1], Config{Epochs: 2})
	require.NoError(t, err)
	exact := logitsOf(t, openBackend(t, "reference", 2), trained, sets[1])
	// Sums of 25, 150, 400, 120 and 84 products, their biases and the averages.
	const roundings = 800
	requireSameClasses(t, "cpu", exact, logitsOf(t, cpu, trained, sets[1]), roundings)
	requireSameClasses(t, "cuda", exact, logitsOf(t, gpu, trained, sets[1]), roundings)
}

// TestCUDATrainsAsOthersDo trains a network on each backend from one seed: the order
// of examples, the first weights and dropout are the same, roundings are not.
func TestCUDATrainsAsOthersDo(t *testing.T) {
	gpu := openCUDA(t)
	sets := digits(t, 0.6, 0.1, 0.3)
	m := &nn.Model{Name: "digits", Input: backend.Shape{8, 8, 1}, Layers: nn.Layers{
		nn.Conv2D{Filters: 8, Kernel: nn.Square(3), Activation: nn.ReLU},
		nn.MaxPool2D{},
		nn.Flatten{},
		nn.Dropout{Rate: 0.1},
		nn.Dense{Units: 10},
	}}
	accuracy := func(b backend.Backend, resident bool) float64 {
		net := newNetwork(t, b, m, 1)
		_, err := Fit(t.Context(), net, sets[0], sets[1], Config{Epochs: 6, Batch: 32, Seed: 1, Optimizer: nn.Adam(1e-2), Resident: resident})
		require.NoError(t, err)
		m, err := Evaluate(t.Context(), net, sets[2], nn.SoftmaxCrossEntropy, 128, nil)
		require.NoError(t, err)
		return m.Accuracy
	}
	cpu := accuracy(openBackend(t, "cpu", 2), false)
	assert.Greater(t, cpu, 0.9)
	assert.InDelta(t, cpu, accuracy(openBackend(t, "reference", 2), false), 0.01)
	assert.InDelta(t, cpu, accuracy(gpu, false), 0.01)
	assert.InDelta(t, cpu, accuracy(gpu, true), 0.01)
}

func TestSameSeedSameBitsOnCUDA(t *testing.T) {
	set := patterns(t, "patterns", 40, 1)
	arrays := func(seed uint64, resident bool) []nn.Array {
		net := newNetwork(t, openCUDA(t), small(3), 1)
		_, err := Fit(t.Context(), net, set, set, Config{Epochs: 3, Batch: 16, Seed: seed, Optimizer: nn.Adam(1e-2), Resident: resident})
		require.NoError(t, err)
		return arraysOf(t, net)
	}
	first := arrays(1, false)
	assert.Equal(t, first, arrays(1, false))
	// Images of floats are normalised on the host either way.
	assert.Equal(t, first, arrays(1, true))
	assert.NotEqual(t, first, arrays(2, false))
}

func TestResidentSetOnCUDA(t *testing.T) {
	sameAsFromTheHost(t, openCUDA(t), exactly)
	gatheredWithinBounds(t, openCUDA(t))
}

func TestResumeOnCUDA(t *testing.T) {
	openCUDA(t)
	r := shortRun(nn.AdamW(0.01, 0.01))
	r.device, r.config.Resident = "cuda", true
	whole, err := r.in(t, t.Context(), t.TempDir(), false)
	require.NoError(t, err)
	for _, n := range []int{1, 8, 15} {
		dir := t.TempDir()
		_, err := r.in(t, cancelledAt(t, n), dir, false)
		require.ErrorIs(t, err, context.Canceled)
		other := r
		other.seed = 99
		resumed, err := other.in(t, t.Context(), dir, true)
		require.NoError(t, err)
		assert.Equal(t, whole, resumed, "cancelled at %d", n)
	}
}
