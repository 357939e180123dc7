//go:build arm64 && !noasm

package lanes

//go:generate go run -C ../asmgen . lanes

// Every arm64 processor that Go runs on has the vector instructions.
func machineKernels() []*Kernel { return []*Kernel{&neon} }

var neon = Kernel{
	name:     "neon",
	lanes:    4,
	products: []productKernel{products1NEON, products2NEON, products3NEON, products4NEON, products5NEON, products6NEON},
	dots: [][]dotKernel{
		{dots1x1NEON, dots1x2NEON, dots1x3NEON, dots1x4NEON, dots1x5NEON},
		{dots2x1NEON, dots2x2NEON, dots2x3NEON, dots2x4NEON, dots2x5NEON},
		{dots3x1NEON, dots3x2NEON, dots3x3NEON, dots3x4NEON, dots3x5NEON},
		{dots4x1NEON, dots4x2NEON, dots4x3NEON, dots4x4NEON, dots4x5NEON},
	},
}
