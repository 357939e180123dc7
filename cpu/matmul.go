package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

// product is a MatMul, cut into rows×cols tiles of the result or, if the result
// is too small for that, into slices of the inner axis.
type product struct {
	m, n, k    int
	rows, cols int // of a tile
	slices     int
	depth      int // of a slice
}

// newProduct decides how a product is cut.
func newProduct(kernel *gemm.Kernel, m, n, k int) product {
	p := product{m: m, n: n, k: k, rows: m, cols: n, slices: 1, depth: k}
	flop := 2 * m * n * k
	if flop < flopGrain {
		return p
	}
	// The product is worth sharing. Its tiles may then be small, so that they come out
	// even, but whole columns or whole rows, so that not much is read or packed twice:
	// each strip of columns reads all of A, each strip of rows all of B.
	const (
		fewRows = 256
		cached  = 1 << 17 // elements of one operand that the second-level cache holds beside the other
	)
	tiles := min(4*flop/flopGrain, maxParts/2)
	if unit := kernel.NR(); m <= fewRows && n >= 4*unit {
		least := unit
		if m*k > cached {
			least = min(256, n/4)
		}
		p.cols = ceil(max(ceil(n, tiles), least), unit) * unit
		return p
	}
	least := 32
	if n*k > cached {
		least = 128
	}
	p.rows = min(m, max(ceil(ceil(m, tiles), 8)*8, least))
	if slices, block := min(flop/flopGrain, maxParts/2), kernel.Depth(k); ceil(m, p.rows) < 4 && k >= 4*block {
		p.rows = m
		p.depth = ceil(ceil(k, slices), 2*block) * 2 * block
		p.slices = ceil(k, p.depth)
	}
	return p
}

func (c *compiler) matMul(p *plan, o *backend.MatMul) {
	k := o.A.Shape[1]
	if o.TransposeA {
		k = o.A.Shape[0]
	}
	kernel := c.device.gemm
	v := newProduct(kernel, o.C.Shape[0], o.C.Shape[1], k)
	if v.m == 1 && o.TransposeB && !c.keeps(o.B) {
		c.vectorProduct(p, o)
		return
	}
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.C)
	work := p.reserve(c.threads, kernel.Workspace(v.rows, v.cols, v.k), 4)
	sums := p.floats((v.slices - 1) * v.m * v.n)
	right := c.rightFactor(p, &v, o)
	p.bind = func(memory []byte) {
		epilogue.bind(c, memory)
		y, work := c.floats(o.C), each[float32](memory, work)
		left := gemm.Left(c.floats(o.A), o.A.Shape[1], o.TransposeA)
		right, packed := right(memory)
		finish := c.matMulFinish(o, epilogue)
		products := make([]*gemm.Product, v.slices)
		partial := in[float32](memory, sums)
		for s := range products {
			from := s * v.depth
			products[s] = &gemm.Product{M: v.m, N: v.n, K: v.k, From: from, To: min(from+v.depth, v.k), A: &left, B: right, Packed: packed,
				C: y, Stride: v.n, Accumulate: o.Accumulate}
			if s > 0 {
				products[s].C, products[s].Accumulate = partial[(s-1)*v.m*v.n:s*v.m*v.n], false
			}
		}
		if v.slices == 1 && !finish.none() {
			products[0].Epilogue = finish
		}
		across := ceil(v.n, v.cols)
		tiles := ceil(v.m, v.rows) * across
		c.parallel(v.slices*tiles, func(part, worker int) {
			slice, tile := part/tiles, part%tiles
			i, j := tile/across*v.rows, tile%across*v.cols
			kernel.Multiply(products[slice], i, min(v.rows, v.m-i), j, min(v.cols, v.n-j), work[worker])
		})
		if v.slices > 1 {
			c.split(v.m, grainFor(v.n*v.slices), 1, func(lo, hi, _ int) {
				to := y[lo*v.n : hi*v.n]
				for s := range v.slices - 1 {
					c.device.vec.Add(to, to, partial[(s*v.m+lo)*v.n:(s*v.m+hi)*v.n])
				}
				finish.Finish(lo, hi-lo, 0, v.n)
			})
		}
	}
}

// rightFactor plans how B gets to the micro-kernels, and returns what adds the steps
// for that and gives B, packed or not.
//
// It is packed once for all tiles if it has to be packed at all and is the same from
// run to run, or if several strips of rows would each do so. For a single row, it is
// transposed instead, and then read from front to back.
func (c *compiler) rightFactor(p *plan, v *product, o *backend.MatMul) func(memory []byte) (b *gemm.Strided, packed []float32) {
	const most = 1 << 22 // elements that are worth the memory for one run
	kernel := c.device.gemm
	b := gemm.Right(nil, o.B.Shape[1], o.TransposeB)
	inPlace := func() *gemm.Strided {
		b.Data = c.floats(o.B)
		return &b
	}
	switch {
	case v.m == 1 && o.TransposeB:
		p.algorithm = "transposed once"
		kept := c.derive(p, o.B, v.n*v.k)
		return func(memory []byte) (*gemm.Strided, []float32) {
			from := inPlace()
			to := gemm.Right(kept.floats(memory), v.n, false)
			c.making(kept, func() {
				c.split(v.k, grainFor(v.n), 8, func(lo, hi, _ int) { from.Pack(to.Data[lo*v.n:hi*v.n], v.n, 0, v.n, lo, hi-lo) })
			})
			return &to, nil
		}
	case kernel.Packs(&b, v.rows, v.k) && (c.keeps(o.B) || v.rows < v.m && v.n*v.k <= most):
		p.algorithm = "packed once"
		kept := c.derive(p, o.B, kernel.SizeB(v.n, v.k))
		return func(memory []byte) (*gemm.Strided, []float32) {
			from := inPlace()
			packed := kept.floats(memory)
			c.making(kept, func() {
				c.split(v.n, grainFor(v.k), kernel.NR(), func(lo, hi, _ int) { kernel.PackWhole(packed, from, v.n, lo, hi-lo, v.k) })
			})
			return from, packed
		}
	}
	return func([]byte) (*gemm.Strided, []float32) { return inPlace(), nil }
}

// matMulFinish is the epilogue of a MatMul.
type matMulFinish struct {
	c          []float32
	cols       int
	bias       []float32
	activation activation
	epilogue   *gradEpilogue
}

func (c *compiler) matMulFinish(o *backend.MatMul, e *gradEpilogue) *matMulFinish {
	return &matMulFinish{c: c.floats(o.C), cols: o.C.Shape[1], bias: c.floats(o.Bias), activation: c.activation(o.Activation), epilogue: e}
}

func (f *matMulFinish) none() bool {
	return f.bias == nil && f.activation.f == backend.Identity && f.epilogue.none()
}

// Finish implements gemm.Epilogue.
func (f *matMulFinish) Finish(row, rows, col, cols int) {
	at := row*f.cols + col
	block := f.c[at : at+(rows-1)*f.cols+cols]
	bias := f.bias
	if bias != nil {
		bias = bias[col : col+cols]
	}
	f.activation.biased(block, bias, rows, cols, f.cols)
	if f.epilogue.none() {
		return
	}
	if cols == f.cols {
		f.epilogue.apply(block, at)
		return
	}
	for i := range rows {
		f.epilogue.apply(block[i*f.cols:i*f.cols+cols], at+i*f.cols)
	}
}
