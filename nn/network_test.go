package nn_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

// small has parameters of several shapes, running statistics and a residual.
func small() *nn.Model {
	return &nn.Model{
		Name:  "small",
		Input: backend.Shape{6, 5, 2},
		Layers: nn.Layers{
			nn.Conv2D{Filters: 3, Kernel: nn.Square(3), Padding: nn.Same, Activation: nn.ReLU},
			nn.BatchNorm{},
			nn.Residual{Body: nn.Layers{nn.Conv2D{Filters: 3, Kernel: nn.Square(1)}}, Activation: nn.Tanh},
			nn.MaxPool2D{}, nn.Dropout{Rate: 0.5}, nn.Flatten{},
			nn.Dense{Units: 4, BiasInit: nn.FanInUniform},
		},
	}
}

func TestNetworkInitialValues(t *testing.T) {
	for _, name := range backends {
		net, err := nn.NewNetwork(open(t, name), small(), 9, nil)
		require.NoError(t, err)
		arrays, err := net.Arrays()
		require.NoError(t, err)
		var names []string
		for i, a := range arrays {
			names = append(names, a.Name)
			want := make([]float32, a.Shape.Elements())
			if i < len(net.Specs) {
				p := net.Specs[i]
				assert.Equal(t, p.Name, a.Name)
				require.NoError(t, p.Init.Fill(want, p.FanIn, p.FanOut, 9, uint32(i)))
			} else if a.Name == "batchnorm1.running_var" {
				want = []float32{1, 1, 1}
			}
			assert.Equal(t, want, a.Data, a.Name)
		}
		assert.Equal(t, []string{
			"conv1.weight", "conv1.bias", "batchnorm1.gamma", "batchnorm1.beta", "residual1.conv1.weight", "residual1.conv1.bias",
			"dense1.weight", "dense1.bias", "batchnorm1.running_mean", "batchnorm1.running_var",
		}, names)
	}
}

// numbered gives each array values of its own.
func numbered(arrays []nn.Array) []nn.Array {
	out := make([]nn.Array, len(arrays))
	n := float32(0)
	for i, a := range arrays {
		out[i] = nn.Array{Name: a.Name, Shape: a.Shape, Data: make([]float32, len(a.Data))}
		for e := range out[i].Data {
			n++
			out[i].Data[e] = n / 256
		}
	}
	return out
}

func TestSetArrays(t *testing.T) {
	for _, name := range backends {
		net, err := nn.NewNetwork(open(t, name), small(), 9, nil)
		require.NoError(t, err)
		before, err := net.Arrays()
		require.NoError(t, err)
		good := numbered(before)
		for what, c := range map[string]struct {
			change func([]nn.Array) []nn.Array
			want   string
		}{
			"none":        {func([]nn.Array) []nn.Array { return nil }, `nn: model "small": array "conv1.weight" is missing, expected shape [3 3 3 2]`},
			"missing":     {func(a []nn.Array) []nn.Array { return a[:9] }, `nn: model "small": array "batchnorm1.running_var" is missing, expected shape [3]`},
			"superfluous": {func(a []nn.Array) []nn.Array { return append(a, nn.Array{Name: "x", Shape: backend.Shape{2}}) }, `nn: model "small": array "x", [2], is none of the model's`},
			"twice":       {func(a []nn.Array) []nn.Array { return append(a, a[3]) }, `nn: model "small": array "batchnorm1.beta" is there twice`},
			"shape":       {func(a []nn.Array) []nn.Array { a[9].Shape = backend.Shape{1, 3}; return a }, `nn: model "small": array "batchnorm1.running_var" has shape [1 3], expected [3]`},
			"length":      {func(a []nn.Array) []nn.Array { a[9].Data = a[9].Data[:2]; return a }, `nn: model "small": array "batchnorm1.running_var" has 2 numbers, expected 3 for [3]`},
		} {
			assert.EqualError(t, net.SetArrays(c.change(numbered(before))), c.want, what)
			after, err := net.Arrays()
			require.NoError(t, err)
			assert.Equal(t, before, after, what)
		}
		require.NoError(t, net.SetArrays(good))
		after, err := net.Arrays()
		require.NoError(t, err)
		assert.Equal(t, good, after)
		// Order does not matter, and what Arrays returns is a copy.
		good[0], good[9] = good[9], good[0]
		require.NoError(t, net.SetArrays(good))
		after[0].Data[0] = 1000
		again, err := net.Arrays()
		require.NoError(t, err)
		assert.Equal(t, good[9], again[0])
	}
}

