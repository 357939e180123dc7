package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// pooledConv2D is a Conv2D and the MaxPool2D that follows, as one instruction: the
// convolution's output is never stored. Without Argmax the maxima are taken of planes,
// so that a quarter of the pixels is put together. Bias and ReLU come last then, which
// gives the same bits, since both rise with their argument, and a ReLU knows one zero
// only. Which pixel wins they may decide; so with Argmax a strip becomes pixels first.
type pooledConv2D struct {
	Conv backend.Conv2D
	Pool backend.MaxPool2D
}

// Kind implements backend.Op.
func (o *pooledConv2D) Kind() string { return o.Conv.Kind() + "+" + o.Pool.Kind() }

// Operands implements backend.Op.
func (o *pooledConv2D) Operands() []backend.Operand {
	outputs := o.Pool.Operands()
	return append(outputs[:len(outputs)-1:len(outputs)-1], o.Conv.Operands()[1:]...)
}

// Check implements backend.Op.
func (o *pooledConv2D) Check() error {
	if err := o.Conv.Check(); err != nil {
		return err
	}
	return o.Pool.Check()
}

// Cost implements backend.Op.
func (o *pooledConv2D) Cost() backend.Cost { return o.Conv.Cost().Add(o.Pool.Cost()) }

// pooledFilterGrad is a MaxPool2DGrad and the Conv2DFilterGrad that follows, as one
// instruction: the gradients of a strip lie in the nearest caches and nowhere else.
type pooledFilterGrad struct {
	Pool backend.MaxPool2DGrad
	Conv backend.Conv2DFilterGrad
}

// Kind implements backend.Op.
func (o *pooledFilterGrad) Kind() string { return o.Pool.Kind() + "+" + o.Conv.Kind() }

// Operands implements backend.Op.
func (o *pooledFilterGrad) Operands() []backend.Operand {
	var all []backend.Operand
	for _, v := range o.Conv.Operands() {
		if v.View != &o.Conv.DY {
			all = append(all, v)
		}
	}
	return append(all, o.Pool.Operands()[1:]...)
}

// Check implements backend.Op.
func (o *pooledFilterGrad) Check() error {
	if err := o.Pool.Check(); err != nil {
		return err
	}
	return o.Conv.Check()
}

// Cost implements backend.Op.
func (o *pooledFilterGrad) Cost() backend.Cost { return o.Pool.Cost().Add(o.Conv.Cost()) }

// join makes one instruction of two where what the first one writes goes to the second
// and nowhere else: convolutions with poolings. It keeps the numbers that instructions
// had before.
func (c *compiler) join() {
	p := c.program
	uses := make([]int, len(p.Buffers))
	for _, in := range p.Code {
		for _, o := range in.Op.Operands() {
			uses[o.View.Buffer]++
		}
	}
	joined := *p
	joined.Code = nil
	for i := 0; i < len(p.Code); i++ {
		in, number := p.Code[i], i
		if i+1 < len(p.Code) {
			next := p.Code[i+1]
			between := in.Op.Operands()[0].View
			if p.Buffers[between.Buffer].Kind == backend.Scratch && uses[between.Buffer] == 2 {
				if conv := c.joinPool(in.Op, next.Op); conv != nil {
					in.Op = conv
					i++
				} else if grad := c.joinPoolGrad(in.Op, next.Op); grad != nil {
					in = backend.Instruction{Label: next.Label, Op: grad}
					i++
					number = i
				}
			}
		}
		joined.Code = append(joined.Code, in)
		c.numbers = append(c.numbers, number)
	}
	c.program = &joined
}

// sameMemory reports whether two operands are one array.
func sameMemory(a, b backend.View) bool {
	return a.Buffer == b.Buffer && a.Offset == b.Offset && a.Shape.Equal(b.Shape)
}

// joinPool returns a Conv2D and a MaxPool2D as one; nil where that cannot be.
func (c *compiler) joinPool(first, second backend.Op) backend.Op {
	conv, isConv := first.(*backend.Conv2D)
	pool, isPool := second.(*backend.MaxPool2D)
	if !isConv || !isPool || !sameMemory(pool.X, conv.Y) {
		return nil
	}
	for _, v := range []backend.View{conv.X, conv.W, conv.B} {
		if pool.Y.Overlaps(v) {
			return nil
		}
	}
	if !newPooling(pool.X, pool.Y, pool.KernelH, pool.KernelW, pool.Window).tiles() {
		return nil
	}
	if way, _ := c.convolutionWay(conv); way != gathered {
		return nil
	}
	v, places := c.forwardPlanes(conv), pool.Argmax.Present()
	if v == nil || !places && (!v.flat() || conv.Activation.Func != backend.ReLU) || !even(v.cut()) {
		return nil
	}
	return &pooledConv2D{*conv, *pool}
}

// joinPoolGrad returns a MaxPool2DGrad and a Conv2DFilterGrad as one; nil where that
// cannot be.
func (c *compiler) joinPoolGrad(first, second backend.Op) backend.Op {
	pool, isPool := first.(*backend.MaxPool2DGrad)
	conv, isConv := second.(*backend.Conv2DFilterGrad)
	if !isPool || !isConv || !sameMemory(pool.DX, conv.DY) || pool.Addend.Present() || pool.GradEpilogue.Output.Present() {
		return nil
	}
	if conv.DW.Overlaps(pool.DY) || conv.DB.Overlaps(pool.DY) {
		return nil
	}
	p := newPooling(pool.DX, pool.DY, pool.KernelH, pool.KernelW, pool.Window)
	if !p.tiles() || p.h%2 != 0 || p.w%2 != 0 {
		return nil
	}
	if way, _ := c.convolutionWay(conv); way != gathered {
		return nil
	}
	v := newPlanesGrad(c, conv, newFilterGrad(c, conv))
	if v == nil || !even(v.strips) {
		return nil
	}
	return &pooledFilterGrad{*pool, *conv}
}

// even reports whether strips have whole tiles.
func even(strips []strip) bool {
	for _, s := range strips {
		if s.rows%2 != 0 {
			return false
		}
	}
	return true
}

// pooledConv2D plans the two.
func (c *compiler) pooledConv2D(p *plan, o *pooledConv2D) {
	v := c.forwardPlanes(&o.Conv)
	v.pool = &o.Pool
	v.conv2D(c, p, &o.Conv, o.Pool.Y)
}

// pooledFilterGrad plans the two.
func (c *compiler) pooledFilterGrad(p *plan, o *pooledFilterGrad) {
	v := newPlanesGrad(c, &o.Conv, newFilterGrad(c, &o.Conv))
	v.plan(c, p, &o.Conv, &o.Pool)
}

// tiles are those of some rows, from row on, of an image of channels.
func tiles(row, rows, cols, channels int) vec.Windows {
	return vec.Windows{Rows: rows / 2, Cols: cols / 2, Channels: channels, Width: cols, StrideH: 2, StrideW: 2, Place: row * cols}
}

// poolPlanes takes the maxima of the sums of a strip and makes them pixels.
func (v *planes) poolPlanes(y, sums, maxima []float32, s *strip) {
	w := tiles(0, s.rows, v.cols, 1)
	w.Pitch = v.pitch
	n := w.Rows * w.Cols
	for lane := range v.lanes {
		v.vec.MaxPool2x2(maxima[lane*n:(lane+1)*n], nil, sums[lane*s.rows*v.pitch:], w)
	}
	v.vec.Interleave(y, maxima, v.bias, n, v.lanes, n, v.slope)
}
