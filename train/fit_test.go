package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// digits returns parts of the embedded digits for training and validation.
func digits(t testing.TB, fractions ...float64) []*data.Set {
	t.Helper()
	all, err := data.Digits()
	require.NoError(t, err)
	all, err = all.Normalized(data.Normalization{Mean: []float32{128}, Std: []float32{64}})
	require.NoError(t, err)
	parts, err := all.SplitStratified(1, fractions...)
	require.NoError(t, err)
	return parts
}

func TestFitLearnsDigits(t *testing.T) {
	sets := digits(t, 0.5, 0.2, 0.3)
	b := openBackend(t, "cpu", 2)
	net := newNetwork(t, b, nn.MLP(backend.Shape{8, 8, 1}, []int{32}, 10), 1)
	dir := filepath.Join(t.TempDir(), "runs", "1") // Fit makes folders
	result, err := Fit(t.Context(), net, sets[0], sets[1], Config{Epochs: 12, Batch: 32, Seed: 1, Optimizer: nn.Adam(3e-3), Dir: dir})
	require.NoError(t, err)
	require.Len(t, result.History, 12)
	first, last := result.History[0], result.History[11]
	assert.Less(t, float64(last.TrainLoss), float64(first.TrainLoss)/3)
	assert.Greater(t, float64(last.TrainAccuracy), 0.95)
	assert.Positive(t, result.ImagesPerSecond)
	m, err := Evaluate(t.Context(), net, sets[2], nn.SoftmaxCrossEntropy, 64, nil)
	require.NoError(t, err)
	assert.Equal(t, sets[2].Len(), m.Examples)
	assert.Greater(t, m.Accuracy, 0.93)
	assert.True(t, math.IsNaN(m.RMSE) && math.IsNaN(m.ExplainedVariance))
}

// TestFitEndsWithTheBestModel overfits on few examples with a rate that makes the
// validation loss go up and down.
func TestFitEndsWithTheBestModel(t *testing.T) {
	training, validation := patterns(t, "training", 24, 1), patterns(t, "validation", 30, 2)
	net := newNetwork(t, openBackend(t, "cpu", 1), small(3), 1)
	c := Config{Epochs: 30, Batch: 8, Optimizer: nn.SGD(1), Patience: 4, Dir: t.TempDir()}
	var told []EpochRecord
	c.OnEpoch = func(r EpochRecord) { told = append(told, r) }
	result, err := Fit(t.Context(), net, training, validation, c)
	require.NoError(t, err)
	require.True(t, result.StoppedEarly)
	require.Equal(t, told, result.History)
	require.Len(t, result.History, result.BestEpoch+4)

	best := math.Inf(1)
	for _, r := range result.History {
		assert.Equal(t, float64(r.ValidationLoss) < best, r.Best, "epoch %d", r.Epoch)
		best = math.Min(best, float64(r.ValidationLoss))
	}
	assert.Equal(t, best, float64(result.History[result.BestEpoch-1].ValidationLoss))
	m, err := Evaluate(t.Context(), net, validation, nn.SoftmaxCrossEntropy, 8, nil)
	require.NoError(t, err)
	assert.Equal(t, best, m.Loss, "the network must have the best epoch's parameters, not the last's")

	file, err := nn.ReadFile(filepath.Join(c.Dir, ModelFile))
	require.NoError(t, err)
	assert.Equal(t, arraysOf(t, net), inOrderOf(t, net, file.Arrays))
}

// inOrderOf sorts a file's arrays as a network lists its own.
func inOrderOf(t *testing.T, net *nn.Network, arrays []nn.Array) (sorted []nn.Array) {
	t.Helper()
	byName := map[string]nn.Array{}
	for _, a := range arrays {
		byName[a.Name] = a
	}
	for _, a := range arraysOf(t, net) {
		sorted = append(sorted, byName[a.Name])
	}
	return sorted
}

func TestFitWithoutFolder(t *testing.T) {
	net := newNetwork(t, openBackend(t, "cpu", 1), small(3), 1)
	result, err := Fit(t.Context(), net, patterns(t, "a", 24, 1), patterns(t, "b", 6, 2), Config{Epochs: 2, Batch: 8})
	require.NoError(t, err)
	assert.Len(t, result.History, 2)
	result, err = Fit(cancelledAt(t, 8), net, patterns(t, "a", 24, 1), patterns(t, "b", 6, 2), Config{Epochs: 2, Batch: 8})
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, result.History, 1, "what is done must be told")
	assert.Positive(t, result.ImagesPerSecond)
}

