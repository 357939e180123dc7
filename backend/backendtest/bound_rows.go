package backendtest

import (
	"math"

	"fovea/backend"
)

// softmaxRow is the softmax of one row of logits z, with the errors it may have.
//
// With d = z − m, m the maximum, and S = Σ exp d: the difference errs by u·|d|,
// which exp turns into a relative error; S gathers those of its terms, weighted by
// their shares, and of its additions. So
//
//	δ(S) = Σ_k p_k·u·|d_k| + 4 ulp + γ_C
//	δ(p) = u·|d| + 4 ulp + δ(S) + 1 ulp                            relative
//	δ(ln p) = u·(|d| + |ln p|) + δ(S) + 4 ulp·ln S + 2u·(|z| + |m|)  absolute
//
// where the last term allows for m + ln S being subtracted at once.
type softmaxRow struct {
	p, log       []float64
	pErr, logErr []float64 // both absolute
}

func newSoftmaxRow(z []float64) softmaxRow {
	c := len(z)
	s := softmaxRow{make([]float64, c), make([]float64, c), make([]float64, c), make([]float64, c)}
	m := math.Inf(-1)
	for _, v := range z {
		m = math.Max(m, v)
	}
	if math.IsNaN(m) || math.IsInf(m, 0) {
		return s // the row is NaN throughout
	}
	sum := 0.0
	for _, v := range z {
		sum += math.Exp(v - m)
	}
	relSum := functionUlps*ulp + gamma(float64(c))
	for j, v := range z {
		s.p[j], s.log[j] = math.Exp(v-m)/sum, v-m-math.Log(sum)
		if s.p[j] > 0 {
			relSum += s.p[j] * u * (m - v)
		}
	}
	for j, v := range z {
		s.pErr[j] = smallest
		if s.p[j] > 0 {
			s.pErr[j] += s.p[j] * (u*(m-v) + functionUlps*ulp + relSum + ulp)
		}
		if !math.IsInf(v, 0) {
			s.logErr[j] = u*(m-v-s.log[j]) + relSum + functionUlps*ulp*math.Log(sum) + 2*u*(math.Abs(v)+math.Abs(m)) + smallest
		}
	}
	return s
}

// softmaxBound is that of softmaxRow.
func softmaxBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.Softmax)
	x := e.values("X")
	c := o.X.Shape[len(o.X.Shape)-1]
	tol := make([]float64, 0, len(x))
	for at := 0; at < len(x); at += c {
		row := newSoftmaxRow(x[at : at+c])
		if o.Log {
			tol = append(tol, row.logErr...)
		} else {
			tol = append(tol, row.pErr...)
		}
	}
	return bounds{"Y": tol}, nil
}

// softmaxGradBound: with T = Σ|DY·Y|, the sum errs by γ_{C+1}·T, and
// Y·(DY − sum) by |Y| times that, the rounding of the difference and of the
// product. With Log, T = Σ|DY|, and the exponential has its own error.
func softmaxGradBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.SoftmaxGrad)
	dy, y := e.values("DY"), e.values("Y")
	c := o.DX.Shape[len(o.DX.Shape)-1]
	tol := make([]float64, len(dy))
	for at := 0; at < len(dy); at += c {
		total := 0.0
		for j := at; j < at+c; j++ {
			if o.Log {
				total += math.Abs(dy[j])
			} else {
				total += math.Abs(dy[j] * y[j])
			}
		}
		sumErr := gamma(float64(c)+1) * total
		for j := at; j < at+c; j++ {
			if o.Log {
				p := math.Exp(y[j])
				tol[j] = p*sumErr + p*total*(functionUlps*ulp+u) + u*math.Abs(e.out["DX"][j]) + smallest
			} else {
				tol[j] = math.Abs(y[j])*(sumErr+2*u*(math.Abs(dy[j])+total)) + 4*tiny
			}
		}
	}
	return bounds{"DX": tol}, nil
}

// lossRow is one example of a Loss.
type lossRow struct {
	kind    backend.LossKind
	z, t    []float64 // logits, scores or probabilities; targets as numbers
	y       int       // the class, for the hinge
	softmax softmaxRow
}

// lossRows cuts the operands of a Loss or LossGrad into examples, indices made
// one-hot.
func lossRows(e *evaluation, kind backend.LossKind, n int) []lossRow {
	z := e.values("Input")
	target := e.values("Target")
	d := len(z) / n
	rows := make([]lossRow, n)
	for i := range rows {
		r := lossRow{kind: kind, z: z[i*d : (i+1)*d]}
		if len(target) == n && e.in["Target"].dtype == backend.Int32 {
			r.y = int(target[i])
			r.t = make([]float64, d)
			r.t[r.y] = 1
		} else {
			r.t = target[i*d : (i+1)*d]
		}
		if kind == backend.SoftmaxCrossEntropy || kind == backend.KLDivergence {
			r.softmax = newSoftmaxRow(r.z)
		}
		rows[i] = r
	}
	return rows
}

