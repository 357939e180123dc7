package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/winograd"
)

// winogradMatrices tells the conformance suite what Winograd's bound follows from.
var winogradMatrices = &backendtest.Winograd{AT: rowsOf(winograd.AT[:]), G: rowsOf(winograd.G[:]), BT: rowsOf(winograd.BT[:]), Roundings: winograd.Roundings}

func rowsOf[R [winograd.Filter]float64 | [winograd.Piece]float64](m []R) [][]float64 {
	rows := make([][]float64, len(m))
	for i := range m {
		for j := range len(m[i]) {
			rows[i] = append(rows[i], m[i][j])
		}
	}
	return rows
}

// winogradIn tells for which Ops a device uses Winograd's algorithm.
func winogradIn(d *device) func(op backend.Op) *backendtest.Winograd {
	return func(op backend.Op) *backendtest.Winograd {
		if way, _ := (&compiler{device: d}).convolutionWay(op); way == transformed {
			return winogradMatrices
		}
		return nil
	}
}

// forcing makes a device use an algorithm where it is possible.
func forcing(d *device, way algorithm) *device {
	d.algorithm = way
	return d
}

// TestConformanceOfAlgorithms certifies convolutions with each algorithm wherever it is
// possible.
func TestConformanceOfAlgorithms(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		for _, way := range []algorithm{gathered, scattered, transformed} {
			t.Run(way.String(), func(t *testing.T) {
				config := backendtest.Config{Short: testing.Short(), Winograd: winogradIn(forcing(closing(t, name, 1), way))}
				backendtest.RunKinds(t, func(t testing.TB) backend.Backend { return forcing(openBackend(t, name, 2), way) },
					config, "Conv2D", "Conv2DInputGrad", "Conv2DFilterGrad")
			})
		}
	})
}

// convolutionsOf returns a convolution of images n×h×w×c with o 3×3 filters, and its
// gradients, with what may be fused.
func convolutionsOf(t testing.TB, n, h, w, c, o int, win backend.Window) []backend.Op {
	x, filters := backend.Shape{n, h, w, c}, backend.Shape{o, 3, 3, c}
	y, err := backend.Conv2DShape(x, filters, win, 1)
	require.NoError(t, err)
	xs, ws, ys := unplaced(x...), unplaced(filters...), unplaced(y...)
	return []backend.Op{
		&backend.Conv2D{Y: ys, X: xs, W: ws, B: unplaced(o), Window: win, Groups: 1, Activation: relu},
		&backend.Conv2D{Y: ys, X: xs, W: ws, Window: win, Groups: 1, Activation: backend.Activation{Func: backend.Tanh}},
		&backend.Conv2DInputGrad{DX: xs, DY: ys, W: ws, Window: win, Groups: 1, GradEpilogue: backend.GradEpilogue{Output: xs, Derivative: relu}},
		&backend.Conv2DInputGrad{DX: xs, DY: ys, W: ws, Window: win, Groups: 1, GradEpilogue: backend.GradEpilogue{Addend: xs}},
		&backend.Conv2DFilterGrad{DW: ws, DB: unplaced(o), DY: ys, X: xs, Window: win, Groups: 1},
		&backend.Conv2DFilterGrad{DW: ws, DY: ys, X: xs, Window: win, Groups: 1, Accumulate: true},
	}
}

// TestLargeWinograd does convolutions that are cut in every way: into several blocks,
// slices and ranges of outputs.
func TestLargeWinograd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute under the race detector")
	}
	eachInstructionSet(t, func(t *testing.T, name string) {
		d := forcing(closing(t, name, 2), transformed)
		var blocks, ranges, slices, groups bool
		for _, s := range []struct{ n, h, w, c, o, pad int }{
			{5, 13, 19, 32, 40, 1},
			{1, 9, 9, 100, 140, 1},
			{1, 31, 5, 20, 19, 0},
			{65, 5, 5, 9, 11, 2},
		} {
			for i, op := range convolutionsOf(t, s.n, s.h, s.w, s.c, s.o, window(1, 1, s.pad)) {
				tiles, possible := (&compiler{device: d}).winogradOf(op)
				require.True(t, possible)
				if _, ok := op.(*backend.Conv2DFilterGrad); ok {
					v := newWinogradFilterGrad(tiles)
					slices, groups = slices || v.slices > 1, groups || v.lanes < v.outputs
				} else {
					block, lanes := tiles.parts()
					blocks, ranges = blocks || block < tiles.tiles, ranges || lanes < tiles.outputs
				}
				require.NoError(t, backendtest.Check(d, op, backendtest.Config{Seed: uint64(i), Winograd: winogradIn(d)}))
			}
		}
		assert.True(t, blocks && ranges && slices && groups, "blocks %t, ranges %t, slices %t, groups %t", blocks, ranges, slices, groups)
	})
}

