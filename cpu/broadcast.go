package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// broadcast walks an output together with operands that may be repeated along
// some of its axes. Neighbouring axes that all of them cross in the same way are
// made one, so that the innermost loops are as long as they can be.
type broadcast struct {
	shape   []int   // of the output, axes merged, at least one
	strides [][]int // of each operand; the innermost is 0 or 1
}

func newBroadcast(out backend.Shape, operands ...backend.Shape) *broadcast {
	all := make([][]int, len(operands))
	for i, s := range operands {
		all[i] = backend.BroadcastStrides(s, out)
	}
	b := &broadcast{strides: make([][]int, len(operands))}
	for axis := len(out) - 1; axis >= 0; axis-- {
		if out[axis] == 1 {
			continue
		}
		if n := len(b.shape); n > 0 && mergeable(all, b.strides, axis, b.shape[n-1]) {
			b.shape[n-1] *= out[axis]
			continue
		}
		b.shape = append(b.shape, out[axis])
		for i := range b.strides {
			b.strides[i] = append(b.strides[i], all[i][axis])
		}
	}
	if len(b.shape) == 0 {
		b.shape = []int{1}
		for i := range b.strides {
			b.strides[i] = []int{0}
		}
	}
	// They were gathered innermost first.
	reverse(b.shape)
	for _, s := range b.strides {
		reverse(s)
	}
	return b
}

// mergeable reports whether an axis continues the last merged one, of n elements,
// in every operand.
func mergeable(all, merged [][]int, axis, n int) bool {
	for i, s := range all {
		last := merged[i][len(merged[i])-1]
		if s[axis] != last*n {
			return false
		}
	}
	return true
}

func reverse(s []int) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

// inner returns the length of the innermost axis.
func (b *broadcast) inner() int { return b.shape[len(b.shape)-1] }

// step returns the innermost stride of an operand.
func (b *broadcast) step(operand int) int { return b.strides[operand][len(b.shape)-1] }

// offset returns where an operand stands at the start of a row, which is a line
// along the innermost axis.
func (b *broadcast) offset(operand, row int) int {
	at := 0
	s := b.strides[operand]
	for axis := len(b.shape) - 2; axis >= 0; axis-- {
		at += row % b.shape[axis] * s[axis]
		row /= b.shape[axis]
	}
	return at
}

// rows calls f for the pieces of rows of which the output elements lo to hi−1
// consist: elements at to at+n−1, which are those from col of a row.
func (b *broadcast) rows(lo, hi int, f func(at, n, row, col int)) {
	inner := b.inner()
	for lo < hi {
		row, col := lo/inner, lo%inner
		n := min(inner-col, hi-lo)
		f(lo, n, row, col)
		lo += n
	}
}

func (c *compiler) binary(p *plan, o *backend.Binary) {
	p.bind = func([]byte) {
		y, a, b := c.floats(o.Y), c.floats(o.A), c.floats(o.B)
		w := newBroadcast(o.Y.Shape, o.A.Shape, o.B.Shape)
		f := binaryRow(c, o.Func)
		stepA, stepB := w.step(0), w.step(1)
		c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) {
			w.rows(lo, hi, func(at, n, row, col int) {
				f(y[at:at+n], a[w.offset(0, row)+col*stepA:], b[w.offset(1, row)+col*stepB:], stepA, stepB)
			})
		})
	}
}

// binaryRow returns the loop y[i] = f(a[i·stepA], b[i·stepB]).
func binaryRow(c *compiler, f backend.BinaryFunc) func(y, a, b []float32, stepA, stepB int) {
	k := c.device.vec
	switch f {
	case backend.Add:
		return func(y, a, b []float32, stepA, stepB int) {
			if stepA == 1 && stepB == 1 {
				k.Add(y, a[:len(y)], b[:len(y)])
				return
			}
			for i := range y {
				y[i] = a[i*stepA] + b[i*stepB]
			}
		}
	case backend.Sub:
		return func(y, a, b []float32, stepA, stepB int) {
			for i := range y {
				y[i] = a[i*stepA] - b[i*stepB]
			}
		}
	case backend.Mul:
		return func(y, a, b []float32, stepA, stepB int) {
			switch {
			case stepA == 1 && stepB == 1:
				k.Mul(y, a[:len(y)], b[:len(y)])
			case stepA == 1:
				k.Scale(y, a[:len(y)], b[0])
			case stepB == 1:
				k.Scale(y, b[:len(y)], a[0])
			default:
				vec.Fill(y, a[0]*b[0])
			}
		}
	case backend.Div:
		return func(y, a, b []float32, stepA, stepB int) {
			for i := range y {
				y[i] = a[i*stepA] / b[i*stepB]
			}
		}
	case backend.Max:
		return func(y, a, b []float32, stepA, stepB int) {
			for i := range y {
				v, w := a[i*stepA], b[i*stepB]
				if beats(w, v) {
					v = w
				}
				y[i] = v
			}
		}
	}
	return func(y, a, b []float32, stepA, stepB int) { // Min
		for i := range y {
			v, w := a[i*stepA], b[i*stepB]
			if beats(-w, -v) {
				v = w
			}
			y[i] = v
		}
	}
}

// beats reports whether v takes the place of the maximum m found before it: the
// first maximum wins, and the first NaN wins over everything.
func beats(v, m float32) bool { return !(v <= m) && m == m }

func (c *compiler) compare(p *plan, o *backend.Compare) {
	p.bind = func([]byte) {
		w := newBroadcast(o.Y.Shape, o.A.Shape, o.B.Shape)
		if o.A.DType == backend.Int32 {
			bindCompare(c, w, o.Func, c.floats(o.Y), c.ints(o.A), c.ints(o.B))
		} else {
			bindCompare(c, w, o.Func, c.floats(o.Y), c.floats(o.A), c.floats(o.B))
		}
	}
}

func bindCompare[T float32 | int32](c *compiler, w *broadcast, f backend.CompareFunc, y []float32, a, b []T) {
	stepA, stepB := w.step(0), w.step(1)
	c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) {
		w.rows(lo, hi, func(at, n, row, col int) {
			a, b := a[w.offset(0, row)+col*stepA:], b[w.offset(1, row)+col*stepB:]
			for i := range y[at : at+n] {
				v := float32(0)
				if holds(f, a[i*stepA], b[i*stepB]) {
					v = 1
				}
				y[at+i] = v
			}
		})
	})
}

func holds[T float32 | int32](f backend.CompareFunc, a, b T) bool {
	switch f {
	case backend.Equal:
		return a == b
	case backend.NotEqual:
		return a != b
	case backend.Less:
		return a < b
	case backend.LessEqual:
		return a <= b
	case backend.Greater:
		return a > b
	}
	return a >= b
}

// choose plans Select, whose name is a keyword.
func (c *compiler) choose(p *plan, o *backend.Select) {
	p.bind = func([]byte) {
		y, cond, a, b := c.floats(o.Y), c.floats(o.Cond), c.floats(o.A), c.floats(o.B)
		w := newBroadcast(o.Y.Shape, o.Cond.Shape, o.A.Shape, o.B.Shape)
		stepC, stepA, stepB := w.step(0), w.step(1), w.step(2)
		c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) {
			w.rows(lo, hi, func(at, n, row, col int) {
				cond, a, b := cond[w.offset(0, row)+col*stepC:], a[w.offset(1, row)+col*stepA:], b[w.offset(2, row)+col*stepB:]
				for i := range y[at : at+n] {
					if cond[i*stepC] != 0 {
						y[at+i] = a[i*stepA]
					} else {
						y[at+i] = b[i*stepB]
					}
				}
			})
		})
	}
}
