package cpu

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// layered is a Program that copies layers of a parameter buffer, one after the other,
// to a buffer for each of them.
func layered(layers, n int) *backend.Program {
	p := backend.NewProgram("layered")
	w := p.AddBuffer(backend.Buffer{Name: "w", Elements: layers * n})
	for i := range layers {
		y := p.AddBuffer(backend.Buffer{Name: fmt.Sprint("y", i), Elements: n})
		p.Add(fmt.Sprint("layer", i), &backend.Copy{
			Y: backend.View{Buffer: y, Shape: backend.Shape{n}},
			X: backend.View{Buffer: w, Offset: 4 * i * n, Shape: backend.Shape{n}},
		})
	}
	return p
}

// deriving compiles a Program of copies as if each of them went by way of the double of
// its input, and counts how often doubles are made.
func deriving(t *testing.T, d *device, p *backend.Program, bind map[string]backend.Tensor, made *atomic.Int32) backend.Executable {
	t.Helper()
	require.NoError(t, p.Check())
	bound, err := backend.CheckBindings(p, bind)
	require.NoError(t, err)
	exe, err := d.compile(p, bound, func(c *compiler, op backend.Op) *plan {
		o, ok := op.(*backend.Copy)
		if !ok {
			return c.plan(op)
		}
		p := &plan{}
		n := o.X.Shape.Elements()
		double := c.derive(p, o.X, n)
		p.bind = func(work []byte) {
			x, y, two := c.floats(o.X), c.floats(o.Y), double.floats(work)
			c.making(double, func() {
				c.once(func() { made.Add(1) })
				c.split(n, 100, 1, func(lo, hi, _ int) {
					for i := lo; i < hi; i++ {
						two[i] = 2 * x[i]
					}
				})
			})
			c.split(n, 100, 1, func(lo, hi, _ int) {
				for i := lo; i < hi; i++ {
					y[i] = two[i] / 2
				}
			})
		}
		return p
	})
	require.NoError(t, err)
	return exe
}

// parameter is a tensor whose element i is first + i.
func parameter(t testing.TB, d *device, name string, n int, first float32) backend.Tensor {
	t.Helper()
	x, err := d.NewTensor(backend.TensorSpec{Name: name, Shape: backend.Shape{n}})
	require.NoError(t, err)
	fillFrom(t, x, first)
	return x
}

