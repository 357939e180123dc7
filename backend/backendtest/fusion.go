package backendtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"fovea/backend"
)

// fusedCases is how many cases of each kind are compared with their parts.
const fusedCases = 30

// runFusion shows that an Op with a fused bias, activation or gradient epilogue
// gives the bits of the same Op without them followed by Ops that add and
// multiply: fusing is no approximation.
func runFusion(t *testing.T, b backend.Backend, c Config) {
	defer closeBackend(t, b)
	for _, kind := range backend.Kinds() {
		var fused []Case
		for _, tc := range Cases(kind, c.Seed) {
			if _, rest := parts(tc.Op); len(rest) > 0 && tc.inPlace == "" {
				fused = append(fused, tc)
			}
		}
		if len(fused) == 0 {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			for i := range min(fusedCases, len(fused)) {
				tc := fused[i*len(fused)/min(fusedCases, len(fused))]
				if err := compareParts(b, tc, c.Seed); err != nil {
					t.Errorf("%v%v\nrepeat: %s", attributes(tc), err, repeat(t.Name()))
				}
			}
		})
	}
}

// part is one step of an Op that has been taken apart: it makes y of x.
type part func(y, x backend.View) backend.Op

// parts takes an Op apart: the Op without what is fused, and the steps that make
// its first output of that. The operands of the steps are those of op.
func parts(op backend.Op) (core backend.Op, rest []part) {
	core = backend.CloneOp(op)
	addBias := func(b *backend.View) {
		if bias := *b; bias.Present() {
			*b = backend.View{}
			rest = append(rest, func(y, x backend.View) backend.Op { return &backend.Binary{Y: y, A: x, B: bias} })
		}
	}
	switch o := core.(type) {
	case *backend.Conv2D:
		addBias(&o.B)
	case *backend.MatMul:
		if !o.Accumulate {
			addBias(&o.Bias)
		}
	}
	if a := activationOf(core); a != nil && a.Func != backend.Identity {
		act := *a
		*a = backend.Activation{}
		rest = append(rest, func(y, x backend.View) backend.Op {
			return &backend.Unary{Y: y, X: x, Func: act.Func, Alpha: act.Alpha}
		})
	}
	if p := epilogueOf(core); p != nil {
		e := *p
		*p = backend.GradEpilogue{}
		if e.Addend.Present() {
			rest = append(rest, func(y, x backend.View) backend.Op { return &backend.Binary{Y: y, A: x, B: e.Addend} })
		}
		if e.Output.Present() {
			rest = append(rest, func(y, x backend.View) backend.Op {
				return &backend.UnaryGrad{DX: y, DY: x, Y: e.Output, Func: e.Derivative.Func, Alpha: e.Derivative.Alpha}
			})
		}
	}
	return core, rest
}

// compareParts runs a case and its parts in one Program and compares bits.
func compareParts(b backend.Backend, c Case, seed uint64) (err error) {
	p := placeApart(c)
	inputs := drawInputs(c, random(seed, c.Op.Kind(), 0))
	tensors := map[string]backend.Tensor{}
	defer func() {
		for _, t := range tensors {
			err = errors.Join(err, t.Free())
		}
	}()
	for _, buffer := range p.Buffers[1:] {
		if buffer.Kind != backend.Bound {
			continue
		}
		a, ok := inputs[buffer.Name]
		if !ok {
			a = newArray(buffer.DType, buffer.Elements)
		}
		t, err := upload(b, buffer.Name, a, buffer.Limit)
		if t != nil {
			tensors[buffer.Name] = t
		}
		if err != nil {
			return err
		}
	}
	exe, err := b.Compile(p, tensors)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	if err := exe.Run(context.Background()); err != nil {
		return err
	}
	name := c.Op.Operands()[0].Name
	whole, err := download(tensors[name])
	if err != nil {
		return err
	}
	apart, err := download(tensors["apart"])
	if err != nil {
		return err
	}
	if i := firstDifference(whole, apart, 0, whole.len()); i >= 0 {
		return fmt.Errorf("%voutput %s, element %d: %s fused, %s in parts", p, name, i, whole.describe(i), apart.describe(i))
	}
	return nil
}

// placeApart is a Program that runs the Op and then its parts; the last of them
// writes the buffer "apart".
func placeApart(c Case) *backend.Program {
	p := backend.NewProgram("fused and in parts")
	op := backend.CloneOp(c.Op)
	for _, o := range op.Operands() {
		o.View.Buffer = p.AddBuffer(backend.Buffer{Name: o.Name, DType: o.View.DType, Elements: o.View.Shape.Elements(), Limit: limitOf(op, o.Name)})
	}
	core, rest := parts(op)
	p.Add("fused", op)
	outputs := core.Operands()
	result := outputs[0].View.Shape
	scratch := func() backend.View {
		return backend.View{Buffer: p.AddBuffer(backend.Buffer{Kind: backend.Scratch, Elements: result.Elements()}), Shape: result}
	}
	// The other outputs are written twice, with the same values, except sums
	// that accumulate, which nobody reads.
	x := scratch()
	*outputs[0].View = x
	p.Add("core", core)
	for i, step := range rest {
		y := backend.View{Shape: result}
		if i == len(rest)-1 {
			y.Buffer = p.AddBuffer(backend.Buffer{Name: "apart", Elements: result.Elements()})
		} else {
			y = scratch()
		}
		p.Add("part", step(y, x))
		x = y
	}
	return p
}
