package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// network builds the Program of a training step: forward, backward, and Adam on an
// arena of parameters.
type network struct {
	*backend.Program
	batch      int
	x          backend.View // the activations so far
	grads      []func(dy backend.View) backend.View
	parameters int // elements of the arena so far
	arena      []*backend.View
	gradient   []*backend.View
	layer      int
	activation backend.Activation // what made x
}

func newNetwork(name string, batch, h, w, c int) *network {
	n := &network{Program: backend.NewProgram(name), batch: batch}
	n.x = n.buffer("input", backend.Bound, backend.Float32, 0, batch, h, w, c)
	return n
}

func (n *network) buffer(name string, kind backend.BufferKind, t backend.DType, limit int, s ...int) backend.View {
	id := n.AddBuffer(backend.Buffer{Name: name, Kind: kind, DType: t, Elements: backend.Shape(s).Elements(), Limit: limit})
	return backend.View{Buffer: id, DType: t, Shape: s}
}

func (n *network) scratch(s ...int) backend.View {
	return n.buffer("", backend.Scratch, backend.Float32, 0, s...)
}

// parameter reserves a stretch of the arenas and sets the views when they exist.
func (n *network) parameter(w, dw *backend.View, s ...int) {
	*w = backend.View{Offset: 4 * n.parameters, Shape: s}
	*dw = *w
	n.parameters += (w.Shape.Elements() + 15) / 16 * 16
	n.arena, n.gradient = append(n.arena, w), append(n.gradient, dw)
}

func (n *network) add(op backend.Op) {
	n.Add(fmt.Sprintf("layer%d", n.layer), op)
}

var relu = backend.Activation{Func: backend.ReLU}

// epilogue is that of the gradient of the layer's input.
func (n *network) epilogue() backend.GradEpilogue {
	if n.activation.Func == backend.Identity {
		return backend.GradEpilogue{}
	}
	return backend.GradEpilogue{Output: n.x, Derivative: n.activation}
}

func (n *network) conv(o, k, pad int) {
	n.layer++
	x, first, epilogue := n.x, len(n.grads) == 0, n.epilogue()
	s := x.Shape
	win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
	y := n.scratch(n.batch, s[1]+2*pad-k+1, s[2]+2*pad-k+1, o)
	forward := &backend.Conv2D{Y: y, X: x, Window: win, Groups: 1, Activation: relu}
	filter := &backend.Conv2DFilterGrad{X: x, Window: win, Groups: 1}
	input := &backend.Conv2DInputGrad{Window: win, Groups: 1, GradEpilogue: epilogue}
	n.parameter(&forward.W, &filter.DW, o, k, k, s[3])
	n.parameter(&forward.B, &filter.DB, o)
	n.add(forward)
	n.grads = append(n.grads, func(dy backend.View) backend.View {
		filter.DY = dy
		n.add(filter)
		if first {
			return backend.View{}
		}
		input.DX, input.DY, input.W = n.scratch(s...), dy, forward.W
		n.add(input)
		return input.DX
	})
	n.x, n.activation = y, relu
}

func (n *network) pool() {
	n.layer++
	s := n.x.Shape
	win := backend.Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1}
	y := n.scratch(n.batch, s[1]/2, s[2]/2, s[3])
	argmax := n.buffer("", backend.Scratch, backend.Int32, 0, y.Shape...)
	n.add(&backend.MaxPool2D{Y: y, Argmax: argmax, X: n.x, KernelH: 2, KernelW: 2, Window: win})
	n.grads = append(n.grads, func(dy backend.View) backend.View {
		dx := n.scratch(s...)
		n.add(&backend.MaxPool2DGrad{DX: dx, DY: dy, Argmax: argmax, KernelH: 2, KernelW: 2, Window: win})
		return dx
	})
	n.x = y // and the derivative of its activation is left to whoever writes dy, as graphs do
}

func (n *network) dense(outputs int, a backend.Activation) {
	n.layer++
	s, epilogue := n.x.Shape, n.epilogue()
	inputs := s.Elements() / n.batch
	flat := func(v backend.View) backend.View {
		v.Shape = backend.Shape{n.batch, inputs}
		return v
	}
	x, y := flat(n.x), n.scratch(n.batch, outputs)
	if epilogue.Output.Present() {
		epilogue.Output = flat(epilogue.Output)
	}
	forward := &backend.MatMul{C: y, A: x, Activation: a}
	weight := &backend.MatMul{A: x, TransposeA: true}
	bias := &backend.Reduce{Func: backend.Sum, Axes: []int{0}}
	input := &backend.MatMul{TransposeB: true, GradEpilogue: epilogue}
	n.parameter(&forward.B, &weight.C, inputs, outputs)
	n.parameter(&forward.Bias, &bias.Y, outputs)
	n.add(forward)
	n.grads = append(n.grads, func(dy backend.View) backend.View {
		weight.B, bias.X = dy, dy
		bias.Y.Shape = backend.Shape{1, outputs}
		n.add(weight)
		n.add(bias)
		input.C, input.A, input.B = flat(n.scratch(s...)), dy, forward.B
		n.add(input)
		dx := input.C
		dx.Shape = s
		return dx
	})
	n.x, n.activation = y, a
}

