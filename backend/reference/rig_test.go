package reference

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// rig holds the tensors of a test and runs single Ops on them.
type rig struct {
	t       testing.TB
	device  backend.Backend
	buffers []backend.Buffer
	tensors map[string]backend.Tensor
	random  *rand.Rand
}

func newRig(t testing.TB) *rig {
	r := newOpenRig(t)
	t.Cleanup(func() { require.NoError(t, r.device.Close()) })
	return r
}

// newOpenRig returns a rig whose device the test closes itself.
func newOpenRig(t testing.TB) *rig {
	d, err := backend.Open("reference", backend.Options{Threads: 2})
	require.NoError(t, err)
	return &rig{t, d, make([]backend.Buffer, 1), map[string]backend.Tensor{}, rand.New(rand.NewPCG(1, 2))}
}

func (r *rig) add(d backend.DType, limit int, shape backend.Shape) backend.View {
	name := fmt.Sprint(len(r.buffers))
	t, err := r.device.NewTensor(backend.TensorSpec{Name: name, DType: d, Shape: shape, Limit: limit})
	require.NoError(r.t, err)
	r.tensors[name] = t
	r.buffers = append(r.buffers, backend.Buffer{Name: name, DType: d, Elements: shape.Elements(), Limit: limit})
	return backend.View{Buffer: backend.BufferID(len(r.buffers) - 1), DType: d, Shape: shape}
}

// tensor is the tensor of a view.
func (r *rig) tensor(v backend.View) backend.Tensor { return r.tensors[r.buffers[v.Buffer].Name] }

// floats adds a Float32 tensor with the given contents.
func (r *rig) floats(values []float64, shape ...int) backend.View {
	v := r.add(backend.Float32, 0, shape)
	r.set(v, values)
	return v
}

// vector adds a Float32 tensor with one axis.
func (r *rig) vector(values ...float64) backend.View { return r.floats(values, len(values)) }

// out adds a Float32 tensor whose contents an Op must not read.
func (r *rig) out(shape ...int) backend.View {
	v := r.add(backend.Float32, 0, shape)
	values := make([]float64, v.Shape.Elements())
	array{floats: values}.poison()
	r.set(v, values)
	return v
}

// normal adds a Float32 tensor of random numbers.
func (r *rig) normal(shape ...int) backend.View {
	v := r.add(backend.Float32, 0, shape)
	r.fill(v)
	return v
}

// fill puts random numbers into a Float32 tensor and returns them.
func (r *rig) fill(v backend.View) []float64 {
	values := make([]float64, v.Shape.Elements())
	for i := range values {
		values[i] = r.random.NormFloat64()
	}
	r.set(v, values)
	return values
}

// ints adds an Int32 tensor; a limit of 0 is none.
func (r *rig) ints(limit int, values []int32, shape ...int) backend.View {
	v := r.add(backend.Int32, limit, shape)
	require.NoError(r.t, r.tensor(v).Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return v
}

// bytes adds a Uint8 tensor.
func (r *rig) bytes(values []uint8, shape ...int) backend.View {
	v := r.add(backend.Uint8, 0, shape)
	require.NoError(r.t, r.tensor(v).Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return v
}

func (r *rig) set(v backend.View, values []float64) {
	require.NoError(r.t, r.tensor(v).Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
}

// get returns the contents of a Float32 tensor.
func (r *rig) get(v backend.View) []float64 {
	values := make([]float64, r.tensor(v).Spec().Shape.Elements())
	require.NoError(r.t, r.tensor(v).Read(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return values
}

// getInts returns the contents of an Int32 tensor.
func (r *rig) getInts(v backend.View) []int32 {
	values := make([]int32, r.tensor(v).Spec().Shape.Elements())
	require.NoError(r.t, r.tensor(v).Read(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return values
}

// compile makes an Executable of one Op.
func (r *rig) compile(op backend.Op) backend.Executable {
	p := &backend.Program{Name: op.Kind(), Buffers: r.buffers}
	p.Add("op", op)
	e, err := r.device.Compile(p, r.tensors)
	require.NoError(r.t, err)
	return e
}

func (r *rig) run(op backend.Op) {
	e := r.compile(op)
	require.NoError(r.t, e.Run(r.t.Context()))
	require.NoError(r.t, e.Close())
}
