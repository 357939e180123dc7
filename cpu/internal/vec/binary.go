package vec

// Sub does dst[i] = x[i] − y[i].
func (k *Kernel) Sub(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.sub(dst, x, y)
	}
}

// Div does dst[i] = x[i]/y[i].
func (k *Kernel) Div(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.div(dst, x, y)
	}
}

// Larger does dst[i] = max(x[i], y[i]): x[i] if they are equal, the first NaN if there is one.
func (k *Kernel) Larger(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.larger(dst, x, y)
	}
}

// Smaller does dst[i] = min(x[i], y[i]): x[i] if they are equal, the first NaN if there is one.
func (k *Kernel) Smaller(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.smaller(dst, x, y)
	}
}

// Equal does dst[i] = 1 if x[i] = y[i], else 0; NaN is equal to nothing.
func (k *Kernel) Equal(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.equal(dst, x, y)
	}
}

// NotEqual does dst[i] = 1 if x[i] ≠ y[i], also where there is a NaN, else 0.
func (k *Kernel) NotEqual(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.notEqual(dst, x, y)
	}
}

// Less does dst[i] = 1 if x[i] < y[i], else 0.
func (k *Kernel) Less(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.less(dst, x, y)
	}
}

// LessOrEqual does dst[i] = 1 if x[i] ≤ y[i], else 0.
func (k *Kernel) LessOrEqual(dst, x, y []float32) {
	equalLengths(len(dst), len(x), len(y))
	if len(dst) > 0 {
		k.lessOrEqual(dst, x, y)
	}
}

// Select does dst[i] = x[i] if cond[i] ≠ 0, NaN included, else y[i].
func (k *Kernel) Select(dst, cond, x, y []float32) {
	equalLengths(len(dst), len(cond), len(x), len(y))
	if len(dst) > 0 {
		k.selects(dst, cond, x, y)
	}
}

func subPortable(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] - y[i]
	}
}

func divPortable(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] / y[i]
	}
}

func largerPortable(dst, x, y []float32) {
	for i, v := range x {
		if w := y[i]; !(w <= v) && v == v {
			v = w
		}
		dst[i] = v
	}
}

func smallerPortable(dst, x, y []float32) {
	for i, v := range x {
		if w := y[i]; !(w >= v) && v == v {
			v = w
		}
		dst[i] = v
	}
}

func equalPortable(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = oneIf(v == y[i])
	}
}

func notEqualPortable(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = oneIf(v != y[i])
	}
}

func lessPortable(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = oneIf(v < y[i])
	}
}

func lessOrEqualPortable(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = oneIf(v <= y[i])
	}
}

func oneIf(holds bool) float32 {
	if holds {
		return 1
	}
	return 0
}

func selectsPortable(dst, cond, x, y []float32) {
	for i, c := range cond {
		v := y[i]
		if c != 0 {
			v = x[i]
		}
		dst[i] = v
	}
}
