package data

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counting returns n images of 2×3 pixels and the given channels whose bytes count up, labelled i mod 3.
func counting(t *testing.T, n, channels int) *Set {
	t.Helper()
	images := Images{Height: 2, Width: 3, Channels: channels, Bytes: make([]uint8, n*6*channels)}
	labels := make([]int32, n)
	for i := range images.Bytes {
		images.Bytes[i] = uint8(i)
	}
	for i := range labels {
		labels[i] = int32(i % 3)
	}
	s, err := NewClassification("counting", images, labels, []string{"a", "b", "c"})
	require.NoError(t, err)
	return s
}

// ramp returns n images of one float pixel with two targets, (i, −i).
func ramp(t *testing.T, n int) *Set {
	t.Helper()
	images := Images{Height: 1, Width: 1, Channels: 1, Floats: make([]float32, n)}
	targets := make([]float32, 2*n)
	for i := range n {
		images.Floats[i] = float32(i) / 2
		targets[2*i], targets[2*i+1] = float32(i), -float32(i)
	}
	s, err := NewRegression("ramp", images, targets, []string{"x", "y"})
	require.NoError(t, err)
	return s
}

func TestBadSetsAreRefused(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	one := Images{Height: 1, Width: 1, Channels: 1, Bytes: []uint8{1, 2}}
	floats := func(v ...float32) Images { return Images{Height: 1, Width: 2, Channels: 1, Floats: v} }
	classes := []string{"a", "b"}
	cases := []struct {
		name string
		make func() (*Set, error)
		want error
		text string
	}{
		{"label too large", func() (*Set, error) { return NewClassification("s", one, []int32{0, 2}, classes) }, ErrFormat, "label of example 1 is 2, expected 0..1"},
		{"label negative", func() (*Set, error) { return NewClassification("s", one, []int32{-1, 0}, classes) }, ErrFormat, "label of example 0 is -1"},
		{"label missing", func() (*Set, error) { return NewClassification("s", one, []int32{0}, classes) }, ErrFormat, "1 labels for 2 images"},
		{"no classes", func() (*Set, error) { return NewClassification("s", one, []int32{0, 0}, nil) }, ErrInvalid, "no class names"},
		{"NaN target", func() (*Set, error) { return NewRegression("s", one, []float32{0, 0, 0, nan}, classes) }, ErrFormat, `target "b" of example 1 is NaN`},
		{"infinite target", func() (*Set, error) { return NewRegression("s", one, []float32{0, inf}, []string{"y"}) }, ErrFormat, `target "y" of example 1 is +Inf`},
		{"targets missing", func() (*Set, error) { return NewRegression("s", one, []float32{0}, []string{"y"}) }, ErrFormat, "1 target values for 2 images"},
		{"no target names", func() (*Set, error) { return NewRegression("s", one, nil, nil) }, ErrInvalid, "no target names"},
		{"NaN pixel", func() (*Set, error) { return NewClassification("s", floats(0, 1, 2, nan), []int32{0, 0}, classes) }, ErrFormat, "image 1 has the value NaN at row 0, column 1, channel 0"},
		{"no pixels", func() (*Set, error) {
			return NewClassification("s", Images{Height: 1, Width: 1, Channels: 1}, nil, classes)
		}, ErrInvalid, "either Bytes or Floats"},
		{"empty", func() (*Set, error) { return NewClassification("s", floats([]float32{}...), nil, classes) }, ErrInvalid, "0 pixel values"},
		{"half an image", func() (*Set, error) { return NewClassification("s", floats(1, 2, 3), []int32{0}, classes) }, ErrInvalid, "3 pixel values"},
		{"no height", func() (*Set, error) {
			return NewClassification("s", Images{Width: 1, Channels: 1, Bytes: []uint8{1}}, []int32{0}, classes)
		}, ErrInvalid, "0×1×1"},
		{"huge sides", func() (*Set, error) {
			return NewClassification("s", Images{Height: 1 << 40, Width: 1 << 40, Channels: 1, Bytes: []uint8{1}}, []int32{0}, classes)
		}, ErrInvalid, "expected 1..16384"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := c.make()
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.text)
			assert.Nil(t, s)
		})
	}
}

func TestSubsetSharesImages(t *testing.T) {
	s := counting(t, 6, 1)
	sub, err := s.Subset("odd", []int{5, 3, 1})
	require.NoError(t, err)
	again, err := sub.Subset("last", []int{2, 2})
	require.NoError(t, err)

	assert.Equal(t, 3, sub.Len())
	assert.Equal(t, []int{5, 3, 1}, []int{sub.Row(0), sub.Row(1), sub.Row(2)})
	assert.Equal(t, []int32{2, 0, 1}, []int32{sub.Label(0), sub.Label(1), sub.Label(2)})
	assert.Equal(t, []int{1, 1, 1}, sub.Counts())
	assert.Equal(t, 1, again.Row(1))
	assert.Same(t, &s.Images().Bytes[0], &again.Images().Bytes[0])
	assert.Equal(t, int64(6*6+6*4), s.Bytes(), "six images of six bytes, six labels")
	assert.Equal(t, int64(3*4), sub.Bytes(), "a view owns its rows alone")

	pixels := make([]float32, 6)
	sub.CopyImage(pixels, 1)
	assert.Equal(t, []float32{18, 19, 20, 21, 22, 23}, pixels)

	_, err = s.Subset("none", nil)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = sub.Subset("far", []int{3})
	require.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "names example 3, expected 0..2")
}