func TestFrozen(t *testing.T) {
	dev := open(t, "reference")
	free, err := nn.NewNetwork(dev, small(), 9, nil)
	require.NoError(t, err)
	frozen, err := nn.NewNetwork(dev, small(), 9, func(parameter string) bool { return parameter != "dense1.weight" })
	require.NoError(t, err)
	assert.Len(t, frozen.Layout.Parameters.Slots, 1)
	assert.Len(t, frozen.Layout.Frozen.Slots, 7)
	assert.Equal(t, backend.Shape{frozen.Layout.Frozen.Elements}, frozen.Tensors()[graph.FrozenBuffer].Spec().Shape)
	assert.NotContains(t, free.Tensors(), graph.FrozenBuffer)
	want, err := free.Arrays()
	require.NoError(t, err)
	got, err := frozen.Arrays()
	require.NoError(t, err)
	assert.ElementsMatch(t, want, got)
	input := ramp(60)
	a, _ := predict(t, free, 1, input)
	b, _ := predict(t, frozen, 1, input)
	assert.Equal(t, a, b)

	all, err := nn.NewNetwork(dev, small(), 9, func(string) bool { return true })
	require.NoError(t, err)
	assert.NotContains(t, all.Tensors(), graph.ParametersBuffer)
	c, _ := predict(t, all, 1, input)
	assert.Equal(t, a, c)
}

// A model without parameters is a network too.
func TestNetworkWithoutParameters(t *testing.T) {
	for _, name := range backends {
		net, err := nn.NewNetwork(open(t, name), model(backend.Shape{2, 2, 1}, nn.GlobalAvgPool2D{}), 1, nil)
		require.NoError(t, err)
		assert.Empty(t, net.Tensors())
		logits, prediction := predict(t, net, 2, []float32{1, 2, 3, 4, 5, 6, 7, 8})
		assert.Equal(t, []float32{2.5, 6.5}, logits)
		assert.Equal(t, logits, prediction)
	}
}

// The prediction of an example does not depend on the batch it is in, and is what the
// output makes of the logits.
func TestPredictorBatches(t *testing.T) {
	const batch = 64
	for _, name := range backends {
		for _, output := range outputs {
			m := small()
			m.Output = output
			net, err := nn.NewNetwork(open(t, name), m, 3, nil)
			require.NoError(t, err)
			input := ramp(batch * 60)
			logits, prediction := predict(t, net, batch, input)
			for i := range batch {
				l, p := predict(t, net, 1, input[i*60:(i+1)*60])
				// Sums of at most 18 numbers below 8, in an order that may depend on the shape.
				require.InDeltaSlice(t, l, logits[i*4:(i+1)*4], 1e-5, "%s, example %d", name, i)
				require.InDeltaSlice(t, p, prediction[i*4:(i+1)*4], 1e-5)
				switch output {
				case nn.Probabilities:
					assert.InDelta(t, 1, p[0]+p[1]+p[2]+p[3], 1e-6)
				case nn.IndependentProbabilities:
					assert.InDelta(t, 1/(1+math.Exp(-float64(l[0]))), p[0], 1e-6)
				case nn.Values:
					assert.Equal(t, l, p)
				}
			}
		}
	}
}

// The cpu backend agrees with the oracle on whole networks.
func TestBackendsAgree(t *testing.T) {
	for _, m := range []*nn.Model{small(), nn.LeNet5(10), nn.LeNet5Tanh(10), nn.MLP(backend.Shape{4, 4, 1}, []int{9}, 3)} {
		input := ramp(3 * m.Input.Elements())
		var want []float32
		for _, name := range backends {
			net, err := nn.NewNetwork(open(t, name), fanIn(m), 3, nil)
			require.NoError(t, err)
			_, got := predict(t, net, 3, input)
			if want == nil {
				want = got
			}
			// Probabilities of a few layers whose float32 sums of at most 784 terms err by
			// less than 784·2⁻²⁴ of their absolute value each.
			assert.InDeltaSlice(t, want, got, 1e-4, "%s on %s", m.Name, name)
		}
	}
}

func TestPredictorErrors(t *testing.T) {
	for _, name := range backends {
		net, err := nn.NewNetwork(open(t, name), small(), 3, nil)
		require.NoError(t, err)
		for _, batch := range []int{0, -1} {
			_, err = net.NewPredictor(batch)
			assert.ErrorContains(t, err, fmt.Sprintf("a batch of %d examples", batch))
		}
		_, err = net.NewPredictor(1 << 40)
		assert.ErrorIs(t, err, backend.ErrShape)
		p, err := net.NewPredictor(2)
		require.NoError(t, err)
		ctx := context.Background()
		good := host(ramp(120), 2, 6, 5, 2)
		assert.ErrorContains(t, p.Run(ctx, host(ramp(60), 1, 6, 5, 2)), `tensor "input"`)
		assert.ErrorIs(t, p.Run(ctx, nil), backend.ErrShape)
		assert.ErrorIs(t, p.Run(ctx, tensor.New(tensor.WithShape(120), tensor.Of(tensor.Uint8))), backend.ErrType)
		assert.Error(t, p.Logits(host(ramp(3), 3)))
		assert.Error(t, p.Prediction(nil))
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		assert.ErrorIs(t, p.Run(cancelled, good), context.Canceled)
		require.NoError(t, p.Run(ctx, good))
		require.NoError(t, p.Close())
		require.NoError(t, p.Close())
		assert.ErrorIs(t, p.Run(ctx, good), backend.ErrClosed)
		assert.ErrorIs(t, p.Logits(host(ramp(8), 2, 4)), backend.ErrClosed)
		assert.ErrorIs(t, p.Prediction(host(ramp(8), 2, 4)), backend.ErrClosed)

		require.NoError(t, net.Close())
		require.NoError(t, net.Close())
		_, err = net.Arrays()
		assert.ErrorIs(t, err, backend.ErrClosed)
		assert.ErrorIs(t, net.SetArrays(mustArrays(t)), backend.ErrClosed)
		_, err = net.NewPredictor(1)
		assert.ErrorIs(t, err, backend.ErrClosed)
	}
}

