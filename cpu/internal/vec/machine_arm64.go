//go:build arm64 && !noasm

package vec

//go:generate go run -C ../asmgen . vec

// Every arm64 processor that Go runs on has the vector instructions.
func machineKernels() []*Kernel { return []*Kernel{&neon} }

// Loops that are not named here are the portable ones.
var neon = variant("neon", func(k *Kernel) {
	k.add = addNEON
	k.sub = subNEON
	k.mul = mulNEON
	k.div = divNEON
	k.larger = largerNEON
	k.smaller = smallerNEON
	k.equal = equalNEON
	k.notEqual = notEqualNEON
	k.less = lessNEON
	k.lessOrEqual = lessOrEqualNEON
	k.selects = selectsNEON
	k.sqrt = sqrtNEON
	k.shift = shiftNEON
	k.scale = scaleNEON
	k.axpy = axpyNEON
	k.sum = sumNEON
	k.dot = dotNEON
	k.max = maxNEON
	k.columns = columnsNEON
	k.biasReLU = biasReLUNEON
	k.relu = reluNEON
	k.reluGrad = reluGradNEON
	k.elu = eluNEON
	k.eluGrad = eluGradNEON
	k.exp = expNEON
	k.log = logNEON
	k.sigmoid = sigmoidNEON
	k.tanh = tanhNEON
	k.sigmoidGrad = sigmoidGradNEON
	k.tanhGrad = tanhGradNEON
	k.dropout = dropoutNEON
	k.expRows = expRowsNEON
	k.affineRows = affineRowsNEON
	k.deviations = deviationsNEON
	k.normalize = normalizeNEON
	k.normalizedTimes = normalizedTimesNEON
	k.normalizeGrad = normalizeGradNEON
	k.addRows = addRowsNEON
	k.interleave = interleaveNEON
	k.deinterleave = deinterleaveNEON
	k.maxPool = func(y []float32, places []int32, x []float32, w Windows) {
		row := w.pitch() * w.Channels
		maxPoolNEON(y, places, x, w.Rows, w.Cols, w.Channels, w.StrideW*w.Channels, w.StrideH*row, row, w.Width, w.Place, w.StrideW, w.StrideH*w.Width)
	}
	k.maxPoolGrad = func(dx, dy []float32, places []int32, output []float32, w Windows) {
		maxPoolGradNEON(dx, dy, places, output, w.Rows, w.Cols, w.Channels, w.Width*w.Channels, w.Width, w.Place)
	}
	k.maxWindow = func(y []float32, places []int32, x []float32, t Taps) {
		maxWindowNEON(y, places, x, t.Rows, t.Cols, t.StepX, t.StepY, t.Place, t.PlaceX, t.PlaceY)
	}
	k.meanWindow = func(y, x []float32, t Taps, divisor float32) {
		meanWindowNEON(y, x, t.Rows, t.Cols, t.StepX, t.StepY, divisor)
	}
	k.sgd = func(w, g []float32, s *SGD) { sgdNEON(w, g, s.Rate, s.Decay) }
	k.rmsProp = func(w, v, g []float32, s *RMSProp) {
		rmsPropNEON(w, v, g, s.Rate, s.Decay, s.Keep, s.Rest, s.Epsilon)
	}
	k.adaDelta = func(w, v, d, g []float32, s *AdaDelta) {
		adaDeltaNEON(w, v, d, g, s.Rate, s.Decay, s.Keep, s.Rest, s.Epsilon)
	}
	k.momentum = func(w, v, g []float32, s *Momentum) {
		momentumNEON(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	}
	k.adam = func(w, m, v, g []float32, s *Adam) {
		adamNEON(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	}
})
