package vec

// The loops of batch normalization take a stretch of elements with channels last, and the numbers of the channels repeated to its length. σ stands for a
// standard deviation, μ for a mean.

// Deviations does dst[i] = (x[i] + shift[i])², shift being −μ.
func (k *Kernel) Deviations(dst, x, shift []float32) {
	equalLengths(len(dst), len(x), len(shift))
	if len(dst) > 0 {
		k.deviations(dst, x, shift)
	}
}

// Normalize does dst[i] = (x[i] + shift[i])·factor[i] + offset[i].
func (k *Kernel) Normalize(dst, x, shift, factor, offset []float32) {
	equalLengths(len(dst), len(x), len(shift), len(factor), len(offset))
	if len(dst) > 0 {
		k.normalize(dst, x, shift, factor, offset)
	}
}

// NormalizedTimes does dst[i] = (x[i] + shift[i])·factor[i]·dy[i], shift being −μ and factor 1/σ: the terms of the gradient of gamma.
func (k *Kernel) NormalizedTimes(dst, x, shift, factor, dy []float32) {
	equalLengths(len(dst), len(x), len(shift), len(factor), len(dy))
	if len(dst) > 0 {
		k.normalizedTimes(dst, x, shift, factor, dy)
	}
}

// NormalizeGrad does dx[i] = ((x[i] + shift[i])·factor[i]·a[i] + dy[i] + b[i])·gamma[i].
func (k *Kernel) NormalizeGrad(dx, dy, x, shift, factor, a, b, gamma []float32) {
	equalLengths(len(dx), len(dy), len(x), len(shift), len(factor), len(a), len(b), len(gamma))
	if len(dx) > 0 {
		k.normalizeGrad(dx, dy, x, shift, factor, a, b, gamma)
	}
}

func deviationsPortable(dst, x, shift []float32) {
	for i, v := range x {
		v += shift[i]
		dst[i] = v * v
	}
}

func normalizePortable(dst, x, shift, factor, offset []float32) {
	for i, v := range x {
		dst[i] = (v+shift[i])*factor[i] + offset[i]
	}
}

func normalizedTimesPortable(dst, x, shift, factor, dy []float32) {
	for i, v := range x {
		dst[i] = (v + shift[i]) * factor[i] * dy[i]
	}
}

func normalizeGradPortable(dx, dy, x, shift, factor, a, b, gamma []float32) {
	for i, v := range x {
		dx[i] = ((v+shift[i])*factor[i]*a[i] + dy[i] + b[i]) * gamma[i]
	}
}
