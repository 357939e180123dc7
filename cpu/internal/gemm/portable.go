package gemm

import "unsafe"

const (
	portableRows = 2
	portableCols = 4
)

var portable = Kernel{
	name:     "portable",
	widths:   []int{portableCols},
	micro:    [][]microKernel{{microPortable1}, {microPortable2}},
	maxDepth: 256,
	maxRows:  128,
	maxCols:  512,
	peak:     peakPortable,
	peakFLOP: 2 * portableRows * portableCols,
}

// microPortable2 is the micro-kernel for 2×4 tiles, whose eight sums and six operands fit the sixteen registers of amd64.
func microPortable2(tiles, depth, runs int, a *float32, aTile, aRow, aStep, aJump int, b *float32, bStep, bJump int, c *float32, cRow, cols int, accumulate bool) {
	if cols < portableCols {
		for t := range tiles {
			microPortable1(portableRows, depth, runs, after(a, t*aTile), aRow, 0, aStep, aJump, b, bStep, bJump, after(c, t*portableRows*cRow), cRow, cols, accumulate)
		}
		return
	}
	for t := range tiles {
		var s00, s01, s02, s03, s10, s11, s12, s13 float32
		atA, atB := t*aTile, 0
		for range runs {
			for range depth {
				a0, a1 := *after(a, atA), *after(a, atA+aRow)
				row := (*[portableCols]float32)(unsafe.Pointer(after(b, atB)))
				b0, b1, b2, b3 := row[0], row[1], row[2], row[3]
				s00 += a0 * b0
				s01 += a0 * b1
				s02 += a0 * b2
				s03 += a0 * b3
				s10 += a1 * b0
				s11 += a1 * b1
				s12 += a1 * b2
				s13 += a1 * b3
				atA += aStep
				atB += bStep
			}
			atA += aJump
			atB += bJump
		}
		for i, sums := range [portableRows][portableCols]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}} {
			row := (*[portableCols]float32)(unsafe.Pointer(after(c, (t*portableRows+i)*cRow)))
			for j, s := range sums {
				if accumulate {
					row[j] += s
				} else {
					row[j] = s
				}
			}
		}
	}
}

// microPortable1 is the micro-kernel for 1×4 tiles.
func microPortable1(tiles, depth, runs int, a *float32, aTile, _, aStep, aJump int, b *float32, bStep, bJump int, c *float32, cRow, cols int, accumulate bool) {
	for t := range tiles {
		var sums [portableCols]float32
		atA, atB := t*aTile, 0
		for range runs {
			for range depth {
				left := *after(a, atA)
				for j := range cols {
					sums[j] += left * *after(b, atB+4*j)
				}
				atA += aStep
				atB += bStep
			}
			atA += aJump
			atB += bJump
		}
		for j := range cols {
			if to := after(c, t*cRow+4*j); accumulate {
				*to += sums[j]
			} else {
				*to = sums[j]
			}
		}
	}
}

// after returns the address some bytes from p, where there is an element. Offsets are added up as numbers, since a pointer beyond the last element
// must not exist.
func after(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }

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
