package cpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// TestRightFactors multiplies by matrices that are kept packed or transposed, that are
// made in every run, or that are read as they are; writes the matrix; and multiplies
// again. Small whole numbers make the sums exact.
func TestRightFactors(t *testing.T) {
	for _, s := range []struct {
		m, n, k    int
		transposed bool
		made       bool // by the Program
		algorithm  string
	}{
		{1, 70, 33, true, false, "transposed once"},
		{1, 150, 600, true, false, "transposed once"},
		{1, 70, 33, true, true, "dot products"},
		{1, 150, 600, false, false, ""},
		{5, 70, 600, true, false, "packed once"},
		{5, 70, 33, true, true, ""},
		{64, 30, 41, false, false, ""},
		{300, 90, 120, true, false, "packed once"},
		{300, 90, 120, true, true, "packed once"}, // by all strips of rows together
	} {
		eachInstructionSet(t, func(t *testing.T, name string) {
			p := backend.NewProgram("product")
			shape := backend.Shape{s.k, s.n}
			if s.transposed {
				shape = backend.Shape{s.n, s.k}
			}
			view := func(name string, kind backend.BufferKind, s backend.Shape) backend.View {
				return backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: name, Kind: kind, Elements: s.Elements()}), Shape: s}
			}
			op := &backend.MatMul{
				A: view("a", backend.Bound, backend.Shape{s.m, s.k}), B: view("b", backend.Bound, shape), C: view("c", backend.Bound, backend.Shape{s.m, s.n}),
				TransposeB: s.transposed,
			}
			if s.made {
				b := op.B
				op.B = view("copy", backend.Scratch, shape)
				p.Add("copy", &backend.Copy{Y: op.B, X: b})
			}
			p.Add("product", op)

			d := closing(t, name, 2)
			exe, bind := compiled(t, d, p)
			a := wholeNumbers(t, bind["a"], 5)
			for seed := range 3 {
				b := wholeNumbers(t, bind["b"], 7+seed)
				for range 2 {
					require.NoError(t, exe.Run(context.Background()))
				}
				want := make([]float32, s.m*s.n)
				for i := range want {
					for q := range s.k {
						at := q*s.n + i%s.n
						if s.transposed {
							at = i%s.n*s.k + q
						}
						want[i] += a[i/s.n*s.k+q] * b[at]
					}
				}
				require.Equal(t, want, contents(t, bind["c"]), "%+v", s)
			}
			work := exe.(*executable).work
			assert.Equal(t, s.algorithm, work[len(work)-1].Algorithm, "%+v", s)
			require.NoError(t, exe.Close())
		})
	}
}

// wholeNumbers writes numbers from −3 to 3 to a tensor, different ones for each period,
// and returns them.
func wholeNumbers(t *testing.T, x backend.Tensor, period int) []float32 {
	t.Helper()
	values := make([]float32, x.Spec().Shape.Elements())
	for i := range values {
		values[i] = float32(i*i%period%7 - 3)
	}
	require.NoError(t, x.Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return values
}
