package train

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// byteSet is a set of n images of 6×6 bytes in two channels, with labels, or with two
// numbers each.
func byteSet(t testing.TB, n int, numbers bool, normal data.Normalization) *data.Set {
	t.Helper()
	images := data.Images{Height: 6, Width: 6, Channels: 2, Bytes: make([]uint8, n*72)}
	for i := range images.Bytes {
		images.Bytes[i] = uint8(256 * backend.Uniform(3, uint64(i), 0, 0))
	}
	labels, targets := make([]int32, n), make([]float32, 2*n)
	for i := range n {
		labels[i] = int32(i % 3)
		targets[2*i], targets[2*i+1] = float32(i)/8, -float32(i)/16
	}
	var s *data.Set
	var err error
	if numbers {
		s, err = data.NewRegression("bytes", images, targets, []string{"a", "b"})
	} else {
		s, err = data.NewClassification("bytes", images, labels, []string{"x", "y", "z"})
	}
	require.NoError(t, err)
	s, err = s.Normalized(normal)
	require.NoError(t, err)
	return s
}

// exactly is a normalisation without rounding: by powers of two, and v/64 − 2 or
// v/128 − 1 of a byte v has 9 bits.
var exactly = data.Normalization{Mean: []float32{128, 128}, Std: []float32{64, 128}}

// roundly is one that rounds nearly every value.
var roundly = data.Normalization{Mean: []float32{33.3, 170.1}, Std: []float32{78.6, 12.7}}

// view returns 21 of a set's examples in another order.
func view(t testing.TB, s *data.Set) *data.Set {
	t.Helper()
	var examples []int
	for i := range 21 {
		examples = append(examples, (7*i+3)%s.Len())
	}
	s, err := s.Subset(s.Name()+"/view", examples)
	require.NoError(t, err)
	return s
}

// residentCase is a kind of set with what trains on it.
type residentCase struct {
	set   *data.Set
	model *nn.Model
	loss  nn.Loss
}

func residentCases(t testing.TB, normal data.Normalization) map[string]residentCase {
	t.Helper()
	two := func(m *nn.Model) *nn.Model { m.Input = backend.Shape{6, 6, 2}; return m }
	flat := nn.MLP(backend.Shape{72}, []int{5}, 3)
	return map[string]residentCase{
		"bytes":          {byteSet(t, 30, false, normal), two(small(3)), nn.SoftmaxCrossEntropy},
		"view of bytes":  {view(t, byteSet(t, 30, false, normal)), two(small(3)), nn.SoftmaxCrossEntropy},
		"flat input":     {view(t, byteSet(t, 30, false, normal)), flat, nn.SoftmaxCrossEntropy},
		"one-hot":        {view(t, byteSet(t, 30, false, normal)), two(small(3)), nn.KLDivergence},
		"numbers":        {view(t, byteSet(t, 30, true, normal)), two(regression(2)), nn.MeanSquaredError},
		"floats":         {view(t, normalizedFloats(t, patterns(t, "floats", 30, 1))), small(3), nn.SoftmaxCrossEntropy},
		"float, numbers": {view(t, normalizedFloats(t, heights(t, "heights", 30, 1))), regression(2), nn.MeanSquaredError},
	}
}

func normalizedFloats(t testing.TB, s *data.Set) *data.Set {
	t.Helper()
	s, err := s.Normalized(data.Normalization{Mean: []float32{0.7}, Std: []float32{0.3}})
	require.NoError(t, err)
	return s
}

// fitBoth trains for two epochs with the set on the host, then in the backend's
// memory, and returns what the parameters came to and the histories.
func fitBoth(t testing.TB, b backend.Backend, c residentCase) (arrays [2][]nn.Array, histories [2][]EpochRecord) {
	t.Helper()
	for i, resident := range []bool{false, true} {
		net := newNetwork(t, b, c.model, 1)
		config := Config{
			Loss: c.loss, Optimizer: nn.Adam(1e-2), Epochs: 2, Batch: 8, Seed: 1, Resident: resident,
			OnNotice: func(text string) { assert.Fail(t, text) },
		}
		result, err := Fit(t.Context(), net, c.set, c.set, config)
		require.NoError(t, err)
		arrays[i], histories[i] = arraysOf(t, net), result.History
	}
	return arrays, histories
}

// sameAsFromTheHost demands equal bits.
func sameAsFromTheHost(t *testing.T, b backend.Backend, normal data.Normalization) {
	t.Helper()
	for name, c := range residentCases(t, normal) {
		arrays, histories := fitBoth(t, b, c)
		assert.Equal(t, arrays[0], arrays[1], name)
		// NaN, a regression's accuracy, equals nothing.
		assert.Equal(t, fmt.Sprint(timeless(histories[0])), fmt.Sprint(timeless(histories[1])), name)
	}
}

func TestResidentSetTrainsToTheSameBits(t *testing.T) {
	for _, device := range cpuDevices(t) {
		b := openBackend(t, device, 2)
		sameAsFromTheHost(t, b, exactly)
		sameAsFromTheHost(t, b, roundly) // cpu rounds as CopyImage does
	}
	// The reference normalises in float64.
	sameAsFromTheHost(t, openBackend(t, "reference", 1), exactly)
}

