package backend

import "fmt"

// MatMul computes the product of two matrices with a fused epilogue:
//
//	A [M, K], or [K, M] with TransposeA
//	B [K, N], or [N, K] with TransposeB
//	Bias [N]              optional
//	C [M, N]              overwritten, or accumulated into with Accumulate
//
//	C = (σ(op(A)·op(B) + Bias) + Addend)·Derivative′(Output)
//
// where σ is Activation and the rest is the GradEpilogue, with C for DX, used
// where the product is the gradient of an input. Accumulate goes with neither an
// activation nor an epilogue: C += op(A)·op(B) + Bias.
//
// It is linear in A and in B; its adjoints are MatMul again: ∇A = G·op(B)ᵀ and
// ∇B = op(A)ᵀ·G. Source: the lecture's "AutoGrad", ∇_x = L′Wᵀ and ∇_W = xᵀL′.
type MatMul struct {
	C, A, B, Bias          View
	TransposeA, TransposeB bool
	Accumulate             bool
	Activation             Activation
	GradEpilogue
}

// MatMulShape returns the shape of MatMul's result, [M, N], and K.
func MatMulShape(a, b Shape, transposeA, transposeB bool) (s Shape, k int, err error) {
	if len(a) != 2 || len(b) != 2 {
		return nil, 0, fmt.Errorf("%w: factors %v and %v, expected 2 axes each", ErrShape, a, b)
	}
	m, ka := a[0], a[1]
	if transposeA {
		m, ka = ka, m
	}
	kb, n := b[0], b[1]
	if transposeB {
		kb, n = n, kb
	}
	if ka != kb {
		return nil, 0, fmt.Errorf("%w: A %v (transposed %t) has %d columns, B %v (transposed %t) has %d rows", ErrShape, a, transposeA, ka, b, transposeB, kb)
	}
	return Shape{m, n}, ka, nil
}

// Kind returns "MatMul".
func (*MatMul) Kind() string { return "MatMul" }

// Operands lists C, A, B, Bias and the epilogue's.
func (o *MatMul) Operands() []Operand {
	return operands{}.result("C", &o.C, o.Accumulate).in("A", &o.A).in("B", &o.B).in("Bias", &o.Bias).epilogue(&o.GradEpilogue)
}

// Check implements Op.
func (o *MatMul) Check() error {
	c := check(o)
	c.float("A", o.A, 2)
	c.float("B", o.B, 2)
	if c.err != nil {
		return c.err
	}
	s, _, err := MatMulShape(o.A.Shape, o.B.Shape, o.TransposeA, o.TransposeB)
	if err != nil {
		c.merge(err)
		return c.err
	}
	c.shaped("C", o.C, s)
	c.optional("Bias", o.Bias, s[1:])
	c.activation(o.Activation)
	c.epilogue(o.GradEpilogue, s)
	c.that(!o.Accumulate || o.Activation.Func == Identity && !o.Addend.Present() && !o.Output.Present(),
		"Accumulate goes with neither an activation nor a gradient epilogue")
	return c.err
}

// Cost counts 2·K FLOPs for each element of C, and the epilogue's.
func (o *MatMul) Cost() Cost {
	k := o.A.Shape[1]
	if o.TransposeA {
		k = o.A.Shape[0]
	}
	return cost(o, 2*k*o.C.Shape.Elements()+pointwise(o.C, o.Bias.Present(), o.Activation)+o.GradEpilogue.flops())
}
