package reference

import (
	"fmt"
	"math"
	"sync"

	"fovea/backend"
)

// memory is what the Ops of one run work on.
type memory struct {
	buffers []array // by BufferID
	threads int
}

// floats returns the elements of a Float32 view; nil if it is left out.
func (m *memory) floats(v backend.View) []float64 {
	if !v.Present() {
		return nil
	}
	return window(m.buffers[v.Buffer].floats, v)
}

// ints returns the elements of an Int32 view; nil if it is left out.
func (m *memory) ints(v backend.View) []int32 {
	if !v.Present() {
		return nil
	}
	return window(m.buffers[v.Buffer].ints, v)
}

// bytes returns the elements of a Uint8 view; nil if it is left out.
func (m *memory) bytes(v backend.View) []uint8 {
	if !v.Present() {
		return nil
	}
	return window(m.buffers[v.Buffer].bytes, v)
}

func window[T any](buffer []T, v backend.View) []T {
	at := v.Offset / v.DType.Size()
	return buffer[at : at+v.Shape.Elements()]
}

// indices returns the elements of an Int32 view, all of which must lie below
// limit. Write has checked those that came from the host, but an Op may have
// written others.
func (m *memory) indices(name string, v backend.View, limit int) ([]int32, error) {
	s := m.ints(v)
	for i, x := range s {
		if x < 0 || int(x) >= limit {
			return nil, fmt.Errorf("%w: element %d of %s is %d, expected 0 to %d", backend.ErrRange, i, name, x, limit-1)
		}
	}
	return s, nil
}

// serialWork is the number of floating-point operations below which a goroutine
// costs more than it saves.
const serialWork = 1 << 16

// split covers the outputs 0 to n−1 with calls of f on disjoint ranges, at the
// same time if there is work enough; each output costs the given number of
// operations. Every output must be computed by f alone, so that the split does
// not change the result.
func (m *memory) split(n, work int, f func(lo, hi int)) {
	threads := min(m.threads, n)
	if threads < 2 || n*work < serialWork {
		f(0, n)
		return
	}
	var all sync.WaitGroup
	for t := range threads {
		all.Go(func() { f(n*t/threads, n*(t+1)/threads) })
	}
	all.Wait()
}

// positions lists, for the elements of an array of the given shape in row-major
// order, where they lie in an array that is walked with the given strides from
// base.
func positions(s backend.Shape, strides []int, base int) []int {
	at := []int{base}
	for axis, n := range s {
		next := make([]int, 0, len(at)*n)
		for _, p := range at {
			for i := range n {
				next = append(next, p+i*strides[axis])
			}
		}
		at = next
	}
	return at
}

// broadcast lists where the elements of an array of shape out lie in one of
// shape s that is repeated.
func broadcast(s, out backend.Shape) []int {
	return positions(out, backend.BroadcastStrides(s, out), 0)
}

// rows sees a shape as a matrix: the product of all axes but the last, and the
// last.
func rows(s backend.Shape) (n, c int) {
	c = s[len(s)-1]
	return s.Elements() / c, c
}

// beats reports whether a value takes the place of the maximum so far: a greater
// one does, an equal one does not, and NaN does unless there was one before.
func beats(v, best float64) bool {
	return v > best || math.IsNaN(v) && !math.IsNaN(best)
}

// activate applies a fused activation in place.
func activate(y []float64, a backend.Activation) {
	if a.Func == backend.Identity {
		return
	}
	f := a.Func.Rule().Value
	for i, v := range y {
		y[i] = f(v, a.Alpha)
	}
}

// finish writes a gradient through its epilogue: dx = (g + Addend)·σ′(Output).
// dx may be the memory of Addend or Output.
func (m *memory) finish(dx, g []float64, e backend.GradEpilogue) {
	addend, output := m.floats(e.Addend), m.floats(e.Output)
	derivative := e.Derivative.Func.Rule().Derivative
	for i, v := range g {
		if addend != nil {
			v += addend[i]
		}
		if output != nil {
			v *= derivative(math.NaN(), output[i], e.Derivative.Alpha)
		}
		dx[i] = v
	}
}

// store writes a result, or adds it where accumulate is set.
func store(y, x []float64, accumulate bool) {
	if !accumulate {
		copy(y, x)
		return
	}
	for i, v := range x {
		y[i] += v
	}
}
