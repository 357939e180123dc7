package backendtest

import (
	"context"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// checkOrder: a Write is ordered before the next Run, a Read after the last.
func checkOrder(t require.TestingT, open func() backend.Backend) {
	b := open()
	x, y := newTensor(t, b, "x", 2), newTensor(t, b, "y", 2)
	exe := compile(t, b, scaled(2, 2), map[string]backend.Tensor{"x": x, "y": y})
	for i := range 20 {
		v := float32(i)
		require.NoError(t, x.Write(dense32(v, -v)))
		run(t, exe)
		require.NoError(t, x.Write(dense32(1000, 1000)))
		assert.Equal(t, []float32{2 * v, -2 * v}, read(t, y))
	}
	// One program's output is another's input.
	z := newTensor(t, b, "z", 2)
	then := compile(t, b, scaled(2, 3), map[string]backend.Tensor{"x": y, "y": z})
	require.NoError(t, x.Write(dense32(5, 7)))
	run(t, exe)
	run(t, then)
	assert.Equal(t, []float32{30, 42}, read(t, z))
	require.NoError(t, b.Close())
}

// checkVersion: the version of a tensor rises with every Write and every Run that
// writes it, and with nothing else.
func checkVersion(t require.TestingT, open func() backend.Backend) {
	b := open()
	x, y := newTensor(t, b, "x", 2), newTensor(t, b, "y", 2)
	exe := compile(t, b, scaled(2, 2), map[string]backend.Tensor{"x": x, "y": y})
	vx, vy := x.Version(), y.Version()
	run(t, exe)
	read(t, y)
	assert.Equal(t, vx, x.Version(), "a Run does not change what it reads")
	assert.Greater(t, y.Version(), vy, "a Run raises the version of what it writes")
	vy = y.Version()
	require.NoError(t, x.Write(dense32(1, 2)))
	assert.Greater(t, x.Version(), vx, "a Write raises the version")
	assert.Equal(t, vy, y.Version())
	run(t, exe)
	assert.Greater(t, y.Version(), vy)
	require.NoError(t, b.Close())
}

// checkBindings: a tensor that is missing, superfluous, of another size or type,
// or of another backend is refused at Compile.
func checkBindings(t require.TestingT, open func() backend.Backend) {
	b, other := open(), open()
	x, y, long := newTensor(t, b, "x", 2), newTensor(t, b, "y", 2), newTensor(t, b, "long", 3)
	foreign := newTensor(t, other, "foreign", 2)
	ints, err := b.NewTensor(backend.TensorSpec{Name: "ints", DType: backend.Int32, Shape: backend.Shape{2}})
	require.NoError(t, err)
	held := b.Memory().InUse
	for _, c := range []struct {
		name string
		bind map[string]backend.Tensor
	}{
		{"nothing", nil},
		{"missing", map[string]backend.Tensor{"x": x}},
		{"nil", map[string]backend.Tensor{"x": x, "y": nil}},
		{"superfluous", map[string]backend.Tensor{"x": x, "y": y, "z": long}},
		{"scratch", map[string]backend.Tensor{"x": x, "y": y, "s": long}},
		{"size", map[string]backend.Tensor{"x": x, "y": long}},
		{"type", map[string]backend.Tensor{"x": ints, "y": y}},
		{"twice", map[string]backend.Tensor{"x": x, "y": x}},
		{"another backend's", map[string]backend.Tensor{"x": foreign, "y": y}},
	} {
		_, err := b.Compile(scaled(2, 2), c.bind)
		assert.ErrorIs(t, err, backend.ErrBinding, c.name)
	}
	gather := backend.NewProgram("gather")
	gather.Add("", &backend.Gather{
		X:       backend.View{Buffer: gather.AddBuffer(backend.Buffer{Name: "x", Elements: 2}), Shape: backend.Shape{2}},
		Y:       backend.View{Buffer: gather.AddBuffer(backend.Buffer{Name: "y", Elements: 2}), Shape: backend.Shape{2}},
		Indices: backend.View{Buffer: gather.AddBuffer(backend.Buffer{Name: "i", DType: backend.Int32, Elements: 2, Limit: 2}), DType: backend.Int32, Shape: backend.Shape{2}},
	})
	_, err = b.Compile(gather, map[string]backend.Tensor{"x": x, "y": y, "i": ints})
	assert.ErrorIs(t, err, backend.ErrBinding, "indices without a limit")
	assert.Equal(t, held, b.Memory().InUse, "a Compile that fails holds nothing")
	require.NoError(t, b.Close())
	require.NoError(t, other.Close())
}

// checkMalformed: Compile refuses what Program.Check refuses.
func checkMalformed(t require.TestingT, open func() backend.Backend) {
	b := open()
	x, y := newTensor(t, b, "x", 2), newTensor(t, b, "y", 2)
	bind := map[string]backend.Tensor{"x": x, "y": y}
	outside := scaled(2, 2)
	outside.Code[0].Op.(*backend.Unary).X.Offset = 4
	_, err := b.Compile(outside, bind)
	assert.ErrorIs(t, err, backend.ErrProgram, "a view outside its buffer")
	unwritten := scaled(2, 2)
	unwritten.Code = unwritten.Code[1:]
	_, err = b.Compile(unwritten, bind)
	assert.ErrorIs(t, err, backend.ErrProgram, "scratch that is read before it is written")
	empty := scaled(2, 2)
	empty.Code[0].Op.(*backend.Unary).X.Shape = backend.Shape{0, 2}
	empty.Code[0].Op.(*backend.Unary).Y.Shape = backend.Shape{0, 2}
	_, err = b.Compile(empty, bind)
	assert.ErrorIs(t, err, backend.ErrShape, "an empty batch")
	require.NoError(t, b.Close())
}

// checkCancelled: a Run with a context that is cancelled already returns its
// error and does nothing.
func checkCancelled(t require.TestingT, open func() backend.Backend) {
	b := open()
	y := newTensor(t, b, "y", 3)
	exe := compile(t, b, filled(3, 7), map[string]backend.Tensor{"y": y})
	version := y.Version()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, exe.Run(ctx), context.Canceled)
	assert.Equal(t, []float32{0, 0, 0}, read(t, y))
	assert.Equal(t, version, y.Version())
	run(t, exe)
	assert.Equal(t, []float32{7, 7, 7}, read(t, y), "it can still run")
	require.NoError(t, b.Close())
}

// checkConcat: joined Programs do what they do one after the other.
func checkConcat(t require.TestingT, open func() backend.Backend) {
	b := open()
	update := backend.NewProgram("update")
	v := func(name string) backend.View {
		return backend.View{Buffer: update.AddBuffer(backend.Buffer{Name: name, Elements: 2}), Shape: backend.Shape{2}}
	}
	update.Add("back", &backend.Copy{X: v("y"), Y: v("x")})
	joined, err := backend.Concat("both", scaled(2, 2), update, scaled(2, 10))
	require.NoError(t, err)
	x, y := newTensor(t, b, "x", 2), newTensor(t, b, "y", 2)
	require.NoError(t, x.Write(dense32(1, -3)))
	exe := compile(t, b, joined, map[string]backend.Tensor{"x": x, "y": y})
	run(t, exe)
	assert.Equal(t, []float32{2, -6}, read(t, x))
	assert.Equal(t, []float32{20, -60}, read(t, y))
	run(t, exe)
	assert.Equal(t, []float32{4, -12}, read(t, x))
	require.NoError(t, b.Close())
}
