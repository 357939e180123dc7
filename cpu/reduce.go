package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// reduction is the geometry of Reduce: kept and reduced axes of X, neighbours of
// a kind made one.
type reduction struct {
	kept, keptStrides       []int
	reduced, reducedStrides []int
	outputs, count          int // products of kept and of reduced
	// outer, inner describe X as [outer, count, inner] if it can be, that is if
	// plain is set: then all that becomes one lies at one distance.
	outer, inner int
	plain        bool
}

func newReduction(x backend.Shape, axes []int) *reduction {
	isReduced := make([]bool, len(x))
	for _, a := range axes {
		isReduced[a] = true
	}
	r := &reduction{outputs: 1, count: 1, outer: 1, inner: 1}
	strides := x.Strides()
	var kinds []bool
	for axis, n := range x {
		if n == 1 {
			continue
		}
		list, listStrides := &r.kept, &r.keptStrides
		if isReduced[axis] {
			list, listStrides = &r.reduced, &r.reducedStrides
			r.count *= n
		} else {
			r.outputs *= n
		}
		if k := len(kinds); k > 0 && kinds[k-1] == isReduced[axis] {
			last := len(*list) - 1
			(*list)[last] *= n
			(*listStrides)[last] = strides[axis]
			continue
		}
		kinds = append(kinds, isReduced[axis])
		*list = append(*list, n)
		*listStrides = append(*listStrides, strides[axis])
	}
	r.plain = len(r.reduced) <= 1
	switch {
	case len(r.reduced) == 0:
		r.outer = r.outputs
	case r.plain:
		r.inner = r.reducedStrides[0]
		r.outer = r.outputs / r.inner
	}
	return r
}

// base returns the offset in X of the first element that becomes output i.
func (r *reduction) base(i int) int { return unravel(i, r.kept, r.keptStrides) }

// offset returns how far the k-th element that becomes an output, in row-major
// order of the reduced axes, lies from the first.
func (r *reduction) offset(k int) int { return unravel(k, r.reduced, r.reducedStrides) }

func unravel(i int, shape, strides []int) int {
	at := 0
	for axis := len(shape) - 1; axis >= 0; axis-- {
		at += i % shape[axis] * strides[axis]
		i /= shape[axis]
	}
	return at
}

func (c *compiler) reduce(p *plan, o *backend.Reduce) {
	r := newReduction(o.X.Shape, o.Axes)
	switch {
	case o.Func == backend.ReduceMax || o.Func == backend.ReduceArgmax:
		c.reduceMax(p, o, r)
	case r.plain:
		c.reduceSum(p, o, r)
	default:
		c.reduceScattered(p, o, r)
	}
}

// result returns what turns the sum for output i into the output.
func (c *compiler) result(o *backend.Reduce, r *reduction) func(i int, sum float64) {
	y, divisor := c.floats(o.Y), 1.0
	if o.Func == backend.Mean {
		divisor = float64(r.count)
	}
	return func(i int, sum float64) {
		sum /= divisor
		if o.Accumulate {
			sum += float64(y[i])
		}
		y[i] = float32(sum)
	}
}

// columnBlock is how many columns of a matrix are summed in one go.
const columnBlock = 1024

// reduceSum sums X [outer, count, inner] along its middle axis: slices of it in
// parallel, each in float64, then the slices in order.
func (c *compiler) reduceSum(p *plan, o *backend.Reduce, r *reduction) {
	blocks := ceil(r.inner, columnBlock)
	slices, size := cut(r.count, max(grainFor(r.inner), 256), 1)
	if r.outer*blocks >= maxParts {
		slices, size = 1, r.count
	}
	sums := p.doubles(r.outer * slices * r.inner)
	rows := p.reserve(c.threads, min(r.inner, columnBlock), 4)
	p.bind = func(work []byte) {
		x, sums, rows := c.floats(o.X), in[float64](work, sums), each[float32](work, rows)
		k := c.device.vec
		// An item is one slice of one block of columns of one outer index.
		items := r.outer * slices * blocks
		c.split(items, grainFor(size*min(r.inner, columnBlock)), 1, func(lo, hi, worker int) {
			for item := lo; item < hi; item++ {
				block, group := item%blocks, item/blocks // group: outer index and slice
				outer, slice := group/slices, group%slices
				from, to := slice*size, min((slice+1)*size, r.count)
				j := block * columnBlock
				cols := min(columnBlock, r.inner-j)
				sum := sums[group*r.inner+j:][:cols]
				columnSums(k, sum, x[(outer*r.count+from)*r.inner+j:], to-from, r.inner, rows[worker])
			}
		})
		result := c.result(o, r)
		c.split(r.outer, grainFor(r.inner*slices), 1, func(lo, hi, _ int) {
			for outer := lo; outer < hi; outer++ {
				total := sums[outer*slices*r.inner:][:slices*r.inner]
				addSlices(total, r.inner)
				for j, sum := range total[:r.inner] {
					result(outer*r.inner+j, sum)
				}
			}
		})
	}
}

