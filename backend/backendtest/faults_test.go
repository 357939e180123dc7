package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// alter changes one element of a tensor.
func alter(t backend.Tensor, i int, f func(v float64) float64) error {
	a, err := download(t)
	if err != nil {
		return err
	}
	a.set(i, f(a.value(i)))
	return t.Write(a.dense())
}

func flipLastBit(t backend.Tensor, i int) error {
	a, err := download(t)
	if err != nil {
		return err
	}
	switch a.dtype {
	case backend.Float32:
		a.f[i] = math.Float32frombits(a.bits(i) ^ 1)
	case backend.Int32:
		a.i[i] ^= 1
	default:
		a.u[i] ^= 1
	}
	return t.Write(a.dense())
}

// first and last are positions of an operand in its buffer.
func first(o backend.Operand) int { return o.View.Offset / o.View.DType.Size() }
func last(o backend.Operand) int  { return first(o) + o.View.Shape.Elements() - 1 }

// planted are faults that the suite must find in any Op.
var planted = []struct {
	name   string
	report string // what the failure must say
	fault  func(e *stepwiseExecutable, op backend.Op) error
}{
	{"an element is off by 1e-4", "", func(e *stepwiseExecutable, op backend.Op) error {
		o := op.Operands()[0]
		return alter(e.tensors[o.View.Buffer], last(o), func(v float64) float64 {
			if o.View.DType != backend.Float32 {
				return v + 1
			}
			return v + 1e-4*(1+math.Abs(v))
		})
	}},
	{"an element is NaN", "NaN", func(e *stepwiseExecutable, op backend.Op) error {
		o := op.Operands()[0]
		if o.View.DType != backend.Float32 {
			return errors.New("no NaN here")
		}
		return alter(e.tensors[o.View.Buffer], first(o), func(float64) float64 { return nan })
	}},
	{"a guard before", "guard 1 elements before", func(e *stepwiseExecutable, op backend.Op) error {
		o := op.Operands()[0]
		return alter(e.tensors[o.View.Buffer], first(o)-1, func(float64) float64 { return 0 })
	}},
	{"a guard behind", "guard 1 elements behind", func(e *stepwiseExecutable, op backend.Op) error {
		o := op.Operands()[0]
		return alter(e.tensors[o.View.Buffer], last(o)+1, func(float64) float64 { return 0 })
	}},
	{"an input changes", "input", func(e *stepwiseExecutable, op backend.Op) error {
		for _, o := range op.Operands() {
			if o.Access == backend.Read {
				return flipLastBit(e.tensors[o.View.Buffer], last(o))
			}
		}
		return errors.New("there is no input")
	}},
	{"another result in the second run", "in the second", func(e *stepwiseExecutable, op backend.Op) error {
		if e.runs == 0 {
			return nil
		}
		o := op.Operands()[0]
		return flipLastBit(e.tensors[o.View.Buffer], first(o))
	}},
}

// TestPlantedFaultsAreFound: one wrong element, guard or input is enough.
func TestPlantedFaultsAreFound(t *testing.T) {
	ref := openReference(t)
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			b := &stepwise{Backend: ref, after: p.fault}
			for _, kind := range backend.Kinds() {
				found := 0
				for i, c := range Cases(kind, 0) {
					if found == 6 {
						break
					}
					// In place, an input is an output; long sums may err by more than the fault; what is no number
					// already stays so.
					if c.inPlace != "" || c.Op.Cost().FLOPs > 1e5 || !finite(t, ref, c, random(0, kind, i)) {
						continue
					}
					err := Config{}.certify(b, ref, c, random(0, kind, i))
					if assert.Error(t, err, "%s/%d", kind, i) {
						assert.Contains(t, err.Error(), p.report, "%s/%d", kind, i)
						found++
					}
				}
				assert.Equal(t, 6, found, kind)
			}
		})
	}
}

// finite reports whether all results of a case are numbers.
func finite(t *testing.T, ref backend.Backend, c Case, r *rand.Rand) bool {
	e, err := evaluate(ref, c.Op, drawInputs(c, r))
	require.NoError(t, err)
	for _, out := range e.out {
		for _, v := range out {
			if math.IsNaN(v) || math.Abs(v) > 1e20 {
				return false
			}
		}
	}
	return true
}