func TestFitThatDiverges(t *testing.T) {
	for _, rate := range []float64{1e30, 3e38} {
		dir := t.TempDir()
		b := openBackend(t, "cpu", 1)
		training, validation := patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2)
		good := Config{Epochs: 2, Batch: 16, Dir: dir, Optimizer: nn.SGD(0.01)}
		net := newNetwork(t, b, small(3), 1)
		_, err := Fit(t.Context(), net, training, validation, good)
		require.NoError(t, err)
		model, err := os.ReadFile(filepath.Join(dir, ModelFile))
		require.NoError(t, err)

		bad := good
		bad.Optimizer.LearningRate = rate
		_, err = Fit(t.Context(), newNetwork(t, b, small(3), 1), training, validation, bad)
		require.ErrorIs(t, err, ErrDiverged)
		require.ErrorContains(t, err, "epoch 1")
		after, err := os.ReadFile(filepath.Join(dir, ModelFile))
		require.NoError(t, err)
		assert.Equal(t, model, after, "rate %g", rate)

		// Interrupted before anybody looked at the loss: what is broken is not saved.
		state, err := os.ReadFile(filepath.Join(dir, StateFile))
		require.NoError(t, err)
		refused := 0
		for n := 1; n < 6; n++ {
			_, err = Fit(cancelledAt(t, n), newNetwork(t, b, small(3), 1), training, validation, bad)
			require.ErrorIs(t, err, context.Canceled)
			if errors.Is(err, ErrDiverged) {
				refused++
				after, err = os.ReadFile(filepath.Join(dir, StateFile))
				require.NoError(t, err)
				assert.Equal(t, state, after, "rate %g, cancelled at %d", rate, n)
			}
		}
		assert.Positive(t, refused)
	}
}

// TestFitInBatchesOfAnySize has sets that are no multiple of a batch, smaller than
// one, and of a single example.
func TestFitInBatchesOfAnySize(t *testing.T) {
	b := openBackend(t, "cpu", 2)
	for _, c := range []struct{ training, validation, batch int }{
		{40, 20, 16}, {40, 20, 39}, {40, 20, 40}, {40, 20, 41}, {40, 20, 1 << 20}, {7, 3, 1}, {7, 3, 2}, {1, 1, 1}, {1, 1, 64}, {2, 50, 3},
	} {
		t.Run(fmt.Sprintf("%d by %d", c.training, c.batch), func(t *testing.T) {
			net := newNetwork(t, b, small(3), 1)
			seen := 0
			result, err := Fit(t.Context(), net, patterns(t, "training", c.training, 1), patterns(t, "validation", c.validation, 2), Config{
				Batch: c.batch, Epochs: 2, Optimizer: nn.Adam(1e-3),
				OnBatch: func(p Progress) { seen = p.Done },
			})
			require.NoError(t, err)
			require.Len(t, result.History, 2)
			assert.Equal(t, c.training, seen)
			for _, r := range result.History {
				assert.False(t, math.IsNaN(float64(r.TrainLoss)))
				assert.LessOrEqual(t, float64(r.TrainAccuracy), 1.0)
			}
		})
	}
}

// TestFitCountsAsEvaluateDoes does not move the parameters, and compares the running
// metrics of an epoch, over full batches and a short one, with an evaluation.
func TestFitCountsAsEvaluateDoes(t *testing.T) {
	set := patterns(t, "patterns", 45, 1)
	net := newNetwork(t, openBackend(t, "cpu", 2), nn.MLP(backend.Shape{6, 6, 1}, []int{9}, 3), 3)
	result, err := Fit(t.Context(), net, set, set, Config{Epochs: 1, Batch: 2, Optimizer: nn.SGD(1e-30)})
	require.NoError(t, err)
	r := result.History[0]
	assert.Equal(t, r.ValidationAccuracy, r.TrainAccuracy)
	assert.InEpsilon(t, float64(r.ValidationLoss), float64(r.TrainLoss), 1e-6) // sums of 16 losses in float32
}