func TestNormalization(t *testing.T) {
	// Two pixels of two channels: channel 0 is 10 and 20 (mean 15, deviation 5), channel 1 is constant.
	images := Images{Height: 1, Width: 2, Channels: 2, Bytes: []uint8{10, 7, 20, 7}}
	s, err := NewClassification("s", images, []int32{0}, []string{"a"})
	require.NoError(t, err)
	n := s.Statistics()
	assert.Equal(t, Normalization{Mean: []float32{15, 7}, Std: []float32{5, 1}}, n)

	normal, err := s.Normalized(n)
	require.NoError(t, err)
	pixels := make([]float32, 4)
	normal.CopyImage(pixels, 0)
	// scale 1/5 is rounded once, shift −3 is exact: within 2 roundings of values up to 4.
	assert.InDeltaSlice(t, []float32{-1, 0, 1, 0}, pixels, 4*2*0x1p-24)
	assert.Equal(t, n, normal.Normalization())
	assert.Equal(t, n, normal.Statistics(), "statistics are of stored pixels")
	s.CopyImage(pixels, 0)
	assert.Equal(t, []float32{10, 7, 20, 7}, pixels, "the original set stays as it was")

	require.NoError(t, n.Apply(pixels, 2))
	assert.InDeltaSlice(t, []float32{-1, 0, 1, 0}, pixels, 4*2*0x1p-24)

	floats := ramp(t, 5) // 0, 0.5, 1, 1.5, 2: mean 1, variance 0.5
	n = floats.Statistics()
	assert.Equal(t, []float32{1}, n.Mean)
	assert.Equal(t, []float32{float32(math.Sqrt(0.5))}, n.Std)
}

func TestBadNormalizations(t *testing.T) {
	s := counting(t, 1, 1)
	nan := float32(math.NaN())
	for _, n := range []Normalization{
		{Mean: []float32{1}},
		{Mean: []float32{1, 2}, Std: []float32{1, 2}},
		{Mean: []float32{1}, Std: []float32{0}},
		{Mean: []float32{1}, Std: []float32{-1}},
		{Mean: []float32{nan}, Std: []float32{1}},
		{Mean: []float32{1}, Std: []float32{nan}},
		{Mean: []float32{1}, Std: []float32{1e-45}},
	} {
		_, err := s.Normalized(n)
		require.ErrorIs(t, err, ErrInvalid, "%v", n)
		require.ErrorIs(t, n.Apply(make([]float32, 6), 1), ErrInvalid, "%v", n)
	}
	require.ErrorIs(t, Normalization{}.Apply(make([]float32, 5), 3), ErrInvalid)
	require.ErrorIs(t, Normalization{}.Apply(nil, 0), ErrInvalid)
}

func TestSplit(t *testing.T) {
	s := counting(t, 100, 1)
	for _, split := range []struct {
		name string
		do   func(uint64, ...float64) ([]*Set, error)
	}{{"plain", s.Split}, {"stratified", s.SplitStratified}} {
		t.Run(split.name, func(t *testing.T) {
			parts, err := split.do(1, 0.7, 0.2, 0.1)
			require.NoError(t, err)
			seen := map[int]bool{}
			for _, p := range parts {
				for i := range p.Len() {
					assert.False(t, seen[p.Row(i)], "example %d is in two parts", p.Row(i))
					seen[p.Row(i)] = true
				}
			}
			assert.Len(t, seen, 100)
			assert.Equal(t, []int{70, 20, 10}, []int{parts[0].Len(), parts[1].Len(), parts[2].Len()})

			same, err := split.do(1, 0.7, 0.2, 0.1)
			require.NoError(t, err)
			other, err := split.do(2, 0.7, 0.2, 0.1)
			require.NoError(t, err)
			for k := range parts {
				assert.Equal(t, parts[k].rows, same[k].rows)
				assert.NotEqual(t, parts[k].rows, other[k].rows)
			}

			few, err := split.do(1, 0.5)
			require.NoError(t, err)
			require.Len(t, few, 1)
			assert.Equal(t, 50, few[0].Len())
		})
	}

	parts, err := s.SplitStratified(1, 0.7, 0.2, 0.1) // 34 + 33 + 33 examples of the classes
	require.NoError(t, err)
	for c, n := range []float64{34, 33, 33} {
		assert.InDelta(t, 0.7*n, parts[0].Counts()[c], 1)
		assert.InDelta(t, 0.2*n, parts[1].Counts()[c], 1)
		assert.InDelta(t, 0.1*n, parts[2].Counts()[c], 1)
	}

	regression, err := ramp(t, 10).SplitStratified(1, 0.5, 0.5)
	require.NoError(t, err)
	assert.Equal(t, 5, regression[0].Len())
}

func TestBadSplits(t *testing.T) {
	s := counting(t, 3, 1)
	cases := map[string][]float64{
		"none": {}, "zero": {0, 1}, "negative": {-0.5, 0.5}, "NaN": {math.NaN()}, "above one": {1.5}, "sum above one": {0.7, 0.4},
		"empty part": {0.9, 0.1},
	}
	for name, fractions := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := s.Split(1, fractions...)
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
}

// TestOrderIsFixed holds the permutation to recorded values: were it to change, every saved seed would mean another run.
func TestOrderIsFixed(t *testing.T) {
	values := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	newOrder(purposeEpoch, 1, 0).shuffle(values)
	assert.Equal(t, []int32{5, 4, 9, 7, 0, 6, 8, 2, 3, 1}, values)
}
