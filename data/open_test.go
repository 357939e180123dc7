package data

import (
	"io/fs"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenDigits(t *testing.T) {
	s, err := Open(t.Context(), "digits", Options{Seed: 1, Height: 28, Width: 28})
	require.NoError(t, err)
	assert.Equal(t, []int{1258, 269, 270}, []int{s.Train.Len(), s.Validation.Len(), s.Test.Len()}, "70, 15 and 15 %")
	assert.Equal(t, []string{"digits/train", "digits/validation", "digits/test"}, []string{s.Train.Name(), s.Validation.Name(), s.Test.Name()})
	for c, n := range s.Test.Counts() {
		assert.InDelta(t, 27, n, 2, "class %d", c)
	}
	assert.Equal(t, s.Train.Normalization(), s.Test.Normalization())
	assert.Equal(t, s.Train.Statistics(), s.Train.Normalization())
	height, width, channels := s.Test.Size()
	assert.Equal(t, []int{28, 28, 1}, []int{height, width, channels})
	assert.Equal(t, int64(1797*(28*28+4+4)), s.Bytes(), "pixels, labels and rows, shared ones once")

	other, err := s.Normalized(Normalization{Mean: []float32{1}, Std: []float32{2}})
	require.NoError(t, err)
	assert.Equal(t, []float32{2}, other.Test.Normalization().Std)
	_, err = s.Normalized(Normalization{Mean: []float32{1}})
	require.ErrorIs(t, err, ErrInvalid)

	s, err = Open(t.Context(), "digits", Options{Validation: 0.1, Test: 0.5})
	require.NoError(t, err)
	assert.Equal(t, []int{719, 180, 898}, []int{s.Train.Len(), s.Validation.Len(), s.Test.Len()})
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("FOVEA_CACHE", t.TempDir())
	dir := t.TempDir()
	nan := math.NaN()
	cases := []struct {
		specification string
		o             Options
		want          error
		text          string
	}{
		{"", Options{}, ErrUnknown, "expected one of digits, mnist[:DIR], fashion[:DIR], folder:DIR"},
		{"cifar", Options{}, ErrUnknown, `"cifar": expected one of`},
		{"Digits", Options{}, ErrUnknown, `"Digits"`},
		{"digits:" + dir, Options{}, ErrSpecification, "names a folder, expected digits: bad"},
		{"digits:", Options{}, ErrSpecification, `"digits:" names a folder, expected digits: bad`},
		{"folder", Options{}, ErrSpecification, `"folder" names no folder, expected folder:DIR`},
		{"folder:", Options{}, ErrSpecification, `"folder:" names no folder, expected folder:DIR`},
		{"mnist:", Options{}, ErrSpecification, `"mnist:" names no folder, expected mnist[:DIR]`},
		{"mnist", Options{}, fs.ErrNotExist, "fovea data fetch mnist"},
		{"fashion", Options{}, fs.ErrNotExist, "fashion:DIR"},
		{"mnist:" + dir, Options{}, fs.ErrNotExist, dir},
		{"mnist", Options{Test: 0.1}, ErrInvalid, "own test part"},
		{"digits", Options{Validation: -1}, ErrInvalid, "fraction held out"},
		{"digits", Options{Test: nan}, ErrInvalid, "fraction held out"},
		{"digits", Options{Validation: 0.5, Test: 0.5}, ErrInvalid, "nothing to train on"},
		{"digits", Options{Height: -1}, ErrInvalid, "-1×0×0"},
		{"digits", Options{Height: 1 << 20, Width: 1}, ErrInvalid, "1048576×1×1"},
		{"digits", Options{Channels: 2}, ErrInvalid, "channels"},
		{"digits", Options{Validation: 1e-6}, ErrInvalid, "empty"},
	}
	for _, c := range cases {
		t.Run(c.specification, func(t *testing.T) {
			_, err := Open(t.Context(), c.specification, c.o)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.text)
		})
	}
	assert.Len(t, Known(), len(sources))
}

// mnistFolder writes n training and n/2 test images of 4×4 pixels in MNIST's files.
func mnistFolder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	labels := make([]byte, n)
	for i := range labels {
		labels[i] = byte(i % 10)
	}
	pixels := make([]byte, 16*n)
	for i := range pixels {
		pixels[i] = byte(i * 7)
	}
	half := uint32(n / 2)
	writeFile(t, dir, mnistTrainImages, idx(pixels, uint32(n), 4, 4))
	writeFile(t, dir, mnistTrainLabels+".gz", zip(t, idx(labels, uint32(n))))
	writeFile(t, dir, "t10k-images.idx3-ubyte", idx(pixels[:16*half], half, 4, 4))
	writeFile(t, dir, mnistTestLabels, idx(labels[:half], half))
	return dir
}

func TestOpenMNISTFolder(t *testing.T) {
	dir := mnistFolder(t, 240)
	for _, name := range []string{"mnist", "fashion"} {
		s, err := Open(t.Context(), name+":"+dir, Options{Seed: 1})
		require.NoError(t, err)
		assert.Equal(t, []int{220, 20, 120}, []int{s.Train.Len(), s.Validation.Len(), s.Test.Len()})
		assert.Len(t, s.Train.Classes(), 10)
	}
	s, err := Open(t.Context(), "mnist:"+dir, Options{Height: 8, Width: 8, Channels: 3, Validation: 0.5})
	require.NoError(t, err)
	assert.Equal(t, 120, s.Validation.Len())
	height, width, channels := s.Test.Size()
	assert.Equal(t, []int{8, 8, 3}, []int{height, width, channels})
	assert.Len(t, s.Test.Normalization().Mean, 3)

	writeFile(t, dir, mnistTestImages, idx(make([]byte, 120*25), 120, 5, 5))
	_, err = Open(t.Context(), "mnist:"+dir, Options{})
	require.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, "training images are 4×4×1, test images 5×5×1")
}

// TestFashionMNIST reads the real files where Debian's package dataset-fashion-mnist has put them.
func TestFashionMNIST(t *testing.T) {
	const dir = "/usr/share/datasets/fashion-mnist"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is absent", dir)
	}
	train, test, err := OpenFashionMNIST(dir)
	require.NoError(t, err)
	for _, part := range []struct {
		set  *Set
		each int
	}{{train, 6000}, {test, 1000}} {
		for c, n := range part.set.Counts() {
			assert.Equal(t, part.each, n, "class %d of %s", c, part.set.Name())
		}
	}
}
