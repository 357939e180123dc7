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

// TestBlockOfLines expects of a block of several lines what blocks of one line each compute.
func TestBlockOfLines(t *testing.T) {
	const step, taps, gap = 3, 9, 7
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, rows := range []int{1, 2, k.MR(), 2*k.MR() + 4, 5*k.MR() + 1} {
			for _, lines := range []int{1, 2, 7} {
				for _, cols := range []int{3, k.NR(), 2*k.NR() + 1} {
					f := Block{Rows: rows, Cols: cols, Depth: taps, Runs: 2, ARow: step, AStep: 1, ARun: 5, BStep: cols, BRun: taps * cols, CRow: cols + 1}
					f.Bias, f.ReLU = random(r, cols), true
					pitch := (rows-1)*step + 5 + taps
					f.ALine, f.CLine = pitch+gap, rows*f.CRow+gap
					a, b := random(r, (lines-1)*f.ALine+pitch), random(r, 2*taps*cols)
					want, got := make([]float32, lines*f.CLine), make([]float32, lines*f.CLine)
					for l := range lines {
						k.Block(&f, a[l*f.ALine:], b, want[l*f.CLine:])
					}
					f.Lines = lines
					k.Block(&f, a, b, got)
					require.Equal(t, want, got, "%d lines of %d rows, %d columns", lines, rows, cols)
				}
			}
		}
	})
}

// TestBlockFetches sees that to fetch rows of A that follow each other changes nothing.
func TestBlockFetches(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(9, 10))
		f := Block{Rows: 3*k.MR() + 5, Cols: k.NR() + 3, Depth: 50, Runs: 1, ARow: 50, AStep: 1, BStep: k.NR() + 3, CRow: k.NR() + 3}
		a, b := random(r, f.Rows*f.ARow), random(r, f.Depth*f.Cols)
		want, got := make([]float32, f.Rows*f.Cols), make([]float32, f.Rows*f.Cols)
		k.Block(&f, a, b, want)
		f.Fetch = true
		k.Block(&f, a, b, got)
		require.Equal(t, want, got)
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
	lines := good
	lines.Lines, lines.ALine, lines.CLine = 3, 20, 15
	require.NotPanics(t, block(lines, 55, 18, 42))
	assert.Panics(t, block(lines, 54, 18, 42))
	assert.Panics(t, block(lines, 55, 18, 41))
	for _, change := range []func(*Block){
		func(f *Block) { f.Lines, f.ALine = 2, -1 }, func(f *Block) { f.Lines, f.ARow = 2, 0 },
		func(f *Block) { f.ARun = -1 }, func(f *Block) { f.BStep = -1 }, func(f *Block) { f.CRow = 3 },
	} {
		bad := good
		change(&bad)
		assert.Panics(t, block(bad, 100, 100, 100))
	}
}
