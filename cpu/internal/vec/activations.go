package vec

// BiasReLU does c[i·stride + j] = ReLU(c[i·stride + j] + bias[j]) for rows i and columns j < len(bias), where ReLU is as in [Kernel.ReLU]: slope 1
// adds the bias only, 0 is the ReLU proper.
func (k *Kernel) BiasReLU(c, bias []float32, rows, stride int, slope float32) {
	rowsFit(len(c), rows, len(bias), stride)
	if len(bias) > 0 && rows > 0 {
		k.biasReLU(c, bias, rows, stride, slope)
	}
}

// ReLU does dst[i] = slope·x[i] if x[i] ≤ 0, else x[i]. Slope 0 gives +0, also for −Inf. NaN stays NaN.
func (k *Kernel) ReLU(dst, x []float32, slope float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.relu(dst, x, slope)
	}
}

// ReLUGrad does dx[i] = dy[i] if y[i] > 0, else slope·dy[i], where y is the output of the activation. Slope 0 gives +0, whatever dy[i] is.
func (k *Kernel) ReLUGrad(dx, dy, y []float32, slope float32) {
	equalLengths(len(dx), len(dy), len(y))
	if len(dx) > 0 {
		k.reluGrad(dx, dy, y, slope)
	}
}

// ELU does dst[i] = alpha·(exp(x[i]) − 1) if x[i] ≤ 0, within 3 ulp, else x[i]. NaN stays NaN.
func (k *Kernel) ELU(dst, x []float32, alpha float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.elu(dst, x, alpha)
	}
}

// ELUGrad does dx[i] = dy[i] if y[i] > 0, else dy[i]·(y[i] + alpha), where y is the output of ELU.
func (k *Kernel) ELUGrad(dx, dy, y []float32, alpha float32) {
	equalLengths(len(dx), len(dy), len(y))
	if len(dx) > 0 {
		k.eluGrad(dx, dy, y, alpha)
	}
}

// Log does dst[i] = ln(x[i]), within 1 ulp, over the whole range: subnormal numbers, 0 (−Inf) and +Inf included. It is NaN for negative numbers and NaN.
func (k *Kernel) Log(dst, x []float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.log(dst, x)
	}
}

// Exp does dst[i] = exp(x[i]), within 1 ulp, over the whole range: subnormal results, 0 and +Inf included. NaN stays NaN.
func (k *Kernel) Exp(dst, x []float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.exp(dst, x)
	}
}

// Sigmoid does dst[i] = 1/(1 + exp(−x[i])), within 3 ulp, also where the result is subnormal. NaN stays NaN.
func (k *Kernel) Sigmoid(dst, x []float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.sigmoid(dst, x)
	}
}

// Tanh does dst[i] = tanh(x[i]), within 3 ulp; the sign of zero is kept. NaN stays NaN.
func (k *Kernel) Tanh(dst, x []float32) {
	equalLengths(len(dst), len(x))
	if len(dst) > 0 {
		k.tanh(dst, x)
	}
}

// SigmoidGrad does dx[i] = dy[i]·(y[i]·(1 − y[i])), where y is the output of Sigmoid.
func (k *Kernel) SigmoidGrad(dx, dy, y []float32) {
	equalLengths(len(dx), len(dy), len(y))
	if len(dx) > 0 {
		k.sigmoidGrad(dx, dy, y)
	}
}

// TanhGrad does dx[i] = dy[i]·(1 − y[i]²), where y is the output of Tanh.
func (k *Kernel) TanhGrad(dx, dy, y []float32) {
	equalLengths(len(dx), len(dy), len(y))
	if len(dx) > 0 {
		k.tanhGrad(dx, dy, y)
	}
}
