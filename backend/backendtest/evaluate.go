package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"fovea/backend"
)

// evaluation is an Op with its inputs and what the reference makes of them.
type evaluation struct {
	ref backend.Backend
	op  backend.Op
	in  map[string]array
	out map[string][]float64
	// winograd is the algorithm that the backend under test computes a convolution by,
	// nil if it adds up products.
	winograd *Winograd
}

// evaluate runs an Op on the reference. The operands' places in op do not
// matter.
func evaluate(ref backend.Backend, op backend.Op, in map[string]array) (e *evaluation, err error) {
	e = &evaluation{ref: ref, op: op, in: in, out: map[string][]float64{}}
	program := backend.NewProgram("reference")
	placed := backend.CloneOp(op)
	tensors := map[string]backend.Tensor{}
	defer func() {
		for _, t := range tensors {
			err = errors.Join(err, t.Free())
		}
	}()
	for _, o := range placed.Operands() {
		n := o.View.Shape.Elements()
		limit := limitOf(op, o.Name)
		o.View.Buffer = program.AddBuffer(backend.Buffer{Name: o.Name, DType: o.View.DType, Elements: n, Limit: limit})
		o.View.Offset = 0
		a, ok := in[o.Name]
		if !ok {
			a = newArray(o.View.DType, n)
		}
		t, err := upload(ref, o.Name, a, limit)
		if t != nil {
			tensors[o.Name] = t
		}
		if err != nil {
			return nil, err
		}
	}
	program.Add("", placed)
	exe, err := ref.Compile(program, tensors)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	if err := exe.Run(context.Background()); err != nil {
		return nil, err
	}
	for _, o := range placed.Operands() {
		if o.Access.Writes() {
			if e.out[o.Name], err = downloadExact(tensors[o.Name]); err != nil {
				return nil, err
			}
		}
	}
	return e, nil
}

// downloadExact reads a tensor of the reference, which keeps float64.
func downloadExact(t backend.Tensor) ([]float64, error) {
	if t.Spec().DType != backend.Float32 {
		a, err := download(t)
		return a.values(), err
	}
	v := make([]float64, t.Spec().Shape.Elements())
	return v, t.Read(tensor.New(tensor.WithShape(len(v)), tensor.WithBacking(v)))
}

// values returns an input as numbers; nil if it is absent.
func (e *evaluation) values(name string) []float64 {
	a, ok := e.in[name]
	if !ok {
		return nil
	}
	return a.values()
}

// with evaluates another Op of the same operands on the same inputs, except
// those that change returns otherwise.
func (e *evaluation) with(op backend.Op, change func(name string, a array) array) (*evaluation, error) {
	in := map[string]array{}
	for _, o := range op.Operands() {
		if a, ok := e.in[o.Name]; ok {
			if change != nil {
				a = change(o.Name, a)
			}
			in[o.Name] = a
		}
	}
	other, err := evaluate(e.ref, op, in)
	if err != nil {
		return nil, err
	}
	other.winograd = e.winograd
	return other, nil
}

// absolute makes all numbers positive.
func absolute(_ string, a array) array {
	if a.dtype != backend.Float32 {
		return a
	}
	a = a.clone()
	for i, v := range a.f {
		a.f[i] = float32(math.Abs(float64(v)))
	}
	return a
}

// verify compares outputs with the reference, within the Op's bounds.
func (e *evaluation) verify(got map[string]array) error {
	bound, ok := boundFuncs[e.op.Kind()]
	if !ok {
		return fmt.Errorf("no bound for %s", e.op.Kind())
	}
	tolerances, err := bound(e)
	if err != nil {
		return fmt.Errorf("bound: %w", err)
	}
	var errs []error
	for _, o := range e.op.Operands() {
		if !o.Access.Writes() {
			continue
		}
		if err := compare(got[o.Name], e.out[o.Name], tolerances[o.Name]); err != nil {
			errs = append(errs, fmt.Errorf("output %s %v: %w", o.Name, o.View.Shape, err))
		}
	}
	return errors.Join(errs...)
}

// compare reports the worst of the elements that are out of tolerance. A nil
// tolerance demands the same bits as the reference's value rounded to float32,
// but any NaN for NaN.
func compare(got array, want, tolerance []float64) error {
	bad, worst, at := 0, -1.0, 0
	for i := range want {
		tol := 0.0
		ok := false
		if tolerance == nil {
			ok = exact(got, i, want[i])
		} else {
			tol = tolerance[i]
			ok = agrees(got.value(i), want[i], tol)
		}
		if ok {
			continue
		}
		bad++
		excess := math.Abs(got.value(i)-want[i]) / (tol + 1e-300)
		if !(excess <= worst) { // a NaN is the worst
			worst, at = excess, i
		}
	}
	if bad == 0 {
		return nil
	}
	limit := "the same bits"
	if tolerance != nil {
		limit = fmt.Sprintf("within %.3g; the error is %.3g, %.2f of the bound", tolerance[at], math.Abs(got.value(at)-want[at]), worst)
	}
	return fmt.Errorf("%d of %d elements are wrong; the worst is element %d: %s, expected %.9g %s", bad, len(want), at, got.describe(at), want[at], limit)
}

func exact(got array, i int, want float64) bool {
	if got.dtype != backend.Float32 {
		return got.value(i) == want
	}
	if math.IsNaN(want) {
		return math.IsNaN(got.value(i))
	}
	return math.Float32bits(got.f[i]) == math.Float32bits(float32(want))
}

// agrees compares a float32 result with the exact value. NaN goes with NaN alone,
// infinities keep their sign, and a value beyond the largest float32 by rounding
// is infinite. An infinite tolerance allows everything.
func agrees(got, want, tol float64) bool {
	switch {
	case math.IsInf(tol, 1):
		return true
	case math.IsNaN(want) || math.IsNaN(got):
		return math.IsNaN(want) && math.IsNaN(got)
	case math.IsInf(want, 0):
		return got == want
	case math.IsInf(got, 0):
		// 2¹²⁸ − 2¹⁰³ is where rounding to float32 overflows.
		return math.Signbit(got) == math.Signbit(want) && math.Abs(want)+tol >= 0x1p128-0x1p103
	}
	return math.Abs(got-want) <= tol
}
