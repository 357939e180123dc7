package backendtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// together calls f(0) to f(n−1) at once and reports their errors.
func together(t require.TestingT, n int, f func(i int) error) {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

// busyOr passes on every error but ErrBusy.
func busyOr(err error) error {
	if errors.Is(err, backend.ErrBusy) {
		return nil
	}
	return err
}

// uniformly reports an element that differs from v.
func uniformly(x []float32, v float32) error {
	for i, got := range x {
		if got != v {
			return fmt.Errorf("element %d is %g, expected %g", i, got, v)
		}
	}
	return nil
}

const concurrentSize = 3000

// checkConcurrentReaders: many runs may read one tensor at once.
func checkConcurrentReaders(t require.TestingT, open func() backend.Backend) {
	b := open()
	x := newTensor(t, b, "x", concurrentSize)
	ones := make([]float32, concurrentSize)
	for i := range ones {
		ones[i] = 1
	}
	require.NoError(t, x.Write(dense32(ones...)))
	const n = 6
	var ys [n]backend.Tensor
	var exes [n]backend.Executable
	for i := range n {
		ys[i] = newTensor(t, b, "y", concurrentSize)
		exes[i] = compile(t, b, scaled(concurrentSize, float64(i+1)), map[string]backend.Tensor{"x": x, "y": ys[i]})
	}
	together(t, n, func(i int) error {
		for range 20 {
			if err := exes[i].Run(context.Background()); err != nil {
				return fmt.Errorf("readers of one tensor do not exclude each other: %w", err)
			}
		}
		return nil
	})
	for i, y := range ys {
		require.NoError(t, uniformly(read(t, y), float32(i+1)))
	}
	require.NoError(t, b.Close())
}

// checkConcurrentRun: of two goroutines that run one Executable, each either runs
// it or gets ErrBusy.
func checkConcurrentRun(t require.TestingT, open func() backend.Backend) {
	b := open()
	y := newTensor(t, b, "y", concurrentSize)
	exe := compile(t, b, filled(concurrentSize, 3), map[string]backend.Tensor{"y": y})
	together(t, 4, func(int) error {
		for range 50 {
			if err := busyOr(exe.Run(context.Background())); err != nil {
				return err
			}
		}
		return nil
	})
	run(t, exe)
	require.NoError(t, uniformly(read(t, y), 3))
	require.NoError(t, b.Close())
}

// checkConcurrentWriters: two Executables that write one tensor exclude each
// other: what is read is the whole result of one of them.
func checkConcurrentWriters(t require.TestingT, open func() backend.Backend) {
	b := open()
	y := newTensor(t, b, "y", concurrentSize)
	exes := make([]backend.Executable, 3)
	for i := range exes {
		exes[i] = compile(t, b, filled(concurrentSize, float64(i)), map[string]backend.Tensor{"y": y})
	}
	together(t, len(exes)+1, func(i int) error {
		out := make([]float32, concurrentSize)
		for range 50 {
			if i < len(exes) {
				if err := busyOr(exes[i].Run(context.Background())); err != nil {
					return err
				}
				continue
			}
			err := y.Read(dense32(out...))
			if errors.Is(err, backend.ErrBusy) {
				continue
			}
			if err == nil {
				err = uniformly(out, out[0])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	run(t, exes[1])
	require.NoError(t, uniformly(read(t, y), 1))
	require.NoError(t, b.Close())
}

// scaledOps are Ops whose work grows with n: from 8 on, each is large enough to be
// shared among threads.
func scaledOps(n int) []backend.Op {
	q := geometry{n, 12, 12, 6, 16, 5, 5, 1, window(1, 1, 2)}
	many := 2500 * n
	return []backend.Op{
		q.forward(true, backend.Activation{Func: backend.ReLU}), q.inputGrad(), q.filterGrad(true, true),
		product(8*n+3, 200, 130, false, true),
		&backend.Reduce{Y: f32(1), X: f32(many), Axes: []int{0}},
		&backend.Reduce{Y: f32(1, 50), X: f32(50*n, 50), Axes: []int{0}},
		batchNorm(backend.Shape{n, 12, 12, 6}), batchNormGrad(backend.Shape{n, 12, 12, 6}, true, false),
		pooling{n, 24, 24, 6, 2, 2, window(2, 1, 0)}.max(true),
		&backend.Unary{Y: f32(many), X: f32(many), Func: backend.Tanh},
		&backend.Softmax{Y: f32(75*n, 10), X: f32(75*n, 10)},
		&backend.Dropout{Y: f32(many), X: f32(many), Draw: i32(3), Rate: 0.5},
		optimizer(backend.Adam, many, backend.Segment{Length: many, RateFactor: 1}),
	}
}

// results runs the Ops, each twice, and returns their outputs.
func results(b backend.Backend, ops []backend.Op) ([]map[string]array, error) {
	var all []map[string]array
	for i, op := range ops {
		c := Case{Op: op, fills: fills{"Variance": positive, "Slot2": unit, "Step": constant(3)}}
		r := random(0, op.Kind(), i)
		out, err := place(c, drawInputs(c, r), r).runTwice(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", describe(op), err)
		}
		all = append(all, out)
	}
	return all, nil
}

// sameBits reports the first difference of two lists of results.
func sameBits(ops []backend.Op, want, got []map[string]array) error {
	for i, outputs := range want {
		for name, w := range outputs {
			if at := firstDifference(w, got[i][name], 0, w.len()); at >= 0 {
				return fmt.Errorf("%s: output %s, element %d: %s and %s", describe(ops[i]), name, at, w.describe(at), got[i][name].describe(at))
			}
		}
	}
	return nil
}

// checkManyGoroutines: a backend serves many goroutines at once, with the bits
// that one gets alone.
func checkManyGoroutines(t require.TestingT, open func() backend.Backend) {
	b := open()
	before := b.Memory().InUse
	ops := scaledOps(1)
	alone, err := results(b, ops)
	require.NoError(t, err)
	together(t, 4, func(int) error {
		got, err := results(b, ops)
		if err != nil {
			return err
		}
		return sameBits(ops, alone, got)
	})
	assert.Equal(t, before, b.Memory().InUse)
	require.NoError(t, b.Close())
}

// checkThreads: results do not depend on the number of threads.
func checkThreads(t require.TestingT, open func(threads int) backend.Backend) {
	ops := scaledOps(8)
	var want []map[string]array
	for _, threads := range []int{1, 2, 3, 8} {
		b := open(threads)
		got, err := results(b, ops)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		if want == nil {
			want = got
		}
		require.NoError(t, sameBits(ops, want, got), "1 and %d threads", threads)
	}
}