// gatheredWithinBounds compares the batch that a step gathers with what a loader
// fills. For y = x·scale + shift, CopyImage rounds the product and the sum, a backend
// at least the sum, and reading a reference's tensor rounds again: half a unit in the
// last place of the product, and 3 halves of y.
func gatheredWithinBounds(t *testing.T, b backend.Backend) {
	t.Helper()
	set := view(t, byteSet(t, 30, false, roundly))
	c := residentCases(t, roundly)["view of bytes"]
	trainer, err := NewTrainer(newNetwork(t, b, c.model, 1), TrainerConfig{Optimizer: nn.SGD(0.1), Resident: set})
	require.NoError(t, err)
	defer func() { require.NoError(t, trainer.Close()) }()
	loader, err := data.NewLoader(set, data.LoaderConfig{Batch: set.Len(), Seed: 1})
	require.NoError(t, err)
	defer loader.Close()
	require.NoError(t, loader.Start(0, 0))
	batch, err := loader.Next()
	require.NoError(t, err)
	require.NoError(t, trainer.StepRows(t.Context(), batch.Rows))

	got := tensor.New(tensor.WithShape(batch.Images.Shape()...), tensor.Of(tensor.Float32))
	require.NoError(t, trainer.steps[set.Len()].input.Read(got))
	const half = 0x1p-24
	for i, y := range batch.Images.Float32s() {
		std := float64(roundly.Std[i%2])
		product := math.Abs(float64(y) + float64(roundly.Mean[i%2])/std)
		bound := half * (product + 3*math.Abs(float64(y)))
		require.InDelta(t, y, got.Float32s()[i], bound, "value %d", i)
	}
	labels := tensor.New(tensor.WithShape(set.Len()), tensor.Of(tensor.Int32))
	require.NoError(t, trainer.steps[set.Len()].target.Read(labels))
	assert.Equal(t, batch.Labels.Int32s(), labels.Int32s())
}

func TestResidentSetIsNormalised(t *testing.T) {
	gatheredWithinBounds(t, openBackend(t, "cpu", 1))
	gatheredWithinBounds(t, openBackend(t, "reference", 1))
}

// TestResidentStepAllocatesNothing counts what steps of two sizes allocate.
func TestResidentStepAllocatesNothing(t *testing.T) {
	set := patterns(t, "patterns", 20, 1)
	trainer, err := NewTrainer(newNetwork(t, openBackend(t, "cpu", 2), small(3), 1), TrainerConfig{Optimizer: nn.SGD(0.1), Resident: set})
	require.NoError(t, err)
	defer func() { require.NoError(t, trainer.Close()) }()
	ctx, rows := t.Context(), []int32{3, 7, 19, 0, 5}
	both := func() {
		for _, r := range [][]int32{rows, rows[:2]} {
			if err := trainer.StepRows(ctx, r); err != nil {
				require.NoError(t, err)
			}
		}
	}
	both()
	assert.Zero(t, testing.AllocsPerRun(10, both))
}

func TestResidentRefuses(t *testing.T) {
	b := openBackend(t, "cpu", 1)
	held := b.Memory().InUse
	net := newNetwork(t, b, small(3), 1)
	set := patterns(t, "patterns", 20, 1)
	_, err := NewTrainer(net, TrainerConfig{Optimizer: nn.SGD(0.1), Resident: byteSet(t, 6, false, exactly)})
	require.ErrorIs(t, err, backend.ErrShape)
	trainer, err := NewTrainer(net, TrainerConfig{Optimizer: nn.SGD(0.1), Resident: set})
	require.NoError(t, err)
	before := arraysOf(t, net)
	assert.ErrorIs(t, trainer.StepRows(t.Context(), []int32{1, 20}), backend.ErrRange)
	assert.ErrorIs(t, trainer.StepRows(t.Context(), []int32{-1, 2}), backend.ErrRange)
	assert.Error(t, trainer.StepRows(t.Context(), nil))
	images := dense(make([]float32, 36), 1, 6, 6, 1)
	assert.ErrorContains(t, trainer.Step(t.Context(), images, dense([]int32{0}, 1), dense([]float32{1}, 1)), "expected StepRows")
	assert.Equal(t, before, arraysOf(t, net))
	require.NoError(t, trainer.Close())
	assert.ErrorIs(t, trainer.StepRows(t.Context(), []int32{1}), backend.ErrClosed)

	other, err := NewTrainer(net, TrainerConfig{Optimizer: nn.SGD(0.1)})
	require.NoError(t, err)
	assert.ErrorContains(t, other.StepRows(t.Context(), []int32{1}), "no resident set")
	require.NoError(t, other.Close())
	require.NoError(t, net.Close())
	assert.Equal(t, held, b.Memory().InUse)
}

// cramped is a backend that has no room for one tensor of a set.
type cramped struct {
	backend.Backend
	name string
}

func (c cramped) NewTensor(s backend.TensorSpec) (backend.Tensor, error) {
	if s.Name == c.name {
		return nil, fmt.Errorf("%w: for %q", backend.ErrMemory, s.Name)
	}
	return c.Backend.NewTensor(s)
}

func TestFitGoesOnWithoutRoomForTheSet(t *testing.T) {
	for _, name := range []string{imagesBuffer, labelsBuffer, scaleBuffer, rowsBuffer} {
		b := openBackend(t, "cpu", 1)
		held := b.Memory().InUse
		c := residentCases(t, exactly)["bytes"]
		net, err := nn.NewNetwork(cramped{b, name}, c.model, 1, nil)
		require.NoError(t, err)
		var notices []string
		config := Config{Epochs: 1, Batch: 7, Resident: true, OnNotice: func(text string) { notices = append(notices, text) }}
		result, err := Fit(t.Context(), net, c.set, c.set, config)
		require.NoError(t, err)
		assert.Len(t, result.History, 1)
		require.Len(t, notices, 1)
		assert.True(t, strings.Contains(notices[0], name), notices[0])
		require.NoError(t, net.Close())
		assert.Equal(t, held, b.Memory().InUse)
	}
}
