package vec

import (
	"fmt"
	"math"
)

// AddRows does dst[i·dstStride + j] += src[i·srcStride + j] for rows i, in ascending order, and columns j < cols. Rows of dst may overlap: dstStride may be
// less than cols.
func (k *Kernel) AddRows(dst, src []float32, rows, cols, dstStride, srcStride int) {
	if dstStride < 0 || rows > 0 && (rows-1)*dstStride+cols > len(dst) {
		panic(fmt.Sprintf("BUG: vec: %d rows of %d elements, %d apart, in %d elements", rows, cols, dstStride, len(dst)))
	}
	rowsFit(len(src), rows, cols, srcStride)
	if rows == 0 || cols == 0 {
		return
	}
	if dstStride == cols && srcStride == cols {
		n := rows * cols
		k.add(dst[:n], dst[:n], src[:n])
		return
	}
	k.addRows(dst, src, rows, cols, dstStride, srcStride)
}

// noBias leaves every number as it is, −0 too.
var noBias = func() (b [interleaved]float32) {
	for i := range b {
		b[i] = float32(math.Copysign(0, -1))
	}
	return b
}()

// interleaved is how many planes are interleaved at once.
const interleaved = 8

// Interleave does dst[p·channels + k] = ReLU(planes[k·plane + p] + bias[k]) for pixels p and channels k, ReLU being as in [Kernel.BiasReLU]; a nil bias is
// none. So planes, one a channel, become pixels with channels last.
func (k *Kernel) Interleave(dst, planes, bias []float32, pixels, channels, plane int, slope float32) {
	rowsFit(len(dst), pixels, channels, channels)
	rowsFit(len(planes), channels, pixels, plane)
	if bias != nil {
		equalLengths(channels, len(bias))
	}
	if pixels == 0 {
		return
	}
	for first := 0; first < channels; first += interleaved {
		width := min(interleaved, channels-first)
		b := noBias[:width]
		if bias != nil {
			b = bias[first : first+width]
		}
		k.interleave(dst[first:], planes[first*plane:], b, pixels, plane, channels, slope)
	}
}

// Deinterleave does dst[k·plane + p] = src[p·channels + k] for pixels p and channels k: the inverse of [Kernel.Interleave].
func (k *Kernel) Deinterleave(dst, src []float32, pixels, channels, plane int) {
	rowsFit(len(src), pixels, channels, channels)
	rowsFit(len(dst), channels, pixels, plane)
	if pixels == 0 {
		return
	}
	for first := 0; first < channels; first += interleaved {
		k.deinterleave(dst[first*plane:], src[first:], pixels, min(interleaved, channels-first), plane, channels)
	}
}

func addRowsPortable(dst, src []float32, rows, cols, dstStride, srcStride int) {
	for i := range rows {
		row := dst[i*dstStride : i*dstStride+cols]
		addPortable(row, row, src[i*srcStride:i*srcStride+cols])
	}
}

func interleavePortable(dst, planes, bias []float32, pixels, plane, pitch int, slope float32) {
	for k, b := range bias {
		for p, v := range planes[k*plane : k*plane+pixels] {
			v += b
			if v <= 0 {
				v = shrink(slope, v)
			}
			dst[p*pitch+k] = v
		}
	}
}

func deinterleavePortable(dst, src []float32, pixels, width, plane, pitch int) {
	for k := range width {
		for p := range pixels {
			dst[k*plane+p] = src[p*pitch+k]
		}
	}
}
