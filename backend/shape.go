package backend

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// DType is the type of the elements of a buffer.
type DType uint8

// The element types. Float32 is the type of all arithmetic; Int32 holds labels,
// indices and positions; Uint8 is for storage only (images at rest), read by
// Gather and Convert. The reference backend keeps Float32 buffers as float64.
const (
	Float32 DType = iota
	Int32
	Uint8
)

// Size returns the bytes that one element takes in a Program.
func (d DType) Size() int {
	if d == Uint8 {
		return 1
	}
	return 4
}

func (d DType) String() string {
	switch d {
	case Float32:
		return "float32"
	case Int32:
		return "int32"
	case Uint8:
		return "uint8"
	}
	return "DType(" + strconv.Itoa(int(d)) + ")"
}

// Shape lists the extents of an array, outermost first; the array is row-major
// and dense. A nil Shape is a scalar with one element.
type Shape []int

// Elements returns the product of the extents; 1 for a scalar.
func (s Shape) Elements() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Equal reports whether the two shapes have the same extents in the same order.
func (s Shape) Equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i, d := range s {
		if d != t[i] {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares no memory with s.
func (s Shape) Clone() Shape { return append(Shape(nil), s...) }

// Strides returns, for every axis, how many elements lie between neighbours.
func (s Shape) Strides() []int {
	strides := make([]int, len(s))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		strides[i] = n
		n *= s[i]
	}
	return strides
}

func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(d))
	}
	b.WriteByte(']')
	return b.String()
}

// Validate reports an error wrapping ErrShape unless every extent is at least 1
// and the elements can be counted in 31 bits. Empty arrays are refused: no Op
// has a meaning for an empty batch.
func (s Shape) Validate() error {
	n := 1
	for _, d := range s {
		if d < 1 {
			return fmt.Errorf("%w: %v has an extent of %d, expected at least 1", ErrShape, s, d)
		}
		if n > math.MaxInt32/d {
			return fmt.Errorf("%w: %v has more than %d elements", ErrShape, s, math.MaxInt32)
		}
		n *= d
	}
	return nil
}

// Broadcast returns the common shape of a and b: aligned at their last axes,
// each axis must agree or be 1 in one of them, as in NumPy.
func Broadcast(a, b Shape) (Shape, error) {
	n := max(len(a), len(b))
	out := make(Shape, n)
	for i := range n {
		x, y := 1, 1
		if j := i - n + len(a); j >= 0 {
			x = a[j]
		}
		if j := i - n + len(b); j >= 0 {
			y = b[j]
		}
		switch {
		case x == y || y == 1:
			out[i] = x
		case x == 1:
			out[i] = y
		default:
			return nil, fmt.Errorf("%w: %v and %v do not broadcast", ErrShape, a, b)
		}
	}
	return out, nil
}

// BroadcastStrides returns the strides with which an array of shape s is read
// as if it had shape out: 0 along every axis on which it is repeated.
func BroadcastStrides(s, out Shape) []int {
	own := s.Strides()
	strides := make([]int, len(out))
	for i := range out {
		if j := i - len(out) + len(s); j >= 0 && s[j] != 1 {
			strides[i] = own[j]
		}
	}
	return strides
}
