package vec

import "fmt"

// Kernel is one implementation of every loop. It is immutable and safe for concurrent use. The functions get slices of checked, non-zero length.
type Kernel struct {
	name string

	add, sub, mul, div                 func(dst, x, y []float32)
	larger, smaller                    func(dst, x, y []float32)
	equal, notEqual, less, lessOrEqual func(dst, x, y []float32)
	selects                            func(dst, cond, x, y []float32)

	sqrt        func(dst, x []float32)
	scale       func(dst, x []float32, alpha float32)
	shift       func(dst, x []float32, alpha float32)
	axpy        func(y, x []float32, alpha float32)
	sum, max    func(x []float32) float32
	dot         func(x, y []float32) float32
	columns     func(dst, x []float32, rows, stride int)
	biasReLU    func(c, bias []float32, rows, stride int, slope float32)
	relu        func(dst, x []float32, slope float32)
	reluGrad    func(dx, dy, y []float32, slope float32)
	elu         func(dst, x []float32, alpha float32)
	eluGrad     func(dx, dy, y []float32, alpha float32)
	exp         func(dst, x []float32)
	log         func(dst, x []float32)
	sigmoid     func(dst, x []float32)
	tanh        func(dst, x []float32)
	sigmoidGrad func(dx, dy, y []float32)
	tanhGrad    func(dx, dy, y []float32)
	sgd         func(w, g []float32, s *SGD)
	rmsProp     func(w, v, g []float32, s *RMSProp)
	adaDelta    func(w, v, d, g []float32, s *AdaDelta)
	momentum    func(w, v, g []float32, s *Momentum)
	adam        func(w, m, v, g []float32, s *Adam)

	dropout func(y, x []float32, block uint64, stream, step, key0, key1 uint32, threshold int32, factor float32)

	expRows    func(dst, maxima, sums, x []float32, cols int)
	affineRows func(dst, x, factors, offsets []float32, cols int)

	deviations      func(dst, x, shift []float32)
	normalize       func(dst, x, shift, factor, offset []float32)
	normalizedTimes func(dst, x, shift, factor, dy []float32)
	normalizeGrad   func(dx, dy, x, shift, factor, a, b, gamma []float32)

	addRows      func(dst, src []float32, rows, cols, dstStride, srcStride int)
	interleave   func(dst, planes, bias []float32, pixels, plane, pitch int, slope float32)
	deinterleave func(dst, src []float32, pixels, width, plane, pitch int)

	maxPool     func(y []float32, places []int32, x []float32, w Windows)
	maxPoolGrad func(dx, dy []float32, places []int32, output []float32, w Windows)
	narrowPools bool // maxPoolGrad fills its vectors even with one channel
	maxWindow   func(y []float32, places []int32, x []float32, t Taps)
	meanWindow  func(y, x []float32, t Taps, divisor float32)
}

// variant returns a Kernel whose loops are the portable ones, but for those that set replaces.
func variant(name string, set func(k *Kernel)) Kernel {
	k := portable
	k.name = name
	set(&k)
	return k
}

// Kernels returns the implementations that run on this machine, fastest first; the portable one is last and always there.
func Kernels() []*Kernel {
	return append([]*Kernel(nil), kernels...)
}

// Default returns the fastest implementation, Kernels()[0].
func Default() *Kernel { return kernels[0] }

var kernels = append(machineKernels(), &portable)

// Name returns the name of the instruction set: "avx512", "avx2", "neon" or "portable".
func (k *Kernel) Name() string { return k.name }

// equalLengths panics unless all lengths are n.
func equalLengths(n int, lengths ...int) {
	for _, l := range lengths {
		if l != n {
			panic(fmt.Sprintf("BUG: vec: slices of %d and %d elements", n, l))
		}
	}
}

// rowsFit panics unless a matrix of rows×cols with the given row stride lies within size elements.
func rowsFit(size, rows, cols, stride int) {
	if rows < 0 || stride < cols || rows > 0 && (rows-1)*stride+cols > size {
		panic(fmt.Sprintf("BUG: vec: %d×%d matrix with stride %d in %d elements", rows, cols, stride, size))
	}
}
