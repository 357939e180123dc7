package gemm

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBlockReadsOperandsWhereTheyLie compares all four forms of the operands on the patches of an image, with sizes beyond every tile.
func TestBlockReadsOperandsWhereTheyLie(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		const channels, taps, lines = 3, 5, 4
		r := rand.New(rand.NewPCG(5, 6))
		for _, pixels := range []int{1, 3, k.MR(), 2*k.MR() + 1} {
			for _, filters := range []int{1, 7, k.NR(), k.NR() + 9} {
				pitch := (pixels + taps - 1) * channels
				image := random(r, lines*pitch)
				depth := lines * taps * channels
				weights := random(r, depth*filters)
				f := Block{Rows: pixels, Cols: filters, Depth: taps * channels, Runs: lines,
					ARow: channels, AStep: 1, ARun: pitch, BStep: filters, BRun: taps * channels * filters, CRow: filters}
				element := func(lane, p int) float32 { return image[p/f.Depth*pitch+lane*channels+p%f.Depth] }

				columns := make([]float32, pixels*depth)
				for i := range columns {
					columns[i] = element(i/depth, i%depth)
				}
				left, right := Left(columns, depth, false), Right(weights, filters, false)
				a, b := make([]float32, k.SizeA(pixels, depth)), make([]float32, k.SizeB(filters, depth))
				k.PackA(a, &left, 0, pixels, 0, depth)
				k.PackB(b, &right, 0, filters, 0, depth)
				want := make([]float32, pixels*filters)
				k.Block(&Block{Rows: pixels, Cols: filters, Depth: depth, Runs: 1, CRow: filters}, a, b, want)
				for i := range pixels {
					for j := range filters {
						sum := 0.0
						for p := range depth {
							sum += float64(element(i, p)) * float64(weights[p*filters+j])
						}
						require.InDelta(t, sum, want[i*filters+j], 1e-4)
					}
				}

				for _, packA := range []bool{false, true} {
					for _, packB := range []bool{false, true} {
						g, ga, gb := f, image, weights
						if packA {
							g.ARow, ga = 0, a
						}
						if packB {
							g.BStep, gb = 0, b
						}
						got := make([]float32, pixels*filters)
						k.Block(&g, ga, gb, got)
						require.Equal(t, want, got, "%d pixels, %d filters, packed %t, %t", pixels, filters, packA, packB)
					}
				}
			}
		}
	})
}

func TestBlockOutsideItsOperandsPanics(t *testing.T) {
	good := Block{Rows: 3, Cols: 4, Depth: 2, Runs: 2, ARow: 2, AStep: 1, ARun: 9, BStep: 4, BRun: 10, CRow: 4}
	block := func(f Block, a, b, c int) func() {
		return func() { Default().Block(&f, make([]float32, a), make([]float32, b), make([]float32, c)) }
	}
	require.NotPanics(t, block(good, 15, 18, 12))
	assert.Panics(t, block(good, 14, 18, 12))
	assert.Panics(t, block(good, 15, 17, 12))
	assert.Panics(t, block(good, 15, 18, 11))
	for _, change := range []func(*Block){
		func(f *Block) { f.ARun = -1 }, func(f *Block) { f.BStep = -1 }, func(f *Block) { f.CRow = 3 },
	} {
		bad := good
		change(&bad)
		assert.Panics(t, block(bad, 100, 100, 100))
	}
}
