//go:build amd64 && !noasm

package gemm

import "golang.org/x/sys/cpu"

//go:generate go run -C ../asmgen . gemm

// hasAVX2 also guards the packing loops.
var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

func machineKernels() []*Kernel {
	var ks []*Kernel
	cache := cacheSize(2)
	for _, k := range []*Kernel{&avx512, &avx2} {
		k.maxRows = k.rowsFor(cache)
	}
	if hasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasBMI2 {
		ks = append(ks, &avx512)
	}
	if hasAVX2 {
		ks = append(ks, &avx2)
	}
	return ks
}

var avx512 = Kernel{
	name:   "avx512",
	widths: []int{8, 16, 32},
	micro: [][]microKernel{
		{microAVX512x1x8, microAVX512x1x16, microAVX512x1x32},
		{microAVX512x2x8, microAVX512x2x16, microAVX512x2x32},
		{microAVX512x3x8, microAVX512x3x16, microAVX512x3x32},
		{microAVX512x4x8, microAVX512x4x16, microAVX512x4x32},
		{microAVX512x5x8, microAVX512x5x16, microAVX512x5x32},
		{microAVX512x6x8, microAVX512x6x16, microAVX512x6x32},
		{microAVX512x7x8, microAVX512x7x16, microAVX512x7x32},
		{microAVX512x8x8, microAVX512x8x16, microAVX512x8x32},
		{microAVX512x9x8, microAVX512x9x16, microAVX512x9x32},
		{microAVX512x10x8, microAVX512x10x16, microAVX512x10x32},
		{microAVX512x11x8, microAVX512x11x16, microAVX512x11x32},
		{microAVX512x12x8, microAVX512x12x16, microAVX512x12x32},
		{microAVX512x13x8, microAVX512x13x16, microAVX512x13x32},
		{microAVX512x14x8, microAVX512x14x16, microAVX512x14x32},
	},
	rows: []microKernel{
		microAVX512x1x16, microAVX512x1x32, microAVX512x1x48, microAVX512x1x64,
		microAVX512x1x80, microAVX512x1x96, microAVX512x1x112, microAVX512x1x128,
	},
	rowUnit:  16,
	maxDepth: 512,
	maxCols:  1024,
	peak:     peakAVX512,
	peakFLOP: 2 * 16 * 16,
}

var avx2 = Kernel{
	name:   "avx2",
	widths: []int{8, 16},
	micro: [][]microKernel{
		{microAVX2x1x8, microAVX2x1x16},
		{microAVX2x2x8, microAVX2x2x16},
		{microAVX2x3x8, microAVX2x3x16},
		{microAVX2x4x8, microAVX2x4x16},
		{microAVX2x5x8, microAVX2x5x16},
		{microAVX2x6x8, microAVX2x6x16},
	},
	rows: []microKernel{
		microAVX2x1x8, microAVX2x1x16, microAVX2x1x24, microAVX2x1x32,
		microAVX2x1x40, microAVX2x1x48, microAVX2x1x56, microAVX2x1x64,
	},
	rowUnit:  8,
	maxDepth: 384,
	maxCols:  1024,
	peak:     peakAVX2,
	peakFLOP: 2 * 12 * 8,
}

// copyLanes does what CopyLanes does, or returns false.
func copyLanes(dst []float32, width int, src []float32, stride, lanes, depth int) bool {
	if !hasAVX2 || lanes < 4 || lanes > 32 {
		return false
	}
	copyRows(&dst[0], width, &src[0], stride, lanes, depth)
	return true
}

// interleave does what Interleave does, or returns false. Groups of eight or four lanes cover all lanes; the last overlaps the one before.
func interleave(dst []float32, width int, src []float32, stride, lanes, depth int) bool {
	switch {
	case !hasAVX2 || lanes < 4 || depth < 4:
		return false
	case lanes < 8 || depth < 8:
		for l := 0; ; l += 4 {
			l = min(l, lanes-4)
			transpose4(&dst[l], width, &src[l*stride], stride, depth)
			if l == lanes-4 {
				return true
			}
		}
	default:
		for l := 0; ; l += 8 {
			l = min(l, lanes-8)
			transpose8(&dst[l], width, &src[l*stride], stride, depth)
			if l == lanes-8 {
				return true
			}
		}
	}
}

// cacheSize returns the size in bytes of the data cache of a level, or 0 if the processor does not tell.
func cacheSize(level uint32) int {
	const intel, amd = 4, 0x8000001d
	for _, leaf := range []uint32{intel, amd} {
		if highest, _, _, _ := cpuid(leaf&0x80000000, 0); highest < leaf {
			continue
		}
		for i := range uint32(8) {
			const none, instructions = 0, 2
			eax, ebx, ecx, _ := cpuid(leaf, i)
			kind := eax & 31
			if kind == none {
				break
			}
			if kind != instructions && eax>>5&7 == level {
				return int(ebx>>22+1) * int(ebx>>12&1023+1) * int(ebx&4095+1) * (int(ecx) + 1) // ways, partitions, bytes of a line, sets
			}
		}
	}
	return 0
}
