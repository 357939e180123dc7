package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"fovea/backend"
)

// certify runs one case on b and reports everything that is wrong with what it
// did.
func (config Config) certify(b, ref backend.Backend, c Case, r *rand.Rand) error {
	inputs := drawInputs(c, r)
	e, err := config.evaluate(ref, c.Op, inputs)
	if err != nil {
		return fmt.Errorf("%v\nreference: %w", describe(c.Op), err)
	}
	p := place(c, inputs, r)
	got, err := p.runTwice(b)
	if err != nil {
		return fmt.Errorf("%v%w", p.program, err)
	}
	errs := []error{e.verify(got)}
	if r.IntN(4) == 0 {
		errs = append(errs, p.compareScratch(b, got))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%v%v%w", p.program, attributes(c), err)
	}
	return nil
}

// evaluate runs an Op on the reference, for the comparison with a backend.
func (config Config) evaluate(ref backend.Backend, op backend.Op, in map[string]array) (*evaluation, error) {
	e, err := evaluate(ref, op, in)
	if err != nil {
		return nil, err
	}
	switch op.(type) {
	case *backend.Conv2D, *backend.Conv2DInputGrad, *backend.Conv2DFilterGrad:
		if config.Winograd != nil {
			e.winograd = config.Winograd(op)
		}
	}
	return e, nil
}

func describe(op backend.Op) string { return fmt.Sprintf("%s %+v", op.Kind(), op) }

// attributes prints what the Program's listing leaves out.
func attributes(c Case) string {
	s := "  " + describe(c.Op) + "\n"
	if c.inPlace != "" {
		s += "  in place of " + c.inPlace + "\n"
	}
	return s
}

// drawInputs fills the operands whose former contents matter.
func drawInputs(c Case, r *rand.Rand) map[string]array {
	inputs := map[string]array{}
	for _, o := range c.Op.Operands() {
		if !o.Access.Reads() {
			continue
		}
		f, ok := c.fills[o.Name]
		if !ok {
			f = defaultFill(c.Op, o.Name, o.View.DType)
			if limit := limitOf(c.Op, o.Name); limit > 0 {
				f = integers(0, limit)
			}
		}
		a := newArray(o.View.DType, o.View.Shape.Elements())
		f(r, a)
		inputs[o.Name] = a
	}
	return inputs
}

// placement is an Op with each operand in a buffer of its own, between guards.
type placement struct {
	op      backend.Op
	program *backend.Program
	slots   []*slot // indexed by buffer
	inPlace string
	inputs  map[string]array
}

// slot is the buffer of an operand.
type slot struct {
	name       string
	at, n      int   // the operand's elements
	limit      int   // of an index buffer
	before     array // contents before a run, guards included
	reads      bool
	writes     bool
	firstWrite bool // the slot of the first output
}

// guardNaN is a quiet NaN with a payload that no arithmetic makes.
var guardNaN = math.Float32frombits(0x7fc5a5a5)

// guard fills an array with bits that stand out: a NaN for float32, so that an
// operation that reads past its operand shows it.
func guard(a array, limit int) {
	for i := range a.f {
		a.f[i] = guardNaN
	}
	for i := range a.i {
		a.i[i] = 0x5eadbeef
		if limit > 0 {
			a.i[i] = int32(limit - 1)
		}
	}
	for i := range a.u {
		a.u[i] = 0xA5
	}
}

// place gives every operand a buffer with a random number of guard elements
// before and behind it.
func place(c Case, inputs map[string]array, r *rand.Rand) *placement {
	p := &placement{op: backend.CloneOp(c.Op), program: backend.NewProgram("case"), slots: make([]*slot, 1), inPlace: c.inPlace, inputs: inputs}
	operands := p.op.Operands()
	first := operands[0].View
	for i, o := range operands {
		if o.Name == c.inPlace && i > 0 {
			t := o.View.DType
			o.View.Buffer, o.View.Offset = first.Buffer, first.Offset
			if t != first.DType {
				panic("BUG: in place of another type")
			}
			continue
		}
		s := &slot{name: o.Name, n: o.View.Shape.Elements(), at: 1 + r.IntN(19), limit: limitOf(c.Op, o.Name),
			reads: o.Access.Reads(), writes: o.Access.Writes(), firstWrite: i == 0}
		s.before = newArray(o.View.DType, s.at+s.n+1+r.IntN(19))
		guard(s.before, s.limit)
		o.View.Buffer = p.program.AddBuffer(backend.Buffer{Name: o.Name, DType: o.View.DType, Elements: s.before.len(), Limit: s.limit})
		o.View.Offset = s.at * o.View.DType.Size()
		p.slots = append(p.slots, s)
	}
	p.program.Add("", p.op)
	return p
}

// prepare writes what a slot holds before a run: the input, or in the place of
// something overwritten whole rubbish, another one in each run.
func (p *placement) prepare(s *slot, run int) {
	own := s.before.slice(s.at, s.n)
	switch {
	case s.reads:
		own.copyFrom(p.inputs[s.name])
	case s.firstWrite && p.inPlace != "":
		own.copyFrom(p.inputs[p.inPlace])
	case run == 0:
		guard(own, 0)
	default:
		constant(1, -3)(nil, own)
	}
}

