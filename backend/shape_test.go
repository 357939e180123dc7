package backend

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShape(t *testing.T) {
	for _, c := range []struct {
		s        Shape
		elements int
		strides  []int
		text     string
	}{
		{nil, 1, []int{}, "[]"},
		{Shape{}, 1, []int{}, "[]"},
		{Shape{5}, 5, []int{1}, "[5]"},
		{Shape{2, 3, 4}, 24, []int{12, 4, 1}, "[2 3 4]"},
	} {
		assert.Equal(t, c.elements, c.s.Elements(), c.text)
		assert.Equal(t, c.strides, c.s.Strides(), c.text)
		assert.Equal(t, c.text, c.s.String())
		assert.NoError(t, c.s.Validate())
	}
	s := Shape{2, 3}
	c := s.Clone()
	c[0] = 9
	assert.Equal(t, Shape{2, 3}, s)
	assert.True(t, s.Equal(Shape{2, 3}))
	assert.False(t, s.Equal(Shape{3, 2}))
	assert.False(t, s.Equal(Shape{2, 3, 1}))
	assert.True(t, Shape(nil).Equal(Shape{}))
}

func TestShapeValidate(t *testing.T) {
	assert.NoError(t, Shape{math.MaxInt32}.Validate())
	assert.NoError(t, Shape{1 << 15, 1 << 15}.Validate())
	for _, s := range []Shape{{0}, {-1}, {2, 0}, {math.MaxInt32 + 1}, {1 << 16, 1 << 15}, {math.MaxInt, math.MaxInt}, {math.MinInt}} {
		assert.ErrorIs(t, s.Validate(), ErrShape, "%v", s)
	}
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct{ a, b, want Shape }{
		{nil, nil, Shape{}},
		{nil, Shape{3}, Shape{3}},
		{Shape{3}, Shape{1}, Shape{3}},
		{Shape{2, 1}, Shape{3}, Shape{2, 3}},
		{Shape{4, 1, 3}, Shape{2, 1}, Shape{4, 2, 3}},
		{Shape{2, 3}, Shape{2, 3}, Shape{2, 3}},
		{Shape{2}, Shape{3}, nil},
		{Shape{2, 3}, Shape{2}, nil},
	} {
		for _, swap := range []bool{false, true} {
			a, b := c.a, c.b
			if swap {
				a, b = b, a
			}
			got, err := Broadcast(a, b)
			if c.want == nil {
				assert.ErrorIs(t, err, ErrShape)
				continue
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got, "%v and %v", a, b)
		}
	}
}

func TestBroadcastStrides(t *testing.T) {
	for _, c := range []struct {
		s, out Shape
		want   []int
	}{
		{nil, Shape{2, 3}, []int{0, 0}},
		{Shape{3}, Shape{2, 3}, []int{0, 1}},
		{Shape{2, 1}, Shape{2, 3}, []int{1, 0}},
		{Shape{2, 3}, Shape{2, 3}, []int{3, 1}},
		{Shape{4, 1, 3}, Shape{5, 4, 2, 3}, []int{0, 3, 0, 1}},
	} {
		assert.Equal(t, c.want, BroadcastStrides(c.s, c.out), "%v as %v", c.s, c.out)
	}
}

func TestDType(t *testing.T) {
	assert.Equal(t, 4, Float32.Size())
	assert.Equal(t, 4, Int32.Size())
	assert.Equal(t, 1, Uint8.Size())
	assert.Equal(t, "DType(9)", DType(9).String())
}

func TestView(t *testing.T) {
	v := View{Buffer: 3, Offset: 8, DType: Int32, Shape: Shape{2, 3}}
	assert.Equal(t, "%3+8:int32[2 3]", v.String())
	assert.Equal(t, "-", View{}.String())
	assert.Equal(t, 24, v.Bytes())
	w, err := v.Reshape(Shape{6, 1})
	require.NoError(t, err)
	assert.Equal(t, View{Buffer: 3, Offset: 8, DType: Int32, Shape: Shape{6, 1}}, w)
	_, err = v.Reshape(Shape{7})
	assert.ErrorIs(t, err, ErrShape)
}

func TestViewOverlaps(t *testing.T) {
	at := func(buffer BufferID, offset, n int) View {
		return View{Buffer: buffer, Offset: offset, Shape: Shape{n}}
	}
	v := at(1, 8, 2) // bytes 8 to 16
	for _, c := range []struct {
		w    View
		want bool
	}{
		{at(1, 8, 2), true}, {at(1, 0, 2), false}, {at(1, 0, 3), true}, {at(1, 16, 1), false}, {at(1, 12, 9), true}, {at(1, 0, 99), true},
		{at(2, 8, 2), false}, {View{}, false},
	} {
		assert.Equal(t, c.want, v.Overlaps(c.w), "%v", c.w)
		assert.Equal(t, c.want, c.w.Overlaps(v), "%v, the other way", c.w)
	}
	assert.False(t, View{}.Overlaps(View{}))
}
