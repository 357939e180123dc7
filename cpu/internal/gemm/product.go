package gemm

import "fmt"

// Product is one matrix product, C = A·B or C += A·B. The zero Accumulate overwrites C, which may then hold anything, NaN included.
type Product struct {
	M, N, K int // sizes: A is M×K, B is K×N, C is M×N; all at least 1
	From    int // the sum is over depth indices [From, From+K) of the sources: a slice of a longer sum, or 0

	A Source // lanes are the M rows
	B Source // lanes are the N columns

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

// Multiply computes rows [row, row+rows) × columns [col, col+cols) of a product. The work slice holds at least Workspace(rows, cols, p.K)
// elements, whose content does not matter, and may be reused afterwards. Goroutines may compute disjoint ranges at once, each with its own work; cuts at multiples
// of MR and NR waste least. Nothing is allocated.
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

	kc := k.Depth(p.K)
	left, right := k.leftInPlace(p.A, cols), k.rightInPlace(p.B, rows, kc)
	packedB, packedA := work[:k.SizeB(min(cols, k.maxCols), kc)], work[k.SizeB(min(cols, k.maxCols), kc):]
	for d := 0; d < p.K; d += kc {
		f := Block{Depth: min(kc, p.K-d), Runs: 1, CRow: p.Stride, Accumulate: p.Accumulate || d > 0}
		last := d+f.Depth == p.K
		for j := col; j < col+cols; j += k.maxCols {
			f.Cols = min(k.maxCols, col+cols-j)
			b := packedB
			if right != nil {
				b, f.BStep = right.from(j, p.From+d), right.DepthStride
			} else {
				k.PackB(packedB, p.B, j, f.Cols, p.From+d, f.Depth)
			}
			for i := row; i < row+rows; i += k.maxRows {
				f.Rows = min(k.maxRows, row+rows-i)
				a := packedA
				if left != nil {
					a, f.ARow, f.AStep = left.from(i, p.From+d), left.LaneStride, left.DepthStride
				} else {
					k.PackA(packedA, p.A, i, f.Rows, p.From+d, f.Depth)
				}
				k.Block(&f, a, b, p.C[i*p.Stride+j:])
				if last && p.Epilogue != nil {
					p.Epilogue.Finish(i, f.Rows, j, f.Cols)
				}
			}
		}
	}
}

// leftInPlace returns A if micro-kernels had better read it where it lies than from a packed copy, which is whenever its rows do not get into each
// other's way in the cache: packing takes as long as a tenth of the product where N is 64.
func (k *Kernel) leftInPlace(a Source, cols int) *Strided {
	s, ok := a.(*Strided)
	if !ok || s.LaneStride == 0 || conflicting(max(s.LaneStride, s.DepthStride)) && cols > k.NR() {
		return nil
	}
	return s
}

// rightInPlace returns B likewise. Its rows lie on as many pages of memory as they are many, unless they are short; too many of those slow the reading
// down by a tenth, which packing makes up for if there are enough rows of A.
func (k *Kernel) rightInPlace(b Source, rows, depth int) *Strided {
	const (
		fewRows  = 170
		fewPages = 64 * 1024 // elements, on 64 pages
	)
	s, ok := b.(*Strided)
	if !ok || s.LaneStride != 1 || s.DepthStride == 0 || rows > k.MR() && (conflicting(s.DepthStride) || rows > fewRows && depth*s.DepthStride > fewPages) {
		return nil
	}
	return s
}

// conflicting reports whether elements that lie stride apart compete for the same few places in the first-level cache, whose ways are 4096 bytes each.
func conflicting(stride int) bool {
	const way, few = 1024, 8
	return (stride+few)%way < 2*few
}
