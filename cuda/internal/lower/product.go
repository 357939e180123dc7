package lower

import (
	"fmt"
	"math/bits"

	"fovea/backend"
	"fovea/kernels"
)

// product lowers the Ops that are matrix products: MatMul and the convolutions.
func (l *lowering) product(op backend.Op) (Work, error) {
	switch o := op.(type) {
	case *backend.MatMul:
		return l.matMul(o)
	case *backend.Conv2D:
		return l.conv2D(o)
	case *backend.Conv2DInputGrad:
		return l.conv2DInputGrad(o)
	case *backend.Conv2DFilterGrad:
		return l.conv2DFilterGrad(o)
	}
	return Work{}, unsupported(op)
}

// tile is a kernel, and how many rows and columns of the result its blocks do.
type tile[Kernel any] struct {
	rows, columns int
	kernel        Kernel
}

// tiles are the kernels for one shape: one that moves four elements at a time and
// one that takes any alignment.
type tiles[Kernel any] struct{ vector, scalar tile[Kernel] }

// pick chooses by the alignment of the operands. The order of the sums is the same.
func (t tiles[Kernel]) pick(vector bool) tile[Kernel] {
	if vector {
		return t.vector
	}
	return t.scalar
}

// busy is how many of these tiles keep a large device busy.
func (t tile[Kernel]) busy() int {
	switch size := t.rows * t.columns; {
	case size >= 128*128:
		return busyLargeTiles
	case size >= 64*64:
		return busyTiles
	}
	return busySmallTiles
}

// grid is the number of tiles down and across.
func (t tile[Kernel]) grid(rows, columns int) (down, across int) {
	return int(blocks(rows, t.rows)), int(blocks(columns, t.columns))
}

const (
	// busyTiles is how many blocks of a product keep a large device busy, if the
	// tiles are large or of middle size; it takes most of small ones.
	busyLargeTiles, busyTiles, busySmallTiles = 256, 512, 1024
	// deepestSum leaves room for a kernel to count past the end of a sum.
	deepestSum = 1<<31 - 1<<10
	// sliceUnit is what slices are multiples of: the depth of a stage of any kernel.
	sliceUnit = 16
)

// slicing is how a sum is split among blocks, so that products with few results
// have enough of them. It follows from the shape alone, and so does the order in
// which a result is added up.
type slicing struct {
	slices, length int
}

// sliced splits sums of depth products into slices of at least `least` each, for a
// product of so many tiles, when `busy` are wanted.
func sliced(depth, least, tiles, busy int) slicing {
	n := max(1, min(busy/tiles, depth/least))
	length := (depth + n - 1) / n
	length = (length + sliceUnit - 1) / sliceUnit * sliceUnit
	return slicing{slices: max(1, (depth+length-1)/length), length: length}
}

// workspace is the memory for the slices of so many results, in bytes.
func (s slicing) workspace(results int) int {
	if s.slices == 1 {
		return 0
	}
	return s.slices * results * 4
}

// launch runs a kernel of package gemm.cuh for so many tiles.
func (s slicing) launch(call kernels.Call, tiles int) Launch {
	return Launch{
		Call:  call,
		Grid:  [3]uint32{uint32(tiles), uint32(s.slices), 1},
		Block: [3]uint32{uint32(call.Kernel.Threads), 1, 1},
	}
}

// sumRows is how many threads share the sum of a result's slices: a power of two, so
// that each adds at least 4 and less than 8, or more where that makes 32.
func (s slicing) sumRows() int {
	return min(1<<(bits.Len(uint(max(s.slices, 4)))-3), 32)
}

// add launches the sum of the slices of `results` results into y and, from length
// on, tail.
func (s slicing) add(y, tail, workspace kernels.Pointer, results, length, columns int, f kernels.Finish) Launch {
	rows := s.sumRows()
	wide := kernels.GemmSumThreads / rows
	return Launch{
		Call:  kernels.GemmSum(y, tail, workspace, int32(s.slices), int32(results), int32(length), divisor(columns), f),
		Grid:  [3]uint32{blocks(results, wide), 1, 1},
		Block: [3]uint32{uint32(wide), uint32(rows), 1},
	}
}

// fours reports whether every one of the numbers is a multiple of 4.
func fours(numbers ...int) bool {
	for _, n := range numbers {
		if n%4 != 0 {
			return false
		}
	}
	return true
}

// vectored is 1 if rows of results can be written four at a time.
func vectored(ok bool, y kernels.Pointer, f kernels.Finish) int32 {
	if !ok {
		return 0
	}
	return aligned(y, f.Bias, f.Gradient.Addend, f.Gradient.Output)
}

// deep refuses sums that 32-bit indices do not reach beyond.
func deep(op backend.Op, sums int) error {
	if sums > deepestSum {
		return fmt.Errorf("cuda: %s: %w: sums of %d products, expected at most %d", op.Kind(), backend.ErrUnsupported, sums, deepestSum)
	}
	return nil
}

// flag is b as kernels take it.
func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
