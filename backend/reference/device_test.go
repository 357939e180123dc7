package reference

import (
	"context"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

func TestOpen(t *testing.T) {
	_, err := backend.Open("reference:0", backend.Options{})
	assert.ErrorIs(t, err, backend.ErrUnknownBackend)
	_, err = backend.Open("auto", backend.Options{})
	assert.Error(t, err, "the oracle is slow: auto never picks it")
	d, err := backend.Open("reference", backend.Options{Threads: 3})
	require.NoError(t, err)
	assert.Equal(t, 3, d.Info().Threads)
	assert.Equal(t, "reference", d.Info().Name)
	assert.NoError(t, d.Close())
}

func TestTensorWriteRead(t *testing.T) {
	r := newRig(t)
	f := r.tensor(r.out(2))
	third, version := 1.0/3, f.Version()
	require.NoError(t, f.Write(tensor.New(tensor.WithBacking([]float64{third, 2}))))
	assert.Equal(t, version+1, f.Version())
	wide, narrow := []float64{0, 0}, []float32{0, 0}
	require.NoError(t, f.Read(tensor.New(tensor.WithBacking(wide))))
	require.NoError(t, f.Read(tensor.New(tensor.WithBacking(narrow))))
	assert.Equal(t, []float64{third, 2}, wide, "at full precision")
	assert.Equal(t, []float32{float32(third), 2}, narrow)
	require.NoError(t, f.Write(tensor.New(tensor.WithBacking(narrow))))
	require.NoError(t, f.Read(tensor.New(tensor.WithBacking(wide))))
	assert.Equal(t, []float64{float64(float32(third)), 2}, wide)

	assert.ErrorIs(t, f.Write(tensor.New(tensor.WithBacking([]int32{1, 2}))), backend.ErrType)
	assert.ErrorIs(t, f.Read(tensor.New(tensor.WithBacking([]float64{1, 2, 3}))), backend.ErrShape)
	assert.ErrorIs(t, f.Write(nil), backend.ErrShape)
	assert.Equal(t, version+2, f.Version(), "two Writes succeeded")

	labels := r.ints(10, []int32{0, 9}, 2)
	assert.ErrorIs(t, r.tensor(labels).Write(tensor.New(tensor.WithBacking([]int32{3, 10}))), backend.ErrRange)
	assert.Equal(t, []int32{0, 9}, r.getInts(labels), "nothing is written")
	assert.ErrorIs(t, r.tensor(labels).Write(tensor.New(tensor.WithBacking([]float32{3, 1}))), backend.ErrType)
	assert.ErrorIs(t, r.tensor(r.bytes([]uint8{1}, 1)).Read(tensor.New(tensor.WithBacking([]int32{3}))), backend.ErrType)
}

func TestNewTensorRefuses(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		spec backend.TensorSpec
		err  error
	}{
		{backend.TensorSpec{Shape: backend.Shape{2, 0}}, backend.ErrShape},
		{backend.TensorSpec{Shape: backend.Shape{1 << 20, 1 << 20}}, backend.ErrShape},
		{backend.TensorSpec{Shape: backend.Shape{1}, DType: 9}, backend.ErrType},
		{backend.TensorSpec{Shape: backend.Shape{1}, Limit: 4}, backend.ErrType},
	} {
		_, err := r.device.NewTensor(c.spec)
		assert.ErrorIs(t, err, c.err)
	}
	assert.Zero(t, r.device.Memory().InUse)
}

