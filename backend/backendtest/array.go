package backendtest

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/backend"
)

// array is host data of one of the element types; only the slice of its type is
// set.
type array struct {
	dtype backend.DType
	f     []float32
	i     []int32
	u     []uint8
}

func newArray(t backend.DType, n int) array {
	a := array{dtype: t}
	switch t {
	case backend.Float32:
		a.f = make([]float32, n)
	case backend.Int32:
		a.i = make([]int32, n)
	default:
		a.u = make([]uint8, n)
	}
	return a
}

func (a array) len() int { return len(a.f) + len(a.i) + len(a.u) }

func (a array) clone() array {
	return array{a.dtype, append([]float32(nil), a.f...), append([]int32(nil), a.i...), append([]uint8(nil), a.u...)}
}

// slice returns the n elements from at on; they share memory with a.
func (a array) slice(at, n int) array {
	s := array{dtype: a.dtype}
	switch a.dtype {
	case backend.Float32:
		s.f = a.f[at : at+n]
	case backend.Int32:
		s.i = a.i[at : at+n]
	default:
		s.u = a.u[at : at+n]
	}
	return s
}

// copyFrom copies the elements of b, of the same type, into the first of a.
func (a array) copyFrom(b array) {
	copy(a.f, b.f)
	copy(a.i, b.i)
	copy(a.u, b.u)
}

// bits returns element i as the bits that it is stored in.
func (a array) bits(i int) uint32 {
	switch a.dtype {
	case backend.Float32:
		return math.Float32bits(a.f[i])
	case backend.Int32:
		return uint32(a.i[i])
	}
	return uint32(a.u[i])
}

// value returns element i as a number.
func (a array) value(i int) float64 {
	switch a.dtype {
	case backend.Float32:
		return float64(a.f[i])
	case backend.Int32:
		return float64(a.i[i])
	}
	return float64(a.u[i])
}

// values returns all elements as numbers.
func (a array) values() []float64 {
	out := make([]float64, a.len())
	for i := range out {
		out[i] = a.value(i)
	}
	return out
}

// dense is the host tensor over the array's memory.
func (a array) dense() *tensor.Dense {
	var backing any
	switch a.dtype {
	case backend.Float32:
		backing = a.f
	case backend.Int32:
		backing = a.i
	default:
		backing = a.u
	}
	return tensor.New(tensor.WithShape(a.len()), tensor.WithBacking(backing))
}

// firstDifference returns the first element from lo to hi whose bits differ, or -1.
func firstDifference(a, b array, lo, hi int) int {
	for i := lo; i < hi; i++ {
		if a.bits(i) != b.bits(i) {
			return i
		}
	}
	return -1
}

// describe prints element i for people and for machines.
func (a array) describe(i int) string {
	if a.dtype == backend.Float32 {
		return fmt.Sprintf("%g (bits %08x)", a.f[i], a.bits(i))
	}
	return fmt.Sprint(int64(a.value(i)))
}

// upload makes a tensor that holds the array.
func upload(b backend.Backend, name string, a array, limit int) (backend.Tensor, error) {
	t, err := b.NewTensor(backend.TensorSpec{Name: name, DType: a.dtype, Shape: backend.Shape{a.len()}, Limit: limit})
	if err != nil {
		return nil, err
	}
	return t, t.Write(a.dense())
}

// download reads a tensor.
func download(t backend.Tensor) (array, error) {
	a := newArray(t.Spec().DType, t.Spec().Shape.Elements())
	return a, t.Read(a.dense())
}
