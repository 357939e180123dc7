package lower

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
	"fovea/kernels"
)

// array is an operand of a shape in a buffer of its own.
func array(id backend.BufferID, shape ...int) backend.View {
	return backend.View{Buffer: id, Shape: shape}
}

func labels(id backend.BufferID, shape ...int) backend.View {
	return backend.View{Buffer: id, DType: backend.Int32, Shape: shape}
}

// called lists the kernels of an Op.
func called(t *testing.T, op backend.Op, skew kernels.Pointer) []string {
	t.Helper()
	all, _ := launches(t, op, Device{}, skew)
	return kernelNames(all)
}

// firstGrid is that of an Op's first launch.
func firstGrid(t *testing.T, op backend.Op) [3]uint32 {
	t.Helper()
	all, _ := launches(t, op, Device{}, 0)
	return all[0].Grid
}

// TestTeams: a row is shared by part of a warp, a warp, a small block or the largest.
func TestTeams(t *testing.T) {
	for _, c := range []struct {
		rows, length   int
		lanes, threads int
		blocks         uint32
	}{
		{1, 1, 1, 256, 1},
		{1<<31 - 1, 1, 1, 256, 1 << 23},
		{64, 10, 16, 256, 4},
		{17, 16, 16, 256, 2},
		{16, 17, 32, 256, 2},
		{128, 1000, 32, 256, 16},
		{9, 1024, 32, 256, 2},
		{9, 1025, 256, 256, 9},
		{9, 1<<13 - 1, 256, 256, 9},
		{9, 1 << 13, 1024, 1024, 9},
		{1, 1<<31 - 1, 1024, 1024, 1},
	} {
		x := newTeams(c.rows, c.length)
		assert.Equal(t, teams{c.rows, c.length, c.lanes, c.threads}, x, "%d×%d", c.rows, c.length)
		n := x.node(kernels.Call{}).(Launch)
		assert.Equal(t, c.blocks, n.Grid[0], "%d×%d", c.rows, c.length)
		assert.EqualValues(t, c.threads, n.Block[0], "%d×%d", c.rows, c.length)
	}
}

// TestRowsOfOps: the last axis of a softmax, all but the first of a loss.
func TestRowsOfOps(t *testing.T) {
	x, y := array(1, 3, 5, 2000), array(2, 3, 5, 2000)
	assert.EqualValues(t, 15, firstGrid(t, &backend.Softmax{Y: y, X: x})[0])
	assert.EqualValues(t, 15, firstGrid(t, &backend.SoftmaxGrad{DX: x, DY: y, Y: array(3, 3, 5, 2000)})[0])
	loss := &backend.Loss{Losses: array(3, 3), Input: x, Target: y, Func: backend.MeanSquaredError, Divisor: 1}
	assert.EqualValues(t, 3, firstGrid(t, loss)[0])
}

// TestLossKindsAgree: the kernels number them as package backend does.
func TestLossKindsAgree(t *testing.T) {
	assert.Equal(t, valueNames(backend.LossKinds(), backend.LossKind.String), enumerations(t)["LossKind"])
}

// TestExamples: a target is either rows of numbers or indices.
func TestExamples(t *testing.T) {
	input, weights := array(1, 4, 3), array(3, 4)
	rows := examplesArgument(&placed{}, array(2, 4, 3), weights, backend.KLDivergence, 0.5)
	assert.NotZero(t, rows.Target)
	assert.Zero(t, rows.Indices)
	assert.NotZero(t, rows.Weights)
	assert.EqualValues(t, backend.KLDivergence, rows.Kind)
	assert.EqualValues(t, 0.5, rows.Divisor)
	indices := examplesArgument(&placed{}, labels(2, 4), backend.View{}, backend.MultiClassHinge, 1)
	assert.Zero(t, indices.Target)
	assert.NotZero(t, indices.Indices)
	assert.Zero(t, indices.Weights)

	for _, k := range backend.LossKinds() {
		want := "lossGradElements"
		if k == backend.SoftmaxCrossEntropy || k == backend.KLDivergence || k == backend.MultiClassHinge {
			want = "lossGradRows" // they have sums over the row
		}
		op := &backend.LossGrad{DX: array(5, 4, 3), Input: input, Target: array(2, 4, 3), Seed: array(4, 1), Func: k, Divisor: 4}
		if !k.TakesRows() {
			op.Target = labels(2, 4)
		}
		assert.Equal(t, []string{want}, called(t, op, 0), k)
	}
}

// TestMaxoutOfManyPieces: groups that shared memory does not hold are reduced.
func TestMaxoutOfManyPieces(t *testing.T) {
	op := func(n, pieces int) *backend.Maxout {
		return &backend.Maxout{Y: array(1, n), Argmax: labels(2, n), X: array(3, n*pieces), Pieces: pieces}
	}
	assert.Equal(t, []string{"maxout"}, called(t, op(1000, kernels.MaxoutPieces), 4))
	assert.Equal(t, []string{"reduceMax"}, called(t, op(1000, kernels.MaxoutPieces+1), 4))
	assert.Equal(t, []string{"reduceMax", "reduceMax"}, called(t, op(1, 1<<20), 4))
	assert.Equal(t, []string{"maxout"}, called(t, op(1<<31-1, 1), 4))
}
