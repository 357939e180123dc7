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
func newProduct(m, n, k int) product {
	p := product{m: m, n: n, k: k, rows: m, cols: n, slices: 1, depth: k}
	parts := min(2*m*n*k/flopGrain, maxParts/2)
	if parts < 2 {
		return p
	}
	// A tile has to pack its rows and columns, k deep, and its products have to pay
	// for that.
	const least = 64
	for parts > 1 && (p.rows > least || p.cols > least) {
		if p.rows >= p.cols {
			p.rows = ceil(ceil(p.rows, 2), 8) * 8
		} else {
			p.cols = ceil(ceil(p.cols, 2), 32) * 32
		}
		parts /= 2
	}
	const deep = 512
	if tiles := ceil(m, p.rows) * ceil(n, p.cols); tiles < 4 && parts > 1 && k >= 2*deep {
		p.rows, p.cols = m, n
		p.slices = min(parts*tiles, k/deep)
		p.depth = ceil(k, p.slices)
		p.slices = ceil(k, p.depth)
	}
	return p
}

func (c *compiler) matMul(p *plan, o *backend.MatMul) {
	if o.C.Shape[0] == 1 {
		c.vectorProduct(p, o)
		return
	}
	k := o.A.Shape[1]
	if o.TransposeA {
		k = o.A.Shape[0]
	}
	v := newProduct(o.C.Shape[0], o.C.Shape[1], k)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.C)
	kernel := c.device.gemm
	packed := p.reserve(c.threads, kernel.Workspace(v.rows, v.cols, v.depth), 4)
	sums := p.floats((v.slices - 1) * v.m * v.n)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		y, packed := c.floats(o.C), each[float32](work, packed)
		left := gemm.Left(c.floats(o.A), o.A.Shape[1], o.TransposeA)
		right := gemm.Right(c.floats(o.B), o.B.Shape[1], o.TransposeB)
		finish := c.matMulFinish(o, epilogue)
		products := make([]*gemm.Product, v.slices)
		partial := in[float32](work, sums)
		for s := range products {
			a, b := left, right
			from := s * v.depth
			a.Data = a.Data[from*a.DepthStride:]
			b.Data = b.Data[from*b.DepthStride:]
			products[s] = &gemm.Product{M: v.m, N: v.n, K: min(v.depth, v.k-from), A: &a, B: &b, C: y, Stride: v.n, Accumulate: o.Accumulate}
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
			kernel.Multiply(products[slice], i, min(v.rows, v.m-i), j, min(v.cols, v.n-j), packed[worker])
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
