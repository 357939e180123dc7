//go:build cuda

package cuda

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// adding is the Program y += x.
func adding(n int) *backend.Program {
	p := backend.NewProgram("adding")
	x := backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: "x", Elements: n}), Shape: backend.Shape{n}}
	y := backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: "y", Elements: n}), Shape: backend.Shape{n}}
	p.Add("", &backend.Binary{Y: y, A: y, B: x, Func: backend.Add})
	return p
}

func newTensor(t testing.TB, d *device, name string, n int) backend.Tensor {
	t.Helper()
	x, err := d.NewTensor(backend.TensorSpec{Name: name, Shape: backend.Shape{n}})
	require.NoError(t, err)
	return x
}

func read(t testing.TB, x backend.Tensor) []float32 {
	t.Helper()
	values := make([]float32, x.Spec().Shape.Elements())
	require.NoError(t, x.Read(dense(values)))
	return values
}

// TestWritesKeepTheirOrder writes one tensor again and again while runs that read it
// are queued, more than fits into the ring at once. A simulated driver reads pinned
// memory as late as it may: a piece of the ring that is used again too early gives a
// wrong sum.
func TestWritesKeepTheirOrder(t *testing.T) {
	t.Setenv("FOVEA_CUDA_SEPARATE", "0") // else runs do not queue up
	for _, c := range []struct {
		name           string
		n, most, steps int
	}{
		{"small", 3, mostStaging, 3 * mostPieces},
		{"whole", 50_000, mostStaging, 20},
		{"in pieces", 300_001, leastStaging, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := closing(t, "cuda")
			d.staging.most = c.most
			x, y := newTensor(t, d, "x", c.n), newTensor(t, d, "y", c.n)
			exe, err := d.Compile(adding(c.n), map[string]backend.Tensor{"x": x, "y": y})
			require.NoError(t, err)
			values := make([]float32, c.n)
			var want float32
			for step := range c.steps {
				for i := range values {
					values[i] = float32(step + i%7)
				}
				want += float32(step)
				require.NoError(t, x.Write(dense(values)))
				require.NoError(t, exe.Run(context.Background()))
			}
			clear(values)
			for i, v := range read(t, y) {
				if w := want + float32(c.steps*(i%7)); v != w { // whole numbers below 2²⁴
					require.Failf(t, "wrong sum", "element %d is %g, expected %g", i, v, w)
				}
			}
			assert.LessOrEqual(t, d.staging.size, c.most)
			assert.LessOrEqual(t, len(d.staging.pieces), mostPieces)
		})
	}
}

// TestRoom walks around a ring of four places by hand.
func TestRoom(t *testing.T) {
	s := &staging{size: 1024}
	take := func(n, want int) {
		t.Helper()
		at, ok := s.room(n)
		require.True(t, ok)
		require.Equal(t, want, at)
		s.next = at + n
		s.pieces = append(s.pieces, piece{begin: at, end: s.next})
	}
	full := func(n int) {
		t.Helper()
		_, ok := s.room(n)
		require.False(t, ok)
	}
	retire := func() { s.pieces = s.pieces[1:] }
	take(512, 0)
	take(256, 512)
	take(256, 768)
	full(256)
	retire()
	take(256, 0)
	full(512)
	take(256, 256)
	full(256)
	retire()
	take(256, 512)
	retire()
	full(512) // the end has 256, and the beginning is in use
	take(256, 768)
	for len(s.pieces) > 0 {
		retire()
	}
	take(512, 0) // an empty ring begins anew
}

// TestStagingGrows: the ring has room for two of the largest write.
func TestStagingGrows(t *testing.T) {
	d := closing(t, "cuda")
	assert.Zero(t, d.staging.size)
	for _, c := range []struct{ n, want int }{{1, leastStaging}, {1 << 18, 2 << 20}, {1<<18 + 1, 4 << 20}, {5, 4 << 20}} {
		x := newTensor(t, d, "x", c.n)
		values := make([]float32, c.n)
		values[c.n-1] = 7
		require.NoError(t, x.Write(dense(values)))
		assert.Equal(t, values, read(t, x))
		assert.Equal(t, c.want, d.staging.size)
		require.NoError(t, x.Free())
	}
}
