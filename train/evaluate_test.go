package train

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// pixels is a set of images of 1×1 pixels and as many channels as targets: what the
// network named copying predicts is the pixels.
func pixels(t *testing.T, predictions, targets []float32, names ...string) *data.Set {
	t.Helper()
	s, err := data.NewRegression("pixels", data.Images{Height: 1, Width: 1, Channels: len(names), Floats: predictions}, targets, names)
	require.NoError(t, err)
	return s
}

// copying is a network whose logits are its inputs.
func copying(t *testing.T, b backend.Backend, n int, o nn.Output) *nn.Network {
	t.Helper()
	m := nn.MLP(backend.Shape{1, 1, n}, nil, n)
	m.Output = o
	net := newNetwork(t, b, m, 1)
	arrays := arraysOf(t, net)
	clear(arrays[1].Data)
	for i := range arrays[0].Data {
		arrays[0].Data[i] = 0
		if i%(n+1) == 0 {
			arrays[0].Data[i] = 1
		}
	}
	require.NoError(t, net.SetArrays(arrays))
	return net
}

// TestMetricsOfNumbers compares with values worked by hand.
//
//	first target:  1 2 3 4, mean 2.5, squared deviations 5; predictions 1 2 3 8, errors 0 0 0 −4,
//	               mean −1, squared deviations 12: 1 − 12/5 = −1.4
//	second target: 0 0 2 2, squared deviations 4; predictions 1 1 3 3: the errors do not vary: 1
func TestMetricsOfNumbers(t *testing.T) {
	set := pixels(t, []float32{1, 1, 2, 1, 3, 3, 8, 3}, []float32{1, 0, 2, 0, 3, 2, 4, 2}, "first", "second")
	for _, n := range []int{1, 2, 3, 4, 100} { // the last batch of three is padded
		m, err := Evaluate(t.Context(), copying(t, openBackend(t, "cpu", 1), 2, nn.Values), set, nn.MeanSquaredError, n, nil)
		require.NoError(t, err)
		assert.Equal(t, 4, m.Examples)
		assert.InDelta(t, 20.0/8, m.Loss, 1e-12) // errors 4 × 1 and one 16
		assert.InDelta(t, math.Sqrt(20.0/8), m.RMSE, 1e-12)
		assert.InDelta(t, (1-1.4)/2, m.ExplainedVariance, 1e-12)
		assert.True(t, math.IsNaN(m.Accuracy))
	}

	perfect := pixels(t, []float32{1, 5, 2, 7}, []float32{1, 5, 2, 7}, "first", "second")
	m, err := Evaluate(t.Context(), copying(t, openBackend(t, "cpu", 1), 2, nn.Values), perfect, nn.MeanSquaredError, 8, nil)
	require.NoError(t, err)
	assert.Zero(t, m.Loss)
	assert.Zero(t, m.RMSE)
	assert.Equal(t, 1.0, m.ExplainedVariance)

	constant := pixels(t, []float32{1, 2}, []float32{3, 3}, "only")
	m, err = Evaluate(t.Context(), copying(t, openBackend(t, "cpu", 1), 1, nn.Values), constant, nn.MeanSquaredError, 8, nil)
	require.NoError(t, err)
	assert.True(t, math.IsNaN(m.ExplainedVariance), "no variance to explain, found %g", m.ExplainedVariance)
	assert.InDelta(t, math.Sqrt(2.5), m.RMSE, 1e-12)
}

// TestMetricsOfClasses has two of three right; a tie goes to the first class.
func TestMetricsOfClasses(t *testing.T) {
	images := data.Images{Height: 1, Width: 1, Channels: 2, Floats: []float32{3, 0, 0, 1, 1, 1}}
	set, err := data.NewClassification("pixels", images, []int32{0, 0, 0}, []string{"a", "b"})
	require.NoError(t, err)
	loss := (math.Log(1+math.Exp(-3)) + math.Log(1+math.E) + math.Ln2) / 3
	for _, n := range []int{1, 2, 3, 64} {
		var told []int
		m, err := Evaluate(t.Context(), copying(t, openBackend(t, "cpu", 1), 2, ""), set, nn.SoftmaxCrossEntropy, n, func(done, total int) {
			told = append(told, done)
			assert.Equal(t, 3, total)
		})
		require.NoError(t, err)
		assert.InDelta(t, loss, m.Loss, 1e-6)
		assert.InDelta(t, 2.0/3, m.Accuracy, 1e-15)
		assert.True(t, slices.IsSorted(told))
		assert.Equal(t, 3, told[len(told)-1])
	}
}

