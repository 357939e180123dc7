package vec

// Fill does dst[i] = c.
func Fill(dst []float32, c float32) {
	if len(dst) == 0 {
		return
	}
	dst[0] = c
	for done := 1; done < len(dst); done *= 2 {
		copy(dst[done:], dst[:done])
	}
}

// Add does dst[i] = x[i] + y[i].
func (k *Kernel) Add(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.add(dst, x, y)
	}
}

// Mul does dst[i] = x[i]·y[i].
func (k *Kernel) Mul(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.mul(dst, x, y)
	}
}

// Scale does dst[i] = alpha·x[i].
func (k *Kernel) Scale(dst, x []float32, alpha float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.scale(dst, x, alpha)
	}
}

// Shift does dst[i] = x[i] + alpha.
func (k *Kernel) Shift(dst, x []float32, alpha float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.shift(dst, x, alpha)
	}
}

// Sqrt does dst[i] = √x[i], rounded to nearest.
func (k *Kernel) Sqrt(dst, x []float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.sqrt(dst, x)
	}
}

// Axpy does y[i] += alpha·x[i], with one rounding or two.
func (k *Kernel) Axpy(y, x []float32, alpha float32) {
	equalLengths(len(y), len(x))
	if len(y) > 0 {
		k.axpy(y, x, alpha)
	}
}

// Sum returns Σ x[i], 0 if x is empty. The error is at most (n/8 + 8)·ε·Σ|x[i]|.
func (k *Kernel) Sum(x []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	return k.sum(x)
}

// Dot returns Σ x[i]·y[i], 0 if they are empty. The error is at most (n/8 + 8)·ε·Σ|x[i]·y[i]|.
func (k *Kernel) Dot(x, y []float32) float32 {
	equalLengths(len(x), len(y))
	if len(x) == 0 {
		return 0
	}
	return k.dot(x, y)
}

// Max returns the greatest x[i], or NaN if there is a NaN. x is not empty.
func (k *Kernel) Max(x []float32) float32 {
	if len(x) == 0 {
		panic("BUG: vec: maximum of nothing")
	}
	return k.max(x)
}

// ColumnSums does dst[j] += Σᵢ x[i·stride + j] for rows i and columns j < len(dst). Rows i ≡ r (mod 4) are summed for each r in ascending order, then
// dst[j] += (s₀+s₁) + (s₂+s₃). Many rows that are short and follow one another are summed in the same way in two steps, the first of which takes several
// as one. The error is at most (rows/4 + 3)·ε·(|dst[j]| + Σ|x|).
func (k *Kernel) ColumnSums(dst, x []float32, rows, stride int) {
	rowsFit(len(x), rows, len(dst), stride)
	if len(dst) > 0 && rows > 0 {
		k.columns(dst, x, rows, stride)
	}
}
