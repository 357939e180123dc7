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
func microPortable2(tiles, depth, runs int, a *float32, aTile, aRow, aStep, aJump, _ int, b *float32, bTile, bStep, bJump int,
	c *float32, cRow, cJump, cols int, accumulate bool, bias *float32, biasTile int, relu, _ bool) {
	for t := range tiles {
		var sums [portableRows][portableCols]float32
		atA, atB := t*aTile, t*bTile
		for range runs {
			if cols == portableCols {
				add2x4(&sums, depth, after(a, atA), aRow, aStep, after(b, atB), bStep)
			} else {
				for j := range cols {
					add2x1(&sums, j, depth, after(a, atA), aRow, aStep, after(b, atB+4*j), bStep)
				}
			}
			atA += depth*aStep + aJump
			atB += depth*bStep + bJump
		}
		for i := range sums {
			finishRow(sums[i][:cols], after(c, t*cJump+(t*portableRows+i)*cRow), accumulate, biasOf(bias, t*biasTile), relu)
		}
	}
}

// microPortable1 is the micro-kernel for 1×4 tiles.
func microPortable1(tiles, depth, runs int, a *float32, aTile, _, aStep, aJump, _ int, b *float32, bTile, bStep, bJump int,
	c *float32, cRow, cJump, cols int, accumulate bool, bias *float32, biasTile int, relu, _ bool) {
	for t := range tiles {
		var sums [portableRows][portableCols]float32
		atA, atB := t*aTile, t*bTile
		for range runs {
			if cols == portableCols {
				add1x4(&sums[0], depth, after(a, atA), aStep, after(b, atB), bStep)
			} else {
				for j := range cols {
					add2x1(&sums, j, depth, after(a, atA), 0, aStep, after(b, atB+4*j), bStep)
				}
			}
			atA += depth*aStep + aJump
			atB += depth*bStep + bJump
		}
		finishRow(sums[0][:cols], after(c, t*(cRow+cJump)), accumulate, biasOf(bias, t*biasTile), relu)
	}
}

// add2x4 adds the products of two rows and four columns to sums. The compiler computes all products of a basic block before it adds them up, for which
// there are registers enough if half of the columns are a block of their own: that is what the condition is for, which is never true.
//
//go:noinline
func add2x4(sums *[portableRows][portableCols]float32, depth int, a *float32, aRow, aStep int, b *float32, bStep int) {
	s00, s01, s02, s03 := sums[0][0], sums[0][1], sums[0][2], sums[0][3]
	s10, s11, s12, s13 := sums[1][0], sums[1][1], sums[1][2], sums[1][3]
	atA, atB := 0, 0
	for range depth {
		a0, a1 := *after(a, atA), *after(a, atA+aRow)
		row := (*[portableCols]float32)(unsafe.Pointer(after(b, atB)))
		b0, b1 := row[0], row[1]
		s00 += a0 * b0
		s01 += a0 * b1
		s10 += a1 * b0
		s11 += a1 * b1
		if atA < 0 {
			break
		}
		b2, b3 := row[2], row[3]
		s02 += a0 * b2
		s03 += a0 * b3
		s12 += a1 * b2
		s13 += a1 * b3
		atA += aStep
		atB += bStep
	}
	*sums = [portableRows][portableCols]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
}

// add1x4 adds the products of one row and four columns to sums.
func add1x4(sums *[portableCols]float32, depth int, a *float32, aStep int, b *float32, bStep int) {
	s0, s1, s2, s3 := sums[0], sums[1], sums[2], sums[3]
	atA, atB := 0, 0
	for range depth {
		left, row := *after(a, atA), (*[portableCols]float32)(unsafe.Pointer(after(b, atB)))
		s0 += left * row[0]
		s1 += left * row[1]
		s2 += left * row[2]
		s3 += left * row[3]
		atA += aStep
		atB += bStep
	}
	*sums = [portableCols]float32{s0, s1, s2, s3}
}

// add2x1 adds the products of two rows and column j to sums.
func add2x1(sums *[portableRows][portableCols]float32, j, depth int, a *float32, aRow, aStep int, b *float32, bStep int) {
	s0, s1 := sums[0][j], sums[1][j]
	atA, atB := 0, 0
	for range depth {
		right := *after(b, atB)
		s0 += *after(a, atA) * right
		s1 += *after(a, atA+aRow) * right
		atA += aStep
		atB += bStep
	}
	sums[0][j], sums[1][j] = s0, s1
}

// finishRow writes a row of sums to C.
func finishRow(sums []float32, c *float32, accumulate bool, bias *float32, relu bool) {
	for j, s := range sums {
		to := after(c, 4*j)
		if accumulate {
			s += *to
		}
		if bias != nil {
			s += *after(bias, 4*j)
		}
		if relu && s <= 0 {
			s = 0
		}
		*to = s
	}
}

// biasOf returns the address some bytes from a bias, if there is one.
func biasOf(bias *float32, bytes int) *float32 {
	if bias == nil {
		return nil
	}
	return after(bias, bytes)
}

// after returns the address some bytes from p, where there is an element. Offsets are added up as numbers, since a pointer beyond the last element
// must not exist.
func after(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }

// peakPortable adds up products of the same few numbers, over and over.
func peakPortable(iterations int) {
	var sums [portableRows][portableCols]float32
	var operands [portableRows + portableCols]float32
	add2x4(&sums, iterations, &operands[0], 4, 0, &operands[portableRows], 0)
}
