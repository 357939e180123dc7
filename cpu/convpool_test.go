package cpu

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// convolvedAndPooled is a Conv2D with ReLU and a MaxPool2D. Where kept is set, the output of the convolution is a tensor, which keeps the two apart.
func convolvedAndPooled(t *testing.T, n, size, channels, filters, taps, pad int, kept bool) *backend.Program {
	p := backend.NewProgram("convolution and pooling")
	view := func(name string, kind backend.BufferKind, s ...int) backend.View {
		return backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: name, Kind: kind, Elements: backend.Shape(s).Elements()}), Shape: s}
	}
	x, w, b := view("x", backend.Bound, n, size, size, channels), view("w", backend.Bound, filters, taps, taps, channels), view("b", backend.Bound, filters)
	shape, err := backend.Conv2DShape(x.Shape, w.Shape, window(1, 1, pad), 1)
	require.NoError(t, err)
	kind := backend.Scratch
	if kept {
		kind = backend.Bound
	}
	y := view("convolved", kind, shape...)
	p.Add("conv", &backend.Conv2D{Y: y, X: x, W: w, B: b, Window: window(1, 1, pad), Groups: 1, Activation: relu})
	pooled, err := backend.PoolShape(shape, 2, 2, window(2, 1, 0))
	require.NoError(t, err)
	p.Add("pool", &backend.MaxPool2D{Y: view("y", backend.Bound, pooled...), X: y, KernelH: 2, KernelW: 2, Window: window(2, 1, 0)})
	return p
}

// TestPoolingJoinsItsConvolution expects the same bits from a convolution and a pooling that are one instruction and from those that are two, and that some are one.
func TestPoolingJoinsItsConvolution(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		joined := 0
		for _, s := range []struct{ n, size, channels, filters, taps, pad int }{
			{5, 28, 1, 6, 5, 2}, {1, 28, 1, 6, 5, 2}, {3, 30, 1, 3, 3, 1}, {2, 14, 1, 4, 3, 0}, {2, 15, 1, 5, 3, 1}, {2, 13, 1, 5, 3, 0}, {2, 28, 3, 6, 5, 2}, {1, 150, 1, 6, 5, 2},
			{2, 16, 3, 32, 3, 1},
		} {
			d := closing(t, name, 3)
			apart := ran(t, d, convolvedAndPooled(t, s.n, s.size, s.channels, s.filters, s.taps, s.pad, true))
			p := convolvedAndPooled(t, s.n, s.size, s.channels, s.filters, s.taps, s.pad, false)
			require.Equal(t, apart["y"], ran(t, d, p)["y"], "%+v", s)
			exe, _ := compiled(t, d, p)
			profile, err := backend.ProfileOf(context.Background(), exe)
			require.NoError(t, err)
			if len(profile.Ops) == 1 {
				joined++
				require.Equal(t, "Conv2D+MaxPool2D", profile.Ops[0].Kind)
			}
			require.NoError(t, exe.Close())
		}
		if name == "cpu:avx512" || name == "cpu:avx2" { // narrower vectors lack less in a row than the padding between rows
			require.GreaterOrEqual(t, joined, 4)
		}
	})
}

// TestJoinedPoolingKeepsNaN sees that a NaN in the image reaches the pixels whose windows see it, and no others.
func TestJoinedPoolingKeepsNaN(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		d := closing(t, name, 2)
		for _, kept := range []bool{true, false} {
			exe, bind := compiled(t, d, convolvedAndPooled(t, 1, 28, 1, 6, 5, 2, kept))
			x := contents(t, bind["x"])
			x[14*28+15] = float32(math.NaN())
			require.NoError(t, bind["x"].Write(tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(x))))
			require.NoError(t, exe.Run(context.Background()))
			for i, v := range contents(t, bind["y"]) {
				row, col := i/6/14, i/6%14
				near := row >= 6 && row <= 8 && col >= 6 && col <= 8
				require.Equal(t, near, math.IsNaN(float64(v)), "pixel %d, %d", row, col)
			}
			require.NoError(t, exe.Close())
		}
	})
}
