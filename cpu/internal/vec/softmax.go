package vec

import "math"

// ExpRows does, for each row i of x, of cols elements:
//
//	maxima[i] = max xᵢ
//	dstᵢ      = exp(xᵢ − maxima[i])
//	sums[i]   = Σ dstᵢ
//
// There are as many rows as maxima. dst may be x, or nil if the sums are enough. A row with NaN, +Inf or nothing but −Inf has the sum NaN. The exponential
// of the rounded difference is within 1 ulp, the sum's error at most (cols/8 + 8)·ε of it.
func (k *Kernel) ExpRows(dst, maxima, sums, x []float32, cols int) {
	rows := len(maxima)
	equalLengths(rows, len(sums))
	equalLengths(rows*cols, len(x))
	if dst != nil {
		equalLengths(len(x), len(dst))
	}
	if len(x) > 0 {
		k.expRows(dst, maxima, sums, x, cols)
	}
}

// AffineRows does dst = x·factors[i] + offsets[i] in row i of cols elements, with one rounding or two. There are as many rows as factors.
func (k *Kernel) AffineRows(dst, x, factors, offsets []float32, cols int) {
	rows := len(factors)
	equalLengths(rows, len(offsets))
	equalLengths(rows*cols, len(x), len(dst))
	if len(x) > 0 {
		k.affineRows(dst, x, factors, offsets, cols)
	}
}

func expRowsPortable(dst, maxima, sums, x []float32, cols int) {
	for i := range maxima {
		row := x[i*cols : (i+1)*cols]
		best := maxPortable(row)
		sum := 0.0
		for j, v := range row {
			e := math.Exp(float64(v - best))
			sum += e
			if dst != nil {
				dst[i*cols+j] = float32(e)
			}
		}
		maxima[i], sums[i] = best, float32(sum)
	}
}

func affineRowsPortable(dst, x, factors, offsets []float32, cols int) {
	for i, a := range factors {
		for j, v := range x[i*cols : (i+1)*cols] {
			dst[i*cols+j] = v*a + offsets[i]
		}
	}
}
