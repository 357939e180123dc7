package cpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// TestProfile: it does what Run does, to the same bits, and tells of every Op in order.
func TestProfile(t *testing.T) {
	d := closing(t, "cpu", 2)
	p := lenet(3)
	exe, tensors := compiled(t, d, p)
	other, expected := compiled(t, d, p)
	joined := &compiler{device: d, program: p, threads: 2, tensors: make([]*array, len(p.Buffers))}
	joined.join()
	code := joined.program.Code
	if d.gemm.NR() >= 8 { // narrower vectors join nothing here
		assert.Equal(t, "Conv2D+MaxPool2D", code[0].Op.Kind())
		assert.Equal(t, "MaxPool2DGrad+Conv2DFilterGrad", code[len(code)-2].Op.Kind())
	}
	var first backend.Profile
	for i := range 2 {
		require.NoError(t, other.Run(context.Background()))
		version := tensors["parameters"].Version()
		got, err := exe.(backend.Profiler).Profile(context.Background())
		require.NoError(t, err)
		assert.Greater(t, tensors["parameters"].Version(), version)
		requireSameBits(t, contents(t, expected["parameters"]), contents(t, tensors["parameters"]))
		require.Len(t, got.Ops, len(code))
		for i, in := range code {
			o := got.Ops[i]
			assert.Equal(t, in.Label, o.Label)
			assert.Equal(t, in.Op.Kind(), o.Kind)
			assert.Equal(t, in.Op.Cost(), o.Cost)
			assert.Positive(t, o.Executed)
			assert.Positive(t, o.Time, "%s %s", o.Kind, o.Label)
		}
		assert.Positive(t, got.FLOPs)
		assert.Positive(t, got.Bytes)
		if i == 0 {
			first = got
		}
		assert.Equal(t, []float64{first.FLOPs, first.Bytes}, []float64{got.FLOPs, got.Bytes}, "they are measured once")
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := exe.(backend.Profiler).Profile(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, exe.Close())
	_, err = exe.(backend.Profiler).Profile(context.Background())
	require.ErrorIs(t, err, backend.ErrClosed)
	assert.ErrorContains(t, err, "Profile")
}

// TestProfileTellsWhatIsExecuted has a plan that says so, and one that does not.
func TestProfileTellsWhatIsExecuted(t *testing.T) {
	op := &backend.Fill{}
	work := newInstruction(backend.Instruction{Label: "a", Op: op}, &plan{algorithm: "quick", executed: 5}, 2, 3)
	assert.Equal(t, backend.OpTime{Label: "a", Kind: "Fill", Algorithm: "quick", Executed: 5, Cost: op.Cost()}, work.OpTime)
	assert.Equal(t, []int{2, 3}, []int{work.from, work.to})
	product := &backend.MatMul{C: backend.View{Buffer: 1, Shape: backend.Shape{2, 3}}, A: backend.View{Buffer: 2, Shape: backend.Shape{2, 4}}}
	assert.EqualValues(t, 2*2*3*4, newInstruction(backend.Instruction{Op: product}, &plan{}, 0, 1).Executed)
}