func TestMemory(t *testing.T) {
	r := newOpenRig(t)
	d := r.device
	x, y := r.floats([]float64{1, 2, 3}, 3), r.out(3)
	n := r.bytes([]uint8{1, 2, 3}, 3)
	assert.Equal(t, backend.MemoryUse{InUse: 51, Peak: 51}, d.Memory())
	p := &backend.Program{Name: "p", Buffers: append(r.buffers, backend.Buffer{Name: "s", Kind: backend.Scratch, Elements: 3}, backend.Buffer{Name: "unused", Kind: backend.Scratch, Elements: math.MaxInt32})}
	s := backend.View{Buffer: 4, Shape: backend.Shape{3}}
	p.Add("a", &backend.Unary{Y: s, X: x, Func: backend.Square})
	p.Add("b", &backend.Unary{Y: y, X: s, Func: backend.Neg})
	e, err := d.Compile(p, r.tensors)
	require.NoError(t, err)
	assert.Equal(t, int64(24), e.Memory())
	assert.Equal(t, backend.MemoryUse{InUse: 75, Peak: 75}, d.Memory())
	require.NoError(t, e.Run(t.Context()))
	assert.Equal(t, []float64{-1, -4, -9}, r.get(y))
	require.NoError(t, e.Close())
	require.NoError(t, r.tensor(n).Free())
	assert.Equal(t, backend.MemoryUse{InUse: 48, Peak: 75}, d.Memory())
	e, err = d.Compile(&backend.Program{Buffers: p.Buffers, Code: p.Code}, r.tensors)
	assert.ErrorIs(t, err, backend.ErrClosed, "a tensor was freed")
	assert.Nil(t, e)
	require.NoError(t, d.Close())
	assert.Zero(t, d.Memory().InUse)
}

// Check refuses Programs that read scratch before it is written. Should one slip
// through, it reads NaN.
func TestScratchHoldsNothingWhenARunBegins(t *testing.T) {
	r := newRig(t)
	y := r.out(1)
	p := &backend.Program{Buffers: append(r.buffers, backend.Buffer{Kind: backend.Scratch, Elements: 2})}
	first := backend.View{Buffer: 2, Shape: backend.Shape{1}}
	p.Add("", &backend.Fill{Y: first, Value: 3})
	p.Add("", &backend.Copy{Y: y, X: first})
	compiled, err := r.device.Compile(p, r.tensors)
	require.NoError(t, err)
	e := compiled.(*executable)
	for range 2 {
		require.NoError(t, e.Run(t.Context()))
		assert.Equal(t, []float64{3}, r.get(y))
		assert.True(t, math.IsNaN(e.scratch[2].floats[1]))
		e.scratch[2].floats[1] = 5
	}
	p.Code = p.Code[1:]
	_, err = r.device.Compile(p, r.tensors)
	assert.ErrorIs(t, err, backend.ErrProgram)
}

func TestCompileRefuses(t *testing.T) {
	r, other := newRig(t), newRig(t)
	x, y := r.vector(1), r.out(1)
	foreign := other.vector(1)
	p := &backend.Program{Name: "p", Buffers: r.buffers}
	p.Add("", &backend.Copy{Y: y, X: x})
	bind := map[string]backend.Tensor{"1": other.tensor(foreign), "2": r.tensor(y)}
	_, err := r.device.Compile(p, bind)
	assert.ErrorIs(t, err, backend.ErrBinding)
	assert.ErrorContains(t, err, "another backend")
	delete(bind, "1")
	_, err = r.device.Compile(p, bind)
	assert.ErrorIs(t, err, backend.ErrBinding)
	_, err = r.device.Compile(nil, nil)
	assert.ErrorIs(t, err, backend.ErrProgram)
	p.Add("", &stranger{&backend.Copy{Y: y, X: x}})
	_, err = r.device.Compile(p, r.tensors)
	assert.ErrorIs(t, err, backend.ErrUnsupported)
	assert.ErrorContains(t, err, "Stranger")
}

// stranger is an Op that the contract does not know.
type stranger struct{ *backend.Copy }

func (*stranger) Kind() string { return "Stranger" }

func TestAfterFree(t *testing.T) {
	r := newRig(t)
	x, y := r.vector(1), r.out(1)
	e := r.compile(&backend.Copy{Y: y, X: x})
	require.NoError(t, r.tensor(x).Free())
	requireClosed(t, r.tensor(x))
	assert.ErrorIs(t, e.Run(t.Context()), backend.ErrClosed)
	require.NoError(t, e.Close())
	assert.ErrorIs(t, e.Close(), backend.ErrClosed)
	assert.ErrorIs(t, e.Run(t.Context()), backend.ErrClosed)
	assert.Equal(t, int64(8), r.device.Memory().InUse)
}

