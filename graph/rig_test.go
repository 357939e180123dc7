package graph_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/backend/reference"
	"fovea/graph"
)

// floats and ints are what a test writes into bound buffers, by name.
type floats map[string][]float64

type ints map[string][]int32

// session is a Program compiled over tensors of its own: float64 on the reference,
// float32 elsewhere.
type session struct {
	t       testing.TB
	double  bool
	program *backend.Program
	tensors map[string]backend.Tensor
	run     backend.Executable
}

// open makes a backend that lives as long as the test.
func open(t testing.TB, name string) backend.Backend {
	d, err := backend.Open(name, backend.Options{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// compile binds a new tensor of zeros to every bound buffer; buffers of earlier
// sessions can be shared.
func compile(t testing.TB, d backend.Backend, p *backend.Program, shared ...*session) *session {
	s := &session{t: t, double: d.Info().Name == "reference", program: p, tensors: map[string]backend.Tensor{}}
	for _, b := range p.Buffers[1:] {
		if b.Kind != backend.Bound {
			continue
		}
		for _, other := range shared {
			if x, ok := other.tensors[b.Name]; ok {
				s.tensors[b.Name] = x
			}
		}
		if s.tensors[b.Name] == nil {
			x, err := d.NewTensor(backend.TensorSpec{Name: b.Name, DType: b.DType, Shape: backend.Shape{b.Elements}, Limit: b.Limit})
			require.NoError(t, err)
			s.tensors[b.Name] = x
		}
	}
	var err error
	s.run, err = d.Compile(p, s.tensors)
	require.NoError(t, err, "%v", p)
	return s
}

// write fills those of the given buffers that the Program has.
func (s *session) write(f floats, i ints) {
	for name, values := range f {
		if x, ok := s.tensors[name]; ok {
			require.NoError(s.t, x.Write(s.host(values)))
		}
	}
	for name, values := range i {
		if x, ok := s.tensors[name]; ok {
			require.NoError(s.t, x.Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(append([]int32(nil), values...)))))
		}
	}
}

func (s *session) step() { require.NoError(s.t, s.run.Run(context.Background())) }

// read returns the contents of a Float32 buffer.
func (s *session) read(name string) []float64 {
	x := s.tensors[name]
	require.NotNil(s.t, x, "no buffer %q", name)
	values := make([]float64, x.Spec().Shape.Elements())
	host := s.host(values)
	require.NoError(s.t, x.Read(host))
	if s.double {
		return host.Float64s()
	}
	for i, v := range host.Float32s() {
		values[i] = float64(v)
	}
	return values
}

// host returns an array of the device's type with the given contents, of its own.
func (s *session) host(values []float64) *tensor.Dense {
	if s.double {
		return tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(append([]float64(nil), values...)))
	}
	rounded := make([]float32, len(values))
	for i, v := range values {
		rounded[i] = float32(v)
	}
	return tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(rounded))
}

// readInts returns the contents of an Int32 buffer.
func (s *session) readInts(name string) []int32 {
	x := s.tensors[name]
	require.NotNil(s.t, x, "no buffer %q", name)
	values := make([]int32, x.Spec().Shape.Elements())
	require.NoError(s.t, x.Read(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	return values
}

// lower emits a Program that must be well formed.
func lower(t testing.TB, g *graph.Graph, l graph.Lowering) *backend.Program {
	p, err := g.Lower(l)
	require.NoError(t, err)
	require.NoError(t, p.Check())
	return p
}

// count tells how many Ops of each kind a Program has.
func count(p *backend.Program) map[string]int {
	n := map[string]int{}
	for _, in := range p.Code {
		n[in.Op.Kind()]++
	}
	return n
}

// spread returns n different numbers evenly spaced between lo and hi, shuffled: none
// is near another or, but for chance, near a kink of a function.
func spread(r *rand.Rand, n int, lo, hi float64) []float64 {
	values := make([]float64, n)
	for i, k := range r.Perm(n) {
		values[i] = lo + (float64(k)+0.5)*(hi-lo)/float64(n)
	}
	return values
}

// normal returns n random numbers.
func normal(r *rand.Rand, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = r.NormFloat64()
	}
	return values
}

// bitsOf makes a comparison exact: a difference of one bit, of a NaN's payload or of
// a zero's sign shows.
func bitsOf(values []float64) []uint64 {
	b := make([]uint64, len(values))
	for i, v := range values {
		b[i] = math.Float64bits(v)
	}
	return b
}

// plain is a window that moves by single pixels, without padding.
var plain = backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}

// stride is a window that moves by n pixels.
func stride(n int) backend.Window {
	return backend.Window{StrideH: n, StrideW: n, DilationH: 1, DilationW: 1}
}

// close gives the memory of the session back.
func (s *session) close() {
	require.NoError(s.t, s.run.Close())
	for _, x := range s.tensors {
		require.NoError(s.t, x.Free())
	}
}
