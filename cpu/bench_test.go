package cpu

import (
	"context"
	"fmt"
	"testing"

	"fovea/backend"
)

// benchmark runs a Program and reports its nominal speed.
func benchmark(b *testing.B, p *backend.Program) {
	exe, _ := compiled(b, closing(b, "cpu", 0), p)
	flops := p.Cost().FLOPs
	for b.Loop() {
		if err := exe.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(flops)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
}

// layer is a convolution of LeNet-5 or of a VGG for 32×32 images.
type layer struct {
	name           string
	h, w, c, o, k  int
	pad            int
	firstOfNetwork bool // needs no gradient of its input
}

var layers = []layer{
	{"lenet1", 28, 28, 1, 6, 5, 2, true},
	{"lenet2", 14, 14, 6, 16, 5, 0, false},
	{"vgg1", 32, 32, 3, 32, 3, 1, true},
	{"vgg2", 32, 32, 32, 32, 3, 1, false},
	{"vgg3", 16, 16, 32, 64, 3, 1, false},
	{"vgg4", 16, 16, 64, 64, 3, 1, false},
	{"vgg5", 8, 8, 64, 128, 3, 1, false},
}

const batch = 64

// BenchmarkConv measures the three convolution Ops at batch 64.
func BenchmarkConv(b *testing.B) {
	for _, l := range layers {
		for _, op := range []string{"forward", "input", "filter"} {
			if op == "input" && l.firstOfNetwork {
				continue
			}
			b.Run(fmt.Sprintf("%s/%s", l.name, op), func(b *testing.B) { benchmark(b, l.program(op)) })
		}
	}
}

func (l layer) program(op string) *backend.Program {
	p := backend.NewProgram(l.name)
	float := func(name string, s ...int) backend.View {
		id := p.AddBuffer(backend.Buffer{Name: name, Elements: backend.Shape(s).Elements()})
		return backend.View{Buffer: id, Shape: s}
	}
	win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: l.pad, PadBottom: l.pad, PadLeft: l.pad, PadRight: l.pad}
	oh, ow := l.h+2*l.pad-l.k+1, l.w+2*l.pad-l.k+1
	x, y := float("x", batch, l.h, l.w, l.c), float("y", batch, oh, ow, l.o)
	w, bias := float("w", l.o, l.k, l.k, l.c), float("b", l.o)
	switch op {
	case "forward":
		p.Add(l.name, &backend.Conv2D{Y: y, X: x, W: w, B: bias, Window: win, Groups: 1, Activation: relu})
	case "input":
		p.Add(l.name, &backend.Conv2DInputGrad{DX: x, DY: y, W: w, Window: win, Groups: 1,
			GradEpilogue: backend.GradEpilogue{Output: float("out", batch, l.h, l.w, l.c), Derivative: relu}})
	case "filter":
		p.Add(l.name, &backend.Conv2DFilterGrad{DW: w, DB: bias, DY: y, X: x, Window: win, Groups: 1})
	}
	return p
}

// BenchmarkStep measures training steps at batch 64.
func BenchmarkStep(b *testing.B) {
	for _, p := range []*backend.Program{lenet(batch), vgg(batch)} {
		b.Run(p.Name, func(b *testing.B) {
			benchmark(b, p)
			b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// BenchmarkInference measures predictions, of many pictures at once and of one.
func BenchmarkInference(b *testing.B) {
	for _, n := range []int{1, batch} {
		for _, p := range []*backend.Program{lenetLayers(n).forward(), vggLayers(n).forward()} {
			b.Run(fmt.Sprintf("%s/%d", p.Name, n), func(b *testing.B) {
				benchmark(b, p)
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}

// BenchmarkPool measures 2×2 pooling of the first maps of LeNet-5 and the VGG.
func BenchmarkPool(b *testing.B) {
	for _, s := range []struct {
		name string
		h, c int
	}{{"lenet", 28, 6}, {"vgg", 32, 32}} {
		n := newNetwork(s.name, batch, s.h, s.h, s.c)
		n.pool()
		b.Run(s.name+"/forward", func(b *testing.B) { benchmark(b, n.Program) })
		p := backend.NewProgram(s.name)
		grad := &backend.MaxPool2DGrad{KernelH: 2, KernelW: 2, Window: backend.Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1}}
		for _, v := range []struct {
			view *backend.View
			name string
			h    int
		}{{&grad.DX, "dx", s.h}, {&grad.DY, "dy", s.h / 2}, {&grad.Argmax, "argmax", s.h / 2}} {
			*v.view = backend.View{Shape: backend.Shape{batch, v.h, v.h, s.c}}
			if v.name == "argmax" {
				v.view.DType = backend.Int32
			}
			v.view.Buffer = p.AddBuffer(backend.Buffer{Name: v.name, DType: v.view.DType, Elements: v.view.Shape.Elements()})
		}
		p.Add("grad", grad)
		b.Run(s.name+"/grad", func(b *testing.B) { benchmark(b, p) })
	}
}
