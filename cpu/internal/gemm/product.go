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
	packedB, packedA := work[:k.SizeB(min(cols, k.maxCols), kc)], work[k.SizeB(min(cols, k.maxCols), kc):]
	for d := 0; d < p.K; d += kc {
		depth := min(kc, p.K-d)
		accumulate := p.Accumulate || d > 0
		last := d+depth == p.K
		for j := col; j < col+cols; j += k.maxCols {
			nc := min(k.maxCols, col+cols-j)
			k.PackB(packedB, p.B, j, nc, p.From+d, depth)
			for i := row; i < row+rows; i += k.maxRows {
				mc := min(k.maxRows, row+rows-i)
				k.PackA(packedA, p.A, i, mc, p.From+d, depth)
				k.Macro(mc, nc, depth, packedA, packedB, p.C[i*p.Stride+j:], p.Stride, accumulate)
				if last && p.Epilogue != nil {
					p.Epilogue.Finish(i, mc, j, nc)
				}
			}
		}
	}
}