// mustArrays are arrays that fit the small model.
func mustArrays(t *testing.T) []nn.Array {
	net, err := nn.NewNetwork(open(t, "reference"), small(), 3, nil)
	require.NoError(t, err)
	arrays, err := net.Arrays()
	require.NoError(t, err)
	return arrays
}

// failing is a backend on which the n-th allocation or compilation fails; 0 is never.
type failing struct {
	backend.Backend
	tensors, executables int
}

var errFailing = errors.New("made to fail")

func (f *failing) NewTensor(s backend.TensorSpec) (backend.Tensor, error) {
	if f.tensors--; f.tensors == 0 {
		return nil, errFailing
	}
	t, err := f.Backend.NewTensor(s)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (f *failing) Compile(p *backend.Program, bind map[string]backend.Tensor) (backend.Executable, error) {
	if f.executables--; f.executables == 0 {
		return nil, errFailing
	}
	return f.Backend.Compile(p, bind)
}

// Whatever fails, and when all is closed, nothing stays allocated.
func TestMemoryIsReturned(t *testing.T) {
	for _, name := range backends {
		dev := open(t, name)
		before := dev.Memory().InUse
		frozen := func(p string) bool { return p == "conv1.weight" }
		for n := 1; n <= 3; n++ {
			_, err := nn.NewNetwork(&failing{Backend: dev, tensors: n}, small(), 1, frozen)
			assert.ErrorIs(t, err, errFailing)
			assert.ErrorContains(t, err, `nn: model "small": `)
			assert.Equal(t, before, dev.Memory().InUse)
		}
		f := &failing{Backend: dev}
		net, err := nn.NewNetwork(f, small(), 1, frozen)
		require.NoError(t, err)
		network := dev.Memory().InUse
		assert.Greater(t, network, before)
		for n := 1; n <= 3; n++ {
			f.tensors = n
			_, err = net.NewPredictor(2)
			assert.ErrorIs(t, err, errFailing)
			assert.Equal(t, network, dev.Memory().InUse)
		}
		f.executables = 1
		_, err = net.NewPredictor(2)
		assert.ErrorIs(t, err, errFailing)
		assert.ErrorContains(t, err, `nn: model "small": `)
		assert.Equal(t, network, dev.Memory().InUse)

		p, err := net.NewPredictor(2)
		require.NoError(t, err)
		assert.Greater(t, dev.Memory().InUse, network)
		require.NoError(t, p.Close())
		assert.Equal(t, network, dev.Memory().InUse)
		require.NoError(t, net.Close())
		assert.Equal(t, before, dev.Memory().InUse)
	}
}

func TestArenas(t *testing.T) {
	dev := open(t, "reference")
	net, err := nn.NewNetwork(dev, small(), 1, nil)
	require.NoError(t, err)
	a := &net.Layout.Statistics
	tensor := net.Tensors()[a.Buffer]
	arrays, err := nn.ReadArena(a, tensor)
	require.NoError(t, err)
	require.Len(t, arrays, 2)
	byName := map[string]nn.Array{}
	for _, b := range numbered(arrays) {
		byName[b.Name] = b
	}
	require.NoError(t, nn.WriteArena(a, tensor, byName))
	got, err := nn.ReadArena(a, tensor)
	require.NoError(t, err)
	assert.Equal(t, numbered(arrays), got)
	assert.EqualError(t, nn.WriteArena(a, tensor, nil), `nn: array "batchnorm1.running_mean" is missing, expected shape [3]`)
	byName["batchnorm1.running_var"] = nn.Array{Shape: backend.Shape{4}}
	assert.EqualError(t, nn.WriteArena(a, tensor, byName), `nn: array "batchnorm1.running_var" has shape [4], expected [3]`)
	_, err = nn.ReadArena(a, net.Tensors()[graph.ParametersBuffer])
	assert.ErrorIs(t, err, backend.ErrShape)
}
