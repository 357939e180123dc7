package lower

import (
	"fmt"
	"math/bits"
	"slices"

	"fovea/backend"
	"fovea/kernels"
)

// divisor prepares the division of numbers below 2³¹ by d, 1 ≤ d < 2³¹, as
// kernels/index.cuh describes.
func divisor(d int) kernels.Divisor {
	shift := bits.Len32(uint32(d - 1))
	multiplier := (uint64(1)<<shift-uint64(d))<<32/uint64(d) + 1
	return kernels.Divisor{Divisor: uint32(d), Multiplier: uint32(multiplier), Shift: uint32(shift)}
}

// walk is a row-major walk through arrays that each have their own strides. Axes
// are counted from the innermost, as in kernels/strided.cuh; there is at least one.
type walk struct {
	extent  []int
	strides [][]int // of each array, for each axis
}

// newWalk makes one axis of neighbours that all arrays cross in the same way; axes
// of one element vanish. The axes come outermost first, as in a Shape.
func newWalk(shape backend.Shape, strides ...[]int) *walk {
	w := &walk{strides: make([][]int, len(strides))}
	for axis := len(shape) - 1; axis >= 0; axis-- {
		if shape[axis] == 1 {
			continue
		}
		if last := len(w.extent) - 1; last >= 0 && w.continues(last, strides, axis) {
			w.extent[last] *= shape[axis]
			continue
		}
		w.extent = append(w.extent, shape[axis])
		for i := range strides {
			w.strides[i] = append(w.strides[i], strides[i][axis])
		}
	}
	if len(w.extent) == 0 {
		w.extent = []int{1}
		for i := range w.strides {
			w.strides[i] = []int{1}
		}
	}
	return w
}

// continues reports whether the axis continues the last one of the walk in every
// array.
func (w *walk) continues(last int, strides [][]int, axis int) bool {
	for i := range strides {
		if strides[i][axis] != w.strides[i][last]*w.extent[last] {
			return false
		}
	}
	return true
}

// broadcast is a walk over out through arrays that are repeated along the axes
// where they have one element.
func broadcast(out backend.Shape, arrays ...backend.Shape) *walk {
	strides := make([][]int, len(arrays))
	for i, s := range arrays {
		strides[i] = backend.BroadcastStrides(s, out)
	}
	return newWalk(out, strides...)
}

// dense reports whether all arrays are walked through element after element.
func (w *walk) dense() bool {
	return len(w.extent) == 1 && !slices.ContainsFunc(w.strides, func(s []int) bool { return s[0] != 1 })
}

// fours reports whether the walk can take four elements at a time, if the arrays
// with stride 1 begin at a multiple of four elements.
func (w *walk) fours() bool {
	if len(w.extent) == 1 {
		return !slices.ContainsFunc(w.strides, func(s []int) bool { return s[0] > 1 })
	}
	if w.extent[0]%4 != 0 {
		return false
	}
	for _, s := range w.strides {
		if s[0] > 1 || s[0] == 1 && slices.ContainsFunc(s[1:], func(n int) bool { return n%4 != 0 }) {
			return false
		}
	}
	return true
}

// vector is 1 if the walk can take four elements of the given size at a time, with
// the arrays at these addresses and a dense result, which is an array of the walk
// or not.
func (w *walk) vector(size int, result kernels.Pointer, arrays ...kernels.Pointer) int32 {
	unit := kernels.Pointer(4 * size)
	if !w.fours() || result%unit != 0 {
		return 0
	}
	for i, a := range arrays {
		if w.strides[i][0] == 1 && a%unit != 0 {
			return 0
		}
	}
	return 1
}

// strided is the walk as kernels take it.
func (w *walk) strided(op backend.Op) (kernels.Strided, error) {
	n := len(w.extent)
	if n > kernels.MaxAxes {
		return kernels.Strided{}, fmt.Errorf("cuda: %s: %w: its operands have %d axes that are walked through in different ways, expected at most %d",
			op.Kind(), backend.ErrUnsupported, n, kernels.MaxAxes)
	}
	s := kernels.Strided{Axes: int32(n)}
	for axis := range s.Extent {
		s.Extent[axis] = divisor(1)
		if axis >= n {
			continue
		}
		s.Extent[axis] = divisor(w.extent[axis])
		for i := range w.strides {
			s.Stride[i][axis] = int32(w.strides[i][axis])
		}
	}
	return s, nil
}
