package train

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// steps is a trainer with a loader that begins its epochs anew.
type steps struct {
	trainer *Trainer
	loader  *data.Loader
	epoch   int
}

func newSteps(t testing.TB, b backend.Backend, m *nn.Model, set *data.Set, batch int, o nn.Optimizer) *steps {
	t.Helper()
	trainer, err := NewTrainer(newNetwork(t, b, m, 1), TrainerConfig{Optimizer: o, Seed: 1})
	require.NoError(t, err)
	loader, err := data.NewLoader(set, data.LoaderConfig{Batch: batch, Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() {
		loader.Close()
		require.NoError(t, trainer.Close())
	})
	s := &steps{trainer: trainer, loader: loader}
	require.NoError(t, loader.Start(0, 0))
	return s
}

func (s *steps) step(ctx context.Context) error {
	b, err := s.loader.Next()
	if errors.Is(err, io.EOF) {
		s.epoch++
		if err := s.loader.Start(s.epoch, 0); err != nil {
			return err
		}
		b, err = s.loader.Next()
	}
	if err != nil {
		return err
	}
	return s.trainer.Step(ctx, b.Images, b.Labels, b.Weights)
}

func largeDigits(t testing.TB) *data.Set {
	t.Helper()
	set, err := digits(t, 1)[0].Resized(28, 28, 0)
	require.NoError(t, err)
	return set
}

// TestStepAllocatesNothing counts what an epoch of LeNet-5 allocates in the steady
// state: loading its batches, the short last one among them, and a changing learning
// rate are included.
func TestStepAllocatesNothing(t *testing.T) {
	for _, o := range []nn.Optimizer{nn.Adam(1e-3), nn.Nesterov(0.01, 0.9)} {
		set, err := largeDigits(t).Split(1, 0.1)
		require.NoError(t, err)
		s := newSteps(t, openBackend(t, "cpu", 2), nn.LeNet5(10), set[0], 64, o)
		require.Equal(t, 3, s.loader.Batches())
		ctx, rate := t.Context(), 1e-3
		epoch := func() {
			for range s.loader.Batches() {
				rate *= 0.999
				err := errors.Join(s.trainer.SetLearningRate(rate), s.step(ctx))
				if _, _, e := s.trainer.TakeMetrics(); err != nil || e != nil {
					require.NoError(t, errors.Join(err, e))
				}
			}
		}
		epoch() // compiles for both sizes
		assert.Zero(t, testing.AllocsPerRun(10, epoch), "allocations an epoch, %v", o.Rule)
	}
}

// TestProfileLearnsAsStepDoes takes every second step under measurement.
func TestProfileLearnsAsStepDoes(t *testing.T) {
	var arrays [2][]nn.Array
	for i := range arrays {
		s := newSteps(t, openBackend(t, "cpu", 2), small(3), patterns(t, "patterns", 40, 1), 8, nn.Adam(1e-2))
		for step := range 4 {
			if i == 0 || step%2 == 0 {
				require.NoError(t, s.step(t.Context()))
				continue
			}
			b, err := s.loader.Next()
			require.NoError(t, err)
			p, err := s.trainer.Profile(t.Context(), b.Images, b.Labels, b.Weights)
			require.NoError(t, err)
			assert.Equal(t, "OptimizerStep", p.Ops[len(p.Ops)-1].Kind)
			assert.Positive(t, p.Total())
		}
		assert.Equal(t, 4, s.trainer.Updates())
		arrays[i] = arraysOf(t, s.trainer.net)
	}
	assert.Equal(t, arrays[0], arrays[1])
}

func BenchmarkStep(b *testing.B) {
	s := newSteps(b, openBackend(b, "cpu", 0), nn.LeNet5(10), largeDigits(b), 64, nn.Adam(1e-3))
	for range s.loader.Batches() {
		require.NoError(b, s.step(b.Context()))
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.step(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(64*float64(b.N)/b.Elapsed().Seconds(), "images/s")
}

// TestSameSeedSameBits trains twice and with several numbers of threads.
func TestSameSeedSameBits(t *testing.T) {
	digits := largeDigits(t)
	for name, c := range map[string]struct {
		model *nn.Model
		set   *data.Set
		steps int
	}{
		"LeNet-5": {nn.LeNet5(10), digits, 4},
		"small":   {small(3), patterns(t, "patterns", 40, 1), 12},
	} {
		arrays := func(threads int, seed uint64) []nn.Array {
			s := newSteps(t, openBackend(t, "cpu", threads), c.model, c.set, 16, nn.Adam(1e-2))
			s.trainer.config.Seed = seed
			for range c.steps {
				require.NoError(t, s.step(t.Context()))
			}
			return arraysOf(t, s.trainer.net)
		}
		one := arrays(1, 1)
		for _, threads := range []int{1, 2, 3} {
			assert.Equal(t, one, arrays(threads, 1), "%s, %d threads", name, threads)
		}
		if name == "small" {
			assert.NotEqual(t, one, arrays(1, 2), "another seed must drop other values")
		}
	}
}

func TestStepRefuses(t *testing.T) {
	b := openBackend(t, "cpu", 1)
	held := b.Memory().InUse
	net := newNetwork(t, b, small(3), 1)
	trainer, err := NewTrainer(net, TrainerConfig{Optimizer: nn.SGD(0.1)})
	require.NoError(t, err)
	images := func(n int) *tensor.Dense { return dense(make([]float32, 36*n), n, 6, 6, 1) }
	ones := func(n int) *tensor.Dense { return dense(slices.Repeat([]float32{1}, n), n) }
	labels := func(values ...int32) *tensor.Dense { return dense(values, len(values)) }
	before := arraysOf(t, net)
	for name, err := range map[string]error{
		"no images":        trainer.Step(t.Context(), nil, labels(0), ones(1)),
		"a scalar":         trainer.Step(t.Context(), tensor.New(tensor.FromScalar(float32(1))), labels(0), ones(1)),
		"small images":     trainer.Step(t.Context(), dense(make([]float32, 25), 1, 5, 5, 1), labels(0), ones(1)),
		"images of bytes":  trainer.Step(t.Context(), dense(make([]uint8, 36), 1, 6, 6, 1), labels(0), ones(1)),
		"no labels":        trainer.Step(t.Context(), images(1), nil, ones(1)),
		"too few labels":   trainer.Step(t.Context(), images(2), labels(0), ones(2)),
		"label of 3":       trainer.Step(t.Context(), images(2), labels(0, 3), ones(2)),
		"label of -1":      trainer.Step(t.Context(), images(2), labels(0, -1), ones(2)),
		"labels as floats": trainer.Step(t.Context(), images(2), ones(2), ones(2)),
		"no weights":       trainer.Step(t.Context(), images(1), labels(0), nil),
		"rate of -1":       trainer.SetLearningRate(-1),
		"rate of NaN":      trainer.SetLearningRate(math.NaN()),
		"rate of infinity": trainer.SetLearningRate(math.Inf(1)),
		"batch of 0":       trainer.Prepare(0),
	} {
		require.Error(t, err, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, trainer.Step(ctx, images(2), labels(0, 1), ones(2)), context.Canceled)
	assert.Equal(t, before, arraysOf(t, net), "nothing has been learnt")
	assert.Zero(t, trainer.Updates())
	require.NoError(t, trainer.Step(t.Context(), images(2), labels(0, 1), ones(2)))
	assert.Equal(t, 1, trainer.Updates())
	loss, err := trainer.Loss()
	require.NoError(t, err)
	sum, right, err := trainer.TakeMetrics()
	require.NoError(t, err)
	assert.InDelta(t, 2*loss, sum, 1e-6)
	assert.Equal(t, 1.0, right, "two equal images of different classes")
	sum, right, err = trainer.TakeMetrics()
	require.NoError(t, err)
	assert.Zero(t, sum)
	assert.Zero(t, right)

	require.NoError(t, trainer.Close())
	require.NoError(t, trainer.Close())
	require.ErrorIs(t, trainer.Step(t.Context(), images(2), labels(0, 1), ones(2)), backend.ErrClosed)
	require.ErrorIs(t, trainer.SetLearningRate(0.1), backend.ErrClosed)
	_, err = trainer.Loss()
	require.ErrorIs(t, err, backend.ErrClosed)
	_, _, err = trainer.TakeMetrics()
	require.ErrorIs(t, err, backend.ErrClosed)

	_, err = NewTrainer(nil, TrainerConfig{})
	require.Error(t, err)
	frozen, err := nn.NewNetwork(b, small(3), 1, func(string) bool { return true })
	require.NoError(t, err)
	_, err = NewTrainer(frozen, TrainerConfig{Optimizer: nn.SGD(0.1)})
	require.ErrorContains(t, err, "nothing to learn")
	require.NoError(t, frozen.Close())
	require.NoError(t, net.Close())
	assert.Equal(t, held, b.Memory().InUse)
}

// TestFrozenParametersStay trains the rest.
func TestFrozenParametersStay(t *testing.T) {
	b := openBackend(t, "cpu", 1)
	net, err := nn.NewNetwork(b, small(3), 1, func(name string) bool { return name == "conv1.weight" })
	require.NoError(t, err)
	before := arraysOf(t, net)
	_, err = Fit(t.Context(), net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), Config{Epochs: 1, Batch: 8, Dir: t.TempDir()})
	require.NoError(t, err)
	for i, a := range arraysOf(t, net) {
		assert.Equal(t, a.Name == "conv1.weight", slices.Equal(a.Data, before[i].Data), a.Name)
	}
	require.NoError(t, net.Close())
}

// TestPeakMemory bounds what training takes on the device, for batches of 64.
func TestPeakMemory(t *testing.T) {
	for _, c := range []struct {
		model *nn.Model
		limit int64
	}{{nn.LeNet5(10), 60 << 20}, {nn.VGG(10), 200 << 20}} {
		b := openBackend(t, "cpu", 2)
		trainer, err := NewTrainer(newNetwork(t, b, c.model, 1), TrainerConfig{Optimizer: nn.Adam(1e-3)})
		require.NoError(t, err)
		require.NoError(t, trainer.Prepare(64))
		t.Logf("%s: %.1f MiB", c.model.Name, float64(b.Memory().Peak)/(1<<20))
		assert.Less(t, b.Memory().Peak, c.limit, c.model.Name)
		require.NoError(t, trainer.Close())
	}
}
