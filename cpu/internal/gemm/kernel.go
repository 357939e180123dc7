package gemm

import "fmt"

// A microKernel multiplies the rows of A that its name says by cols columns of B, at most as many as its name says, into a tile of C:
// C = sum, or C += sum if accumulate. The sum goes over runs stretches of depth indices. Distances are in bytes: aRow from one row of A to the next,
// aStep and bStep from one index to the next, aJump and bJump from the end of a run to the beginning of the next, cRow from one row of C to the next.
// Nothing outside the cols columns is read or written, and cols falls short of the width by less than the smallest width.
type microKernel func(depth, runs int, a *float32, aRow, aStep, aJump int, b *float32, bStep, bJump int, c *float32, cRow, cols int, accumulate bool)

// Kernel is one implementation of the product for one instruction set. It is immutable and safe for concurrent use.
type Kernel struct {
	name     string
	heights  []int           // panel heights of A: 1, 2, 3, … rows
	widths   []int           // panel widths of B, ascending multiples of the first
	micro    [][]microKernel // [slot of height][slot of width], nil where there is no such size
	maxDepth int             // KC
	maxRows  int             // MC, a multiple of the largest height
	maxCols  int             // NC, a multiple of the largest width
	peak     func(iterations int)
	peakFLOP int // floating-point operations of one iteration of peak
}

// Kernels returns the implementations that run on this machine, fastest first; the portable one is last and always there.
func Kernels() []*Kernel {
	return append([]*Kernel(nil), kernels...)
}

// Default returns the fastest implementation, Kernels()[0].
func Default() *Kernel { return kernels[0] }

var kernels = append(machineKernels(), &portable)

// Name returns the name of the instruction set: "avx512", "avx2", "neon" or "portable".
func (k *Kernel) Name() string { return k.name }

// String returns the name and the largest tile, as in "avx512 14×32".
func (k *Kernel) String() string { return fmt.Sprintf("%s %d×%d", k.name, k.MR(), k.NR()) }

// MR returns the greatest height of a panel of A, in rows.
func (k *Kernel) MR() int { return k.heights[len(k.heights)-1] }

// NR returns the greatest width of a panel of B, in columns.
func (k *Kernel) NR() int { return k.widths[len(k.widths)-1] }

// PanelA returns the height of the panel that starts where rest rows remain. Between MR and 2·MR rows are cut into two panels of like
// height, because a sliver of one or two rows keeps too few multiply-adds in flight.
func (k *Kernel) PanelA(rest int) int {
	if mr := k.MR(); rest >= 2*mr {
		return mr
	} else if rest > mr {
		rest = (rest + 1) / 2
	}
	return fit(k.heights, rest)
}

// PanelB returns the width of the panel that starts where rest columns remain. It exceeds rest by less than the smallest width, so only
// the last panel of a block is padded.
func (k *Kernel) PanelB(rest int) int { return fit(k.widths, rest) }

// fit returns the greatest size that is not greater than rest rounded up to a multiple of the smallest.
func fit(sizes []int, rest int) int {
	rest = roundUp(rest, sizes[0])
	i := len(sizes) - 1
	for sizes[i] > rest {
		i--
	}
	return sizes[i]
}

func roundUp(n, step int) int { return (n + step - 1) / step * step }

// SizeA returns how many float32 the packed form of a block of A takes.
func (k *Kernel) SizeA(rows, depth int) int { return rows * depth }

// SizeB returns how many float32 the packed form of a block of B takes.
func (k *Kernel) SizeB(cols, depth int) int { return roundUp(cols, k.widths[0]) * depth }

// Depth returns kc, how deep the blocks are that K is cut into (the last may be less deep), for K ≥ 1. It depends on K and the Kernel alone.
func (k *Kernel) Depth(depth int) int {
	blocks := (depth + k.maxDepth - 1) / k.maxDepth
	return (depth + blocks - 1) / blocks
}

// PackA packs rows [row, row+rows) over depth indices [p, p+depth) of a into dst, which holds SizeA(rows, depth) elements.
func (k *Kernel) PackA(dst []float32, a Source, row, rows, p, depth int) {
	for i := 0; i < rows; {
		h := k.PanelA(rows - i)
		a.Pack(dst[i*depth:(i+h)*depth], h, row+i, min(h, rows-i), p, depth)
		i += h
	}
}

// PackB packs columns [col, col+cols) over depth indices [p, p+depth) of b into dst, which holds SizeB(cols, depth) elements.
func (k *Kernel) PackB(dst []float32, b Source, col, cols, p, depth int) {
	for j := 0; j < cols; {
		w := k.PanelB(cols - j)
		b.Pack(dst[j*depth:(j+w)*depth], w, col+j, min(w, cols-j), p, depth)
		j += w
	}
}

// Macro multiplies packed blocks: the rows×depth block a, from PackA, by the depth×cols block b, from PackB, into the rows×cols block
// that starts at c[0] and has row stride ldc: C = A·B, or C += A·B if accumulate.
func (k *Kernel) Macro(rows, cols, depth int, a, b, c []float32, ldc int, accumulate bool) {
	k.Block(&Block{Rows: rows, Cols: cols, Depth: depth, Runs: 1, CRow: ldc, Accumulate: accumulate}, a, b, c)
}

// slot returns the place of size, which is one of sizes, in a list of the multiples of the smallest.
func slot(sizes []int, size int) int { return size/sizes[0] - 1 }

// Peak runs a loop of independent multiply-adds in registers, as fast as one core can, and returns how many floating-point operations it did.
// Timed, it gives the peak to which a benchmark compares.
func (k *Kernel) Peak(iterations int) (flop int) {
	k.peak(iterations)
	return k.peakFLOP * iterations
}
