package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"fovea/backend"
)

// chain is a random Program in which every value is written once.
type chain struct {
	g      *generator
	values []value // indexed by buffer; 0 is unused
	ops    []backend.Op
	images []backend.BufferID // values that later Ops may read
}

// value is an array that an Op writes, or an input of the chain.
type value struct {
	view  backend.View
	input *array // nil for what an Op writes
	uses  int
	last  int // the Op that reads it last
}

// chains is how many random Programs are run.
const chains = 40

// runChains runs random Programs of 5 to 15 Ops.
func runChains(t *testing.T, b backend.Backend, c Config) {
	ref := openReference(t)
	defer closeBackend(t, ref)
	defer closeBackend(t, b)
	for i := range chains {
		if c.Short && i%4 != 0 {
			continue
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			if err := c.certifyChain(b, ref, newChain(&generator{r: random(c.Seed, "Chain", i)})); err != nil {
				t.Errorf("%v\nrepeat: %s", err, repeat(t.Name()))
			}
		})
	}
}

// certifyChain runs the chain twice: once with every value in a bound buffer, so
// that each Op can be compared with the reference on the very inputs it had, and
// once with all intermediate values in scratch, in place where that is allowed,
// which must give the same bits.
func (config Config) certifyChain(b, ref backend.Backend, c *chain) error {
	open := c.program(false)
	got, err := c.run(b, open)
	if err != nil {
		return fmt.Errorf("%v%w", open, err)
	}
	var errs []error
	for i, op := range c.ops {
		in, out := map[string]array{}, map[string]array{}
		for _, o := range op.Operands() {
			name := valueName(o.View.Buffer)
			if o.Access.Reads() {
				in[o.Name] = got[name]
			} else {
				out[o.Name] = got[name]
			}
		}
		e, err := config.evaluate(ref, op, in)
		if err == nil {
			err = e.verify(out)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("instruction %d: %w", i, err))
		}
	}
	if errs != nil {
		return fmt.Errorf("%v%w", open, errors.Join(errs...))
	}
	planned := c.program(true)
	again, err := c.run(b, planned)
	if err != nil {
		return fmt.Errorf("%v%w", planned, err)
	}
	for name, a := range again {
		if i := firstDifference(got[name], a, 0, a.len()); i >= 0 {
			return fmt.Errorf("%vvalue %s, element %d: %s with bound buffers, %s with scratch", planned, name, i, got[name].describe(i), a.describe(i))
		}
	}
	return nil
}

func valueName(id backend.BufferID) string { return "v" + strconv.Itoa(int(id)) }

