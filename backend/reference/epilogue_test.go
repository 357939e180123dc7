package reference

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// epilogueOf returns an Op's gradient epilogue; nil if it has none.
func epilogueOf(op backend.Op) *backend.GradEpilogue {
	f := reflect.ValueOf(op).Elem().FieldByName("GradEpilogue")
	if !f.IsValid() {
		return nil
	}
	return f.Addr().Interface().(*backend.GradEpilogue)
}

// Each Op with an epilogue runs without it, with it, and with its output in the
// place of each operand that it may share memory with.
func TestEpilogueOfEveryOp(t *testing.T) {
	r := newRig(t)
	image, pooled, matrix := r.normal(1, 4, 4, 2), r.normal(1, 2, 2, 2), r.normal(4, 4)
	whole, half, square := func() backend.View { return r.out(1, 4, 4, 2) }, func() backend.View { return r.out(1, 2, 2, 2) }, func() backend.View { return r.out(4, 4) }
	channels := r.floats([]float64{1, 2}, 2)
	by2 := backend.Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1}
	one := backend.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1, Mode: backend.PadReflect}
	tested := map[string]bool{}
	for _, op := range []backend.Op{
		&backend.Conv2DInputGrad{DX: whole(), DY: pooled, W: r.normal(2, 2, 2, 2), Window: by2, Groups: 1},
		&backend.MatMul{C: square(), A: matrix, B: matrix},
		&backend.MaxPool2DGrad{DX: whole(), DY: pooled, Argmax: r.ints(0, []int32{0, 1, 2, 7, 8, 13, 10, 15}, 1, 2, 2, 2), KernelH: 2, KernelW: 2, Window: by2},
		&backend.AvgPool2DGrad{DX: whole(), DY: pooled, KernelH: 2, KernelW: 2, Window: by2},
		&backend.PadGrad{DX: half(), DY: image, Padding: one},
		&backend.ResizeGrad{DX: half(), DY: image, Mode: backend.Bilinear},
		&backend.UnaryGrad{DX: whole(), DY: image, X: r.normal(1, 4, 4, 2), Func: backend.Square},
		&backend.ReduceMaxGrad{DX: whole(), DY: r.normal(1, 1, 1, 2), Argmax: r.ints(0, []int32{3, 5}, 1, 1, 1, 2), Axes: []int{1, 2}},
		&backend.MaxoutGrad{DX: whole(), DY: r.normal(1, 4, 4, 1), Argmax: r.ints(0, make([]int32, 16), 1, 4, 4, 1), Pieces: 2},
		&backend.SoftmaxGrad{DX: whole(), DY: image, Y: r.normal(1, 4, 4, 2)},
		&backend.LossGrad{DX: square(), Input: matrix, Target: r.ints(4, []int32{0, 1, 2, 3}, 4), Seed: r.vector(1), Divisor: 4},
		&backend.DropoutGrad{DX: whole(), DY: image, Draw: r.ints(0, []int32{1, 2, 3}, 3), Rate: 0.5},
		&backend.BatchNormGrad{DX: whole(), DY: image, X: r.normal(1, 4, 4, 2), Gamma: channels, Mean: channels, Variance: channels, Epsilon: 1e-5},
	} {
		t.Run(op.Kind(), func(t *testing.T) {
			tested[op.Kind()] = true
			dx, e := op.Operands()[0].View, epilogueOf(op)
			r.run(op)
			want := r.get(*dx)
			e.Addend, e.Output = r.normal(dx.Shape...), r.normal(dx.Shape...)
			e.Derivative = backend.Activation{Func: backend.LeakyReLU, Alpha: 0.25}
			addend, output := r.get(e.Addend), r.get(e.Output)
			for i := range want {
				want[i] += addend[i]
				if output[i] <= 0 {
					want[i] *= 0.25
				}
			}
			r.run(op)
			require.Equal(t, want, r.get(*dx))
			fresh := *dx
			for _, o := range op.Operands() {
				if !o.InPlace {
					continue
				}
				old := r.get(*o.View)
				*dx = *o.View
				r.run(op)
				assert.Equal(t, want, r.get(*dx), "in the memory of %s", o.Name)
				r.set(*dx, old)
				*dx = fresh
			}
		})
	}
	for _, op := range every {
		assert.Equal(t, epilogueOf(op) != nil, tested[op.Kind()], op.Kind())
	}
}
