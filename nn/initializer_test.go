package nn_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/nn"
)

// With n samples the mean errs by σ/√n, the variance of a uniform distribution by
// σ²·√(4/(5n)) and that of a normal one by σ²·√(2/n), each one standard deviation.
// Five of them hold for a seed that was not chosen with a chance of 1 in a million;
// the numbers are fixed, so the test passes always or never.
func TestInitializerStatistics(t *testing.T) {
	const n, in, out = 40000, 50, 150
	for _, c := range []struct {
		init     nn.Initializer
		variance float64
		uniform  bool
	}{
		{nn.FanInUniform, 1. / (3 * in), true},
		{nn.XavierUniform, 2. / (in + out), true},
		{nn.HeUniform, 2. / in, true},
		{nn.XavierNormal, 2. / (in + out), false},
		{nn.HeNormal, 2. / in, false},
	} {
		for _, seed := range []uint64{1, 1 << 40} {
			values := make([]float32, n)
			require.NoError(t, c.init.Fill(values, in, out, seed, 2))
			var sum, squares, largest float64
			for _, v := range values {
				sum += float64(v)
				squares += float64(v) * float64(v)
				largest = math.Max(largest, math.Abs(float64(v)))
			}
			deviation := math.Sqrt(c.variance)
			spread, bound := math.Sqrt(2./n), math.Sqrt(2*24*math.Ln2)*deviation // Box–Muller from 24 bits
			if c.uniform {
				spread, bound = math.Sqrt(0.8/n), math.Sqrt(3)*deviation
			}
			assert.InDelta(t, 0, sum/n, 5*deviation/math.Sqrt(n), "%s: mean", c.init)
			assert.InDelta(t, c.variance, squares/n, 5*spread*c.variance, "%s: variance", c.init)
			assert.LessOrEqual(t, largest, bound*(1+0x1p-24), "%s: bound", c.init)
			assert.Greater(t, largest, bound/2, "%s: bound", c.init)
		}
	}
}

// The first values for seed 2³²+5, stream 3, six elements, fan-in 8 and fan-out 24,
// computed by another implementation of Philox and of the formulas.
func TestInitializerValues(t *testing.T) {
	for _, c := range []struct {
		init nn.Initializer
		want []float32
	}{
		{nn.DefaultInit, []float32{0, 0, 0, 0, 0, 0}},
		{nn.Zeros, []float32{0, 0, 0, 0, 0, 0}},
		{nn.Ones, []float32{1, 1, 1, 1, 1, 1}},
		{nn.FanInUniform, []float32{-0.111031912, -0.165095612, -0.0747760534, -0.310962915, -0.155537218, -0.187544033}},
		{nn.XavierUniform, []float32{-0.135985762, -0.20220001, -0.0915815905, -0.380850226, -0.190493405, -0.229693592}},
		{nn.HeUniform, []float32{-0.271971524, -0.404400021, -0.183163181, -0.761700451, -0.38098681, -0.459387183}},
		{nn.XavierNormal, []float32{-0.107999362, -0.190223679, -0.236579642, 0.0661380813, 0.171332598, 0.181805313}},
		{nn.HeNormal, []float32{-0.215998724, -0.380447358, -0.473159283, 0.132276163, 0.342665195, 0.363610625}},
	} {
		values := []float32{7, 7, 7, 7, 7, 7}
		require.NoError(t, c.init.Fill(values, 8, 24, 1<<32+5, 3))
		// Logarithm, cosine and root may err in the last bit of float64, which can move a
		// float32 by one unit in its last place.
		assert.InDeltaSlice(t, c.want, values, 0x1p-24, string(c.init))
	}
	values := []float32{7}
	assert.EqualError(t, nn.Initializer("best").Fill(values, 1, 1, 1, 1),
		`nn: unknown initializer "best", expected one of ["zeros" "ones" "fan-in-uniform" "xavier-uniform" "xavier-normal" "he-uniform" "he-normal"]`)
	assert.EqualError(t, nn.HeNormal.Fill(values, 0, 1, 1, 1), `nn: initializer "he-normal": fan-in 0 and fan-out 1, expected at least 1`)
	assert.Equal(t, []float32{7}, values)
}

