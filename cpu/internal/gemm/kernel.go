package gemm

import "fmt"

// A microKernel multiplies rows of A by cols columns of B, as many or, of columns, at most as many as its name says, into tiles of C, one after the other: C = sum, or
// C += sum if accumulate; then C += bias, a row of cols elements, unless that is nil, and C = max(C, 0) if relu, where NaN stays NaN and −0 becomes +0. The sum goes over runs stretches of depth indices. Distances are in bytes: aTile, bTile and biasTile from the operand of a tile to that of
// the next, aRow from one row of A to the next, aStep and bStep from one index to the next, aJump and bJump from the end of a run to the beginning of the next, cRow
// from one row of C to the next, cJump from the row below a tile to the first of the next. So aTile is the height of a tile for those that lie one below
// the other, which share B, and bTile the width for those side by side, which share A.
// Large tiles fetch C into the nearest cache before they add to it and, if fetch, before they write it; and unless aAhead is 0, what lies aTile ahead of A, and
// aAhead further with every index.
// Nothing outside the cols columns is read or written, and cols falls short of the width by less than the smallest width.
type microKernel func(tiles, depth, runs int, a *float32, aTile, aRow, aStep, aJump, aAhead int, b *float32, bTile, bStep, bJump int,
	c *float32, cRow, cJump, cols int, accumulate bool, bias *float32, biasTile int, relu, fetch bool)

// Kernel is one implementation of the product for one instruction set. It is immutable and safe for concurrent use.
type Kernel struct {
	name     string
	widths   []int           // panel widths of B, ascending multiples of the first, which is a power of two
	micro    [][]microKernel // [height of a panel of A - 1][index of the width]
	rows     []microKernel   // for a single row of A and an unpacked B: rowUnit, 2·rowUnit, 3·rowUnit, … columns wide; may be empty
	rowUnit  int
	maxDepth int // KC
	maxRows  int // MC, a multiple of the largest height
	maxCols  int // NC, a multiple of the largest width
	peak     func(iterations int)
	peakFLOP int // floating-point operations of one iteration of peak
}

// rowsFor returns MC for a second-level cache of so many bytes, half of which the block of A may take: panels of B and C pass through the rest.
func (k *Kernel) rowsFor(cache int) int {
	const least, usual = 256 << 10, 1 << 20
	if cache < least {
		cache = usual
	}
	mr := k.MR()
	return cache / 2 / (4 * k.maxDepth) / mr * mr
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

// MR returns the greatest height of a panel of A, in rows. There are panels of every height up to that.
func (k *Kernel) MR() int { return len(k.micro) }

// NR returns the greatest width of a panel of B, in columns.
func (k *Kernel) NR() int { return k.widths[len(k.widths)-1] }

// PanelA returns the height of the panel that starts where rest rows remain. Between MR and 2·MR rows are cut into two panels of like
// height, because a sliver of one or two rows keeps too few multiply-adds in flight.
func (k *Kernel) PanelA(rest int) int {
	mr := k.MR()
	switch {
	case rest <= mr:
		return rest
	case rest < 2*mr:
		return (rest + 1) / 2
	}
	return mr
}

// PanelB returns the width of the panel that starts where rest columns remain. It exceeds rest by less than the smallest width, so only
// the last panel of a block is padded.
func (k *Kernel) PanelB(rest int) int { return k.widths[k.widthIndex(rest)] }

// widthIndex returns the index of the greatest width that is not greater than rest rounded up to a multiple of the smallest.
func (k *Kernel) widthIndex(rest int) int {
	rest = k.padded(rest)
	i := len(k.widths) - 1
	for k.widths[i] > rest {
		i--
	}
	return i
}

// padded rounds a number of columns up to a multiple of the smallest width.
func (k *Kernel) padded(cols int) int { return (cols + k.widths[0] - 1) &^ (k.widths[0] - 1) }

// SizeA returns how many float32 the packed form of a block of A takes.
func (k *Kernel) SizeA(rows, depth int) int { return rows * depth }

// SizeB returns how many float32 the packed form of a block of B takes.
func (k *Kernel) SizeB(cols, depth int) int { return k.padded(cols) * depth }

// Depth returns kc, how deep the blocks are that K is cut into (the last may be less deep), for K ≥ 1. It depends on K and the Kernel alone.
func (k *Kernel) Depth(depth int) int {
	return evenly(depth, k.maxDepth)
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

// Peak runs a loop of independent multiply-adds in registers, as fast as one core can, and returns how many floating-point operations it did.
// Timed, it gives the peak to which a benchmark compares.
func (k *Kernel) Peak(iterations int) (flop int) {
	k.peak(iterations)
	return k.peakFLOP * iterations
}