// runTwice runs the placed Op two times, from the same inputs, and returns the
// outputs by name. It reports guards and inputs that have changed, and outputs
// that differ from one run to the other.
func (p *placement) runTwice(b backend.Backend) (out map[string]array, err error) {
	tensors := map[string]backend.Tensor{}
	defer func() {
		for _, t := range tensors {
			err = errors.Join(err, t.Free())
		}
	}()
	for _, s := range p.slots[1:] {
		p.prepare(s, 0)
		t, err := upload(b, s.name, s.before, s.limit)
		if t != nil {
			tensors[s.name] = t
		}
		if err != nil {
			return nil, err
		}
	}
	exe, err := b.Compile(p.program, tensors)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	for run := range 2 {
		if run > 0 {
			for _, s := range p.slots[1:] {
				p.prepare(s, run)
				if s.writes {
					if err := tensors[s.name].Write(s.before.dense()); err != nil {
						return nil, err
					}
				}
			}
		}
		if err := exe.Run(context.Background()); err != nil {
			return nil, fmt.Errorf("run: %w", err)
		}
		now, err := p.collect(tensors)
		if err != nil {
			return nil, err
		}
		for name, a := range now {
			if run > 0 {
				if i := firstDifference(out[name], a, 0, a.len()); i >= 0 {
					return nil, fmt.Errorf("output %s, element %d: %s in the first run, %s in the second", name, i, out[name].describe(i), a.describe(i))
				}
			}
		}
		out = now
	}
	return out, nil
}

// collect reads all tensors back, verifies what must not change and returns the
// outputs.
func (p *placement) collect(tensors map[string]backend.Tensor) (map[string]array, error) {
	out := map[string]array{}
	for _, s := range p.slots[1:] {
		a, err := download(tensors[s.name])
		if err != nil {
			return nil, err
		}
		if i := firstDifference(s.before, a, 0, s.at); i >= 0 {
			return nil, fmt.Errorf("guard %d elements before %s changed from %s to %s", s.at-i, s.name, s.before.describe(i), a.describe(i))
		}
		if i := firstDifference(s.before, a, s.at+s.n, a.len()); i >= 0 {
			return nil, fmt.Errorf("guard %d elements behind %s changed from %s to %s", i-s.at-s.n+1, s.name, s.before.describe(i), a.describe(i))
		}
		if s.writes {
			out[s.name] = a.slice(s.at, s.n)
		} else if i := firstDifference(s.before, a, s.at, s.at+s.n); i >= 0 {
			return nil, fmt.Errorf("input %s, element %d changed from %s to %s", s.name, i-s.at, s.before.describe(i), a.describe(i))
		}
	}
	return out, nil
}

// compareScratch runs the Op once more on scratch operands that Copy fills, and
// expects the same bits: where an operand lies makes no difference.
func (p *placement) compareScratch(b backend.Backend, want map[string]array) (err error) {
	program := backend.NewProgram("case in scratch")
	op := backend.CloneOp(p.op)
	tensors := map[string]backend.Tensor{}
	defer func() {
		for _, t := range tensors {
			err = errors.Join(err, t.Free())
		}
	}()
	scratch := make([]backend.BufferID, len(p.slots))
	var outputs []backend.Op
	for id, s := range p.slots[1:] {
		t := s.before.dtype
		s0 := id + 1
		buffer := backend.Buffer{Name: s.name, DType: t, Elements: s.n, Limit: s.limit}
		bound := program.AddBuffer(buffer)
		buffer.Kind, buffer.Elements = backend.Scratch, s.before.len()
		scratch[s0] = program.AddBuffer(buffer)
		inner := backend.View{Buffer: scratch[s0], Offset: s.at * t.Size(), DType: t, Shape: backend.Shape{s.n}}
		outer := backend.View{Buffer: bound, DType: t, Shape: backend.Shape{s.n}}
		p.prepare(s, 0)
		tensor, err := upload(b, s.name, s.before.slice(s.at, s.n), s.limit)
		if tensor != nil {
			tensors[s.name] = tensor
		}
		if err != nil {
			return err
		}
		if s.reads || s.firstWrite && p.inPlace != "" {
			program.Add("in", &backend.Copy{Y: inner, X: outer})
		}
		if s.writes {
			outputs = append(outputs, &backend.Copy{Y: outer, X: inner})
		}
	}
	for _, o := range op.Operands() {
		o.View.Buffer = scratch[o.View.Buffer]
	}
	program.Add("op", op)
	for _, o := range outputs {
		program.Add("out", o)
	}
	exe, err := b.Compile(program, tensors)
	if err != nil {
		return fmt.Errorf("in scratch: compile: %w", err)
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	if err := exe.Run(context.Background()); err != nil {
		return fmt.Errorf("in scratch: run: %w", err)
	}
	for name, w := range want {
		a, err := download(tensors[name])
		if err != nil {
			return err
		}
		if i := firstDifference(w, a, 0, a.len()); i >= 0 {
			return fmt.Errorf("output %s, element %d: %s in bound buffers, %s in scratch", name, i, w.describe(i), a.describe(i))
		}
	}
	return nil
}