// TestWinogradForAnyThreads expects the same bits from any number of goroutines.
func TestWinogradForAnyThreads(t *testing.T) {
	for _, op := range convolutionsOf(t, 3, 17, 18, 33, 48, window(1, 1, 1)) {
		placed := alone(op)
		r := rand.New(rand.NewPCG(1, 2))
		inputs := map[string][]float32{}
		for _, b := range placed.Buffers[1:] {
			inputs[b.Name] = make([]float32, b.Elements)
			for i := range inputs[b.Name] {
				inputs[b.Name][i] = float32(r.NormFloat64())
			}
		}
		want := outputs(t, forcing(closing(t, "cpu", 1), transformed), placed, inputs)
		for _, threads := range []int{2, 3, 8} {
			require.Equal(t, want, outputs(t, forcing(closing(t, "cpu", threads), transformed), placed, inputs), "%s, %d threads", op.Kind(), threads)
		}
	}
}

// FuzzAlgorithms compares convolutions of any shape with the reference, by each
// algorithm.
func FuzzAlgorithms(f *testing.F) {
	f.Add(uint8(1), uint8(4), uint8(5), uint8(3), uint8(17), uint8(0x55), uint64(1))
	f.Add(uint8(2), uint8(13), uint8(1), uint8(32), uint8(1), uint8(0xa2), uint64(2))
	f.Add(uint8(0), uint8(8), uint8(9), uint8(40), uint8(33), uint8(0), uint64(3))
	f.Fuzz(func(t *testing.T, n, h, w, c, o, pads uint8, seed uint64) {
		win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1,
			PadTop: int(pads & 3 % 3), PadBottom: int(pads >> 2 & 3 % 3), PadLeft: int(pads >> 4 & 3 % 3), PadRight: int(pads >> 6 & 3 % 3)}
		height, width := 1+int(h)%20, 1+int(w)%20
		if _, _, err := win.Output(height, width, 3, 3); err != nil {
			return
		}
		kernels := gemm.Kernels()
		d := closing(t, "cpu:"+kernels[seed%uint64(len(kernels))].Name(), 1+int(seed>>8%3))
		for _, op := range convolutionsOf(t, 1+int(n)%4, height, width, 1+int(c)%48, 1+int(o)%48, win) {
			for _, way := range []algorithm{gathered, scattered, transformed} {
				forcing(d, way)
				require.NoError(t, backendtest.Check(d, op, backendtest.Config{Seed: seed, Winograd: winogradIn(d)}))
			}
		}
	})
}

// TestWinogradIsChosenWhereItWins holds the estimate to what was measured.
func TestWinogradIsChosenWhereItWins(t *testing.T) {
	c := &compiler{device: closing(t, "cpu", 1)}
	for _, s := range []struct {
		n, size, c, o int
		wins          bool
	}{
		{64, 32, 3, 32, false},
		{64, 32, 32, 32, true},
		{64, 16, 32, 64, true},
		{64, 8, 64, 128, true},
		{1, 32, 32, 32, true},
		{1, 8, 64, 128, !c.device.winograd.Scalar()},
		{8, 56, 64, 64, true},
		{8, 7, 512, 512, true},
		{64, 32, 16, 16, !c.device.winograd.Scalar()},
		{64, 32, 4, 4, false},
		{1, 4, 256, 256, false}, // one tile does not pay for the transform of the filters
	} {
		for _, op := range convolutionsOf(t, s.n, s.size, s.size, s.c, s.o, window(1, 1, 1)) {
			way, _ := c.convolutionWay(op)
			assert.Equal(t, s.wins, way == transformed, "%s of %+v", op.Kind(), s)
		}
	}
}
