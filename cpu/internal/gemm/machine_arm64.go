//go:build arm64 && !noasm

package gemm

//go:generate go run -C ../asmgen . gemm

// Every arm64 processor that Go runs on has the vector instructions.
func machineKernels() []*Kernel { return []*Kernel{&neon} }

// neon has blocks for a first-level cache of 32 KiB, the smallest there is: panels of 12 and 8 lanes, 256 deep, take 20.
var neon = Kernel{
	name:   "neon",
	widths: []int{4, 8},
	micro: [][]microKernel{
		{microNEONx1x4, microNEONx1x8},
		{microNEONx2x4, microNEONx2x8},
		{microNEONx3x4, microNEONx3x8},
		{microNEONx4x4, microNEONx4x8},
		{microNEONx5x4, microNEONx5x8},
		{microNEONx6x4, microNEONx6x8},
		{microNEONx7x4, microNEONx7x8},
		{microNEONx8x4, microNEONx8x8},
		{microNEONx9x4, microNEONx9x8},
		{microNEONx10x4, microNEONx10x8},
		{microNEONx11x4, microNEONx11x8},
		{microNEONx12x4, microNEONx12x8},
	},
	rows: []microKernel{
		microNEONx1x4, microNEONx1x8, microNEONx1x12, microNEONx1x16, microNEONx1x20, microNEONx1x24, microNEONx1x28, microNEONx1x32,
		microNEONx1x36, microNEONx1x40, microNEONx1x44, microNEONx1x48, microNEONx1x52, microNEONx1x56, microNEONx1x60, microNEONx1x64,
	},
	rowUnit:  4,
	maxDepth: 256,
	maxRows:  12 * 16,
	maxCols:  1024,
	peak:     peakNEON,
	peakFLOP: 2 * 24 * 4,
}

// copyLanes does what CopyLanes does, or returns false.
func copyLanes(dst []float32, width int, src []float32, stride, lanes, depth int) bool {
	if lanes < 4 || lanes > 16 {
		return false
	}
	copyRowsNEON(&dst[0], width, &src[0], stride, lanes, depth)
	return true
}

// interleave does what Interleave does, or returns false. Groups of four lanes cover all lanes; the last overlaps the one before.
func interleave(dst []float32, width int, src []float32, stride, lanes, depth int) bool {
	if lanes < 4 || depth < 4 {
		return false
	}
	for l := 0; ; l += 4 {
		l = min(l, lanes-4)
		transpose4NEON(&dst[l], width, &src[l*stride], stride, depth)
		if l == lanes-4 {
			return true
		}
	}
}
