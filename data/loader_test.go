package data

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func newTestLoader(t *testing.T, s *Set, c LoaderConfig) *Loader {
	t.Helper()
	l, err := NewLoader(s, c)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// rest returns the rows that the loader yields from here to the end of the epoch, checking every batch against the set.
func rest(t *testing.T, l *Loader) []int32 {
	t.Helper()
	var rows []int32
	for {
		b, err := l.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		require.NoError(t, err)
		checkBatch(t, l.set, b)
		rows = append(rows, b.Rows[:b.Examples]...)
	}
}

func checkBatch(t *testing.T, s *Set, b *Batch) {
	t.Helper()
	height, width, channels := s.Size()
	size := height * width * channels
	require.Equal(t, tensor.Shape{b.N, height, width, channels}, b.Images.Shape())
	require.Equal(t, tensor.Shape{b.N}, b.Weights.Shape())
	images, weights := b.Images.Data().([]float32), b.Weights.Data().([]float32)
	whole := make([]float32, size)
	byRow := map[int]int{}
	for i := range s.Len() {
		byRow[s.Row(i)] = i
	}
	for i := range b.N {
		if i >= b.Examples {
			assert.Zero(t, weights[i])
			assert.Equal(t, make([]float32, size), images[i*size:(i+1)*size])
			continue
		}
		e := byRow[int(b.Rows[i])]
		s.CopyImage(whole, e)
		assert.Equal(t, float32(1), weights[i])
		assert.Equal(t, whole, images[i*size:(i+1)*size])
		if s.Regression() {
			d := len(s.TargetNames())
			require.Equal(t, tensor.Shape{b.N, d}, b.Targets.Shape())
			assert.Equal(t, s.Target(e), b.Targets.Data().([]float32)[i*d:(i+1)*d])
			assert.Nil(t, b.Labels)
		} else {
			require.Equal(t, tensor.Shape{b.N}, b.Labels.Shape())
			assert.Equal(t, s.Label(e), b.Labels.Data().([]int32)[i])
			assert.Nil(t, b.Targets)
		}
	}
}

func TestLoaderYieldsEveryExampleOnce(t *testing.T) {
	sub, err := counting(t, 30, 3).Subset("part", []int{29, 3, 4, 9, 11, 12, 2, 0, 21, 22, 20})
	require.NoError(t, err)
	sub, err = sub.Normalized(sub.Statistics())
	require.NoError(t, err)
	for _, s := range []*Set{counting(t, 10, 1), ramp(t, 7), sub} {
		for _, batch := range []int{1, 3, 5, 7, 10, 64} {
			for _, c := range []LoaderConfig{{}, {PadLast: true}, {InOrder: true}, {InOrder: true, PadLast: true, Ahead: 1}} {
				c.Batch, c.Seed = batch, 5
				l := newTestLoader(t, s, c)
				for epoch := range 3 {
					require.NoError(t, l.Start(epoch, 0))
					rows := rest(t, l)
					var want []int32
					for i := range s.Len() {
						want = append(want, int32(s.Row(i)))
					}
					if !c.InOrder {
						slices.Sort(rows)
						slices.Sort(want)
					}
					require.Equal(t, want, rows, "%s, %+v", s.Name(), c)
				}
				l.Close()
			}
		}
	}
}

func TestLastBatch(t *testing.T) {
	s := counting(t, 10, 1)
	cases := []struct {
		pad         bool
		n, examples []int
	}{
		{false, []int{4, 4, 2}, []int{4, 4, 2}},
		{true, []int{4, 4, 4}, []int{4, 4, 2}},
	}
	for _, c := range cases {
		l := newTestLoader(t, s, LoaderConfig{Batch: 4, PadLast: c.pad})
		assert.Equal(t, 3, l.Batches())
		require.NoError(t, l.Start(0, 0))
		for i := range c.n {
			b, err := l.Next()
			require.NoError(t, err)
			assert.Equal(t, c.n[i], b.N)
			assert.Equal(t, c.examples[i], b.Examples)
			assert.Equal(t, 4*i, b.Position)
		}
		_, err := l.Next()
		assert.Equal(t, io.EOF, err)
	}
}

func TestOrderIsAFunctionOfSeedAndEpoch(t *testing.T) {
	s := counting(t, 40, 1)
	order := func(seed uint64, batch, epoch int) []int32 {
		l := newTestLoader(t, s, LoaderConfig{Batch: batch, Seed: seed})
		require.NoError(t, l.Start(epoch, 0))
		return rest(t, l)
	}
	reference := order(1, 8, 2)
	assert.Equal(t, reference, order(1, 8, 2))
	assert.Equal(t, reference, order(1, 7, 2), "the batch size must not matter")
	assert.NotEqual(t, reference, order(1, 8, 3))
	assert.NotEqual(t, reference, order(2, 8, 2))
}

func TestStartInTheMiddle(t *testing.T) {
	s := counting(t, 10, 1)
	l := newTestLoader(t, s, LoaderConfig{Batch: 4, Seed: 3})
	require.NoError(t, l.Start(1, 0))
	whole := rest(t, l)
	for _, position := range []int{0, 4, 8, 10} {
		require.NoError(t, l.Start(1, position))
		assert.Equal(t, whole[position:], append([]int32{}, rest(t, l)...), "from %d", position)
	}
	for _, position := range []int{-1, 3, 9, 11, 12} {
		require.ErrorIs(t, l.Start(1, position), ErrInvalid, "from %d", position)
	}
	require.ErrorIs(t, l.Start(-1, 0), ErrInvalid)
}

// TestAbandonedEpoch restarts at every point of an epoch, so that batches prepared for the old one lie in the ring.
func TestAbandonedEpoch(t *testing.T) {
	s := counting(t, 20, 1)
	l := newTestLoader(t, s, LoaderConfig{Batch: 3, Seed: 3, Ahead: 3})
	require.NoError(t, l.Start(7, 0))
	want := rest(t, l)
	for taken := range 7 {
		require.NoError(t, l.Start(taken, 0))
		for range taken {
			_, err := l.Next()
			require.NoError(t, err)
		}
		require.NoError(t, l.Start(100, 0))
		require.NoError(t, l.Start(7, 0))
		require.Equal(t, want, rest(t, l), "after %d batches", taken)
	}
}

// TestBatchStaysUntilNext reads a batch while the loader is free to run ahead as far as it can; the race detector watches.
func TestBatchStaysUntilNext(t *testing.T) {
	s := counting(t, 64, 1)
	l := newTestLoader(t, s, LoaderConfig{Batch: 2})
	for epoch := range 2 {
		require.NoError(t, l.Start(epoch, 0))
		for {
			b, err := l.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			before := slices.Clone(b.Images.Data().([]float32))
			for range 20 {
				runtime.Gosched()
			}
			require.Equal(t, before, b.Images.Data().([]float32))
		}
	}
}

func TestLoaderBeforeStartAndAfterClose(t *testing.T) {
	l := newTestLoader(t, counting(t, 4, 1), LoaderConfig{Batch: 2})
	_, err := l.Next()
	require.Equal(t, io.EOF, err)
	require.NoError(t, l.Start(0, 0))
	l.Close()
	l.Close()
	_, err = l.Next()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, l.Start(0, 0), ErrClosed)
}

