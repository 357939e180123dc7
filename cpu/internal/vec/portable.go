package vec

import "math"

var portable = Kernel{
	name: "portable",

	add:         addPortable,
	sub:         subPortable,
	mul:         mulPortable,
	div:         divPortable,
	larger:      largerPortable,
	smaller:     smallerPortable,
	equal:       equalPortable,
	notEqual:    notEqualPortable,
	less:        lessPortable,
	lessOrEqual: lessOrEqualPortable,
	selects:     selectsPortable,
	sqrt:        sqrtPortable,
	shift:       shiftPortable,
	scale:       scalePortable,
	axpy:        axpyPortable,
	sum:         sumPortable,
	max:         maxPortable,
	dot:         dotPortable,
	columns:     columnsPortable,
	biasReLU:    biasReLUPortable,
	relu:        reluPortable,
	reluGrad:    reluGradPortable,
	elu:         eluPortable,
	eluGrad:     eluGradPortable,
	exp:         expPortable,
	log:         logPortable,
	sigmoid:     sigmoidPortable,
	tanh:        tanhPortable,
	sigmoidGrad: sigmoidGradPortable,
	tanhGrad:    tanhGradPortable,
	sgd:         sgdPortable,
	rmsProp:     rmsPropPortable,
	adaDelta:    adaDeltaPortable,
	momentum:    momentumPortable,
	adam:        adamPortable,

	dropout: dropoutPortable,

	expRows:    expRowsPortable,
	affineRows: affineRowsPortable,

	deviations:      deviationsPortable,
	normalize:       normalizePortable,
	normalizedTimes: normalizedTimesPortable,
	normalizeGrad:   normalizeGradPortable,

	addRows:      addRowsPortable,
	interleave:   interleavePortable,
	deinterleave: deinterleavePortable,

	maxPool:     maxPoolPortable,
	maxPoolGrad: maxPoolGradPortable,
	maxWindow:   maxWindowPortable,
	meanWindow:  meanWindowPortable,
}

func addPortable(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

func sqrtPortable(dst, x []float32) {
	for i, v := range x {
		dst[i] = sqrt(v)
	}
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func shiftPortable(dst, x []float32, alpha float32) {
	for i, v := range x {
		dst[i] = v + alpha
	}
}

func mulPortable(dst, x, y []float32) {
	for i := range dst {
		dst[i] = x[i] * y[i]
	}
}

func scalePortable(dst, x []float32, alpha float32) {
	for i := range dst {
		dst[i] = alpha * x[i]
	}
}

func axpyPortable(y, x []float32, alpha float32) {
	for i := range y {
		y[i] += alpha * x[i]
	}
}

// sumPortable keeps eight sums, element i going to the sum i mod 8, so that the error stays an eighth of that of one chain.
func sumPortable(x []float32) float32 {
	var s [8]float32
	for ; len(x) >= 8; x = x[8:] {
		for l := range s {
			s[l] += x[l]
		}
	}
	for l, v := range x {
		s[l] += v
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

func dotPortable(x, y []float32) float32 {
	var s [8]float32
	for ; len(x) >= 8 && len(y) >= 8; x, y = x[8:], y[8:] {
		for l := range s {
			s[l] += x[l] * y[l]
		}
	}
	for l, v := range x {
		s[l] += v * y[l]
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

func maxPortable(x []float32) float32 {
	m := x[0]
	for _, v := range x {
		if v > m {
			m = v
		} else if v != v {
			return v
		}
	}
	return m
}

func columnsPortable(dst, x []float32, rows, stride int) {
	for j := range dst {
		var s [4]float32
		for i := range rows {
			s[i%4] += x[i*stride+j]
		}
		dst[j] += (s[0] + s[1]) + (s[2] + s[3])
	}
}

func biasReLUPortable(c, bias []float32, rows, stride int, slope float32) {
	for i := range rows {
		row := c[i*stride : i*stride+len(bias)]
		addPortable(row, row, bias)
		if slope != 1 {
			reluPortable(row, row, slope)
		}
	}
}

func reluPortable(dst, x []float32, slope float32) {
	for i, v := range x {
		if v <= 0 {
			v = shrink(slope, v)
		}
		dst[i] = v
	}
}

func reluGradPortable(dx, dy, y []float32, slope float32) {
	for i, v := range dy {
		if !(y[i] > 0) {
			v = shrink(slope, v)
		}
		dx[i] = v
	}
}

// shrink returns slope·v, but +0 for slope 0 whatever v is.
func shrink(slope, v float32) float32 {
	if slope == 0 {
		return 0
	}
	return slope * v
}

func eluPortable(dst, x []float32, alpha float32) {
	for i, v := range x {
		if v <= 0 {
			v = alpha * float32(math.Expm1(float64(v)))
		}
		dst[i] = v
	}
}

func eluGradPortable(dx, dy, y []float32, alpha float32) {
	for i, g := range dy {
		if v := y[i]; !(v > 0) {
			g *= v + alpha
		}
		dx[i] = g
	}
}

func logPortable(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Log(float64(v)))
	}
}

func expPortable(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(v)))
	}
}

func sigmoidPortable(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

func tanhPortable(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Tanh(float64(v)))
	}
}

func sigmoidGradPortable(dx, dy, y []float32) {
	for i := range dx {
		dx[i] = dy[i] * (y[i] * (1 - y[i]))
	}
}

func tanhGradPortable(dx, dy, y []float32) {
	for i := range dx {
		dx[i] = dy[i] * (1 - y[i]*y[i])
	}
}

func sgdPortable(w, g []float32, s *SGD) {
	for i, d := range g {
		w[i] -= s.Rate * (d + s.Decay*w[i])
	}
}

func rmsPropPortable(w, v, g []float32, s *RMSProp) {
	for i, d := range g {
		d += s.Decay * w[i]
		v[i] = s.Keep*v[i] + s.Rest*(d*d)
		w[i] -= s.Rate * d / (sqrt(v[i]) + s.Epsilon)
	}
}

func adaDeltaPortable(w, v, u, g []float32, s *AdaDelta) {
	for i, d := range g {
		d += s.Decay * w[i]
		v[i] = s.Keep*v[i] + s.Rest*(d*d)
		d *= sqrt(u[i]+s.Epsilon) / sqrt(v[i]+s.Epsilon)
		u[i] = s.Keep*u[i] + s.Rest*(d*d)
		w[i] -= s.Rate * d
	}
}

func momentumPortable(w, v, g []float32, s *Momentum) {
	for i := range w {
		d := g[i] + s.Decay*w[i]
		v[i] = s.Momentum*v[i] + d
		w[i] -= s.Rate * (s.Direct*d + s.Velocity*v[i])
	}
}

func adamPortable(w, m, v, g []float32, s *Adam) {
	for i := range w {
		p := s.Keep * w[i]
		d := g[i] + s.Decay*p
		m[i] = s.Beta1*m[i] + s.Rest1*d
		v[i] = s.Beta2*v[i] + s.Rest2*(d*d)
		w[i] = p - s.Rate*m[i]/(sqrt(v[i])*s.Correction+s.Epsilon)
	}
}
