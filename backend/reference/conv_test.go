package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

// The lecture's image and kernel ("Convolution, step by step").
var (
	lectureImage = []float64{
		1, 1, 1, 0, 0,
		0, 1, 1, 1, 0,
		0, 0, 1, 1, 1,
		0, 0, 1, 1, 0,
		0, 1, 1, 0, 0}
	lectureKernel = []float64{
		1, 0, 1,
		0, 1, 0,
		1, 0, 1}
)

// unit is a window that moves by one pixel, without padding.
var unit = backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}

// around is unit with n pixels of padding on every side.
func around(n int) backend.Window {
	w := unit
	w.PadTop, w.PadBottom, w.PadLeft, w.PadRight = n, n, n, n
	return w
}

func TestConv2DLectureExample(t *testing.T) {
	r := newRig(t)
	y := r.out(1, 3, 3, 1)
	r.run(&backend.Conv2D{Y: y, X: r.floats(lectureImage, 1, 5, 5, 1), W: r.floats(lectureKernel, 1, 3, 3, 1), Window: unit, Groups: 1})
	assert.Equal(t, []float64{
		4, 3, 4,
		2, 4, 3,
		2, 3, 4}, r.get(y))
}