func TestAfterClose(t *testing.T) {
	r := newOpenRig(t)
	x, y := r.vector(1), r.out(1)
	e := r.compile(&backend.Copy{Y: y, X: x})
	require.NoError(t, r.device.Close())
	assert.ErrorIs(t, r.device.Close(), backend.ErrClosed)
	_, err := r.device.NewTensor(backend.TensorSpec{Shape: backend.Shape{1}})
	assert.ErrorIs(t, err, backend.ErrClosed)
	_, err = r.device.Compile(backend.NewProgram("p"), nil)
	assert.ErrorIs(t, err, backend.ErrClosed)
	requireClosed(t, r.tensor(x))
	assert.ErrorIs(t, e.Run(t.Context()), backend.ErrClosed)
	assert.ErrorIs(t, e.Close(), backend.ErrClosed)
	assert.Zero(t, r.device.Memory().InUse)
}

func requireClosed(t *testing.T, x backend.Tensor) {
	host := tensor.New(tensor.WithBacking([]float32{1}))
	require.ErrorIs(t, x.Write(host), backend.ErrClosed)
	require.ErrorIs(t, x.Read(host), backend.ErrClosed)
	require.ErrorIs(t, x.Free(), backend.ErrClosed)
}

func TestBusy(t *testing.T) {
	r := newRig(t)
	x, y := r.vector(1), r.out(1)
	e := r.compile(&backend.Copy{Y: y, X: x}).(*executable)
	version := r.tensor(y).Version()
	use := func(v backend.View) *backend.Usage { return &r.tensor(v).(*hostTensor).usage }

	require.NoError(t, use(x).Begin(backend.Read))
	require.NoError(t, e.Run(t.Context()), "many may read")
	assert.ErrorIs(t, r.tensor(x).Write(tensor.New(tensor.WithBacking([]float32{1}))), backend.ErrBusy)
	assert.ErrorIs(t, r.tensor(x).Free(), backend.ErrBusy)
	use(x).End(backend.Read)
	assert.Equal(t, version+1, r.tensor(y).Version())

	require.NoError(t, use(y).Begin(backend.Read))
	err := e.Run(t.Context())
	assert.ErrorIs(t, err, backend.ErrBusy)
	assert.ErrorContains(t, err, `"2"`)
	use(y).End(backend.Read)
	assert.Equal(t, version+1, r.tensor(y).Version(), "nothing has run")
	require.NoError(t, e.Run(t.Context()), "everything was given back")

	require.NoError(t, e.usage.Begin(backend.Write))
	assert.ErrorIs(t, e.Run(t.Context()), backend.ErrBusy)
	assert.ErrorIs(t, e.Close(), backend.ErrBusy)
	e.usage.End(backend.Write)
	require.NoError(t, e.Close())
}

func TestCancelledContext(t *testing.T) {
	r := newRig(t)
	x, y := r.vector(1), r.vector(5)
	e := r.compile(&backend.Copy{Y: y, X: x})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, e.Run(ctx), context.Canceled)
	assert.Equal(t, []float64{5}, r.get(y))
	require.NoError(t, e.Run(t.Context()))
	require.NoError(t, e.Close())
}

// Many goroutines share one device; the race detector watches.
func TestManyGoroutines(t *testing.T) {
	r := newRig(t)
	x := r.vector(1, 2, 3)
	var runs []backend.Executable
	var ys []backend.View
	for range 8 {
		ys = append(ys, r.out(3))
	}
	for _, y := range ys {
		runs = append(runs, r.compile(&backend.Unary{Y: y, X: x, Func: backend.Square}))
	}
	var all sync.WaitGroup
	for i, e := range runs {
		all.Go(func() {
			for range 50 {
				assert.NoError(t, e.Run(t.Context()))
				assert.Equal(t, []float64{1, 4, 9}, r.get(ys[i]))
			}
			assert.NoError(t, e.Close())
		})
	}
	all.Wait()
}
