package reference

// product computes c[i·stride + j] = Σ_l a[i·k + l]·b[j·k + l], the products of m
// rows of a with n rows of b, each k long. Four sums advance together, since one
// alone would wait for its own additions; each is taken in the order of l.
func product(c []float64, stride int, a, b []float64, m, n, k int) {
	j := 0
	for ; j+4 <= n; j += 4 {
		b0, b1, b2, b3 := b[j*k:(j+1)*k], b[(j+1)*k:(j+2)*k], b[(j+2)*k:(j+3)*k], b[(j+3)*k:(j+4)*k]
		for i := range m {
			row := a[i*k : (i+1)*k]
			b0, b1, b2, b3 := b0[:len(row)], b1[:len(row)], b2[:len(row)], b3[:len(row)]
			var s0, s1, s2, s3 float64
			for l, v := range row {
				s0 += v * b0[l]
				s1 += v * b1[l]
				s2 += v * b2[l]
				s3 += v * b3[l]
			}
			out := c[i*stride+j : i*stride+j+4]
			out[0], out[1], out[2], out[3] = s0, s1, s2, s3
		}
	}
	for ; j < n; j++ {
		column := b[j*k : (j+1)*k]
		for i := range m {
			var s float64
			for l, v := range a[i*k : (i+1)*k] {
				s += v * column[l]
			}
			c[i*stride+j] = s
		}
	}
}

// addMultiples adds factors[i]·b[i·stride + l] to each y[l], in the order of i.
// Four terms are added at once, since y would otherwise be stored and loaded for
// each.
func addMultiples(y, factors, b []float64, stride int) {
	n := len(y)
	i := 0
	for ; i+4 <= len(factors); i += 4 {
		f0, f1, f2, f3 := factors[i], factors[i+1], factors[i+2], factors[i+3]
		b0, b1, b2, b3 := b[i*stride:][:n], b[(i+1)*stride:][:n], b[(i+2)*stride:][:n], b[(i+3)*stride:][:n]
		for l := range y {
			y[l] = y[l] + f0*b0[l] + f1*b1[l] + f2*b2[l] + f3*b3[l]
		}
	}
	for ; i < len(factors); i++ {
		f, row := factors[i], b[i*stride:][:n]
		for l := range y {
			y[l] += f * row[l]
		}
	}
}