// TestFitWithEveryLoss fits classes with the losses that take them, as indices or as
// rows, and looks that each falls.
func TestFitWithEveryLoss(t *testing.T) {
	b := openBackend(t, "cpu", 2)
	for _, c := range []struct {
		loss   nn.Loss
		output nn.Output
	}{
		{nn.SoftmaxCrossEntropy, ""},
		{nn.KLDivergence, nn.Probabilities},
		{nn.NegativeLogLikelihood, ""},
		{nn.MeanSquaredError, ""},
		{nn.MeanSquaredError, nn.Values},
		{nn.MeanSquaredError, nn.IndependentProbabilities},
		{nn.SigmoidCrossEntropy, nn.IndependentProbabilities},
		{nn.MultiClassHinge, ""},
		{nn.MultiClassHinge, nn.Values},
	} {
		t.Run(fmt.Sprintf("%v %s", c.loss, c.output), func(t *testing.T) {
			m := nn.MLP(backend.Shape{6, 6, 1}, []int{16}, 3)
			m.Output = c.output
			net := newNetwork(t, b, m, 1)
			result, err := Fit(t.Context(), net, patterns(t, "training", 90, 1), patterns(t, "validation", 45, 2), Config{
				Loss: c.loss, Epochs: 25, Batch: 20, Optimizer: nn.Adam(1e-2), Dir: t.TempDir(),
			})
			require.NoError(t, err)
			first, last := result.History[0], result.History[24]
			assert.Less(t, float64(last.TrainLoss), 0.5*float64(first.TrainLoss))
			assert.Greater(t, float64(last.TrainAccuracy), 0.9)
			assert.Greater(t, float64(last.ValidationAccuracy), 0.75)
		})
	}
}

func TestFitOfNumbers(t *testing.T) {
	net := newNetwork(t, openBackend(t, "cpu", 2), regression(2), 1)
	training, validation := heights(t, "training", 90, 1), heights(t, "validation", 45, 2)
	result, err := Fit(t.Context(), net, training, validation, Config{Loss: nn.MeanSquaredError, Epochs: 40, Batch: 16, Optimizer: nn.Adam(1e-2), Dir: t.TempDir()})
	require.NoError(t, err)
	last := result.History[39]
	assert.True(t, math.IsNaN(float64(last.TrainAccuracy)) && math.IsNaN(float64(last.ValidationAccuracy)))
	m, err := Evaluate(t.Context(), net, validation, nn.MeanSquaredError, 16, nil)
	require.NoError(t, err)
	assert.True(t, math.IsNaN(m.Accuracy))
	assert.InEpsilon(t, math.Sqrt(m.Loss), m.RMSE, 1e-5)
	assert.Greater(t, m.ExplainedVariance, 0.7)
}

// TestFitOfDistributions has rows that sum to 1, of which the largest is the class.
func TestFitOfDistributions(t *testing.T) {
	labels, rows := make([]int32, 60), make([]float32, 180)
	for i := range labels {
		labels[i] = int32(i % 3)
		for j := range 3 {
			rows[3*i+j] = 0.1
		}
		rows[3*i+i%3] = 0.8
	}
	set, err := data.NewRegression("soft", bars(labels, 1), rows, []string{"top", "middle", "bottom"})
	require.NoError(t, err)
	net := newNetwork(t, openBackend(t, "cpu", 1), nn.MLP(backend.Shape{6, 6, 1}, []int{16}, 3), 1)
	result, err := Fit(t.Context(), net, set, set, Config{Loss: nn.KLDivergence, Epochs: 25, Batch: 20, Optimizer: nn.Adam(1e-2)})
	require.NoError(t, err)
	last := result.History[24]
	assert.Greater(t, float64(last.TrainAccuracy), 0.9)
	assert.Greater(t, float64(last.ValidationAccuracy), 0.9)
}

