package cpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// TestLargePooling takes images that are cut among threads anywhere, with rows and columns under no window, and expects of every instruction set what the
// reference computes, bit by bit: no number is made, only chosen. But where windows overlap, gradients are sums of up to nine numbers below 1.
func TestLargePooling(t *testing.T) {
	reference, err := backend.Open("reference", backend.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, reference.Close()) }()
	for _, s := range []struct {
		n, h, w, c, k int
		window        backend.Window
	}{
		{9, 31, 29, 6, 2, window(2, 1, 0)},
		{5, 30, 28, 16, 2, window(2, 1, 0)},
		{3, 33, 35, 40, 2, window(2, 1, 0)},
		{4, 31, 29, 6, 2, window(1, 1, 0)},
		{3, 30, 31, 10, 2, window(3, 1, 0)},
		{4, 31, 29, 6, 3, window(2, 1, 1)},
		{2, 31, 29, 33, 3, window(2, 2, 1)},
	} {
		p := poolingAndBack(t, s.n, s.h, s.w, s.c, s.k, s.window)
		want, sumError := ran(t, reference, p), 0.0
		if s.window.StrideH < s.k {
			sumError = 9 * 9 * 0x1p-24
		}
		eachInstructionSet(t, func(t *testing.T, name string) {
			got := ran(t, closing(t, name, 3), p)
			require.Equal(t, want["y"], got["y"], "%+v", s)
			require.InDeltaSlice(t, want["dx"], got["dx"], sumError, "%+v", s)
		})
	}
}

// poolingAndBack is a pooling and its gradient, behind a ReLU whose output is x.
func poolingAndBack(t *testing.T, n, h, w, c, k int, win backend.Window) *backend.Program {
	p := backend.NewProgram("pooling")
	view := func(name string, dtype backend.DType, s ...int) backend.View {
		return backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: name, DType: dtype, Elements: backend.Shape(s).Elements()}), DType: dtype, Shape: s}
	}
	x := view("x", backend.Float32, n, h, w, c)
	y, err := backend.PoolShape(x.Shape, k, k, win)
	require.NoError(t, err)
	pool := &backend.MaxPool2D{Y: view("y", backend.Float32, y...), Argmax: view("argmax", backend.Int32, y...), X: x, KernelH: k, KernelW: k, Window: win}
	p.Add("pool", pool)
	p.Add("grad", &backend.MaxPool2DGrad{
		DX: view("dx", backend.Float32, n, h, w, c), DY: view("dy", backend.Float32, y...), Argmax: pool.Argmax, KernelH: k, KernelW: k, Window: win,
		GradEpilogue: backend.GradEpilogue{Output: x, Derivative: relu},
	})
	return p
}

// ran runs a Program and returns its floats.
func ran(t *testing.T, b backend.Backend, p *backend.Program) map[string][]float32 {
	exe, bind := compiled(t, b, p)
	require.NoError(t, exe.Run(context.Background()))
	out := map[string][]float32{}
	for name, x := range bind {
		if name != "argmax" {
			out[name] = contents(t, x)
		}
	}
	require.NoError(t, exe.Close())
	return out
}
