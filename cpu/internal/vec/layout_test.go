package vec

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAddRows has rows that follow one another, lie apart and overlap. Additions in the same order have the same bits.
func TestAddRows(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, rows := range []int{0, 1, 2, 3, 7, 24} {
			for cols := range 45 {
				for _, step := range []int{0, 1, 3, 6, 8, 16, cols/2 + 1, cols, cols + 5} {
					for _, stride := range []int{cols, cols + 7} {
						start, src := random(r, max(0, (rows-1)*step+cols)), random(r, max(0, (rows-1)*stride+cols))
						if len(src) > 3 {
							src[2], src[3] = nan, inf
						}
						dst, whole := guarded(start)
						k.AddRows(dst, src, rows, cols, step, stride)
						want := append([]float32(nil), start...)
						for i := range rows {
							for j := range cols {
								want[i*step+j] += src[i*stride+j]
							}
						}
						require.Equal(t, bits(want), bits(dst), "%d×%d, strides %d and %d", rows, cols, step, stride)
						requireGuards(t, whole)
					}
				}
			}
		}
		assert.Panics(t, func() { k.AddRows(make([]float32, 10), make([]float32, 30), 3, 9, 1, 9) })
		assert.Panics(t, func() { k.AddRows(make([]float32, 30), make([]float32, 26), 3, 9, 1, 9) })
	})
}

// planes calls f with numbers of pixels and channels, and distances of planes.
func planes(f func(pixels, channels, plane int)) {
	for _, pixels := range []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 100, 257, 784} {
		for channels := 1; channels < 20; channels++ {
			f(pixels, channels, pixels)
			f(pixels, channels, pixels+5)
		}
	}
}

func TestInterleave(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(11, 12))
		planes(func(pixels, channels, plane int) {
			src, bias := random(r, channels*plane), random(r, channels)
			if len(src) > 8 {
				src[0], src[1], src[8] = nan, inf, -inf
			}
			for _, slope := range []float32{0, 0.1, 1} {
				dst, whole := guarded(make([]float32, pixels*channels))
				k.Interleave(dst, src, bias, pixels, channels, plane, slope)
				want := make([]float32, len(dst))
				for i := range want {
					want[i] = src[i%channels*plane+i/channels] + bias[i%channels]
				}
				k.ReLU(want, want, slope)
				require.Equal(t, bits(want), bits(dst), "%d pixels of %d channels", pixels, channels)
				requireGuards(t, whole)
			}

			// Without a bias it is the inverse of Deinterleave.
			dst := make([]float32, pixels*channels)
			k.Interleave(dst, src, nil, pixels, channels, plane, 1)
			start := random(r, len(src))
			back, whole := guarded(start)
			k.Deinterleave(back, dst, pixels, channels, plane)
			for c := range channels {
				at := c * plane
				require.Equal(t, bits(src[at:at+pixels]), bits(back[at:at+pixels]), "plane %d of %d", c, channels)
				require.Equal(t, bits(start[at+pixels:at+plane]), bits(back[at+pixels:at+plane]), "between planes")
			}
			requireGuards(t, whole)
		})
	})
}
