//go:build amd64 && !noasm

package vec

import (
	"math"

	"golang.org/x/sys/cpu"
)

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

// columnPeriod returns after how many rows columns narrower than a register begin where one does, if rows follow one another: so many are one row without
// gaps. Otherwise it returns a number that is too great for anything.
func columnPeriod(cols, stride, lanes int) int {
	if cols >= lanes || cols != stride {
		return math.MaxInt / 4
	}
	period := 1
	for period*cols%lanes != 0 {
		period *= 2
	}
	return period
}

var avx512 = variant("avx512", func(k *Kernel) {
	k.add = addAVX512
	k.sub = subAVX512
	k.mul = mulAVX512
	k.div = divAVX512
	k.larger = largerAVX512
	k.smaller = smallerAVX512
	k.equal = equalAVX512
	k.notEqual = notEqualAVX512
	k.less = lessAVX512
	k.lessOrEqual = lessOrEqualAVX512
	k.selects = selectsAVX512
	k.sqrt = sqrtAVX512
	k.scale = scaleAVX512
	k.shift = shiftAVX512
	k.axpy = axpyAVX512
	k.sum = sumAVX512
	k.max = maxAVX512
	k.dot = dotAVX512
	k.biasReLU = biasReLUAVX512
	k.relu = reluAVX512
	k.reluGrad = reluGradAVX512
	k.elu = eluAVX512
	k.eluGrad = eluGradAVX512
	k.exp = expAVX512
	k.log = logAVX512
	k.sigmoid = sigmoidAVX512
	k.tanh = tanhAVX512
	k.sigmoidGrad = sigmoidGradAVX512
	k.tanhGrad = tanhGradAVX512
	k.dropout = dropoutAVX512
	k.expRows = expRowsAVX512
	k.affineRows = affineRowsAVX512
	k.deviations = deviationsAVX512
	k.normalize = normalizeAVX512
	k.normalizedTimes = normalizedTimesAVX512
	k.normalizeGrad = normalizeGradAVX512
	k.interleave = interleaveAVX512
	k.deinterleave = deinterleaveAVX512

	k.columns = func(dst, x []float32, rows, stride int) {
		if period := columnPeriod(len(dst), stride, 16); rows >= 4*period {
			var sums [15 * 16]float32
			whole, n := rows/period, period*stride
			columnsAVX512(sums[:n], x, whole, n)
			columnsAVX512(dst, sums[:n], period, stride)
			x, rows = x[whole*n:], rows-whole*period
		}
		if rows > 0 {
			columnsAVX512(dst, x, rows, stride)
		}
	}
	k.addRows = func(dst, src []float32, rows, cols, dstStride, srcStride int) {
		if cols <= 32 && dstStride <= min(cols, 16) {
			slideRowsAVX512(dst, src, rows, cols, dstStride, srcStride)
		} else {
			addRowsAVX512(dst, src, rows, cols, dstStride, srcStride)
		}
	}
	k.maxPool = func(y []float32, places []int32, x []float32, w Windows) {
		row := w.pitch() * w.Channels
		if w.StrideW == 2 && w.Channels <= 8 {
			maxPoolNarrowAVX512(y, places, x, w.Rows, w.Cols, w.Channels, w.StrideH*row, row, w.Width, w.Place, w.StrideH*w.Width)
		} else {
			maxPoolAVX512(y, places, x, w.Rows, w.Cols, w.Channels, w.StrideW*w.Channels, w.StrideH*row, row, w.Width, w.Place, w.StrideW, w.StrideH*w.Width)
		}
	}
	k.narrowPools = true
	k.maxPoolGrad = func(dx, dy []float32, places []int32, output []float32, w Windows) {
		if w.Channels <= 8 {
			maxPoolGradNarrowAVX512(dx, dy, places, output, w.Rows, w.Cols, w.Channels, w.Width*w.Channels, w.Width, w.Place)
		} else {
			maxPoolGradAVX512(dx, dy, places, output, w.Rows, w.Cols, w.Channels, w.Width*w.Channels, w.Width, w.Place)
		}
	}
	k.maxWindow = func(y []float32, places []int32, x []float32, t Taps) {
		maxWindowAVX512(y, places, x, t.Rows, t.Cols, t.StepX, t.StepY, t.Place, t.PlaceX, t.PlaceY)
	}
	k.meanWindow = func(y, x []float32, t Taps, divisor float32) {
		meanWindowAVX512(y, x, t.Rows, t.Cols, t.StepX, t.StepY, divisor)
	}
	k.sgd = func(w, g []float32, s *SGD) { sgdAVX512(w, g, s.Rate, s.Decay) }
	k.rmsProp = func(w, v, g []float32, s *RMSProp) {
		rmsPropAVX512(w, v, g, s.Rate, s.Decay, s.Keep, s.Rest, s.Epsilon)
	}
	k.adaDelta = func(w, v, d, g []float32, s *AdaDelta) {
		adaDeltaAVX512(w, v, d, g, s.Rate, s.Decay, s.Keep, s.Rest, s.Epsilon)
	}
	k.momentum = func(w, v, g []float32, s *Momentum) {
		momentumAVX512(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	}
	k.adam = func(w, m, v, g []float32, s *Adam) {
		adamAVX512(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	}
})

var avx2 = variant("avx2", func(k *Kernel) {
	k.add = addAVX2
	k.sub = subAVX2
	k.mul = mulAVX2
	k.div = divAVX2
	k.larger = largerAVX2
	k.smaller = smallerAVX2
	k.equal = equalAVX2
	k.notEqual = notEqualAVX2
	k.less = lessAVX2
	k.lessOrEqual = lessOrEqualAVX2
	k.selects = selectsAVX2
	k.sqrt = sqrtAVX2
	k.scale = scaleAVX2
	k.shift = shiftAVX2
	k.axpy = axpyAVX2
	k.sum = sumAVX2
	k.max = maxAVX2
	k.dot = dotAVX2
	k.biasReLU = biasReLUAVX2
	k.relu = reluAVX2
	k.reluGrad = reluGradAVX2
	k.elu = eluAVX2
	k.eluGrad = eluGradAVX2
	k.exp = expAVX2
	k.log = logAVX2
	k.sigmoid = sigmoidAVX2
	k.tanh = tanhAVX2
	k.sigmoidGrad = sigmoidGradAVX2
	k.tanhGrad = tanhGradAVX2
	k.dropout = dropoutAVX2
	k.expRows = expRowsAVX2
	k.affineRows = affineRowsAVX2
	k.deviations = deviationsAVX2
	k.normalize = normalizeAVX2
	k.normalizedTimes = normalizedTimesAVX2
	k.normalizeGrad = normalizeGradAVX2
	k.interleave = interleaveAVX2
	k.deinterleave = deinterleaveAVX2
	k.addRows = addRowsAVX2

	k.columns = func(dst, x []float32, rows, stride int) {
		if period := columnPeriod(len(dst), stride, 8); rows >= 4*period {
			var sums [7 * 8]float32
			whole, n := rows/period, period*stride
			columnsAVX2(sums[:n], x, whole, n)
			columnsAVX2(dst, sums[:n], period, stride)
			x, rows = x[whole*n:], rows-whole*period
		}
		if rows > 0 {
			columnsAVX2(dst, x, rows, stride)
		}
	}
	k.maxPool = func(y []float32, places []int32, x []float32, w Windows) {
		row := w.pitch() * w.Channels
		maxPoolAVX2(y, places, x, w.Rows, w.Cols, w.Channels, w.StrideW*w.Channels, w.StrideH*row, row, w.Width, w.Place, w.StrideW, w.StrideH*w.Width)
	}
	k.maxPoolGrad = func(dx, dy []float32, places []int32, output []float32, w Windows) {
		maxPoolGradAVX2(dx, dy, places, output, w.Rows, w.Cols, w.Channels, w.Width*w.Channels, w.Width, w.Place)
	}
	k.maxWindow = func(y []float32, places []int32, x []float32, t Taps) {
		maxWindowAVX2(y, places, x, t.Rows, t.Cols, t.StepX, t.StepY, t.Place, t.PlaceX, t.PlaceY)
	}
	k.meanWindow = func(y, x []float32, t Taps, divisor float32) {
		meanWindowAVX2(y, x, t.Rows, t.Cols, t.StepX, t.StepY, divisor)
	}
	k.sgd = func(w, g []float32, s *SGD) { sgdAVX2(w, g, s.Rate, s.Decay) }
	k.rmsProp = func(w, v, g []float32, s *RMSProp) {
		rmsPropAVX2(w, v, g, s.Rate, s.Decay, s.Keep, s.Rest, s.Epsilon)
	}
	k.adaDelta = func(w, v, d, g []float32, s *AdaDelta) {
		adaDeltaAVX2(w, v, d, g, s.Rate, s.Decay, s.Keep, s.Rest, s.Epsilon)
	}
	k.momentum = func(w, v, g []float32, s *Momentum) {
		momentumAVX2(w, v, g, s.Rate, s.Momentum, s.Decay, s.Direct, s.Velocity)
	}
	k.adam = func(w, m, v, g []float32, s *Adam) {
		adamAVX2(w, m, v, g, s.Keep, s.Decay, s.Beta1, s.Rest1, s.Beta2, s.Rest2, s.Rate, s.Correction, s.Epsilon)
	}
})
