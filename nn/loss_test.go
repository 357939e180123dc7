package nn_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

var outputs = []nn.Output{nn.Probabilities, nn.IndependentProbabilities, nn.Values}

// Each loss takes the targets and trains the outputs named here; all else is refused
// with a reason.
func TestLossMixUps(t *testing.T) {
	for _, c := range []struct {
		loss          nn.Loss
		logits        bool
		indices, rows bool
		outputs       []nn.Output
	}{
		{nn.SoftmaxCrossEntropy, true, true, true, []nn.Output{nn.Probabilities}},
		{nn.KLDivergence, true, false, true, []nn.Output{nn.Probabilities}},
		{nn.SigmoidCrossEntropy, true, false, true, []nn.Output{nn.IndependentProbabilities}},
		{nn.NegativeLogLikelihood, false, true, true, []nn.Output{nn.Probabilities}},
		{nn.MeanSquaredError, false, false, true, outputs},
		{nn.MultiClassHinge, true, true, false, []nn.Output{nn.Probabilities, nn.Values}},
	} {
		assert.Equal(t, c.logits, c.loss.TakesLogits(), c.loss)
		for _, o := range outputs {
			for _, indices := range []bool{false, true} {
				m := nn.MLP(backend.Shape{3}, nil, 4)
				m.Output = o
				b, err := m.Build(2, true)
				require.NoError(t, err)
				losses, total, err := b.AddLoss(m, c.loss, indices, 2)
				name := fmt.Sprintf("%v of %s, indices %v", c.loss, o, indices)
				switch {
				case !slices.Contains(c.outputs, o):
					assert.ErrorContains(t, err, fmt.Sprintf(`nn: model "mlp": the loss %v does not train the output %q, expected one of`, c.loss, o), name)
				case indices && !c.indices:
					assert.ErrorContains(t, err, fmt.Sprintf("%v takes rows of numbers as targets, found indices", c.loss), name)
				case !indices && !c.rows:
					assert.ErrorContains(t, err, fmt.Sprintf("%v takes class indices as targets, found rows of numbers", c.loss), name)
				default:
					require.NoError(t, err, name)
					assert.Equal(t, backend.Shape{2}, losses.Shape(), name)
					assert.Equal(t, 1, total.Shape().Elements(), name)
				}
			}
		}
	}
	for _, divisor := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		m := nn.MLP(backend.Shape{3}, nil, 4)
		b, err := m.Build(2, true)
		require.NoError(t, err)
		_, _, err = b.AddLoss(m, nn.SoftmaxCrossEntropy, true, divisor)
		assert.ErrorContains(t, err, "expected a positive number")
	}
	m := nn.MLP(backend.Shape{3}, nil, 4)
	b, err := m.Build(2, true)
	require.NoError(t, err)
	_, _, err = b.AddLoss(m, nn.Loss{Kind: 77}, true, 2)
	assert.ErrorContains(t, err, "LossKind(77)")
}

