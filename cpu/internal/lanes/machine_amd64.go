//go:build amd64 && !noasm

package lanes

import "golang.org/x/sys/cpu"

//go:generate go run -C ../asmgen . lanes

func machineKernels() []*Kernel {
	var ks []*Kernel
	has := cpu.X86.HasAVX2 && cpu.X86.HasFMA
	if has && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasBMI2 {
		ks = append(ks, &avx512)
	}
	if has {
		ks = append(ks, &avx2)
	}
	return ks
}

var avx512 = Kernel{
	name:     "avx512",
	lanes:    16,
	products: []productKernel{products1AVX512, products2AVX512, products3AVX512, products4AVX512, products5AVX512, products6AVX512},
	dots: [][]dotKernel{
		{dots1x1AVX512, dots1x2AVX512, dots1x3AVX512, dots1x4AVX512, dots1x5AVX512},
		{dots2x1AVX512, dots2x2AVX512, dots2x3AVX512, dots2x4AVX512, dots2x5AVX512},
		{dots3x1AVX512, dots3x2AVX512, dots3x3AVX512, dots3x4AVX512, dots3x5AVX512},
	},
}

var avx2 = Kernel{
	name:     "avx2",
	lanes:    8,
	products: []productKernel{products1AVX2, products2AVX2, products3AVX2, products4AVX2, products5AVX2, products6AVX2},
	dots: [][]dotKernel{
		{dots1x1AVX2, dots1x2AVX2, dots1x3AVX2, dots1x4AVX2, dots1x5AVX2},
		{dots2x1AVX2, dots2x2AVX2, dots2x3AVX2, dots2x4AVX2, dots2x5AVX2},
	},
}