// Fan-in counts the inputs that one output sees, fan-out the outputs that one input
// reaches; a bias has those of its layer.
func TestParameterSpecs(t *testing.T) {
	m := model(backend.Shape{9, 9, 4},
		nn.Conv2D{Filters: 6, Kernel: nn.Size{H: 3, W: 5}, Activation: nn.ReLU},
		nn.Conv2D{Filters: 9, Kernel: nn.Square(1), Groups: 3, Init: nn.HeUniform, BiasInit: nn.FanInUniform},
		nn.BatchNorm{}, nn.GlobalAvgPool2D{},
		nn.Dense{Units: 5, Activation: nn.Tanh}, nn.Dense{Units: 2, Activation: nn.ELU}, nn.Dense{Units: 2, Activation: nn.LeakyReLU})
	b, err := m.Build(1, false)
	require.NoError(t, err)
	assert.Equal(t, []nn.ParameterSpec{
		{Name: "conv1.weight", Shape: backend.Shape{6, 3, 5, 4}, Init: nn.HeNormal, FanIn: 60, FanOut: 90},
		{Name: "conv1.bias", Shape: backend.Shape{6}, FanIn: 60, FanOut: 6, Bias: true},
		{Name: "conv2.weight", Shape: backend.Shape{9, 1, 1, 2}, Init: nn.HeUniform, FanIn: 2, FanOut: 3},
		{Name: "conv2.bias", Shape: backend.Shape{9}, Init: nn.FanInUniform, FanIn: 2, FanOut: 9, Bias: true},
		{Name: "batchnorm1.gamma", Shape: backend.Shape{9}, Init: nn.Ones, FanIn: 1, FanOut: 1, Bias: true},
		{Name: "batchnorm1.beta", Shape: backend.Shape{9}, Init: nn.Zeros, FanIn: 1, FanOut: 1, Bias: true},
		{Name: "dense1.weight", Shape: backend.Shape{5, 9}, Init: nn.XavierUniform, FanIn: 9, FanOut: 5},
		{Name: "dense1.bias", Shape: backend.Shape{5}, FanIn: 9, FanOut: 5, Bias: true},
		{Name: "dense2.weight", Shape: backend.Shape{2, 5}, Init: nn.HeNormal, FanIn: 5, FanOut: 2},
		{Name: "dense2.bias", Shape: backend.Shape{2}, FanIn: 5, FanOut: 2, Bias: true},
		{Name: "dense3.weight", Shape: backend.Shape{2, 2}, Init: nn.HeNormal, FanIn: 2, FanOut: 2},
		{Name: "dense3.bias", Shape: backend.Shape{2}, FanIn: 2, FanOut: 2, Bias: true},
	}, b.Parameters)
}

// The initial weights of the recorded training curves, which PyTorch began with, come
// out of NewNetwork bit for bit; see bench/compare/curves/README.md.
func TestInitialWeightsOfCurves(t *testing.T) {
	for name, m := range map[string]*nn.Model{"lenet5-adam": nn.LeNet5(10), "lenet5-sgd": nn.LeNet5(10), "vgg-adam": nn.VGG(10), "vgg-sgd": nn.VGG(10)} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "train", "testdata", "curves", name+".json"))
			require.NoError(t, err)
			var curve struct {
				ParameterCount int `json:"parameter_count"`
				Seeds          struct{ Parameters uint64 }
				Parameters     []struct {
					Name  string
					Shape backend.Shape
					First []float32
				}
			}
			require.NoError(t, json.Unmarshal(text, &curve))
			require.NotEmpty(t, curve.Parameters)
			n, err := m.ParameterCount()
			require.NoError(t, err)
			assert.Equal(t, curve.ParameterCount, n)
			net, err := nn.NewNetwork(open(t, "reference"), fanIn(m), curve.Seeds.Parameters, nil)
			require.NoError(t, err)
			arrays, err := net.Arrays()
			require.NoError(t, err)
			require.Len(t, arrays, len(curve.Parameters))
			for i, p := range curve.Parameters {
				assert.Equal(t, p.Name, arrays[i].Name)
				assert.Equal(t, p.Shape, arrays[i].Shape, p.Name)
				require.NotEmpty(t, p.First)
				assert.Equal(t, p.First, arrays[i].Data[:len(p.First)], p.Name)
			}
		})
	}
}

// fanIn begins all weights and biases of a model as PyTorch does.
func fanIn(m *nn.Model) *nn.Model {
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
	return m
}
