package bench

import (
	"testing"

	"fovea/backend"
)

// BenchmarkStreaming measures Ops that memory bounds; their figure is GB/s. The
// images are the VGG's after its second convolution, the parameters as many as a
// layer of 512 by 512 channels has.
func BenchmarkStreaming(b *testing.B) {
	const n, h, w, c, parameters = 64, 32, 32, 32, 9 * 512 * 512
	half := backend.Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1}
	relu := backend.Activation{Func: backend.ReLU}
	for _, op := range []struct {
		name string
		make func(p program) backend.Op
	}{
		{"max-pool", func(p program) backend.Op {
			arg := p.AddBuffer(backend.Buffer{Name: "argmax", DType: backend.Int32, Elements: n * h / 2 * w / 2 * c})
			return &backend.MaxPool2D{Y: p.float("y", n, h/2, w/2, c), X: p.float("x", n, h, w, c), KernelH: 2, KernelW: 2, Window: half,
				Argmax: backend.View{Buffer: arg, DType: backend.Int32, Shape: backend.Shape{n, h / 2, w / 2, c}}}
		}},
		{"average-pool", func(p program) backend.Op {
			return &backend.AvgPool2D{Y: p.float("y", n, h/2, w/2, c), X: p.float("x", n, h, w, c), KernelH: 2, KernelW: 2, Window: half}
		}},
		{"batch-norm", func(p program) backend.Op {
			return &backend.BatchNorm{Y: p.float("y", n, h, w, c), Mean: p.float("mean", c), Variance: p.float("variance", c),
				X: p.float("x", n, h, w, c), Gamma: p.float("gamma", c), Beta: p.float("beta", c), Epsilon: 1e-5}
		}},
		{"relu", func(p program) backend.Op {
			return &backend.Unary{Y: p.float("y", n, h, w, c), X: p.float("x", n, h, w, c), Func: relu.Func}
		}},
		{"tanh", func(p program) backend.Op {
			return &backend.Unary{Y: p.float("y", n, h, w, c), X: p.float("x", n, h, w, c), Func: backend.Tanh}
		}},
		{"add", func(p program) backend.Op {
			return &backend.Binary{Y: p.float("y", n, h, w, c), A: p.float("a", n, h, w, c), B: p.float("b", n, h, w, c)}
		}},
		{"softmax", func(p program) backend.Op {
			return &backend.Softmax{Y: p.float("y", n, 1000), X: p.float("x", n, 1000)}
		}},
		{"adam", func(p program) backend.Op {
			o := adam.Step()
			step := p.AddBuffer(backend.Buffer{Name: "step", DType: backend.Int32, Elements: 1})
			o.Parameters, o.Gradients = p.float("parameters", parameters), p.float("gradients", parameters)
			o.Slot1, o.Slot2 = p.float("slot1", parameters), p.float("slot2", parameters)
			o.Segments = []backend.Segment{{Length: parameters, RateFactor: 1}}
			o.LearningRate, o.Step = p.float("rate", 1), backend.View{Buffer: step, DType: backend.Int32, Shape: backend.Shape{1}}
			return &o
		}},
	} {
		b.Run(op.name, func(b *testing.B) {
			p := newProgram()
			p.Add("", op.make(p))
			measureOp(b, p.Program)
		})
	}
}
