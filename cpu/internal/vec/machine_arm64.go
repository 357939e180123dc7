//go:build arm64 && !noasm

package vec

//go:generate go run -C ../asmgen . vec

// Every arm64 processor that Go runs on has the vector instructions.
func machineKernels() []*Kernel { return []*Kernel{&neon} }

// Loops that are not named here are the portable ones.
var neon = variant("neon", func(k *Kernel) {
	k.add = addNEON
	k.mul = mulNEON
	k.scale = scaleNEON
	k.axpy = axpyNEON
	k.sum = sumNEON
	k.dot = dotNEON
	k.max = maxNEON
	k.columns = columnsNEON
	k.biasReLU = biasReLUNEON
	k.relu = reluNEON
	k.reluGrad = reluGradNEON
	k.exp = expNEON
	k.sigmoid = sigmoidNEON
	k.tanh = tanhNEON
	k.sigmoidGrad = sigmoidGradNEON
	k.tanhGrad = tanhGradNEON
	k.addRows = addRowsNEON
	k.interleave = interleaveNEON
	k.deinterleave = deinterleaveNEON
	k.momentum = func(w, v, g []float32, s *Momentum) {
		momentumNEON(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	}
	k.adam = func(w, m, v, g []float32, s *Adam) {
		adamNEON(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	}
})