func fillFrom(t testing.TB, x backend.Tensor, first float32) {
	t.Helper()
	values := make([]float32, x.Spec().Shape.Elements())
	for i := range values {
		values[i] = first + float32(i)
	}
	require.NoError(t, x.Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
}

func layerOutputs(t *testing.T, d *device, layers, n int, w backend.Tensor) map[string]backend.Tensor {
	bind := map[string]backend.Tensor{"w": w}
	for i := range layers {
		name := fmt.Sprint("y", i)
		bind[name] = parameter(t, d, name, n, 0)
	}
	return bind
}

// TestDerivedIsMadeAgainWhenItsSourceIsWritten has several layers in one tensor, and
// two Executables that use it.
func TestDerivedIsMadeAgainWhenItsSourceIsWritten(t *testing.T) {
	const layers, n = 3, 1000
	d := closing(t, "cpu", 2)
	w := parameter(t, d, "w", layers*n, 1)
	var made [2]atomic.Int32
	var exes [2]backend.Executable
	var binds [2]map[string]backend.Tensor
	for i := range exes {
		binds[i] = layerOutputs(t, d, layers, n, w)
		exes[i] = deriving(t, d, layered(layers, n), binds[i], &made[i])
		assert.EqualValues(t, layers*n*4, exes[i].Memory())
	}
	check := func(i int, first float32) {
		t.Helper()
		require.NoError(t, exes[i].Run(context.Background()))
		for l := range layers {
			got := contents(t, binds[i][fmt.Sprint("y", l)])
			assert.Equal(t, first+float32(l*n), got[0])
			assert.Equal(t, first+float32(l*n+n-1), got[n-1])
		}
	}
	for range 3 {
		check(0, 1)
	}
	assert.EqualValues(t, layers, made[0].Load(), "once")
	assert.Zero(t, made[1].Load())
	fillFrom(t, w, 7)
	check(1, 7)
	check(0, 7)
	check(0, 7)
	assert.EqualValues(t, 2*layers, made[0].Load(), "again after the write")
	assert.EqualValues(t, layers, made[1].Load())
	fillFrom(t, w, 9)
	fillFrom(t, w, 8)
	check(1, 8)
	check(0, 8)
	require.Zero(t, testing.AllocsPerRun(3, func() { _ = exes[0].Run(context.Background()) }))
	for i := range exes {
		require.NoError(t, exes[i].Close())
	}
	assert.EqualValues(t, (layers+2*layers)*n*4, d.Memory().InUse, "tensors alone")
}

// TestDerivedIsMadeInEveryRunThatWritesItsSource changes the parameters after the layer.
func TestDerivedIsMadeInEveryRunThatWritesItsSource(t *testing.T) {
	const n = 1000
	d := closing(t, "cpu", 2)
	p := layered(1, n)
	w := backend.View{Buffer: 1, Shape: backend.Shape{n}}
	p.Add("update", &backend.Unary{Y: w, X: w, Func: backend.Scale, Alpha: 2})
	bind := layerOutputs(t, d, 1, n, parameter(t, d, "w", n, 1))
	var made atomic.Int32
	exe := deriving(t, d, p, bind, &made)
	for i := range 3 {
		require.NoError(t, exe.Run(context.Background()))
		assert.Equal(t, float32(int(1)<<i), contents(t, bind["y0"])[0])
	}
	assert.EqualValues(t, 3, made.Load())

	// So is what is made of scratch, which no one else could keep up to date.
	p = backend.NewProgram("scratch")
	x := p.AddBuffer(backend.Buffer{Name: "w", Elements: n})
	s := p.AddBuffer(backend.Buffer{Kind: backend.Scratch, Elements: n})
	y := p.AddBuffer(backend.Buffer{Name: "y0", Elements: n})
	view := func(id backend.BufferID) backend.View { return backend.View{Buffer: id, Shape: backend.Shape{n}} }
	p.Add("add", &backend.Unary{Y: view(s), X: view(x), Func: backend.Scale, Alpha: 3})
	p.Add("copy", &backend.Copy{Y: view(y), X: view(s)})
	made.Store(0)
	exe = deriving(t, d, p, bind, &made)
	for range 2 {
		require.NoError(t, exe.Run(context.Background()))
	}
	assert.EqualValues(t, 2, made.Load())
}

// TestDerivedIsUsedAtOnce reads one parameter from several goroutines while another
// goroutine writes it whenever it can.
func TestDerivedIsUsedAtOnce(t *testing.T) {
	const layers, n, versions = 2, 500, 20
	d := closing(t, "cpu", 2)
	w := parameter(t, d, "w", layers*n, 0)
	var runs sync.WaitGroup
	var made atomic.Int32
	for range 3 {
		bind := layerOutputs(t, d, layers, n, w)
		exe := deriving(t, d, layered(layers, n), bind, &made)
		runs.Go(func() {
			last := float32(0)
			for range 200 {
				if exe.Run(context.Background()) != nil { // it is being written
					continue
				}
				first := contents(t, bind["y0"])[0]
				assert.GreaterOrEqual(t, first, last)
				assert.Equal(t, first+n, contents(t, bind["y1"])[0], "both layers are of one version")
				last = first
			}
		})
	}
	values := make([]float32, layers*n)
	for v := range versions {
		for i := range values {
			values[i] = float32(v + i)
		}
		host := tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))
		for range 1000 {
			if w.Write(host) == nil {
				break
			}
		}
	}
	runs.Wait()
	assert.GreaterOrEqual(t, made.Load(), int32(3*layers))
}
