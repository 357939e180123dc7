package reference

import "fovea/backend"

func matMul(m *memory, o *backend.MatMul) {
	c, a, b, bias := m.floats(o.C), m.floats(o.A), m.floats(o.B), m.floats(o.Bias)
	// Both factors are brought into the form in which a row of the one meets a row
	// of the other: A [M, K], B [N, K].
	if o.TransposeA {
		a = transposed(a, o.A.Shape[0], o.A.Shape[1])
	}
	if !o.TransposeB {
		b = transposed(b, o.B.Shape[0], o.B.Shape[1])
	}
	h, w := o.C.Shape[0], o.C.Shape[1]
	k := len(a) / h
	// C may be the memory of Addend or Output, so it is written last.
	sum := make([]float64, len(c))
	if h > w {
		m.split(h, 2*w*k, func(lo, hi int) { product(sum[lo*w:], w, a[lo*k:], b, hi-lo, w, k) })
	} else {
		m.split(w, 2*h*k, func(lo, hi int) { product(sum[lo:], w, a, b[lo*k:], h, hi-lo, k) })
	}
	addBias(sum, bias)
	if o.Accumulate {
		store(c, sum, true)
		return
	}
	activate(sum, o.Activation)
	m.finish(c, sum, o.GradEpilogue)
}

// transposed returns the transpose of a matrix of h×w.
func transposed(a []float64, h, w int) []float64 {
	t := make([]float64, len(a))
	for i := range h {
		for j := range w {
			t[j*h+i] = a[i*w+j]
		}
	}
	return t
}
