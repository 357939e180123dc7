package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	_ "fovea/backend/reference"
	_ "fovea/cpu"
	"fovea/data"
	"fovea/nn"
)

// openBackend opens a backend that is closed, and must be empty, at the end of the
// test.
func openBackend(t testing.TB, name string, threads int) backend.Backend {
	t.Helper()
	b, err := backend.Open(name, backend.Options{Threads: threads})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// cpuDevices lists the instruction sets that this machine has, as Open takes them.
func cpuDevices(t testing.TB) []string {
	t.Helper()
	var devices []string
	for _, name := range []string{"cpu:avx512", "cpu:avx2", "cpu:neon", "cpu:portable"} {
		if b, err := backend.Open(name, backend.Options{Threads: 1}); err == nil {
			devices = append(devices, name)
			require.NoError(t, b.Close())
		} else {
			require.ErrorIs(t, err, backend.ErrUnsupported)
		}
	}
	require.Contains(t, devices, "cpu:portable")
	return devices
}

// patterns is a set of n images of 6×6 pixels in three classes: a bar at the top, in
// the middle or at the bottom, under noise.
func patterns(t testing.TB, name string, n int, seed uint64) *data.Set {
	t.Helper()
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(i % 3)
	}
	s, err := data.NewClassification(name, bars(labels, seed), labels, []string{"top", "middle", "bottom"})
	require.NoError(t, err)
	return s
}

func bars(labels []int32, seed uint64) data.Images {
	images := data.Images{Height: 6, Width: 6, Channels: 1, Floats: make([]float32, 36*len(labels))}
	for i, l := range labels {
		for p := range 36 {
			images.Floats[36*i+p] = float32(backend.Uniform(seed, uint64(36*i+p), 0, 0))
			if p/12 == int(l) {
				images.Floats[36*i+p] += 0.5
			}
		}
	}
	return images
}

// heights is a set of the same images with two numbers each: where the bar is, and its
// negative half.
func heights(t testing.TB, name string, n int, seed uint64) *data.Set {
	t.Helper()
	labels, targets := make([]int32, n), make([]float32, 2*n)
	for i := range labels {
		labels[i] = int32(i % 3)
		targets[2*i], targets[2*i+1] = float32(i%3), -float32(i%3)/2
	}
	s, err := data.NewRegression(name, bars(labels, seed), targets, []string{"height", "depth"})
	require.NoError(t, err)
	return s
}

// small is a model with everything that lasts or is drawn: parameters, running
// statistics and dropout.
func small(outputs int) *nn.Model {
	return &nn.Model{Name: "small", Input: backend.Shape{6, 6, 1}, Layers: nn.Layers{
		nn.Conv2D{Filters: 4, Kernel: nn.Square(3), Activation: nn.ReLU},
		nn.BatchNorm{},
		nn.MaxPool2D{},
		nn.Flatten{},
		nn.Dropout{Rate: 0.25},
		nn.Dense{Units: outputs},
	}}
}

// regression is small for numbers.
func regression(outputs int) *nn.Model {
	m := small(outputs)
	m.Output = nn.Values
	return m
}

func newNetwork(t testing.TB, b backend.Backend, m *nn.Model, seed uint64) *nn.Network {
	t.Helper()
	net, err := nn.NewNetwork(b, m, seed, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, net.Close()) })
	return net
}

func arraysOf(t testing.TB, net *nn.Network) []nn.Array {
	t.Helper()
	arrays, err := net.Arrays()
	require.NoError(t, err)
	return arrays
}
