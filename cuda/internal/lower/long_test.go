//go:build cuda

package lower_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/backend/reference"
	_ "fovea/cuda"
	"fovea/cuda/driver"
)

// TestLongSums runs the kernels that the conformance suite's small shapes do not
// reach: rows of a block each, slices of a batch, windows that a block shares.
//
// All inputs lie between 0.5 and 1.5. So a sum of n of them, in any order, errs by at
// most n·2⁻²⁴ of its size, and whatever is made of it by that and a few roundings more,
// relative to the largest terms, which `scale` bounds where results are differences.
func TestLongSums(t *testing.T) {
	if err := driver.Status(); err != nil {
		t.Skip(err)
	}
	device, reference := open(t, "cuda"), open(t, "reference")
	for i, c := range longSums() {
		t.Run(fmt.Sprintf("%s/%d", c.ops[0].Kind(), i), func(t *testing.T) {
			want, got := c.run(t, reference), c.run(t, device)
			for name, w := range want {
				require.Len(t, got[name], len(w), name)
				for k := range w {
					tol := (float64(c.terms) + 32) * 0x1p-24 * max(c.scale, math.Abs(w[k]))
					if !assert.InDelta(t, w[k], got[name][k], tol, "%s[%d]", name, k) {
						break
					}
				}
			}
		})
	}
}

