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

func peakPortable(iterations int) { independentSums(iterations) }

// independentSums has eight sums in flight, with different factors, so that the compiler does not find them to be one, and a result, so that it does not drop them.
//
//go:noinline
func independentSums(iterations int) float32 {
	const x = 0.25
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for range iterations {
		s0 = s0*0.1 + x
		s1 = s1*0.2 + x
		s2 = s2*0.3 + x
		s3 = s3*0.4 + x
		s4 = s4*0.5 + x
		s5 = s5*0.6 + x
		s6 = s6*0.7 + x
		s7 = s7*0.8 + x
	}
	return s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7
}
