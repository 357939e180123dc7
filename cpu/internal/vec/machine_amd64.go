//go:build amd64 && !noasm

package vec

import "golang.org/x/sys/cpu"

//go:generate go run -C ../asmgen . vec

func machineKernels() []*Kernel {
	var ks []*Kernel
	hasAVX2 := cpu.X86.HasAVX2 && cpu.X86.HasFMA
	if hasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasBMI2 {
		ks = append(ks, &avx512)
	}
	if hasAVX2 {
		ks = append(ks, &avx2)
	}
	return ks
}

var avx512 = Kernel{
	name: "avx512",

	add:         addAVX512,
	mul:         mulAVX512,
	scale:       scaleAVX512,
	axpy:        axpyAVX512,
	sum:         sumAVX512,
	dot:         dotAVX512,
	max:         maxPortable,
	columns:     columnsAVX512,
	biasReLU:    biasReLUAVX512,
	relu:        reluAVX512,
	reluGrad:    reluGradAVX512,
	exp:         expAVX512,
	sigmoid:     sigmoidAVX512,
	tanh:        tanhAVX512,
	sigmoidGrad: sigmoidGradAVX512,
	tanhGrad:    tanhGradAVX512,
	momentum: func(w, v, g []float32, s *Momentum) {
		momentumAVX512(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	},
	adam: func(w, m, v, g []float32, s *Adam) {
		adamAVX512(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	},
}

var avx2 = Kernel{
	name: "avx2",

	add:         addAVX2,
	mul:         mulAVX2,
	scale:       scaleAVX2,
	axpy:        axpyAVX2,
	sum:         sumAVX2,
	dot:         dotAVX2,
	max:         maxPortable,
	columns:     columnsAVX2,
	biasReLU:    biasReLUAVX2,
	relu:        reluAVX2,
	reluGrad:    reluGradAVX2,
	exp:         expAVX2,
	sigmoid:     sigmoidAVX2,
	tanh:        tanhAVX2,
	sigmoidGrad: sigmoidGradAVX2,
	tanhGrad:    tanhGradAVX2,
	momentum: func(w, v, g []float32, s *Momentum) {
		momentumAVX2(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	},
	adam: func(w, m, v, g []float32, s *Adam) {
		adamAVX2(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	},
}
