//go:build arm64 && !noasm

package vec

//go:generate go run -C ../asmgen . vec

// Every arm64 processor that Go runs on has the vector instructions.
func machineKernels() []*Kernel { return []*Kernel{&neon} }

var neon = Kernel{
	name: "neon",

	add:         addNEON,
	mul:         mulNEON,
	scale:       scaleNEON,
	axpy:        axpyNEON,
	sum:         sumNEON,
	dot:         dotNEON,
	max:         maxNEON,
	columns:     columnsNEON,
	biasReLU:    biasReLUNEON,
	relu:        reluNEON,
	reluGrad:    reluGradNEON,
	exp:         expNEON,
	sigmoid:     sigmoidNEON,
	tanh:        tanhNEON,
	sigmoidGrad: sigmoidGradNEON,
	tanhGrad:    tanhGradNEON,
	momentum: func(w, v, g []float32, s *Momentum) {
		momentumNEON(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	},
	adam: func(w, m, v, g []float32, s *Adam) {
		adamNEON(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	},
}