func TestCloseStopsTheGoroutine(t *testing.T) {
	s := counting(t, 100, 1)
	before := runtime.NumGoroutine()
	for taken := range 8 {
		l, err := NewLoader(s, LoaderConfig{Batch: 3})
		require.NoError(t, err)
		require.NoError(t, l.Start(0, 0))
		for range taken {
			_, err := l.Next()
			require.NoError(t, err)
		}
		l.Close()
	}
	// Close waits for the goroutine's last statement, after which the runtime needs a moment to count it out.
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			break
		}
		runtime.Gosched()
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestCloseFromAnotherGoroutine(t *testing.T) {
	s := counting(t, 100, 1)
	l := newTestLoader(t, s, LoaderConfig{Batch: 1})
	go l.Close()
	for epoch := 0; ; epoch++ {
		if err := l.Start(epoch, 0); err != nil {
			require.ErrorIs(t, err, ErrClosed)
			return
		}
		for {
			if _, err := l.Next(); err != nil {
				if !errors.Is(err, io.EOF) {
					require.ErrorIs(t, err, ErrClosed)
				}
				break
			}
		}
	}
}

func TestBadLoaders(t *testing.T) {
	s := counting(t, 4, 1)
	for _, c := range []LoaderConfig{{}, {Batch: -1}, {Batch: 1, Ahead: -1}, {Batch: 1, Ahead: 1 << 20}} {
		_, err := NewLoader(s, c)
		require.ErrorIs(t, err, ErrInvalid, "%+v", c)
	}
	_, err := NewLoader(s, LoaderConfig{Batch: 1 << 40, PadLast: true})
	require.ErrorIs(t, err, ErrTooLarge)
	l := newTestLoader(t, s, LoaderConfig{Batch: 1 << 40})
	assert.Less(t, l.Bytes(), int64(10_000), "short batches need no more rows than the set has")
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, s := range []*Set{counting(t, 50, 3), ramp(t, 50)} {
		l := newTestLoader(t, s, LoaderConfig{Batch: 8})
		epoch := 0
		step := func() {
			if _, err := l.Next(); errors.Is(err, io.EOF) {
				if err := l.Start(epoch, 0); err != nil {
					t.Fatal(err)
				}
				epoch++
			}
		}
		step()
		// Whole epochs, restarts and short batches included. AllocsPerRun counts the loader's goroutine as well.
		assert.Zero(t, testing.AllocsPerRun(200, step), s.Name())
		assert.Greater(t, epoch, 20)
	}
}

