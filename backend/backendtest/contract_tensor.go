package backendtest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

func checkInfo(t require.TestingT, open func() backend.Backend) {
	b := open()
	info := b.Info()
	assert.NotEmpty(t, info.Name)
	assert.NotEmpty(t, info.Device)
	assert.GreaterOrEqual(t, info.Threads, 1)
	require.NoError(t, b.Close())
}

// checkTensor: a tensor is zero at first, and Write and Read copy.
func checkTensor(t require.TestingT, open func() backend.Backend) {
	b := open()
	spec := backend.TensorSpec{Name: "x", Shape: backend.Shape{2, 3}}
	x, err := b.NewTensor(spec)
	require.NoError(t, err)
	assert.Equal(t, spec, x.Spec())
	assert.Equal(t, make([]float32, 6), read(t, x), "a new tensor is zero")
	data := []float32{1, 2, 3, 4, 5, 6}
	require.NoError(t, x.Write(tensor.New(tensor.WithShape(6), tensor.WithBacking(data))))
	data[0] = 99
	assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, read(t, x), "Write copies")
	host := make([]float32, 6)
	require.NoError(t, x.Read(tensor.New(tensor.WithShape(3, 2), tensor.WithBacking(host))))
	host[0] = 99
	assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, read(t, x), "Read copies")
	for _, dtype := range []backend.DType{backend.Int32, backend.Uint8} {
		a := newArray(dtype, 5)
		z, err := upload(b, "z", a, 0)
		require.NoError(t, err)
		bytes(random(1, "tensor", 0), a)
		require.NoError(t, z.Write(a.dense()))
		got, err := download(z)
		require.NoError(t, err)
		assert.Equal(t, a.values(), got.values())
	}
	scalar, err := b.NewTensor(backend.TensorSpec{Name: "scalar"})
	require.NoError(t, err)
	require.NoError(t, scalar.Write(dense32(7)))
	assert.Equal(t, []float32{7}, read(t, scalar))
	require.NoError(t, b.Close())
}

// checkTensorRefusals: bad shapes and host arrays are refused and change
// nothing.
func checkTensorRefusals(t require.TestingT, open func() backend.Backend) {
	b := open()
	before := b.Memory().InUse
	for _, s := range []backend.Shape{{0}, {3, 0, 2}, {-1}, {1 << 20, 1 << 20}, {1 << 62, 4}} {
		_, err := b.NewTensor(backend.TensorSpec{Name: "bad", Shape: s})
		assert.ErrorIs(t, err, backend.ErrShape, "shape %v", s)
	}
	assert.Equal(t, before, b.Memory().InUse, "a tensor that is refused takes no memory")
	x := newTensor(t, b, "x", 3)
	require.NoError(t, x.Write(dense32(1, 2, 3)))
	version := x.Version()
	for _, c := range []struct {
		name string
		host *tensor.Dense
		want error
	}{
		{"too short", dense32(9, 9), backend.ErrShape},
		{"too long", dense32(9, 9, 9, 9), backend.ErrShape},
		{"int32", denseInt(9, 9, 9), backend.ErrType},
		{"uint8", tensor.New(tensor.WithShape(3), tensor.WithBacking([]uint8{9, 9, 9})), backend.ErrType},
		{"nil", nil, backend.ErrShape},
	} {
		assert.ErrorIs(t, x.Write(c.host), c.want, "write %s", c.name)
		if c.host != nil {
			before := c.host.Clone().(*tensor.Dense)
			assert.ErrorIs(t, x.Read(c.host), c.want, "read %s", c.name)
			assert.Equal(t, before.Data(), c.host.Data(), "a Read that is refused writes nothing")
		} else {
			assert.ErrorIs(t, x.Read(nil), c.want)
		}
	}
	assert.Equal(t, []float32{1, 2, 3}, read(t, x))
	assert.Equal(t, version, x.Version(), "a Write that is refused raises no version")
	require.NoError(t, b.Close())
}

// checkLimit: indices outside the declared limit are refused, with the element's
// name, and nothing is written.
func checkLimit(t require.TestingT, open func() backend.Backend) {
	b := open()
	x, err := b.NewTensor(backend.TensorSpec{Name: "labels", DType: backend.Int32, Shape: backend.Shape{3}, Limit: 10})
	require.NoError(t, err)
	assert.Equal(t, 10, x.Spec().Limit)
	require.NoError(t, x.Write(denseInt(0, 9, 5)))
	for _, bad := range []*tensor.Dense{denseInt(1, 1, 10), denseInt(1, 1, -1), denseInt(1, 1, 1<<31-1)} {
		err := x.Write(bad)
		assert.ErrorIs(t, err, backend.ErrRange)
		if err != nil {
			assert.Contains(t, err.Error(), "labels")
			assert.Contains(t, err.Error(), "element 2")
		}
	}
	got, err := download(x)
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 9, 5}, got.i)
	require.NoError(t, b.Close())
}

