package cpu

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

func TestMemoryIsAligned(t *testing.T) {
	for n := range 200 {
		b, err := aligned(n)
		require.NoError(t, err)
		require.Len(t, b, n)
		if n > 0 {
			require.Zero(t, uintptr(unsafe.Pointer(&b[0]))%alignment)
		}
	}
}

// TestTooLittleMemoryIsAnError asks for more than any machine has.
func TestTooLittleMemoryIsAnError(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells how much memory is free")
	}
	free, known := freeMemory()
	require.True(t, known)
	assert.Positive(t, free)
	_, err := aligned(math.MaxInt / 2)
	require.ErrorIs(t, err, backend.ErrMemory)

	// The scratch of a Program counts as a whole.
	d := closing(t, "cpu", 1)
	p := backend.NewProgram("vast")
	views := make([]backend.View, 1<<9)
	for i := range views {
		n := math.MaxInt32 / 2
		views[i] = backend.View{Buffer: p.AddBuffer(backend.Buffer{Kind: backend.Scratch, Elements: n}), Shape: backend.Shape{n}}
		p.Add("first", &backend.Fill{Y: views[i]})
	}
	for _, v := range views {
		p.Add("again", &backend.Unary{Y: v, X: v})
	}
	_, err = d.Compile(p, nil)
	require.ErrorIs(t, err, backend.ErrMemory)
	assert.Zero(t, d.Memory().InUse)
}

func TestLayoutKeepsOwnersApart(t *testing.T) {
	var l layout
	first, second := l.reserve(3, 5, 4), l.floats(7)
	assert.Equal(t, 4*alignment, l.bytes)
	work, err := aligned(l.bytes)
	require.NoError(t, err)
	for i, x := range each[float32](work, first) {
		assert.Len(t, x, 5)
		x[0] = float32(i + 1)
	}
	in[float32](work, second)[0] = 4
	for i := range 4 {
		assert.Equal(t, float32(i+1), as[float32](work)[i*alignment/4])
	}
}