// BenchmarkLoader reports what a training loop could draw at most: images of 28×28 per second.
func BenchmarkLoader(b *testing.B) {
	digits, err := Digits()
	require.NoError(b, err)
	digits, err = digits.Resized(28, 28, 1)
	require.NoError(b, err)
	l, err := NewLoader(digits, LoaderConfig{Batch: 64})
	require.NoError(b, err)
	defer l.Close()
	b.ReportAllocs()
	images, epoch := 0, 0
	for b.Loop() {
		batch, err := l.Next()
		if errors.Is(err, io.EOF) {
			require.NoError(b, l.Start(epoch, 0))
			epoch++
			continue
		}
		images += batch.Examples
	}
	b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
}

// TestRowsOnly compares with a loader that fills everything.
func TestRowsOnly(t *testing.T) {
	sub, err := counting(t, 30, 3).Subset("part", []int{29, 3, 4, 9, 11, 12, 2, 0, 21, 22, 20})
	require.NoError(t, err)
	for _, c := range []LoaderConfig{{Batch: 4}, {Batch: 4, PadLast: true}, {Batch: 3, InOrder: true}, {Batch: 11}} {
		whole := newTestLoader(t, sub, c)
		c.RowsOnly = true
		l := newTestLoader(t, sub, c)
		require.Less(t, l.Bytes(), whole.Bytes())
		for epoch := range 2 {
			require.NoError(t, errors.Join(whole.Start(epoch, 0), l.Start(epoch, 0)))
			for range whole.Batches() {
				expected, err := whole.Next()
				require.NoError(t, err)
				got, err := l.Next()
				require.NoError(t, err)
				assert.Equal(t, &Batch{N: expected.N, Examples: expected.Examples, Position: expected.Position, Rows: expected.Rows}, got)
			}
			_, err := l.Next()
			require.ErrorIs(t, err, io.EOF)
		}
	}
}