// run executes a program of the chain and returns what its bound buffers hold.
func (c *chain) run(b backend.Backend, p *backend.Program) (out map[string]array, err error) {
	tensors := map[string]backend.Tensor{}
	defer func() {
		for _, t := range tensors {
			err = errors.Join(err, t.Free())
		}
	}()
	for id, v := range c.values {
		if id == 0 || p.Buffers[id].Kind != backend.Bound {
			continue
		}
		a := newArray(v.view.DType, v.view.Shape.Elements())
		if v.input != nil {
			a = *v.input
		}
		name := valueName(backend.BufferID(id))
		t, err := upload(b, name, a, 0)
		if t != nil {
			tensors[name] = t
		}
		if err != nil {
			return nil, err
		}
	}
	exe, err := b.Compile(p, tensors)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	if err := exe.Run(context.Background()); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	out = map[string]array{}
	for name, t := range tensors {
		if out[name], err = download(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// program makes a Program of the chain. With planned, values that some Op reads
// are scratch, and take the place of an input that is read for the last time
// where the Op allows that.
func (c *chain) program(planned bool) *backend.Program {
	p := backend.NewProgram("chain")
	place := make([]backend.BufferID, len(c.values))
	for id, v := range c.values {
		if id == 0 {
			continue
		}
		buffer := backend.Buffer{Name: valueName(backend.BufferID(id)), DType: v.view.DType, Elements: v.view.Shape.Elements()}
		if planned && v.input == nil && v.uses > 0 {
			buffer.Kind = backend.Scratch
		}
		place[id] = p.AddBuffer(buffer)
	}
	for i, op := range c.ops {
		op = backend.CloneOp(op)
		operands := op.Operands()
		if out := operands[0].View.Buffer; planned && p.Buffers[out].Kind == backend.Scratch {
			for _, o := range operands[1:] {
				v := c.values[o.View.Buffer]
				if o.InPlace && v.last == i && v.uses == 1 && p.Buffers[o.View.Buffer].Kind == backend.Scratch &&
					v.view.Bytes() == c.values[out].view.Bytes() && v.view.DType == c.values[out].view.DType {
					place[out] = place[o.View.Buffer]
					break
				}
			}
		}
		for _, o := range operands {
			o.View.Buffer = place[o.View.Buffer]
		}
		p.Add(strconv.Itoa(i), op)
	}
	return p
}

// newChain draws a chain of 5 to 15 Ops.
func newChain(g *generator) *chain {
	c := &chain{g: g, values: make([]value, 1)}
	c.images = append(c.images, c.input(normal, g.between(1, 3), g.between(4, 9), g.between(4, 9), g.between(1, 6)).Buffer)
	for range g.between(5, 15) {
		c.step()
	}
	return c
}

// input adds an input of the chain.
func (c *chain) input(f fill, dims ...int) backend.View {
	v := f32(dims...)
	a := newArray(backend.Float32, v.Shape.Elements())
	f(c.g.r, a)
	v.Buffer = backend.BufferID(len(c.values))
	c.values = append(c.values, value{view: v, input: &a})
	return v
}

// pick returns a value that earlier Ops have made, mostly the latest.
func (c *chain) pick() backend.View {
	i := len(c.images) - 1
	if c.g.r.IntN(4) == 0 {
		i = c.g.r.IntN(len(c.images))
	}
	return c.values[c.images[i]].view
}

// step adds an Op that reads images and writes images.
func (c *chain) step() {
	x := c.pick()
	s := x.Shape
	channels := s[3]
	switch c.g.r.IntN(12) {
	case 0, 1:
		o, k := c.g.between(1, 8), c.g.between(1, 3)
		w := c.input(normal, o, k, k, channels)
		win := window(1, 1, k/2)
		op := &backend.Conv2D{X: x, W: w, B: c.input(normal, o), Window: win, Groups: 1, Activation: activations[c.g.r.IntN(len(activations))]}
		c.write(op, &op.Y, must(backend.Conv2DShape(s, w.Shape, win, 1)))
	case 2:
		op := &backend.Conv2DInputGrad{DY: x, W: c.input(normal, channels, 2, 2, 3), Window: window(1, 1, 0), Groups: 1}
		c.write(op, &op.DX, backend.Shape{s[0], s[1] + 1, s[2] + 1, 3})
	case 3:
		op := &backend.AvgPool2D{X: x, KernelH: min(2, s[1]), KernelW: min(2, s[2]), Window: window(1+c.g.r.IntN(2), 1, 0)}
		c.write(op, &op.Y, must(backend.PoolShape(s, op.KernelH, op.KernelW, op.Window)))
	case 4:
		op := &backend.MaxPool2D{X: x, KernelH: min(3, s[1]), KernelW: min(2, s[2]), Window: window(1, 1, 0)}
		c.write(op, &op.Y, must(backend.PoolShape(s, op.KernelH, op.KernelW, op.Window)))
	case 5:
		op := &backend.Unary{X: x, Func: []backend.Func{backend.Tanh, backend.Sigmoid, backend.ReLU, backend.Square, backend.Abs}[c.g.r.IntN(5)]}
		c.write(op, &op.Y, s)
	case 6:
		op := &backend.Binary{A: x, B: c.input(normal, channels), Func: backend.BinaryFuncs()[c.g.r.IntN(3)]}
		if y := c.pick(); y.Shape.Equal(s) && y.Buffer != x.Buffer {
			op.B = y
		}
		c.write(op, &op.Y, s)
	case 7:
		op := &backend.BatchNormInference{X: x, Gamma: c.input(normal, channels), Beta: c.input(normal, channels), Mean: c.input(normal, channels),
			Variance: c.input(positive, channels), Epsilon: epsilon}
		c.write(op, &op.Y, s)
	case 8:
		op := &backend.Softmax{X: x}
		c.write(op, &op.Y, s)
	case 9:
		op := &backend.Transpose{X: x, Perm: []int{0, 2, 1, 3}}
		c.write(op, &op.Y, must(backend.TransposeShape(s, op.Perm)))
	case 10:
		rows := must(x.Reshape(backend.Shape{s.Elements() / channels, channels}))
		o := c.g.between(1, 9)
		op := &backend.MatMul{A: rows, B: c.input(normal, channels, o)}
		c.write(op, &op.C, backend.Shape{rows.Shape[0], o})
		last := &c.values[len(c.values)-1].view
		*last = must(last.Reshape(backend.Shape{s[0], s[1], s[2], o}))
	default:
		op := &backend.Pad{X: x, Padding: backend.Padding{Top: 1, Left: 1, Right: 1, Mode: backend.PadEdge}}
		if s.Elements() > 4000 {
			half := &backend.Slice{X: x, Start: []int{0, 0, 0, 0}}
			c.write(half, &half.Y, backend.Shape{s[0], (s[1] + 1) / 2, (s[2] + 1) / 2, channels})
			return
		}
		c.write(op, &op.Y, must(backend.PadShape(s, op.Padding)))
	}
}

// write gives the Op a result and appends it.
func (c *chain) write(op backend.Op, y *backend.View, s backend.Shape) {
	*y = view(backend.Float32, s)
	y.Buffer = backend.BufferID(len(c.values))
	c.values = append(c.values, value{view: *y})
	for _, o := range op.Operands() {
		if o.Access.Reads() {
			v := &c.values[o.View.Buffer]
			v.uses++
			v.last = len(c.ops)
		}
	}
	c.ops = append(c.ops, op)
	c.images = append(c.images, y.Buffer)
}
