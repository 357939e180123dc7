package cpu

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/backend/backendtest"
)

// TestRunAllocatesNothing runs a whole training step, and every case of every Op.
func TestRunAllocatesNothing(t *testing.T) {
	d := closing(t, "cpu", 2)
	requireNoAllocation(t, d, lenet(3))
	for _, kind := range backend.Kinds() {
		t.Run(kind, func(t *testing.T) {
			for _, c := range backendtest.Cases(kind, 0) {
				requireNoAllocation(t, d, alone(c.Op))
			}
		})
	}
}

func requireNoAllocation(t *testing.T, d *device, p *backend.Program) {
	exe, _ := compiled(t, d, p)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(2, func() {
		if err := exe.Run(ctx); err != nil {
			t.Error(err)
		}
	}), "%s", p)
	require.NoError(t, exe.Close())
}

// alone is the Program of one Op, each operand in a buffer of its own.
func alone(op backend.Op) *backend.Program {
	p := backend.NewProgram(op.Kind())
	op = backend.CloneOp(op)
	for _, o := range op.Operands() {
		limit := 0
		if o.View.DType == backend.Int32 && !o.Access.Writes() {
			limit = 1
		}
		o.View.Offset = 0
		o.View.Buffer = p.AddBuffer(backend.Buffer{Name: o.Name, DType: o.View.DType, Elements: o.View.Shape.Elements(), Limit: limit})
	}
	p.Add("", op)
	return p
}

// TestThreadsGiveTheSameBits trains two networks for some steps, large enough for
// every way of cutting work.
func TestThreadsGiveTheSameBits(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		for _, p := range []*backend.Program{lenet(9), vgg(1)} {
			var want []float32
			for _, threads := range []int{1, 2, 3, 8} {
				d := closing(t, name, threads)
				exe, tensors := compiled(t, d, p)
				for range 2 {
					require.NoError(t, exe.Run(context.Background()))
				}
				got := contents(t, tensors["parameters"])
				if want == nil {
					want = got
				}
				requireSameBits(t, want, got)
			}
		}
	})
}

// TestExecutablesRunAtOnce shares the helpers and the parameters between
// evaluations on several goroutines.
func TestExecutablesRunAtOnce(t *testing.T) {
	d := closing(t, "cpu", 3)
	alone, tensors := compiled(t, d, lenet(4))
	require.NoError(t, alone.Run(context.Background()))
	want := contents(t, tensors["parameters"])
	var runs sync.WaitGroup
	for range 4 {
		exe, tensors := compiled(t, d, lenet(4))
		runs.Go(func() {
			assert.NoError(t, exe.Run(context.Background()))
			requireSameBits(t, want, contents(t, tensors["parameters"]))
		})
	}
	runs.Wait()
}

// requireSameBits compares finite numbers.
func requireSameBits(t testing.TB, want, got []float32) {
	require.Len(t, got, len(want))
	for i, v := range want {
		if got[i] != v {
			require.Failf(t, "different", "element %d of %d is %v, expected %v", i, len(want), got[i], v)
		}
	}
}

func contents(t testing.TB, x backend.Tensor) []float32 {
	values := make([]float32, x.Spec().Shape.Elements())
	require.NoError(t, x.Read(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return values
}

// TestIndicesOfAProgramAreChecked lets a Program make indices that break the limit
// that it declares.
func TestIndicesOfAProgramAreChecked(t *testing.T) {
	for _, value := range []float64{4, -1, 1 << 20} {
		p := backend.NewProgram("indices")
		view := func(kind backend.BufferKind, name string, dtype backend.DType, limit int, s ...int) backend.View {
			id := p.AddBuffer(backend.Buffer{Name: name, Kind: kind, DType: dtype, Elements: backend.Shape(s).Elements(), Limit: limit})
			return backend.View{Buffer: id, DType: dtype, Shape: s}
		}
		x, y := view(backend.Bound, "x", backend.Float32, 0, 4, 3), view(backend.Bound, "y", backend.Float32, 0, 2, 3)
		losses, seed := view(backend.Bound, "losses", backend.Float32, 0, 2), view(backend.Bound, "seed", backend.Float32, 0, 1)
		indices := view(backend.Scratch, "", backend.Int32, 3, 2)
		p.Add("make", &backend.Fill{Y: indices, Value: value})
		p.Add("use", &backend.Gather{Y: y, X: x, Indices: indices})
		p.Add("add", &backend.ScatterAdd{Y: x, X: y, Indices: indices})
		p.Add("loss", &backend.Loss{Losses: losses, Input: y, Target: indices, Divisor: 1})
		p.Add("grad", &backend.LossGrad{DX: y, Input: y, Target: indices, Seed: seed, Divisor: 1})
		exe, _ := compiled(t, closing(t, "cpu", 2), p)
		for range 2 { // the fault of one run is not that of the next
			err := exe.Run(context.Background())
			require.ErrorIs(t, err, backend.ErrRange)
			assert.ErrorContains(t, err, `Gather "use"`)
			assert.ErrorContains(t, err, "element 0 of Indices")
		}
	}
}
