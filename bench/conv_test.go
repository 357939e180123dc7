package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// layer is a convolution of square images with square filters.
type layer struct {
	name               string
	batch              int
	size, in, out      int
	kernel, stride, by int // by: the padding on every side
}

// The layers of LeNet-5 and of the VGG at batch 64, and those of ResNet-50 that
// differ in kind, at batch 8.
var layers = []layer{
	{"lenet5-1", 64, 28, 1, 6, 5, 1, 2},
	{"lenet5-2", 64, 14, 6, 16, 5, 1, 0},
	{"vgg-1", 64, 32, 3, 32, 3, 1, 1},
	{"vgg-2", 64, 32, 32, 32, 3, 1, 1},
	{"vgg-3", 64, 16, 32, 64, 3, 1, 1},
	{"vgg-4", 64, 16, 64, 64, 3, 1, 1},
	{"vgg-5", 64, 8, 64, 128, 3, 1, 1},
	{"resnet-64", 8, 56, 64, 64, 3, 1, 1},
	{"resnet-128", 8, 28, 128, 128, 3, 1, 1},
	{"resnet-256", 8, 14, 256, 256, 3, 1, 1},
	{"resnet-512", 8, 7, 512, 512, 3, 1, 1},
	{"resnet-1x1", 8, 56, 64, 256, 1, 1, 0},
	{"resnet-7x7", 8, 224, 3, 64, 7, 2, 3},
}

// BenchmarkConv2D measures a convolution with bias and ReLU, the gradient of its
// input through the ReLU before it, and the gradient of filters and bias.
func BenchmarkConv2D(b *testing.B) {
	for _, l := range layers {
		b.Run(l.name+"/forward", func(b *testing.B) {
			p, x, w, bias, y := l.operands(b)
			p.Add("", &backend.Conv2D{Y: y, X: x, W: w, B: bias, Window: l.window(), Groups: 1, Activation: backend.Activation{Func: backend.ReLU}})
			measureOp(b, p.Program)
		})
		b.Run(l.name+"/input-gradient", func(b *testing.B) {
			p, x, w, _, y := l.operands(b)
			p.Add("", &backend.Conv2DInputGrad{DX: x, DY: y, W: w, Window: l.window(), Groups: 1,
				GradEpilogue: backend.GradEpilogue{Output: p.float("output", x.Shape...), Derivative: backend.Activation{Func: backend.ReLU}}})
			measureOp(b, p.Program)
		})
		b.Run(l.name+"/filter-gradient", func(b *testing.B) {
			p, x, w, bias, y := l.operands(b)
			p.Add("", &backend.Conv2DFilterGrad{DW: w, DB: bias, DY: y, X: x, Window: l.window(), Groups: 1})
			measureOp(b, p.Program)
		})
	}
}

func (l layer) window() backend.Window {
	return backend.Window{StrideH: l.stride, StrideW: l.stride, DilationH: 1, DilationW: 1,
		PadTop: l.by, PadBottom: l.by, PadLeft: l.by, PadRight: l.by}
}

func (l layer) operands(b *testing.B) (p program, x, w, bias, y backend.View) {
	p = newProgram()
	x = p.float("x", l.batch, l.size, l.size, l.in)
	w = p.float("w", l.out, l.kernel, l.kernel, l.in)
	bias = p.float("bias", l.out)
	shape, err := backend.Conv2DShape(x.Shape, w.Shape, l.window(), 1)
	require.NoError(b, err)
	return p, x, w, bias, p.float("y", shape...)
}
