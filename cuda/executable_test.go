//go:build cuda

package cuda

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/cuda/driver"
)

func TestRunAllocatesNothing(t *testing.T) {
	t.Setenv("FOVEA_CUDA_SEPARATE", "0") // what a simulated driver is told about scratch needs memory
	d := closing(t, "cuda")
	x, y := newTensor(t, d, "x", 100), newTensor(t, d, "y", 100)
	exe, err := d.Compile(doubling(100), map[string]backend.Tensor{"x": x, "y": y})
	require.NoError(t, err)
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		if err := exe.Run(ctx); err != nil {
			t.Error(err)
		}
	}))
}

// TestMemoryOfWhatIsQueued frees a tensor and an Executable whose run has only been
// queued, and writes to what gets their memory next.
func TestMemoryOfWhatIsQueued(t *testing.T) {
	t.Setenv("FOVEA_CUDA_SEPARATE", "0")
	d := closing(t, "cuda")
	const n = 5000
	values, others := make([]float32, n), make([]float32, n)
	for i := range values {
		values[i], others[i] = float32(i), -1
	}
	x, y := newTensor(t, d, "x", n), newTensor(t, d, "y", n)
	exe, err := d.Compile(doubling(n), map[string]backend.Tensor{"x": x, "y": y})
	require.NoError(t, err)
	require.NoError(t, x.Write(dense(values)))
	require.NoError(t, exe.Run(context.Background()))
	arena, first := exe.(*executable).blocks[0].block.Address, x.(*array).memory.Address
	require.NoError(t, exe.Close())
	require.NoError(t, x.Free())
	a, b := newTensor(t, d, "a", n), newTensor(t, d, "b", n)
	assert.Equal(t, first, a.(*array).memory.Address, "memory is used again")
	assert.Equal(t, arena, b.(*array).memory.Address)
	require.NoError(t, a.Write(dense(others)))
	require.NoError(t, b.Write(dense(others)))
	for i, v := range read(t, y) {
		require.Equal(t, 2*values[i], v)
	}
}

// TestMemoryOfAProgram: in one arena, scratch that is not alive at once shares bytes.
func TestMemoryOfAProgram(t *testing.T) {
	const n = 1 << 16
	p := backend.NewProgram("long")
	view := func(name string, kind backend.BufferKind) backend.View {
		return backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: name, Kind: kind, Elements: n}), Shape: backend.Shape{n}}
	}
	v := view("x", backend.Bound)
	for range 9 {
		next := view("s", backend.Scratch)
		p.Add("", &backend.Unary{Y: next, X: v, Func: backend.Scale, Alpha: 2})
		v = next
	}
	p.Add("", &backend.Copy{Y: view("y", backend.Bound), X: v})
	for separate, want := range map[string]int64{"0": 2 * 4 * n, "1": 9 * 4 * n} {
		t.Setenv("FOVEA_CUDA_SEPARATE", separate)
		d := closing(t, "cuda")
		x, y := newTensor(t, d, "x", n), newTensor(t, d, "y", n)
		before := d.Memory().InUse
		exe, err := d.Compile(p, map[string]backend.Tensor{"x": x, "y": y})
		require.NoError(t, err)
		assert.Equal(t, want, exe.Memory())
		assert.Equal(t, before+want, d.Memory().InUse)
		ones := make([]float32, n)
		for i := range ones {
			ones[i] = 1
		}
		require.NoError(t, x.Write(dense(ones)))
		require.NoError(t, exe.Run(context.Background()))
		for _, v := range read(t, y) {
			require.EqualValues(t, 1<<9, v)
		}
	}
}

// TestAProgramWithoutWork has no graph, and runs.
func TestAProgramWithoutWork(t *testing.T) {
	d := closing(t, "cuda")
	exe, err := d.Compile(backend.NewProgram("nothing"), nil)
	require.NoError(t, err)
	require.NoError(t, exe.Run(context.Background()))
	assert.Zero(t, exe.Memory())
	_, err = d.Compile(nil, nil)
	require.ErrorIs(t, err, backend.ErrProgram)
}

// TestKernelsAreLoadedOnce compiles two Programs that use the same files.
func TestKernelsAreLoadedOnce(t *testing.T) {
	d := closing(t, "cuda")
	assert.Len(t, d.modules.loaded, 1, "Open loads one file")
	x, y := newTensor(t, d, "x", 8), newTensor(t, d, "y", 8)
	var function *driver.Function
	for range 2 {
		exe, err := d.Compile(doubling(8), map[string]backend.Tensor{"x": x, "y": y})
		require.NoError(t, err)
		require.NoError(t, exe.Run(context.Background()))
		assert.Len(t, d.modules.loaded, 2)
		f := d.modules.loaded["unary"].functions["unary"].Function
		assert.True(t, function == nil || function == f)
		function = f
	}
}