// finish adds loss, backward pass and update.
func (n *network) finish() *backend.Program {
	n.layer++
	classes := n.x.Shape[1]
	target := n.buffer("target", backend.Bound, backend.Int32, classes, n.batch)
	losses := n.buffer("losses", backend.Bound, backend.Float32, 0, n.batch)
	seed := n.buffer("seed", backend.Bound, backend.Float32, 0, 1)
	divisor := float64(n.batch)
	n.add(&backend.Loss{Losses: losses, Input: n.x, Target: target, Divisor: divisor})
	dy := n.scratch(n.x.Shape...)
	n.add(&backend.LossGrad{DX: dy, Input: n.x, Target: target, Seed: seed, Divisor: divisor})
	for ; n.layer > 1; n.layer-- {
		dy = n.grads[n.layer-2](dy)
	}
	w, dw := n.float("parameters", n.parameters), n.float("gradients", n.parameters)
	for i := range n.arena {
		n.arena[i].Buffer, n.gradient[i].Buffer = w.Buffer, dw.Buffer
	}
	for _, in := range n.Code { // gradients use copies of the weights' views
		if op, ok := in.Op.(*backend.Conv2DInputGrad); ok {
			op.W.Buffer = w.Buffer
		}
		if op, ok := in.Op.(*backend.MatMul); ok && op.TransposeB {
			op.B.Buffer = w.Buffer
		}
	}
	n.Add("update", &backend.OptimizerStep{
		Parameters: w, Slot1: n.float("m", n.parameters), Slot2: n.float("v", n.parameters), Gradients: dw,
		LearningRate: n.float("rate", 1), Step: n.buffer("step", backend.Bound, backend.Int32, 0, 1),
		Rule: backend.Adam, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
		Segments: []backend.Segment{{Length: n.parameters, RateFactor: 1}},
	})
	return n.Program
}

func (n *network) float(name string, size int) backend.View {
	return n.buffer(name, backend.Bound, backend.Float32, 0, size)
}

// forward is the network as it predicts.
func (n *network) forward() *backend.Program {
	w := n.float("parameters", n.parameters)
	for _, v := range n.arena {
		v.Buffer = w.Buffer
	}
	return n.Program
}

// lenet is a training step of LeNet-5.
func lenet(batch int) *backend.Program { return lenetLayers(batch).finish() }

func lenetLayers(batch int) *network {
	n := newNetwork("lenet", batch, 28, 28, 1)
	n.conv(6, 5, 2)
	n.pool()
	n.conv(16, 5, 0)
	n.pool()
	n.dense(120, relu)
	n.dense(84, relu)
	n.dense(10, backend.Activation{})
	return n
}

// vgg is a training step of a small VGG for pictures of 32×32 pixels.
func vgg(batch int) *backend.Program { return vggLayers(batch).finish() }

func vggLayers(batch int) *network {
	n := newNetwork("vgg", batch, 32, 32, 3)
	n.conv(32, 3, 1)
	n.conv(32, 3, 1)
	n.pool()
	n.conv(64, 3, 1)
	n.conv(64, 3, 1)
	n.pool()
	n.conv(128, 3, 1)
	n.dense(10, backend.Activation{})
	return n
}

// compiled prepares a Program to run on tensors of its own, which hold small
// random numbers, or labels, or 1.
func compiled(t testing.TB, b backend.Backend, p *backend.Program) (backend.Executable, map[string]backend.Tensor) {
	r := rand.New(rand.NewPCG(1, 2))
	bind := map[string]backend.Tensor{}
	for _, buf := range p.Buffers[1:] {
		if buf.Kind != backend.Bound {
			continue
		}
		x, err := b.NewTensor(backend.TensorSpec{Name: buf.Name, DType: buf.DType, Shape: backend.Shape{buf.Elements}, Limit: buf.Limit})
		require.NoError(t, err)
		bind[buf.Name] = x
		if buf.DType == backend.Uint8 {
			continue
		}
		if buf.DType == backend.Int32 {
			values := make([]int32, buf.Elements)
			for i := range values {
				values[i] = 1
				if buf.Limit > 0 {
					values[i] = r.Int32N(int32(buf.Limit))
				}
			}
			require.NoError(t, x.Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
			continue
		}
		values := make([]float32, buf.Elements)
		for i := range values {
			values[i] = r.Float32()*0.2 - 0.1
			if len(values) == 1 || buf.Name == "v" { // rates and variances are positive
				values[i] = 1e-3
			}
		}
		require.NoError(t, x.Write(tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))))
	}
	exe, err := b.Compile(p, bind)
	require.NoError(t, err)
	return exe, bind
}
