package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMicroKernels runs every tile of every kernel alone, on packed panels and on operands with gaps, in one run and in several. What lies in the gaps and beside
// the columns is not zero, so that a lane too many would show. Small whole numbers make sums exact.
func TestMicroKernels(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	whole := func(n int) []float32 {
		s := make([]float32, n+1)[1:]
		for i := range s {
			s[i] = float32(1 + r.IntN(8))
		}
		return s
	}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for h := 1; h <= k.MR(); h++ {
			for i, w := range k.widths {
				requireMicroKernel(t, k.micro[h-1][i], h, w, k.widths[0], whole)
			}
		}
		for i, micro := range k.rows {
			requireMicroKernel(t, micro, 1, (i+1)*k.rowUnit, k.rowUnit, whole)
		}
	})
}

// requireMicroKernel tests one of height×width elements with all numbers of columns that fall short of the width by less than unit.
func requireMicroKernel(t *testing.T, micro microKernel, height, width, unit int, whole func(int) []float32) {
	for cols := width - unit + 1; cols <= width; cols++ {
		for i, f := range []Block{
			{Depth: 1, Runs: 1, ARow: 1, AStep: height, BStep: width},
			{Depth: 5, Runs: 1, ARow: 1, AStep: height, BStep: width},
			{Depth: 4, Runs: 1, ARow: 9, AStep: 1, BStep: cols},
			{Depth: 3, Runs: 2, ARow: 2, AStep: 1, ARun: 7, BStep: 1, BRun: 5},
			{Depth: 2, Runs: 3, ARow: 3, AStep: 5, ARun: 11, BStep: width + 1, BRun: 2*width + 9},
			{Depth: 1, Runs: 4, ARow: 1, ARun: 2, BRun: 3},
		} {
			f.Cols, f.CRow = cols, width+3
			for _, f.Accumulate = range []bool{false, true} {
				for tiles := 1; tiles <= 3; tiles += 2 {
					requireTiles(t, micro, tiles, height, f, whole)
				}
			}
			if i > 0 { // how sums end does not depend on how they come about
				continue
			}
			for _, f.ReLU = range []bool{false, true} {
				for _, f.Bias = range [][]float32{nil, {}} { // requireTiles makes one
					requireTiles(t, micro, 3, height, f, whole)
				}
			}
		}
	}
}

// TestMicroKernelsOfSpecialNumbers sees that a ReLU keeps NaN and infinity, and gives +0 for −0 and −Inf.
func TestMicroKernelsOfSpecialNumbers(t *testing.T) {
	inf, nan, minus := float32(math.Inf(1)), float32(math.NaN()), float32(math.Copysign(0, -1))
	values, relu := []float32{inf, -inf, nan, minus, -1, 2}, []float32{inf, 0, nan, 0, 0, 2}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for rows := 1; rows <= k.MR(); rows += 2 {
			n := 2*k.NR() + 5
			f := Block{Rows: rows, Cols: n, Depth: 1, Runs: 1, ARow: 1, AStep: 1, BStep: n, CRow: n, ReLU: true, Bias: make([]float32, n)}
			a, b, c := make([]float32, rows), make([]float32, n), make([]float32, rows*n)
			for i := range f.Bias {
				f.Bias[i] = values[i%len(values)]
			}
			k.Block(&f, a, b, c)
			for i, got := range c {
				want := relu[i%n%len(relu)]
				if math.Float32bits(got) != math.Float32bits(want) && !(math.IsNaN(float64(got)) && math.IsNaN(float64(want))) {
					require.Failf(t, "wrong element", "%d rows, column %d: %v, want %v", rows, i%n, got, want)
				}
			}
		}
	})
}

// requireTiles computes tiles, one below the other and side by side, and compares them with the definition of a Block. The operands of tiles begin further apart
// than they must, and hold nothing but what is read.
func requireTiles(t *testing.T, micro microKernel, tiles, height int, f Block, whole func(int) []float32) {
	const gap = 5
	for _, across := range []bool{false, true} {
		rows, columns := tiles*height, f.Cols
		aTile, bTile, cJump := height*f.ARow+gap, 0, 0
		if across {
			rows, columns = height, tiles*(f.Cols+gap)-gap
			f.CRow = columns + 3
			aTile, bTile, cJump = 0, f.Cols+gap+1, f.Cols+gap-height*f.CRow
		}
		rowOfA := func(i int) int { return i/height*aTile + i%height*f.ARow }
		column := func(j int) int { return j/(f.Cols+gap)*bTile + j%(f.Cols+gap) }
		a := whole(rowOfA(rows-1) + (f.Runs-1)*f.ARun + (f.Depth-1)*f.AStep + 1)
		b := whole((f.Runs-1)*f.BRun + (f.Depth-1)*f.BStep + column(columns-1) + 1)
		c, all := guarded(rows * f.CRow)
		biasTile := 0
		if f.Bias != nil {
			if across {
				biasTile = f.Cols + 2
			}
			f.Bias = whole((tiles-1)*biasTile + f.Cols)
			f.Bias[f.Cols/2] = -500 // no sum gets there
		}
		micro(tiles, f.Depth, f.Runs, &a[0], 4*aTile, 4*f.ARow, 4*f.AStep, 4*(f.ARun-f.Depth*f.AStep), 4*f.Depth, &b[0], 4*bTile, 4*f.BStep, 4*(f.BRun-f.Depth*f.BStep),
			&c[0], 4*f.CRow, 4*cJump, f.Cols, f.Accumulate, f.biasFrom(0), 4*biasTile, f.ReLU, across)
		for at, got := range c {
			i, j := at/f.CRow, at%f.CRow
			want := guard
			if j < columns && j%(f.Cols+gap) < f.Cols {
				if !f.Accumulate {
					want = 0
				}
				for run := range f.Runs {
					for p := range f.Depth {
						want += a[rowOfA(i)+run*f.ARun+p*f.AStep] * b[run*f.BRun+p*f.BStep+column(j)]
					}
				}
				if f.Bias != nil {
					want += f.Bias[j/(f.Cols+gap)*biasTile+j%(f.Cols+gap)]
				}
				if f.ReLU {
					want = max(want, 0)
				}
			}
			if got != want {
				require.Failf(t, "wrong element", "%d tiles, across %t, %+v: C[%d,%d] = %v, want %v", tiles, across, f, i, j, got, want)
			}
		}
		requireGuards(t, all)
	}
}