// The losses of a batch of two, worked by hand, for a model that hands its input on.
func TestLossValues(t *testing.T) {
	z := []float32{1, 3, 0, -1}
	// softmax(1, 3) and softmax(0, −1) have these logarithms.
	l := [4]float64{1 - math.Log(math.Exp(1)+math.Exp(3)), 3 - math.Log(math.Exp(1)+math.Exp(3)), -math.Log1p(math.Exp(-1)), -1 - math.Log1p(math.Exp(-1))}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	entropy := 0.25*math.Log(0.25) + 0.75*math.Log(0.75)
	for _, c := range []struct {
		loss   nn.Loss
		output nn.Output
		index  []int32
		rows   []float32
		want   [2]float64
	}{
		{nn.SoftmaxCrossEntropy, nn.Probabilities, []int32{1, 0}, nil, [2]float64{-l[1], -l[2]}},
		{nn.SoftmaxCrossEntropy, nn.Probabilities, nil, []float32{0.25, 0.75, 0, 1}, [2]float64{-0.25*l[0] - 0.75*l[1], -l[3]}},
		{nn.NegativeLogLikelihood, nn.Probabilities, []int32{0, 1}, nil, [2]float64{-l[0], -l[3]}},
		{nn.KLDivergence, nn.Probabilities, nil, []float32{0.25, 0.75, 0, 1}, [2]float64{entropy - 0.25*l[0] - 0.75*l[1], -l[3]}},
		{nn.SigmoidCrossEntropy, nn.IndependentProbabilities, nil, []float32{1, 0, 1, 1},
			[2]float64{-(math.Log(sigmoid(1)) + math.Log(1-sigmoid(3))) / 2, -(math.Log(sigmoid(0)) + math.Log(sigmoid(-1))) / 2}},
		{nn.MeanSquaredError, nn.Values, nil, []float32{1, 1, 2, 1}, [2]float64{2, 4}},
		{nn.MeanSquaredError, nn.IndependentProbabilities, nil, []float32{1, 0, 1, 1},
			[2]float64{(math.Pow(1-sigmoid(1), 2) + math.Pow(sigmoid(3), 2)) / 2, (0.25 + math.Pow(1-sigmoid(-1), 2)) / 2}},
		{nn.MultiClassHinge, nn.Values, []int32{0, 0}, nil, [2]float64{3, 0}},
	} {
		m := &nn.Model{Name: "m", Input: backend.Shape{2}, Layers: nn.Layers{nn.Flatten{}}, Output: c.output}
		b, err := m.Build(2, true)
		require.NoError(t, err)
		losses, total, err := b.AddLoss(m, c.loss, c.index != nil, 2)
		require.NoError(t, err)
		p, err := b.LowerInference("loss", b.Layout(nil), graph.Placement{Node: losses, Buffer: "losses"}, graph.Placement{Node: total, Buffer: "total"})
		require.NoError(t, err)

		dev := open(t, "reference")
		bind := map[string]backend.Tensor{}
		place := func(spec backend.TensorSpec, values any) {
			tensor := tensor.New(tensor.WithShape(spec.Shape...), tensor.WithBacking(values))
			bind[spec.Name], err = dev.NewTensor(spec)
			require.NoError(t, err)
			require.NoError(t, bind[spec.Name].Write(tensor))
		}
		place(backend.TensorSpec{Name: nn.InputName, Shape: backend.Shape{2, 2}}, z)
		place(backend.TensorSpec{Name: nn.WeightsName, Shape: backend.Shape{2}}, []float32{1, 0.5})
		place(backend.TensorSpec{Name: "losses", Shape: backend.Shape{2}}, []float32{0, 0})
		place(backend.TensorSpec{Name: "total", Shape: backend.Shape{1}}, []float32{0})
		if c.index != nil {
			place(backend.TensorSpec{Name: nn.TargetName, DType: backend.Int32, Shape: backend.Shape{2}, Limit: 2}, c.index)
		} else {
			place(backend.TensorSpec{Name: nn.TargetName, Shape: backend.Shape{2, 2}}, c.rows)
		}
		e, err := dev.Compile(p, bind)
		require.NoError(t, err)
		require.NoError(t, e.Run(context.Background()))
		got, sum := tensor.New(tensor.WithShape(2), tensor.Of(tensor.Float64)), tensor.New(tensor.WithShape(1), tensor.Of(tensor.Float64))
		require.NoError(t, bind["losses"].Read(got))
		require.NoError(t, bind["total"].Read(sum))
		// A few roundings of numbers below 4, on both sides.
		assert.InDelta(t, c.want[0]/2, got.Float64s()[0], 1e-14, c.loss)
		assert.InDelta(t, c.want[1]/4, got.Float64s()[1], 1e-14, c.loss)
		assert.InDelta(t, c.want[0]/2+c.want[1]/4, sum.Float64s()[0], 1e-14, c.loss)
	}
}
