//go:build arm64 && !noasm

package winograd

//go:generate go run -C ../asmgen . winograd

// Every arm64 processor that Go runs on has the vector instructions.
func machineKernels() []*Kernel { return []*Kernel{&neon} }

var neon = Kernel{
	name:       "neon",
	input:      inputNEON,
	gradient:   gradientNEON,
	filter:     filterNEON,
	filterGrad: filterGradNEON,
	output:     outputNEON,
	outputBias: outputBiasNEON,
	outputGrad: outputGradNEON,
}