func TestFitRefuses(t *testing.T) {
	b := openBackend(t, "cpu", 1)
	inUse := b.Memory().InUse
	classes, numbers := patterns(t, "classes", 33, 1), heights(t, "numbers", 33, 1)
	renamed, err := data.NewClassification("renamed", bars([]int32{0, 1, 2}, 1), []int32{0, 1, 2}, []string{"bottom", "middle", "top"})
	require.NoError(t, err)
	large := digits(t, 0.5)[0]
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	normalizing := small(3)
	normalizing.Layers = append(normalizing.Layers[:5:5], nn.Dense{Units: 3}, nn.BatchNorm{})
	independent := small(2)
	independent.Output = nn.IndependentProbabilities
	for _, c := range []struct {
		name                 string
		model                *nn.Model
		training, validation *data.Set
		config               Config
		says                 string
	}{
		{"negative batch", small(3), classes, classes, Config{Batch: -1}, "batch -1"},
		{"negative epochs", small(3), classes, classes, Config{Epochs: -1}, "epochs -1"},
		{"negative patience", small(3), classes, classes, Config{Patience: -1}, "patience -1"},
		{"no rate", small(3), classes, classes, Config{Optimizer: nn.Momentum(0, 0.9)}, "the learning rate is 0"},
		{"rate below zero", small(3), classes, classes, Config{Optimizer: nn.Adam(-1)}, "the learning rate is -1"},
		{"rate NaN", small(3), classes, classes, Config{Optimizer: nn.Adam(math.NaN())}, "the learning rate is NaN"},
		{"rate beyond float32", small(3), classes, classes, Config{Optimizer: nn.SGD(1e39)}, "learning rate 1e+39"},
		{"momentum", small(3), classes, classes, Config{Optimizer: nn.Momentum(0.1, math.NaN())}, "NaN"},
		{"schedule", small(3), classes, classes, Config{Schedule: Schedule{Kind: "cosinus"}}, `unknown schedule "cosinus"`},
		{"no training set", small(3), nil, classes, Config{}, "no data set"},
		{"no validation set", small(3), classes, nil, Config{}, "no validation set"},
		{"no model", nil, classes, classes, Config{}, "there is no network"},
		{"numbers for classes", small(3), classes, numbers, Config{}, "the validation set"},
		{"loss of classes on numbers", small(2), numbers, numbers, Config{Loss: nn.MultiClassHinge}, "takes classes"},
		{"numbers as distributions", small(2), numbers, numbers, Config{Loss: nn.MeanSquaredError}, "the targets of example 0 sum to 0"},
		{"numbers as probabilities", independent, numbers, numbers, Config{Loss: nn.MeanSquaredError}, `target "depth" of example 1 is -0.5, expected 0 to 1`},
		{"too few outputs", small(2), classes, classes, Config{}, "3 classes, the model \"small\" has 2 outputs"},
		{"too many outputs", regression(3), numbers, numbers, Config{Loss: nn.MeanSquaredError}, "2 targets, the model \"small\" has 3 outputs"},
		{"other classes", small(3), classes, renamed, Config{}, `"bottom" "middle" "top"`},
		{"other size", small(10), large, large, Config{}, "images [8 8 1], the model \"small\" takes [6 6 1]"},
		{"loss against output", regression(3), classes, classes, Config{}, "does not train the output"},
		{"a last batch of one", normalizing, classes, classes, Config{Batch: 16}, "the last batch of an epoch has 1 of 33 examples, another batch size than 16 may help"},
		{"folder is a file", small(3), classes, classes, Config{Dir: file}, file},
		{"class names", small(3), classes, classes, Config{Dir: t.TempDir(), Classes: []string{"one"}}, "1 class names"},
		{"normalisation", small(3), classes, classes, Config{Dir: t.TempDir(), Mean: []float32{1, 2}, Std: []float32{1, 1}}, "2 means"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var net *nn.Network
			if c.model != nil {
				net = newNetwork(t, b, c.model, 1)
			}
			held := b.Memory().InUse
			before := runtime.NumGoroutine()
			_, err := Fit(t.Context(), net, c.training, c.validation, c.config)
			require.ErrorContains(t, err, c.says)
			assert.Equal(t, held, b.Memory().InUse)
			noMoreGoroutines(t, before)
		})
	}
	assert.Equal(t, inUse, b.Memory().InUse)

	_, err = data.NewClassification("broken", data.Images{Height: 1, Width: 1, Channels: 1, Floats: []float32{float32(math.NaN())}}, []int32{0}, []string{"a"})
	require.Error(t, err, "pixels that are no number are refused before they get here")
}

// noMoreGoroutines waits until there are as few goroutines as before: one that has
// been told to end may need a moment.
func noMoreGoroutines(t *testing.T, before int) {
	t.Helper()
	for range 2000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	assert.Fail(t, "goroutines are left", "%d, %d before", runtime.NumGoroutine(), before)
}

func TestFitLeavesNothingBehind(t *testing.T) {
	b := openBackend(t, "cpu", 2)
	net := newNetwork(t, b, small(3), 1)
	for _, n := range []int{1 << 20, 0, 1, 5, 7} {
		held, before := b.Memory().InUse, runtime.NumGoroutine()
		_, err := Fit(cancelledAt(t, n), net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), Config{Batch: 16, Epochs: 2, Dir: t.TempDir()})
		assert.Equal(t, n < 100, errors.Is(err, context.Canceled))
		assert.Equal(t, held, b.Memory().InUse, "cancelled at %d", n)
		noMoreGoroutines(t, before)
	}
}

// exhausted is a backend whose memory suffices for so many tensors and Executables.
type exhausted struct {
	backend.Backend
	left int
}

func (e *exhausted) take() error {
	if e.left--; e.left < 0 {
		return fmt.Errorf("exhausted: %w", backend.ErrMemory)
	}
	return nil
}

func (e *exhausted) NewTensor(s backend.TensorSpec) (backend.Tensor, error) {
	if err := e.take(); err != nil {
		return nil, err
	}
	return e.Backend.NewTensor(s)
}