// valueError bounds the error of ℓ. A sum of D terms adds γ_{D+3} times the sum of
// their magnitudes to the errors of the terms:
//
//	cross-entropy    |t|·δ(ln p), of magnitude |t·ln p|
//	KL divergence    the same and 4 ulp of t·ln t
//	sigmoid          4 ulp of ln(1 + e^−|z|), magnitudes max(z,0), |z·t| and that logarithm
//	likelihood       4 ulp of t·ln z
//	squared error    2u of (z − t)², which is its magnitude
//	hinge            2u·(1 + |z_y| + |z_j|)
func (r lossRow) valueError() float64 {
	err, magnitude := 0.0, 0.0
	for j, z := range r.z {
		t := r.t[j]
		switch r.kind {
		case backend.SoftmaxCrossEntropy, backend.KLDivergence:
			if t == 0 {
				continue
			}
			err += math.Abs(t) * r.softmax.logErr[j]
			magnitude += math.Abs(t * r.softmax.log[j])
			if r.kind == backend.KLDivergence {
				l := math.Abs(t * math.Log(t))
				err += functionUlps * ulp * l
				magnitude += l
			}
		case backend.SigmoidCrossEntropy:
			l := math.Log1p(math.Exp(-math.Abs(z)))
			err += functionUlps * ulp * l
			magnitude += math.Max(z, 0) + math.Abs(z*t) + l
		case backend.NegativeLogLikelihood:
			if t != 0 {
				l := relevant(t * math.Log(z))
				err += functionUlps * ulp * l
				magnitude += l
			}
		case backend.MeanSquaredError:
			err += 2 * u * (z - t) * (z - t)
			magnitude += (z - t) * (z - t)
		case backend.MultiClassHinge:
			if j != r.y {
				m := 1 + math.Abs(r.z[r.y]) + math.Abs(z)
				err += 2 * u * m
				magnitude += math.Max(0, 1-r.z[r.y]+z)
			}
		}
	}
	err += gamma(float64(len(r.z))+3)*magnitude + smallest
	if r.kind == backend.SigmoidCrossEntropy || r.kind == backend.MeanSquaredError {
		err /= float64(len(r.z))
	}
	return err
}

// lossBound: Weights·ℓ/Divisor, with the error of ℓ and three roundings: of the
// Divisor, of the product and of the quotient. The weight 0 gives exactly 0.
func lossBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.Loss)
	weights := e.values("Weights")
	tol := make([]float64, o.Losses.Shape[0])
	for i, r := range lossRows(e, o.Func, len(tol)) {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		if w != 0 {
			tol[i] = math.Abs(w)/o.Divisor*r.valueError() + 3*u*relevant(e.out["Losses"][i]) + tiny
		}
	}
	return bounds{"Losses": tol}, nil
}

// gradientErrors bounds the error of ∂ℓ/∂z:
//
//	cross-entropy, KL   |Σt|·δ(p) + p·γ_D·Σ|t|, and the roundings of p·Σt and of the difference
//	sigmoid             (4 ulp of σ(z), and the difference)/D
//	likelihood          1 ulp
//	squared error       3u: the difference, the product and the quotient
//	hinge               exact: counts. The cases' scores make 1 − z_y + z_j exact, so that its sign is sure.
func (r lossRow) gradientErrors() []float64 {
	tol := make([]float64, len(r.z))
	d := float64(len(r.z))
	sum, sumAbs := 0.0, 0.0
	for _, t := range r.t {
		sum += t
		sumAbs += math.Abs(t)
	}
	for j, z := range r.z {
		t := r.t[j]
		switch r.kind {
		case backend.SoftmaxCrossEntropy, backend.KLDivergence:
			p := r.softmax.p[j]
			tol[j] = math.Abs(sum)*r.softmax.pErr[j] + p*gamma(d)*sumAbs + u*math.Abs(p*sum) + u*math.Abs(p*sum-t)
		case backend.SigmoidCrossEntropy:
			s := 1 / (1 + math.Exp(-z))
			tol[j] = (functionUlps*ulp*s + 2*u*math.Abs(s-t) + smallest) / d
		case backend.NegativeLogLikelihood:
			tol[j] = relevant(t/z) * ulp
		case backend.MeanSquaredError:
			tol[j] = 3 * u * math.Abs(2*(z-t)/d)
		}
	}
	return tol
}

// lossGradBound: Seed·Weights/Divisor·∂ℓ/∂z, with the error of the derivative and
// four roundings: of the Divisor, two products and a quotient. The weight 0 gives
// exactly 0.
func lossGradBound(e *evaluation) (bounds, error) {
	o := e.op.(*backend.LossGrad)
	weights, seed := e.values("Weights"), e.values("Seed")
	n := o.Input.Shape[0]
	tol := make([]float64, 0, len(e.out["DX"]))
	for i, r := range lossRows(e, o.Func, n) {
		w := seed[i%len(seed)] / o.Divisor
		if weights != nil {
			w *= weights[i]
		}
		for _, err := range r.gradientErrors() {
			if w == 0 {
				tol = append(tol, 0)
				continue
			}
			tol = append(tol, math.Abs(w)*err+4*u*relevant(e.out["DX"][len(tol)])+tiny)
		}
	}
	return bounds{"DX": tol}, nil
}
