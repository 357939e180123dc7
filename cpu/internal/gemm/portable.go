package gemm

import "unsafe"

const (
	portableRows = 2
	portableCols = 4
)

var portable = Kernel{
	name:     "portable",
	heights:  []int{portableRows},
	widths:   []int{portableCols},
	micro:    [][]microKernel{{microPortable}},
	maxDepth: 256,
	maxRows:  128,
	maxCols:  512,
	peak:     peakPortable,
	peakFLOP: 2 * portableRows * portableCols,
}

// microPortable is the micro-kernel for a 2×4 tile, whose eight sums and six operands fit the sixteen registers of amd64.
func microPortable(depth int, a, b, c *float32, ldc, rows, cols int, accumulate bool) {
	pa := unsafe.Slice(a, depth*portableRows)
	pb := unsafe.Slice(b, depth*portableCols)
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	for len(pa) >= portableRows && len(pb) >= portableCols {
		a0, a1 := pa[0], pa[1]
		b0, b1, b2, b3 := pb[0], pb[1], pb[2], pb[3]
		s00 += a0 * b0
		s01 += a0 * b1
		s02 += a0 * b2
		s03 += a0 * b3
		s10 += a1 * b0
		s11 += a1 * b1
		s12 += a1 * b2
		s13 += a1 * b3
		pa, pb = pa[portableRows:], pb[portableCols:]
	}
	tile := [portableRows][portableCols]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
	out := unsafe.Slice(c, (rows-1)*ldc+cols)
	for i := range rows {
		row := out[i*ldc : i*ldc+cols]
		for j := range row {
			if accumulate {
				row[j] += tile[i][j]
			} else {
				row[j] = tile[i][j]
			}
		}
	}
}

// peakSink keeps the compiler from dropping the loop of peakPortable.
var peakSink float32

func peakPortable(iterations int) {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	const x = 0.5
	for range iterations {
		s0 += x * s0
		s1 += x * s1
		s2 += x * s2
		s3 += x * s3
		s4 += x * s4
		s5 += x * s5
		s6 += x * s6
		s7 += x * s7
	}
	peakSink = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7
}
