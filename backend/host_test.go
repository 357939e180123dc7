package backend

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func TestHostData(t *testing.T) {
	d := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))
	spec := TensorSpec{Name: "x", Shape: Shape{6}}
	s, err := HostData[float32](d, spec)
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, s)
	_, err = HostData[int32](d, spec)
	assert.ErrorIs(t, err, ErrType)
	_, err = HostData[float32](d, TensorSpec{Name: "x", Shape: Shape{5}})
	assert.ErrorIs(t, err, ErrShape)
	_, err = HostData[float32](nil, spec)
	assert.ErrorIs(t, err, ErrShape)
	column, err := d.Slice(nil, tensor.S(1))
	require.NoError(t, err)
	_, err = HostData[float32](column.(*tensor.Dense), TensorSpec{Name: "x", Shape: Shape{2}})
	assert.ErrorIs(t, err, ErrShape, "a strided view is no contiguous array")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := HostData[float32](d, spec); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestCheckLimit(t *testing.T) {
	assert.NoError(t, CheckLimit(TensorSpec{}, []int32{-5, 100}))
	err := CheckLimit(TensorSpec{Name: "labels", Limit: 10}, []int32{0, 9, 10})
	assert.ErrorIs(t, err, ErrRange)
	assert.ErrorContains(t, err, `"labels"`)
	assert.ErrorContains(t, err, "element 2 is 10")
}
