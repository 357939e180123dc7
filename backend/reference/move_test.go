package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"gorgonia.org/tensor"

	"fovea/backend"
)

func TestFill(t *testing.T) {
	r := newRig(t)
	y, n := r.out(2, 2), r.ints(0, make([]int32, 3), 3)
	r.run(&backend.Fill{Y: y, Value: 0.1})
	r.run(&backend.Fill{Y: n, Value: -3})
	assert.Equal(t, []float64{0.1, 0.1, 0.1, 0.1}, r.get(y))
	assert.Equal(t, []int32{-3, -3, -3}, r.getInts(n))
}

// Views may begin anywhere in a buffer, and nothing outside them changes.
func TestViewsInsideBuffers(t *testing.T) {
	r := newRig(t)
	f, n := r.vector(1, 2, 3, 4, 5, 6), r.ints(0, []int32{1, 2, 3, 4, 5, 6}, 6)
	b := r.bytes([]uint8{1, 2, 3, 4, 5, 6}, 6)
	part := func(v backend.View, from, n int) backend.View {
		v.Offset, v.Shape = from*v.DType.Size(), backend.Shape{n}
		return v
	}
	for _, v := range []backend.View{f, n, b} {
		r.run(&backend.Copy{Y: part(v, 3, 2), X: part(v, 1, 2)})
	}
	assert.Equal(t, []float64{1, 2, 3, 2, 3, 6}, r.get(f))
	assert.Equal(t, []int32{1, 2, 3, 2, 3, 6}, r.getInts(n))
	got := make([]uint8, 6)
	assert.NoError(t, r.tensor(b).Read(tensor.New(tensor.WithShape(6), tensor.WithBacking(got))))
	assert.Equal(t, []uint8{1, 2, 3, 2, 3, 6}, got)
}

func TestSliceEmbedConcatenateTranspose(t *testing.T) {
	r := newRig(t)
	x := r.floats([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 3, 4)
	y := r.out(2, 2)
	r.run(&backend.Slice{Y: y, X: x, Start: []int{1, 2}})
	assert.Equal(t, []float64{7, 8, 11, 12}, r.get(y))
	large := r.out(3, 4)
	r.run(&backend.Embed{Y: large, X: y, Start: []int{0, 1}})
	assert.Equal(t, []float64{0, 7, 8, 0, 0, 11, 12, 0, 0, 0, 0, 0}, r.get(large))
	joined := r.out(2, 5)
	r.run(&backend.Concatenate{Y: joined, Xs: []backend.View{y, r.floats([]float64{-1, -2}, 2, 1), y}, Axis: 1})
	assert.Equal(t, []float64{7, 8, -1, 7, 8, 11, 12, -2, 11, 12}, r.get(joined))
	joined = r.out(3, 2)
	r.run(&backend.Concatenate{Y: joined, Xs: []backend.View{r.floats([]float64{-1, -2}, 1, 2), y}, Axis: 0})
	assert.Equal(t, []float64{-1, -2, 7, 8, 11, 12}, r.get(joined))
	turned := r.out(4, 1, 3)
	x.Shape = backend.Shape{1, 3, 4}
	r.run(&backend.Transpose{Y: turned, X: x, Perm: []int{2, 0, 1}})
	assert.Equal(t, []float64{1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12}, r.get(turned))
}

func TestMovesAreAdjoint(t *testing.T) {
	r := newRig(t)
	large, small := []int{3, 4, 5}, []int{2, 4, 2}
	start := []int{1, 0, 3}
	x, y, dy, dx := r.normal(large...), r.out(small...), r.normal(small...), r.out(large...)
	r.adjoint(&backend.Slice{Y: y, X: x, Start: start}, x, y, &backend.Embed{Y: dx, X: dy, Start: start}, dy, dx)
	y, dy = r.out(5, 3, 4), r.normal(5, 3, 4)
	r.adjoint(&backend.Transpose{Y: y, X: x, Perm: []int{2, 0, 1}}, x, y, &backend.Transpose{Y: dx, X: dy, Perm: []int{1, 2, 0}}, dy, dx)
	indices := r.ints(3, []int32{2, 0, 2, 2, 0}, 5)
	y, dy = r.out(5, 4, 5), r.normal(5, 4, 5)
	r.set(dx, make([]float64, 60))
	r.adjoint(&backend.Gather{Y: y, X: x, Indices: indices}, x, y, &backend.ScatterAdd{Y: dx, X: dy, Indices: indices}, dy, dx)
}

func TestGatherScatterConvert(t *testing.T) {
	r := newRig(t)
	pixels := r.bytes([]uint8{0, 255, 10, 20, 100, 200}, 3, 1, 2)
	indices := r.ints(3, []int32{2, 0, 2}, 3)
	scale, shift := r.vector(2, 0.5), r.vector(1, -1)
	y := r.out(3, 1, 2)
	r.run(&backend.Gather{Y: y, X: pixels, Indices: indices})
	assert.Equal(t, []float64{100, 200, 0, 255, 100, 200}, r.get(y))
	r.run(&backend.Gather{Y: y, X: pixels, Indices: indices, Scale: scale, Shift: shift})
	assert.Equal(t, []float64{201, 99, 1, 126.5, 201, 99}, r.get(y))
	r.run(&backend.Convert{Y: y, X: pixels, Scale: scale, Shift: shift})
	assert.Equal(t, []float64{1, 126.5, 21, 9, 201, 99}, r.get(y))
	r.run(&backend.Convert{Y: y, X: r.ints(0, []int32{-1, 1 << 30, 3, 4, 5, 6}, 3, 1, 2)})
	assert.Equal(t, []float64{-1, 1 << 30, 3, 4, 5, 6}, r.get(y))
	labels := r.ints(0, make([]int32, 3), 3)
	r.run(&backend.Gather{Y: labels, X: r.ints(0, []int32{7, 8, 9}, 3), Indices: indices})
	assert.Equal(t, []int32{9, 7, 9}, r.getInts(labels))
	sum := r.floats([]float64{1, 2, 3, 4, 5, 6}, 3, 2)
	r.run(&backend.ScatterAdd{Y: sum, X: r.floats([]float64{10, 20, 30, 40, 50, 60}, 3, 2), Indices: indices})
	assert.Equal(t, []float64{31, 42, 3, 4, 65, 86}, r.get(sum))
}

// An Op may write an index that no Write would have let pass.
func TestIndicesAreCheckedWhenTheyAreUsed(t *testing.T) {
	r := newRig(t)
	indices := r.ints(3, []int32{0, 1}, 2)
	r.run(&backend.Fill{Y: indices, Value: 3})
	for _, op := range []backend.Op{
		&backend.Gather{Y: r.out(2, 2), X: r.normal(3, 2), Indices: indices},
		&backend.ScatterAdd{Y: r.normal(3, 2), X: r.normal(2, 2), Indices: indices},
		&backend.Loss{Losses: r.out(2), Input: r.normal(2, 3), Target: indices, Divisor: 1},
		&backend.LossGrad{DX: r.out(2, 3), Input: r.normal(2, 3), Target: indices, Seed: r.vector(1), Divisor: 1},
	} {
		e := r.compile(op)
		err := e.Run(t.Context())
		assert.ErrorIs(t, err, backend.ErrRange, op.Kind())
		assert.ErrorContains(t, err, "is 3, expected 0 to 2", op.Kind())
	}
}