// TestSpecialValuesCount: what float32 has besides numbers is compared too.
func TestSpecialValuesCount(t *testing.T) {
	ref := openReference(t)
	for _, c := range []struct {
		name string
		from fill
		to   float64
	}{
		{"−0 becomes 0", constant(negZero), 0},
		{"NaN becomes 0", constant(nan), 0},
		{"∞ becomes the largest number", constant(inf), math.MaxFloat32},
		{"∞ becomes −∞", constant(inf), -inf},
		{"a subnormal number becomes 0", constant(denormal), 0},
	} {
		b := &stepwise{Backend: ref, after: func(e *stepwiseExecutable, op backend.Op) error {
			o := op.Operands()[0]
			return alter(e.tensors[o.View.Buffer], first(o), func(float64) float64 { return c.to })
		}}
		op := &backend.Copy{Y: f32(3), X: f32(3)}
		assert.Error(t, Config{}.certify(b, ref, Case{Op: op, fills: fills{"X": c.from}}, random(0, "", 0)), c.name)
	}
}

// TestScratchFaultsAreFound: an Op that goes wrong only in scratch is found by
// the repetition in scratch and by the chains.
func TestScratchFaultsAreFound(t *testing.T) {
	ref := openReference(t)
	b := &stepwise{Backend: ref, after: func(e *stepwiseExecutable, op backend.Op) error {
		if _, ok := op.(*backend.Copy); ok {
			return nil
		}
		o := op.Operands()[0]
		x := e.tensors[o.View.Buffer]
		if !slices.Contains(e.own, x) {
			return nil
		}
		return flipLastBit(x, first(o))
	}}
	found := 0
	for i, c := range Cases("Conv2D", 0)[:40] {
		if err := (Config{}).certify(b, ref, c, random(0, "Conv2D", i)); err != nil {
			assert.ErrorContains(t, err, "in scratch")
			found++
		}
	}
	assert.Greater(t, found, 2, "a part of the cases is repeated in scratch")
	assert.ErrorContains(t, Config{}.certifyChain(b, ref, newChain(&generator{r: random(0, "Chain", 0)})), "with scratch")
}

// TestChainFaultsAreFound: a wrong Op in the middle of a Program is named.
func TestChainFaultsAreFound(t *testing.T) {
	ref := openReference(t)
	c := newChain(&generator{r: random(0, "Chain", 0)})
	n := 0
	b := &stepwise{Backend: ref, after: func(e *stepwiseExecutable, op backend.Op) error {
		if n++; n != 3 {
			return nil
		}
		o := op.Operands()[0]
		return alter(e.tensors[o.View.Buffer], first(o), func(v float64) float64 { return v + 0.01 })
	}}
	assert.ErrorContains(t, Config{}.certifyChain(b, ref, c), "instruction 2")
}

// TestFusionFaultsAreFound: a fused Op that differs from its parts by one bit is
// found.
func TestFusionFaultsAreFound(t *testing.T) {
	ref := openReference(t)
	faulty := &stepwise{Backend: ref, after: func(e *stepwiseExecutable, op backend.Op) error {
		if _, rest := parts(op); len(rest) == 0 {
			return nil
		}
		o := op.Operands()[0]
		return flipLastBit(e.tensors[o.View.Buffer], last(o))
	}}
	q := geometry{1, 4, 4, 2, 3, 3, 3, 1, window(1, 1, 1)}
	grad := q.inputGrad()
	grad.Addend = grad.DX
	for _, op := range []backend.Op{q.forward(true, backend.Activation{}), q.forward(false, backend.Activation{Func: backend.Tanh}), grad} {
		assert.NoError(t, compareParts(ref, Case{Op: op}, 0))
		assert.ErrorContains(t, compareParts(faulty, Case{Op: op}, 0), "in parts")
	}
}

// recorder is a test that notes its failures.
type recorder struct{ failures []string }

type stopped struct{}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) FailNow() { panic(stopped{}) }

// failuresOf runs one rule of the contract.
func failuresOf(t *testing.T, name string, open func() backend.Backend) (r *recorder) {
	r = &recorder{}
	defer func() {
		if p := recover(); p != nil && p != (stopped{}) {
			panic(p)
		}
	}()
	i := slices.IndexFunc(contract, func(c rule) bool { return c.name == name })
	require.GreaterOrEqual(t, i, 0, name)
	contract[i].check(r, open)
	return r
}

// lax is a backend that breaks promises.
type lax struct {
	backend.Backend
	tensor func(backend.Tensor) backend.Tensor
	exe    func(backend.Executable) backend.Executable
	memory func(backend.MemoryUse) backend.MemoryUse
}

func (b *lax) NewTensor(s backend.TensorSpec) (backend.Tensor, error) {
	t, err := b.Backend.NewTensor(s)
	if err == nil && b.tensor != nil {
		t = b.tensor(t)
	}
	return t, err
}

func (b *lax) Compile(p *backend.Program, bind map[string]backend.Tensor) (backend.Executable, error) {
	plain := map[string]backend.Tensor{}
	for name, t := range bind {
		if l, ok := t.(*laxTensor); ok {
			t = l.Tensor
		}
		plain[name] = t
	}
	e, err := b.Backend.Compile(p, plain)
	if err == nil && b.exe != nil {
		e = b.exe(e)
	}
	return e, err
}