// addSlices adds slices of n sums each to the first of them, in order.
func addSlices(sums []float64, n int) {
	for at := n; at < len(sums); at += n {
		for i, v := range sums[at : at+n] {
			sums[i] += v
		}
	}
}

// sumBlock is how many rows are summed in float32 before the sums go on in
// float64. The error of such a block is that of 35 additions.
const sumBlock = 128

// columnSums sets sum[j] to Σᵢ x[i·stride + j] over rows; row is scratch.
func columnSums(k *vec.Kernel, sum []float64, x []float32, rows, stride int, row []float32) {
	if stride == 1 {
		sum[0] = vectorSum(k, x[:rows])
		return
	}
	clear(sum)
	row = row[:len(sum)]
	for i := 0; i < rows; i += sumBlock {
		clear(row)
		k.ColumnSums(row, x[i*stride:], min(sumBlock, rows-i), stride)
		for j, v := range row {
			sum[j] += float64(v)
		}
	}
}

// vectorSum adds up a vector: very short ones in float64, others by blocks.
func vectorSum(k *vec.Kernel, x []float32) float64 {
	const block = 512
	sum := 0.0
	for len(x) >= shortRow {
		n := min(block, len(x))
		sum += float64(k.Sum(x[:n]))
		x = x[n:]
	}
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}

// reduceScattered sums what lies at changing distances, element by element.
func (c *compiler) reduceScattered(p *plan, o *backend.Reduce, r *reduction) {
	p.bind = func([]byte) {
		x, result := c.floats(o.X), c.result(o, r)
		c.split(r.outputs, grainFor(r.count*scalarCost), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				sum, base := 0.0, r.base(i)
				for k := range r.count {
					sum += float64(x[base+r.offset(k)])
				}
				result(i, sum)
			}
		})
	}
}

// reduceMax finds maxima or their positions.
func (c *compiler) reduceMax(p *plan, o *backend.Reduce, r *reduction) {
	if r.plain && r.inner >= shortRow {
		c.reduceMaxColumns(p, o, r)
		return
	}
	p.bind = func([]byte) {
		x := c.floats(o.X)
		value, place := c.maxima(o)
		c.split(r.outputs, grainFor(r.count*scalarCost), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				base := r.base(i)
				best, at := x[base], 0
				for k := 1; k < r.count; k++ {
					off := k * r.inner
					if !r.plain {
						off = r.offset(k)
					}
					if v := x[base+off]; beats(v, best) {
						best, at = v, k
					}
				}
				if place != nil {
					place[i] = int32(at)
				} else {
					value[i] = best
				}
			}
		})
	}
}

// maxima returns the output of a maximum, of which one is nil: values or places.
func (c *compiler) maxima(o *backend.Reduce) (value []float32, place []int32) {
	if o.Func == backend.ReduceMax {
		return c.floats(o.Y), nil
	}
	return nil, c.ints(o.Y)
}

// reduceMaxColumns finds the maxima of X [outer, count, inner] along its middle
// axis, which is a window of one column.
func (c *compiler) reduceMaxColumns(p *plan, o *backend.Reduce, r *reduction) {
	blocks := ceil(r.inner, columnBlock)
	scratch := p.reserve(c.threads, columnBlock, 4)
	taps := vec.Taps{Rows: r.count, Cols: 1, StepY: r.inner, PlaceY: 1}
	p.bind = func(work []byte) {
		x, scratch := c.floats(o.X), each[float32](work, scratch)
		value, place := c.maxima(o)
		c.split(r.outer*blocks, grainFor(r.count*min(r.inner, columnBlock)), 1, func(lo, hi, worker int) {
			for item := lo; item < hi; item++ {
				outer, j := item/blocks, item%blocks*columnBlock
				n := min(columnBlock, r.inner-j)
				at := outer*r.inner + j
				to := scratch[worker][:n]
				if value != nil {
					to = value[at : at+n]
				}
				c.device.vec.MaxWindow(to, part(place, at, at+n), x[outer*r.count*r.inner+j:], taps)
			}
		})
	}
}

func (c *compiler) reduceMaxGrad(p *plan, o *backend.ReduceMaxGrad) {
	r := newReduction(o.DX.Shape, o.Axes)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dy, argmax := c.floats(o.DX), c.floats(o.DY), c.ints(o.Argmax)
		c.split(len(dx), elementGrain, 16, func(lo, hi, _ int) { clear(dx[lo:hi]) })
		c.split(r.outputs, grainFor(scalarCost*4), 1, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				if k := int(argmax[i]); uint(k) < uint(r.count) {
					dx[r.base(i)+r.offset(k)] = dy[i]
				}
			}
		})
		epilogue.finish(c)
	}
}
