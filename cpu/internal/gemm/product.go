package gemm

import "fmt"

// Product is one matrix product, C = A·B or C += A·B. The zero Accumulate overwrites C, which may then hold anything, NaN included.
type Product struct {
	M, N, K  int // sizes: A is M×K, B is K×N, C is M×N; all at least 1
	From, To int // the sum is over depth indices [From, To) alone, if To is not 0; From is a multiple of Depth(K)

	A      Source    // lanes are the M rows
	B      Source    // lanes are the N columns
	Packed []float32 // B as [Kernel.PackWhole] packs it; if nil, Multiply packs what it needs of B

	C          []float32 // element (i, j) is C[i·Stride+j]
	Stride     int       // at least N
	Accumulate bool      // add to what C holds

	Epilogue Epilogue // optional
}

// Epilogue finishes elements of C while they are in cache: bias, activation.
type Epilogue interface {
	// Finish is called once for every element of C, in blocks: rows [row, row+rows) × columns [col, col+cols), when their sums are complete.
	Finish(row, rows, col, cols int)
}

// Workspace returns how many float32 of scratch memory Multiply needs for a range of m rows and n columns of a product with inner size depth.
func (k *Kernel) Workspace(m, n, depth int) int {
	kc := k.Depth(depth)
	return k.SizeA(min(m, k.maxRows), kc) + k.SizeB(min(n, k.maxCols), kc)
}

// PackWhole packs columns [col, col+cols) of a whole B, n columns wide and depth deep, into dst, which holds SizeB(n, depth) elements: one block of
// [Kernel.Depth] after the other. Goroutines may pack disjoint ranges at once. Col is a multiple of NR, and so is cols unless the range is the last.
func (k *Kernel) PackWhole(dst []float32, b Source, n, col, cols, depth int) {
	kc := k.Depth(depth)
	for d := 0; d < depth; d += kc {
		part := min(kc, depth-d)
		k.PackB(dst[k.SizeB(n, d)+col*part:], b, col, cols, d, part)
	}
}

// Multiply computes rows [row, row+rows) × columns [col, col+cols) of a product. The work slice holds at least Workspace(rows, cols, p.K)
// elements, whose content does not matter, and may be reused afterwards. Goroutines may compute disjoint ranges at once, each with its own work; cuts at multiples
// of MR and NR waste least, and those of columns must be at multiples of NR if B is packed. Nothing is allocated.
func (k *Kernel) Multiply(p *Product, row, rows, col, cols int, work []float32) {
	if rows == 0 || cols == 0 {
		return
	}
	if p.K < 1 || row < 0 || rows < 0 || row+rows > p.M || col < 0 || cols < 0 || col+cols > p.N || p.Stride < p.N || len(p.C) < (p.M-1)*p.Stride+p.N {
		panic(fmt.Sprintf("BUG: gemm: rows %d+%d, columns %d+%d of a %d×%d×%d product into %d elements with stride %d",
			row, rows, col, cols, p.M, p.N, p.K, len(p.C), p.Stride))
	}
	if need := k.Workspace(rows, cols, p.K); len(work) < need {
		panic(fmt.Sprintf("BUG: gemm: workspace of %d elements, %d needed", len(work), need))
	}
	kc, to := k.Depth(p.K), p.To
	if to == 0 {
		to = p.K
	}
	if p.From < 0 || p.From%kc != 0 || p.From >= to || to > p.K {
		panic(fmt.Sprintf("BUG: gemm: depths %d to %d of %d, in blocks of %d", p.From, to, p.K, kc))
	}
	if nr := k.NR(); p.Packed != nil && (col%nr != 0 || cols%nr != 0 && col+cols != p.N || len(p.Packed) < k.SizeB(p.N, p.K)) {
		panic(fmt.Sprintf("BUG: gemm: columns %d+%d of %d×%d that are packed in %d elements", col, cols, p.K, p.N, len(p.Packed)))
	}

	left, right := k.leftInPlace(p.A, cols), k.rightInPlace(p, rows)
	maxRows := k.maxRows
	if left != nil && conflicting(left.LaneStride) {
		maxRows = min(maxRows, ways-1)
	}
	maxRows = evenly(rows, maxRows)
	packedB, packedA := work[:k.SizeB(min(cols, k.maxCols), kc)], work[k.SizeB(min(cols, k.maxCols), kc):]
	for d := p.From; d < to; d += kc {
		f := Block{Depth: min(kc, to-d), Runs: 1, CRow: p.Stride, Accumulate: p.Accumulate || d > p.From}
		last := d+f.Depth == to
		for j := col; j < col+cols; j += k.maxCols {
			f.Cols = min(k.maxCols, col+cols-j)
			b := packedB
			switch {
			case p.Packed != nil:
				b = p.Packed[k.SizeB(p.N, d)+j*f.Depth:]
			case right != nil:
				b, f.BStep = right.from(j, d), right.DepthStride
			default:
				k.PackB(packedB, p.B, j, f.Cols, d, f.Depth)
			}
			for i := row; i < row+rows; i += maxRows {
				f.Rows = min(maxRows, row+rows-i)
				a := packedA
				if left != nil {
					a, f.ARow, f.AStep = left.from(i, d), left.LaneStride, left.DepthStride
				} else {
					k.PackA(packedA, p.A, i, f.Rows, d, f.Depth)
				}
				k.Block(&f, a, b, p.C[i*p.Stride+j:])
				if last && p.Epilogue != nil {
					p.Epilogue.Finish(i, f.Rows, j, f.Cols)
				}
			}
		}
	}
}

// evenly returns the size of the fewest parts of n that are at most so large and of like size.
func evenly(n, most int) int {
	parts := (n + most - 1) / most
	return (n + parts - 1) / parts
}

// leftInPlace returns A if micro-kernels had better read it where it lies than from a packed copy, which is whenever its rows do not get into each
// other's way in the cache: packing takes as long as a tenth of the product where N is 64. If there are too few columns for that, Multiply takes as many rows at once
// as do not.
func (k *Kernel) leftInPlace(a Source, cols int) *Strided {
	s, ok := a.(*Strided)
	if !ok || s.LaneStride == 0 || conflicting(max(s.LaneStride, s.DepthStride)) && cols > k.NR() {
		return nil
	}
	return s
}

// rightInPlace returns B likewise.
func (k *Kernel) rightInPlace(p *Product, rows int) *Strided {
	if s, ok := p.B.(*Strided); ok && !k.Packs(s, rows, p.K) {
		return s
	}
	return nil
}

// Packs reports whether Multiply packs a B [depth, …] for so many rows of A, or reads it where it lies. It packs B if neighbouring columns are not neighbours in
// memory. If they are, rows of B lie on as many pages of memory as they are many, unless they are short; too many of those slow the reading down by a tenth, which
// packing makes up for if there are enough rows of A.
func (k *Kernel) Packs(b *Strided, rows, depth int) bool {
	const (
		fewRows  = 170
		fewPages = 64 * 1024 // elements, on 64 pages
	)
	if b.LaneStride != 1 || b.DepthStride == 0 {
		return true
	}
	return rows > k.MR() && (conflicting(b.DepthStride) || rows > fewRows && k.Depth(depth)*b.DepthStride > fewPages)
}

// ways is how many elements that conflict the first-level cache holds at least.
const ways = 8

// conflicting reports whether elements that lie stride apart compete for the same few places in the first-level cache, whose ways are 4096 bytes each.
func conflicting(stride int) bool {
	const way, few = 1024, 8
	return (stride+few)%way < 2*few && stride > few
}