func (b *lax) Memory() backend.MemoryUse {
	m := b.Backend.Memory()
	if b.memory != nil {
		m = b.memory(m)
	}
	return m
}

type laxTensor struct {
	backend.Tensor
	write   func(t backend.Tensor, host *tensor.Dense) error
	version func(t backend.Tensor) uint64
	free    func(t backend.Tensor) error
}

func (t *laxTensor) Write(host *tensor.Dense) error {
	if t.write != nil {
		return t.write(t.Tensor, host)
	}
	return t.Tensor.Write(host)
}

func (t *laxTensor) Version() uint64 {
	if t.version != nil {
		return t.version(t.Tensor)
	}
	return t.Tensor.Version()
}

func (t *laxTensor) Free() error {
	if t.free != nil {
		return t.free(t.Tensor)
	}
	return t.Tensor.Free()
}

type laxExecutable struct {
	backend.Executable
	run func(e backend.Executable, ctx context.Context) error
}

func (e *laxExecutable) Run(ctx context.Context) error { return e.run(e.Executable, ctx) }

// TestBrokenPromisesAreFound plants a fault for rules of the contract.
func TestBrokenPromisesAreFound(t *testing.T) {
	for _, c := range []struct {
		rule, what string
		lax        lax
	}{
		{"Tensor", "a new tensor holds rubbish", lax{tensor: func(x backend.Tensor) backend.Tensor {
			a := newArray(x.Spec().DType, x.Spec().Shape.Elements())
			constant(1)(nil, a)
			_ = x.Write(a.dense())
			return x
		}}},
		{"TensorRefusals", "a refused Write raises the version", lax{tensor: func(x backend.Tensor) backend.Tensor {
			n := uint64(0)
			return &laxTensor{Tensor: x, version: func(backend.Tensor) uint64 { n++; return n }}
		}}},
		{"Limit", "labels are not checked", lax{tensor: func(x backend.Tensor) backend.Tensor {
			return &laxTensor{Tensor: x, write: func(backend.Tensor, *tensor.Dense) error { return nil }}
		}}},
		{"Version", "the version stands still", lax{tensor: func(x backend.Tensor) backend.Tensor {
			return &laxTensor{Tensor: x, version: func(backend.Tensor) uint64 { return 1 }}
		}}},
		{"Free", "memory stays taken", lax{tensor: func(x backend.Tensor) backend.Tensor {
			return &laxTensor{Tensor: x, free: func(backend.Tensor) error { return nil }}
		}}},
		{"Memory", "scratch is not counted", lax{memory: func(m backend.MemoryUse) backend.MemoryUse { return backend.MemoryUse{} }}},
		{"Cancelled", "a cancelled context is ignored", lax{exe: func(e backend.Executable) backend.Executable {
			return &laxExecutable{e, func(e backend.Executable, _ context.Context) error { return e.Run(context.Background()) }}
		}}},
		{"Close", "a Run after Close does nothing", lax{exe: func(e backend.Executable) backend.Executable {
			return &laxExecutable{e, func(e backend.Executable, ctx context.Context) error { _ = e.Run(ctx); return nil }}
		}}},
		{"ConcurrentReaders", "readers exclude each other", lax{exe: func(e backend.Executable) backend.Executable {
			return &laxExecutable{e, func(backend.Executable, context.Context) error { return backend.ErrBusy }}
		}}},
	} {
		faulty := func() backend.Backend {
			l := c.lax
			l.Backend = openReference(t)
			return &l
		}
		assert.Empty(t, failuresOf(t, c.rule, func() backend.Backend { return openReference(t) }).failures, "%s without a fault", c.rule)
		assert.NotEmpty(t, failuresOf(t, c.rule, faulty).failures, "%s: %s", c.rule, c.what)
	}
}

// TestFailureMessage: a failure shows the Program, the attributes, the element
// and its bound.
func TestFailureMessage(t *testing.T) {
	ref := openReference(t)
	b := &stepwise{Backend: ref, after: planted[0].fault}
	err := Config{}.certify(b, ref, Case{Op: &backend.Unary{Y: f32(2), X: f32(2), Func: backend.LeakyReLU, Alpha: 0.25}, fills: fills{"X": constant(1, 2)}}, random(0, "", 0))
	require.Error(t, err)
	for _, part := range []string{"program case", "Unary →Y=%", "Alpha:0.25", "Func:LeakyReLU", "1 of 2 elements", "element 1: 2.0003", "expected 2 within"} {
		assert.True(t, strings.Contains(err.Error(), part), "%q is missing in:\n%v", part, err)
	}
}
