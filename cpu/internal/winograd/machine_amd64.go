//go:build amd64 && !noasm

package winograd

import "golang.org/x/sys/cpu"

//go:generate go run -C ../asmgen . winograd

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
	name:       "avx512",
	input:      inputAVX512,
	gradient:   gradientAVX512,
	filter:     filterAVX512,
	filterGrad: filterGradAVX512,
	fetch:      fetchAVX512,
	output:     outputAVX512,
	outputBias: outputBiasAVX512,
	outputGrad: outputGradAVX512,
}

var avx2 = Kernel{
	name:       "avx2",
	input:      inputAVX2,
	gradient:   gradientAVX2,
	filter:     filterAVX2,
	filterGrad: filterGradAVX2,
	fetch:      fetchAVX2,
	output:     outputAVX2,
	outputBias: outputBiasAVX2,
	outputGrad: outputGradAVX2,
}