func open(t *testing.T, name string) backend.Backend {
	b, err := backend.Open(name, backend.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// longSum is a Program of Ops, the number of terms in its sums, and the size of its
// largest numbers where results may be much smaller.
type longSum struct {
	*buffers
	ops   []backend.Op
	terms int
	scale float64
}

// buffers of a Program; all are bound.
type buffers struct{ program *backend.Program }

func (b *buffers) view(t backend.DType, limit int, shape ...int) backend.View {
	s := backend.Shape(shape)
	id := b.program.AddBuffer(backend.Buffer{Name: fmt.Sprintf("v%d", len(b.program.Buffers)), DType: t, Elements: s.Elements(), Limit: limit})
	return backend.View{Buffer: id, DType: t, Shape: s}
}

func (b *buffers) f32(shape ...int) backend.View { return b.view(backend.Float32, 0, shape...) }

func longSums() (all []longSum) {
	add := func(terms int, scale float64, ops func(b *buffers) []backend.Op) {
		b := &buffers{backend.NewProgram("long sum")}
		c := longSum{buffers: b, ops: ops(b), terms: terms, scale: scale}
		for _, op := range c.ops {
			b.program.Add("", op)
		}
		all = append(all, c)
	}
	for _, n := range []int{1025, 8191, 8192, 20001} {
		for _, log := range []bool{false, true} {
			add(n, 0, func(b *buffers) []backend.Op {
				return []backend.Op{&backend.Softmax{Y: b.f32(2, n), X: b.f32(2, n), Log: log}}
			})
			add(n, 2*float64(n), func(b *buffers) []backend.Op {
				return []backend.Op{&backend.SoftmaxGrad{DX: b.f32(2, n), DY: b.f32(2, n), Y: b.f32(2, n), Log: log}}
			})
		}
		for _, k := range backend.LossKinds() {
			target := func(b *buffers) backend.View {
				if k.TakesRows() {
					return b.f32(3, n)
				}
				return b.view(backend.Int32, n, 3)
			}
			add(n, 0, func(b *buffers) []backend.Op {
				return []backend.Op{&backend.Loss{Losses: b.f32(3), Input: b.f32(3, n), Target: target(b), Weights: b.f32(3), Func: k, Divisor: 3}}
			})
			add(n, 1, func(b *buffers) []backend.Op {
				return []backend.Op{&backend.LossGrad{DX: b.f32(3, n), Input: b.f32(3, n), Target: target(b), Weights: b.f32(3), Seed: b.f32(3), Func: k, Divisor: 3}}
			})
		}
	}
	for _, s := range []backend.Shape{{40000, 1}, {5000, 3}, {600, 33}, {3, 28, 28, 64}} {
		c := s[len(s)-1]
		add(s.Elements()/c, 4, func(b *buffers) []backend.Op {
			return []backend.Op{&backend.BatchNorm{Y: b.f32(s...), Mean: b.f32(c), Variance: b.f32(c), X: b.f32(s...), Gamma: b.f32(c), Beta: b.f32(c), Epsilon: 1e-3}}
		})
		add(s.Elements()/c, 4, func(b *buffers) []backend.Op {
			return []backend.Op{&backend.BatchNormGrad{DX: b.f32(s...), DGamma: b.f32(c), DBeta: b.f32(c), DY: b.f32(s...), X: b.f32(s...),
				Gamma: b.f32(c), Mean: b.f32(c), Variance: b.f32(c), Epsilon: 1e-3, Accumulate: true}}
		})
	}
	for _, p := range []struct{ size, c, k, stride, pad int }{{60, 3, 60, 1, 0}, {300, 1, 300, 1, 0}, {64, 1, 32, 32, 0}, {64, 40, 16, 16, 3}, {50, 5, 13, 3, 6}} {
		win := backend.Window{StrideH: p.stride, StrideW: p.stride, DilationH: 1, DilationW: 1, PadTop: p.pad, PadBottom: p.pad, PadLeft: p.pad, PadRight: p.pad}
		out := (p.size+2*p.pad-p.k)/p.stride + 1
		add(p.k*p.k, 1, func(b *buffers) []backend.Op {
			x, y := b.f32(2, p.size, p.size, p.c), b.f32(2, out, out, p.c)
			return []backend.Op{
				&backend.AvgPool2D{Y: y, X: x, KernelH: p.k, KernelW: p.k, Window: win, CountPadding: p.c > 3},
				&backend.AvgPool2DGrad{DX: b.f32(x.Shape...), DY: y, KernelH: p.k, KernelW: p.k, Window: win, CountPadding: p.c > 3},
			}
		})
		add(1, 0, func(b *buffers) []backend.Op {
			x, y := b.f32(2, p.size, p.size, p.c), b.f32(2, out, out, p.c)
			argmax := b.view(backend.Int32, 0, y.Shape...)
			return []backend.Op{
				&backend.MaxPool2D{Y: y, Argmax: argmax, X: x, KernelH: p.k, KernelW: p.k, Window: win},
				&backend.MaxPool2DGrad{DX: b.f32(x.Shape...), DY: y, Argmax: argmax, KernelH: p.k, KernelW: p.k, Window: win},
			}
		})
	}
	for _, pieces := range []int{16, 17, 3000} {
		add(0, 0, func(b *buffers) []backend.Op {
			y, argmax := b.f32(20), b.view(backend.Int32, 0, 20)
			return []backend.Op{
				&backend.Maxout{Y: y, Argmax: argmax, X: b.f32(20 * pieces), Pieces: pieces},
				&backend.MaxoutGrad{DX: b.f32(20 * pieces), DY: y, Argmax: argmax, Pieces: pieces},
			}
		})
	}
	return all
}

// run returns what the Program leaves in each buffer that it writes.
func (c longSum) run(t *testing.T, on backend.Backend) map[string][]float64 {
	r := rand.New(rand.NewPCG(uint64(len(c.program.Buffers)), uint64(c.terms)))
	bind := map[string]backend.Tensor{}
	for _, buffer := range c.program.Buffers[1:] {
		x, err := on.NewTensor(backend.TensorSpec{Name: buffer.Name, DType: buffer.DType, Shape: backend.Shape{buffer.Elements}, Limit: buffer.Limit})
		require.NoError(t, err)
		host := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(buffer.Elements))
		if buffer.DType == backend.Int32 {
			host = tensor.New(tensor.Of(tensor.Int32), tensor.WithShape(buffer.Elements))
			for i := range host.Int32s() {
				host.Int32s()[i] = int32(r.IntN(max(buffer.Limit, 1)))
			}
		} else {
			for i := range host.Float32s() {
				host.Float32s()[i] = 0.5 + r.Float32()
			}
		}
		require.NoError(t, x.Write(host))
		bind[buffer.Name] = x
	}
	e, err := on.Compile(c.program, bind)
	require.NoError(t, err)
	require.NoError(t, e.Run(context.Background()))
	results := map[string][]float64{}
	for id, access := range c.program.Accesses() {
		if !access.Writes() {
			continue
		}
		results[c.program.Buffers[id].Name] = values(t, bind[c.program.Buffers[id].Name])
	}
	require.NoError(t, e.Close())
	for _, x := range bind {
		require.NoError(t, x.Free())
	}
	return results
}

func values(t *testing.T, x backend.Tensor) []float64 {
	n := x.Spec().Shape.Elements()
	v := make([]float64, n)
	if x.Spec().DType == backend.Int32 {
		host := tensor.New(tensor.Of(tensor.Int32), tensor.WithShape(n))
		require.NoError(t, x.Read(host))
		for i, u := range host.Int32s() {
			v[i] = float64(u)
		}
		return v
	}
	host := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(n))
	require.NoError(t, x.Read(host))
	for i, u := range host.Float32s() {
		v[i] = float64(u)
	}
	return v
}