func (e *exhausted) Compile(p *backend.Program, bind map[string]backend.Tensor) (backend.Executable, error) {
	if err := e.take(); err != nil {
		return nil, err
	}
	return e.Backend.Compile(p, bind)
}

// TestFitWithoutMemory fails at each allocation, and frees what came before.
func TestFitWithoutMemory(t *testing.T) {
	b := &exhausted{Backend: openBackend(t, "cpu", 1), left: math.MaxInt}
	net := newNetwork(t, b, small(3), 1)
	held, before := b.Memory().InUse, runtime.NumGoroutine()
	failures := 0
	for ; ; failures++ {
		b.left = failures
		_, err := Fit(t.Context(), net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), Config{Batch: 16, Epochs: 1})
		assert.Equal(t, held, b.Memory().InUse, "%d allocations", failures)
		noMoreGoroutines(t, before)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, backend.ErrMemory)
	}
	// The trainer's nine tensors, two steps of three with a program each, and the
	// evaluator's six with one.
	assert.Equal(t, 9+2*4+7, failures)
}

// TestFitMissesItsFolder loses the folder during the run, as a full disk would.
func TestFitMissesItsFolder(t *testing.T) {
	b := openBackend(t, "cpu", 1)
	net := newNetwork(t, b, small(3), 1)
	held := b.Memory().InUse
	dir := filepath.Join(t.TempDir(), "run")
	c := Config{Batch: 16, Epochs: 3, Dir: dir}
	c.OnEpoch = func(EpochRecord) { require.NoError(t, os.RemoveAll(dir)) }
	_, err := Fit(t.Context(), net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), c)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, dir)
	assert.Equal(t, held, b.Memory().InUse)
}

func TestProgress(t *testing.T) {
	net := newNetwork(t, openBackend(t, "cpu", 2), small(3), 1)
	var seen []Progress
	epochs := 0
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Fit(ctx, net, patterns(t, "training", 700, 1), patterns(t, "validation", 20, 2), Config{
		Batch: 8, Epochs: 3,
		OnBatch: func(p Progress) { seen = append(seen, p) },
		OnEpoch: func(r EpochRecord) {
			epochs++
			assert.Equal(t, epochs, r.Epoch)
			assert.GreaterOrEqual(t, r.Remaining, time.Duration(0))
		},
	})
	require.NoError(t, err)
	require.Len(t, seen, 3*6) // 88 steps: five times sixteen, and the rest
	for i, p := range seen {
		assert.Equal(t, i/6+1, p.Epoch)
		assert.Equal(t, 3, p.Epochs)
		assert.Equal(t, 700, p.Total)
		assert.Equal(t, min(16*8*(i%6+1), 700), p.Done)
		assert.Positive(t, p.ImagesPerSecond)
		assert.GreaterOrEqual(t, p.Remaining, time.Duration(0))
		assert.False(t, math.IsNaN(p.Loss))
	}
	cancel()
	_, err = Fit(ctx, net, patterns(t, "training", 700, 1), patterns(t, "validation", 20, 2), Config{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestHistoryFiles(t *testing.T) {
	net := newNetwork(t, openBackend(t, "cpu", 2), regression(2), 1)
	c := Config{Loss: nn.MeanSquaredError, Batch: 16, Epochs: 3, Dir: t.TempDir()}
	result, err := Fit(t.Context(), net, heights(t, "training", 40, 1), heights(t, "validation", 20, 2), c)
	require.NoError(t, err)

	text, err := os.ReadFile(filepath.Join(c.Dir, HistoryJSONLFile))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	require.Len(t, lines, 3)
	for i, line := range lines {
		var r EpochRecord
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		want := result.History[i]
		want.Remaining = 0
		assert.True(t, math.IsNaN(float64(r.TrainAccuracy)) && math.IsNaN(float64(r.ValidationAccuracy)), line)
		r.TrainAccuracy, r.ValidationAccuracy, want.TrainAccuracy, want.ValidationAccuracy = 0, 0, 0, 0
		assert.Equal(t, want, r)
	}

	table := historyTable(t, c.Dir)
	require.Len(t, table, 4)
	assert.Equal(t, []string{"epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "best"}, table[0])
	for i, r := range result.History {
		assert.Equal(t, []string{fmt.Sprint(i + 1), fmt.Sprint(float64(r.TrainLoss)), "", fmt.Sprint(float64(r.ValidationLoss)), "", "0.001", fmt.Sprint(r.Best)}, table[i+1])
	}
}
