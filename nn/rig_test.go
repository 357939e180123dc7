package nn_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/backend/reference"
	_ "fovea/cpu"
	"fovea/nn"
)

// backends are those that every test of running networks uses.
var backends = []string{"reference", "cpu"}

func open(t testing.TB, name string) backend.Backend {
	b, err := backend.Open(name, backend.Options{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// model wraps layers; its logits are whatever they make, flattened.
func model(input backend.Shape, layers ...nn.Layer) *nn.Model {
	return &nn.Model{Name: "test", Input: input, Layers: append(layers, nn.Flatten{}), Output: nn.Values}
}

// host makes a host array.
func host(values []float32, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// ramp is n numbers that rise from −1 to 1, without a pattern that any layer keeps.
func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(2*backend.Uniform(3, uint64(i), 0, 0) - 1)
	}
	return v
}

// predict runs a batch through a network and returns logits and prediction.
func predict(t testing.TB, net *nn.Network, batch int, input []float32) (logits, prediction []float32) {
	p, err := net.NewPredictor(batch)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	examples, outputs := p.Batch()
	require.Equal(t, batch, examples)
	require.NoError(t, p.Run(context.Background(), host(input, append([]int{batch}, net.Model.Input...)...)))
	l, y := host(make([]float32, batch*outputs), batch, outputs), host(make([]float32, batch*outputs), batch, outputs)
	require.NoError(t, p.Logits(l))
	require.NoError(t, p.Prediction(y))
	return l.Float32s(), y.Float32s()
}

// apply runs one example through a model whose parameters are all ones and whose
// biases are zeros.
func apply(t testing.TB, b backend.Backend, m *nn.Model, input []float32) []float32 {
	net, err := nn.NewNetwork(b, m, 1, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, net.Close()) }()
	arrays, err := net.Arrays()
	require.NoError(t, err)
	for i, a := range arrays {
		if len(a.Shape) > 1 {
			for e := range a.Data {
				arrays[i].Data[e] = 1
			}
		}
	}
	require.NoError(t, net.SetArrays(arrays))
	logits, _ := predict(t, net, 1, input)
	return logits
}