// harmless accepts what a second Free or Close may answer.
func harmless(t require.TestingT, err error, what string) {
	if err != nil && !errors.Is(err, backend.ErrClosed) {
		assert.Fail(t, what+": "+err.Error(), "expected no error or ErrClosed")
	}
}

// checkFree: a tensor that was freed gives its memory back and answers
// ErrClosed, and so does all that was bound to it.
func checkFree(t require.TestingT, open func() backend.Backend) {
	b := open()
	before := b.Memory().InUse
	x, y := newTensor(t, b, "x", 1000), newTensor(t, b, "y", 1000)
	held := b.Memory().InUse
	assert.GreaterOrEqual(t, held-before, int64(2*4*1000))
	exe := compile(t, b, scaled(1000, 2), map[string]backend.Tensor{"x": x, "y": y})
	run(t, exe)
	require.NoError(t, exe.Close())
	harmless(t, exe.Close(), "second Close of an Executable")
	assert.ErrorIs(t, exe.Run(context.Background()), backend.ErrClosed)
	assert.Equal(t, held, b.Memory().InUse, "an Executable that was closed holds nothing")

	exe = compile(t, b, scaled(1000, 2), map[string]backend.Tensor{"x": x, "y": y})
	require.NoError(t, x.Free())
	harmless(t, x.Free(), "second Free")
	host := dense32(make([]float32, 1000)...)
	assert.ErrorIs(t, x.Write(host), backend.ErrClosed)
	assert.ErrorIs(t, x.Read(host), backend.ErrClosed)
	assert.ErrorIs(t, exe.Run(context.Background()), backend.ErrClosed, "a bound tensor was freed")
	_, err := b.Compile(scaled(1000, 2), map[string]backend.Tensor{"x": x, "y": y})
	assert.ErrorIs(t, err, backend.ErrClosed)
	require.NoError(t, exe.Close())
	require.NoError(t, y.Free())
	assert.Equal(t, before, b.Memory().InUse)
	require.NoError(t, b.Close())
}

// checkClose: a closed backend holds nothing, and all that came from it answers
// ErrClosed.
func checkClose(t require.TestingT, open func() backend.Backend) {
	b := open()
	x, y := newTensor(t, b, "x", 100), newTensor(t, b, "y", 100)
	exe := compile(t, b, scaled(100, 2), map[string]backend.Tensor{"x": x, "y": y})
	run(t, exe)
	require.NoError(t, b.Close())
	harmless(t, b.Close(), "second Close")
	assert.Zero(t, b.Memory().InUse, "a closed backend holds nothing")
	_, err := b.NewTensor(backend.TensorSpec{Name: "z", Shape: backend.Shape{1}})
	assert.ErrorIs(t, err, backend.ErrClosed)
	_, err = b.Compile(scaled(100, 2), map[string]backend.Tensor{"x": x, "y": y})
	assert.ErrorIs(t, err, backend.ErrClosed)
	host := dense32(make([]float32, 100)...)
	assert.ErrorIs(t, x.Write(host), backend.ErrClosed)
	assert.ErrorIs(t, y.Read(host), backend.ErrClosed)
	assert.ErrorIs(t, exe.Run(context.Background()), backend.ErrClosed)
	harmless(t, x.Free(), "Free after Close")
	harmless(t, exe.Close(), "Close of an Executable after that of its backend")
}

// checkMemory: every byte is counted, the peak stays, and what is given back is
// taken off.
func checkMemory(t require.TestingT, open func() backend.Backend) {
	b := open()
	start := b.Memory()
	assert.GreaterOrEqual(t, start.Peak, start.InUse)
	x, y := newTensor(t, b, "x", 4096), newTensor(t, b, "y", 4096)
	tensors := b.Memory().InUse
	assert.GreaterOrEqual(t, tensors-start.InUse, int64(2*4*4096))
	exe := compile(t, b, scaled(4096, 2), map[string]backend.Tensor{"x": x, "y": y})
	assert.GreaterOrEqual(t, exe.Memory(), int64(4*4096), "the scratch buffer is counted")
	run(t, exe)
	full := b.Memory()
	assert.GreaterOrEqual(t, full.InUse-tensors, exe.Memory())
	assert.GreaterOrEqual(t, full.Peak, full.InUse)
	require.NoError(t, exe.Close())
	require.NoError(t, x.Free())
	require.NoError(t, y.Free())
	assert.Equal(t, start.InUse, b.Memory().InUse)
	assert.GreaterOrEqual(t, b.Memory().Peak, full.InUse, "the peak stays")
	require.NoError(t, b.Close())
}