func TestEvaluateRefuses(t *testing.T) {
	b := openBackend(t, "cpu", 1)
	held := b.Memory().InUse
	net := newNetwork(t, b, small(3), 1)
	set := patterns(t, "patterns", 9, 1)
	e, err := NewEvaluator(net, nn.SoftmaxCrossEntropy, set, 4)
	require.NoError(t, err)
	for says, other := range map[string]*data.Set{
		"there is no data set": nil,
		"regression is true":   heights(t, "heights", 9, 1),
		"images [8 8 1]":       digits(t, 0.1)[0],
	} {
		_, err = e.Evaluate(t.Context(), other, nil)
		require.ErrorContains(t, err, says)
	}
	labels := []int32{0, 3}
	four, err := data.NewClassification("four", bars(labels, 1), labels, []string{"a", "b", "c", "d"})
	require.NoError(t, err)
	_, err = e.Evaluate(t.Context(), four, nil)
	require.ErrorContains(t, err, "4 classes")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Evaluate(ctx, set, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	_, err = e.Evaluate(t.Context(), set, nil)
	require.ErrorIs(t, err, backend.ErrClosed)

	for _, n := range []int{0, -1} {
		_, err = Evaluate(t.Context(), net, set, nn.SoftmaxCrossEntropy, n, nil)
		require.ErrorContains(t, err, "expected at least 1")
	}
	_, err = Evaluate(t.Context(), net, nil, nn.SoftmaxCrossEntropy, 4, nil)
	require.Error(t, err)
	_, err = Evaluate(t.Context(), nil, set, nn.SoftmaxCrossEntropy, 4, nil)
	require.Error(t, err)
	_, err = Evaluate(t.Context(), net, set, nn.SigmoidCrossEntropy, 4, nil)
	require.ErrorContains(t, err, "does not train the output")
	require.NoError(t, net.Close())
	assert.Equal(t, held, b.Memory().InUse)
}

// TestBackendsAgreeOnDigits gives every backend and instruction set the same trained
// weights.
func TestBackendsAgreeOnDigits(t *testing.T) {
	sets := digits(t, 0.7, 0.3)
	trained := newNetwork(t, openBackend(t, "cpu", 2), nn.MLP(backend.Shape{8, 8, 1}, []int{32}, 10), 1)
	_, err := Fit(t.Context(), trained, sets[0], sets[1], Config{Epochs: 5})
	require.NoError(t, err)
	exact := logitsOf(t, openBackend(t, "reference", 2), trained, sets[1])
	for _, device := range cpuDevices(t) {
		// Sums of 64 and 32 products.
		requireSameClasses(t, device, exact, logitsOf(t, openBackend(t, device, 2), trained, sets[1]), 100)
	}
}

// requireSameClasses demands that digits whose two best scores differ by more than the
// roundings of float32 can are told alike. There are so many roundings one behind the
// other, each relative to terms that are together at most a few times the largest
// logit.
func requireSameClasses(t *testing.T, device string, exact, logits []float32, roundings float64) {
	t.Helper()
	largest := 0.0
	for _, v := range exact {
		largest = math.Max(largest, math.Abs(float64(v)))
	}
	bound := roundings * 0x1p-24 * 4 * largest
	sure := 0
	for i := 0; i < len(exact); i += 10 {
		row, other := exact[i:i+10], logits[i:i+10]
		for j := range row {
			require.InDelta(t, float64(row[j]), float64(other[j]), bound, "%s: digit %d", device, i/10)
		}
		sorted := slices.Sorted(slices.Values(row))
		if float64(sorted[9]-sorted[8]) > 2*bound {
			sure++
			assert.Equal(t, argmax(row), argmax(other), "%s: digit %d", device, i/10)
		}
	}
	assert.Greater(t, sure, 9*len(exact)/100, "nearly all digits are beyond doubt")
}

// logitsOf computes the logits of a whole set with the parameters of another network.
func logitsOf(t *testing.T, b backend.Backend, from *nn.Network, set *data.Set) []float32 {
	t.Helper()
	net := newNetwork(t, b, from.Model, 9)
	require.NoError(t, net.SetArrays(arraysOf(t, from)))
	loader, err := data.NewLoader(set, data.LoaderConfig{Batch: set.Len(), InOrder: true})
	require.NoError(t, err)
	defer loader.Close()
	require.NoError(t, loader.Start(0, 0))
	batch, err := loader.Next()
	require.NoError(t, err)
	e, err := NewEvaluator(net, nn.SoftmaxCrossEntropy, set, set.Len())
	require.NoError(t, err)
	require.NoError(t, e.run(t.Context(), batch))
	require.NoError(t, e.Close())
	return slices.Clone(e.logits.Float32s())
}
