package data

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResize(t *testing.T) {
	// Two images of two channels: the second channel is the first, mirrored, so that a mix-up of channels shows.
	m := Images{Height: 1, Width: 2, Channels: 2, Bytes: []uint8{0, 200, 200, 0, 100, 100, 100, 100}}

	big, err := m.Resize(2, 4)
	require.NoError(t, err)
	assert.Equal(t, 2, big.Len())
	// Bilinear between the centres at 1/4 and 3/4: 0, 1/4, 3/4, 1 of 200, in both rows.
	row := []uint8{0, 200, 50, 150, 150, 50, 200, 0}
	assert.Equal(t, row, big.Bytes[:8])
	assert.Equal(t, row, big.Bytes[8:16])
	assert.Equal(t, []uint8{100, 100, 100, 100, 100, 100, 100, 100}, big.Bytes[16:24], "a flat image stays flat")

	small, err := Images{Height: 2, Width: 2, Channels: 1, Bytes: []uint8{0, 100, 100, 200}}.Resize(1, 1)
	require.NoError(t, err)
	assert.Equal(t, []uint8{100}, small.Bytes)

	same, err := m.Resize(1, 2)
	require.NoError(t, err)
	assert.Same(t, &m.Bytes[0], &same.Bytes[0])
}

func TestPad(t *testing.T) {
	m := Images{Height: 1, Width: 2, Channels: 1, Bytes: []uint8{1, 2, 3, 4}}
	padded, err := m.Pad(1, 0, 2, 1, 9)
	require.NoError(t, err)
	assert.Equal(t, Images{Height: 2, Width: 5, Channels: 1, Bytes: []uint8{
		9, 9, 9, 9, 9,
		9, 9, 1, 2, 9,
		9, 9, 9, 9, 9,
		9, 9, 3, 4, 9,
	}}, padded)
}

func TestWithChannels(t *testing.T) {
	grey := Images{Height: 1, Width: 2, Channels: 1, Bytes: []uint8{7, 255}}
	rgb, err := grey.WithChannels(3)
	require.NoError(t, err)
	assert.Equal(t, []uint8{7, 7, 7, 255, 255, 255}, rgb.Bytes)
	back, err := rgb.WithChannels(1)
	require.NoError(t, err)
	assert.Equal(t, grey, back)

	// 0.299·255 = 76.2, 0.587·255 = 149.7, 0.114·255 = 29.1
	primaries := Images{Height: 1, Width: 3, Channels: 3, Bytes: []uint8{255, 0, 0, 0, 255, 0, 0, 0, 255}}
	luma, err := primaries.WithChannels(1)
	require.NoError(t, err)
	assert.Equal(t, []uint8{76, 150, 29}, luma.Bytes)
}

func TestImagesThatCannotBeChanged(t *testing.T) {
	bytes := Images{Height: 1, Width: 2, Channels: 2, Bytes: []uint8{1, 2, 3, 4}}
	floats := Images{Height: 1, Width: 1, Channels: 1, Floats: []float32{1}}
	cases := []struct {
		name   string
		change func() (Images, error)
		want   error
	}{
		{"resize to nothing", func() (Images, error) { return bytes.Resize(0, 2) }, ErrInvalid},
		{"resize to negative", func() (Images, error) { return bytes.Resize(-1, 2) }, ErrInvalid},
		{"resize to too much", func() (Images, error) { return bytes.Resize(1<<30, 1<<30) }, ErrInvalid},
		{"resize past the limit", func() (Images, error) {
			return Images{Height: 1, Width: 1, Channels: 1, Bytes: make([]uint8, 100)}.Resize(maxSide, maxSide)
		}, ErrTooLarge},
		{"resize floats", func() (Images, error) { return floats.Resize(2, 2) }, ErrInvalid},
		{"pad floats", func() (Images, error) { return floats.Pad(1, 1, 1, 1, 0) }, ErrInvalid},
		{"pad by negative", func() (Images, error) { return bytes.Pad(-1, 0, 0, 0, 0) }, ErrInvalid},
		{"pad by too much", func() (Images, error) { return bytes.Pad(1<<62, 1<<62, 0, 0, 0) }, ErrInvalid},
		{"channels 2 to 3", func() (Images, error) { return bytes.WithChannels(3) }, ErrInvalid},
		{"channels 1 to 2", func() (Images, error) { return floats.WithChannels(2) }, ErrInvalid},
		{"channels of floats", func() (Images, error) { return floats.WithChannels(3) }, ErrInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.change()
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestResizedSet(t *testing.T) {
	s := counting(t, 4, 1)
	same, err := s.Resized(2, 0, 1)
	require.NoError(t, err)
	assert.Same(t, s, same)

	sub, err := s.Subset("two", []int{3, 1})
	require.NoError(t, err)
	sub, err = sub.Normalized(sub.Statistics())
	require.NoError(t, err)
	grown, err := sub.Resized(4, 6, 0)
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 1}, []int32{grown.Label(0), grown.Label(1)})
	assert.Equal(t, sub.Normalization(), grown.Normalization())

	coloured, err := sub.Resized(0, 0, 3)
	require.NoError(t, err)
	pixels := make([]float32, 18)
	coloured.CopyImage(pixels, 0)
	assert.Equal(t, []float32{18, 18, 18, 19, 19, 19}, pixels[:6], "three channels need another normalisation")
	height, width, channels := s.Size()
	assert.Equal(t, []int{2, 3, 1}, []int{height, width, channels}, "the original set stays as it was")

	_, err = s.Resized(-1, 0, 0)
	require.ErrorIs(t, err, ErrInvalid)
}
