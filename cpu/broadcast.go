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
	strides [][]int // of each operand; the innermost is 0 or 1, or periodic
	period  int     // of the periodic operands, 1 if there are none
}

// periodic is the innermost stride of an operand whose elements, period of them, are
// repeated along the axis.
const periodic = -1

func newBroadcast(out backend.Shape, operands ...backend.Shape) *broadcast {
	all := make([][]int, len(operands))
	for i, s := range operands {
		all[i] = backend.BroadcastStrides(s, out)
	}
	b := &broadcast{strides: make([][]int, len(operands)), period: 1}
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

// mergeShort makes short rows one with the axis around them, if each operand goes on
// from row to row or begins anew: so numbers of a few channels are met by many
// pixels at once.
func (b *broadcast) mergeShort() {
	last := len(b.shape) - 1
	if last < 1 || b.shape[last] > repeated/8 {
		return
	}
	inner := b.shape[last]
	for _, s := range b.strides {
		if s[last] != 1 || s[last-1] != 0 && s[last-1] != inner {
			return
		}
	}
	b.period = inner
	b.shape[last-1] *= inner
	b.shape = b.shape[:last]
	for i, s := range b.strides {
		step := 1
		if s[last-1] == 0 {
			step = periodic
		}
		b.strides[i] = append(s[:last-1], step)
	}
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

// repeated is how many elements an operand that stands still along a row, or is
// periodic, is repeated to, so that it is a vector like the others.
const repeated = 1024

// line is an operand as vectors along a row.
type line struct {
	elements []float32
	step     int
}

// along returns operand i, whose elements are x, from a column of a row, for pieces of
// n elements; copies is scratch.
func (b *broadcast) along(i int, x []float32, row, col, n int, copies []float32) line {
	x = x[b.offset(i, row):]
	step := b.step(i)
	switch step {
	case 1:
		return line{x[col:], 1}
	case 0:
		vec.Fill(copies[:n], x[0])
	case periodic:
		first := min(b.period, n)
		phase := col % b.period
		rest := copy(copies[:first], x[phase:b.period])
		copy(copies[rest:first], x)
		for done := first; done < n; done *= 2 {
			copy(copies[done:n], copies[:done])
		}
	}
	return line{copies, 0}
}

// piece returns n elements from at.
func (l line) piece(at, n int) []float32 {
	at *= l.step
	return l.elements[at : at+n]
}

// pieceLength returns how long the pieces of n elements of a row are.
func (b *broadcast) pieceLength(n int) int {
	for i := range b.strides {
		if b.step(i) != 1 {
			return min(n, repeated/b.period*b.period)
		}
	}
	return n
}

func (c *compiler) binary(p *plan, o *backend.Binary) {
	c.pairwise(p, o.Y, o.A, o.B, binaryLoop(c.device.vec, o.Func))
}

// pairwise plans y = f(a, b), element by element.
func (c *compiler) pairwise(p *plan, y, a, b backend.View, f func(y, a, b []float32)) {
	scratch := p.reserve(c.threads, 2*repeated, 4)
	p.bind = func(work []byte) {
		w := newBroadcast(y.Shape, a.Shape, b.Shape)
		w.mergeShort()
		y, a, b := c.floats(y), c.floats(a), c.floats(b)
		scratch := each[float32](work, scratch)
		c.split(len(y), elementGrain, 16, func(lo, hi, worker int) {
			copies := scratch[worker]
			w.rows(lo, hi, func(at, n, row, col int) {
				size := w.pieceLength(n)
				a := w.along(0, a, row, col, size, copies)
				b := w.along(1, b, row, col, size, copies[repeated:])
				for i := 0; i < n; i += size {
					size := min(size, n-i)
					f(y[at+i:at+i+size], a.piece(i, size), b.piece(i, size))
				}
			})
		})
	}
}

func binaryLoop(k *vec.Kernel, f backend.BinaryFunc) func(y, a, b []float32) {
	switch f {
	case backend.Add:
		return k.Add
	case backend.Sub:
		return k.Sub
	case backend.Mul:
		return k.Mul
	case backend.Div:
		return k.Div
	case backend.Max:
		return k.Larger
	}
	return k.Smaller // Min
}

// beats reports whether v takes the place of the maximum m found before it: the
// first maximum wins, and the first NaN wins over everything.
func beats(v, m float32) bool { return !(v <= m) && m == m }

func (c *compiler) compare(p *plan, o *backend.Compare) {
	if o.A.DType == backend.Int32 {
		c.compareInts(p, o)
		return
	}
	c.pairwise(p, o.Y, o.A, o.B, compareLoop(c.device.vec, o.Func))
}

func compareLoop(k *vec.Kernel, f backend.CompareFunc) func(y, a, b []float32) {
	switch f {
	case backend.Equal:
		return k.Equal
	case backend.NotEqual:
		return k.NotEqual
	case backend.Less:
		return k.Less
	case backend.LessEqual:
		return k.LessOrEqual
	case backend.Greater:
		return func(y, a, b []float32) { k.Less(y, b, a) }
	}
	return func(y, a, b []float32) { k.LessOrEqual(y, b, a) }
}

func (c *compiler) compareInts(p *plan, o *backend.Compare) {
	p.bind = func([]byte) {
		w := newBroadcast(o.Y.Shape, o.A.Shape, o.B.Shape)
		y, a, b := c.floats(o.Y), c.ints(o.A), c.ints(o.B)
		stepA, stepB := w.step(0), w.step(1)
		c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) {
			w.rows(lo, hi, func(at, n, row, col int) {
				a, b := a[w.offset(0, row)+col*stepA:], b[w.offset(1, row)+col*stepB:]
				for i := range y[at : at+n] {
					v := float32(0)
					if holds(o.Func, a[i*stepA], b[i*stepB]) {
						v = 1
					}
					y[at+i] = v
				}
			})
		})
	}
}

func holds(f backend.CompareFunc, a, b int32) bool {
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
	scratch := p.reserve(c.threads, 3*repeated, 4)
	p.bind = func(work []byte) {
		y, cond, a, b := c.floats(o.Y), c.floats(o.Cond), c.floats(o.A), c.floats(o.B)
		w := newBroadcast(o.Y.Shape, o.Cond.Shape, o.A.Shape, o.B.Shape)
		w.mergeShort()
		k, scratch := c.device.vec, each[float32](work, scratch)
		c.split(len(y), elementGrain, 16, func(lo, hi, worker int) {
			copies := scratch[worker]
			w.rows(lo, hi, func(at, n, row, col int) {
				size := w.pieceLength(n)
				cond := w.along(0, cond, row, col, size, copies)
				a := w.along(1, a, row, col, size, copies[repeated:])
				b := w.along(2, b, row, col, size, copies[2*repeated:])
				for i := 0; i < n; i += size {
					size := min(size, n-i)
					k.Select(y[at+i:at+i+size], cond.piece(i, size), a.piece(i, size), b.piece(i, size))
				}
			})
		})
	}
}
