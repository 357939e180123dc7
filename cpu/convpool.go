package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// pooledConv2D is a Conv2D and the MaxPool2D that follows, as one instruction: the
// maxima are taken of planes, so that a quarter of the pixels is put together, and the
// convolution's output is never stored. Bias and ReLU come last, which gives the same
// bits, since both rise with their argument, and a ReLU knows one zero only.
type pooledConv2D struct {
	Conv backend.Conv2D
	Pool backend.MaxPool2D
}

// Kind implements backend.Op.
func (o *pooledConv2D) Kind() string { return o.Conv.Kind() + "+" + o.Pool.Kind() }

// Operands implements backend.Op.
func (o *pooledConv2D) Operands() []backend.Operand {
	return append(o.Pool.Operands()[:1:1], o.Conv.Operands()[1:]...)
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

// joinPools returns a Program that does the same with fewer instructions: convolutions
// whose output goes to a pooling and nowhere else are joined with it.
func (c *compiler) joinPools(p *backend.Program) *backend.Program {
	uses := make([]int, len(p.Buffers))
	for _, in := range p.Code {
		for _, o := range in.Op.Operands() {
			uses[o.View.Buffer]++
		}
	}
	joined := *p
	joined.Code = nil
	for i := 0; i < len(p.Code); i++ {
		in := p.Code[i]
		if i+1 < len(p.Code) {
			conv, isConv := in.Op.(*backend.Conv2D)
			pool, isPool := p.Code[i+1].Op.(*backend.MaxPool2D)
			if isConv && isPool && p.Buffers[conv.Y.Buffer].Kind == backend.Scratch && uses[conv.Y.Buffer] == 2 && c.joins(conv, pool) {
				in.Op = &pooledConv2D{*conv, *pool}
				i++
			}
		}
		joined.Code = append(joined.Code, in)
	}
	return &joined
}

// joins reports whether a convolution, whose output nobody else reads, and a pooling can
// be one instruction.
func (c *compiler) joins(conv *backend.Conv2D, pool *backend.MaxPool2D) bool {
	x, y := pool.X, conv.Y
	if x.Buffer != y.Buffer || x.Offset != y.Offset || !x.Shape.Equal(y.Shape) || pool.Argmax.Present() || conv.Activation.Func != backend.ReLU ||
		pool.Y.Overlaps(conv.X) || pool.Y.Overlaps(conv.W) || pool.Y.Overlaps(conv.B) {
		return false
	}
	if !newPooling(pool.X, pool.Y, pool.KernelH, pool.KernelW, pool.Window).tiles() {
		return false
	}
	if way, _ := c.convolutionWay(conv); way != gathered {
		return false
	}
	v := c.forwardPlanes(conv)
	if v == nil || !v.flat() {
		return false
	}
	for _, s := range v.cut() {
		if s.rows%2 != 0 {
			return false
		}
	}
	return true
}

// pooledConv2D plans the two.
func (c *compiler) pooledConv2D(p *plan, o *pooledConv2D) {
	v := c.forwardPlanes(&o.Conv)
	v.pools = true
	v.conv2D(c, p, &o.Conv, o.Pool.Y)
}

// pool takes the maxima of the sums of a strip and makes them pixels.
func (v *planes) pool(y, sums, maxima []float32, s *strip) {
	w := vec.Windows{Rows: s.rows / 2, Cols: v.cols / 2, Channels: 1, Width: v.pitch, StrideH: 2, StrideW: 2}
	n := w.Rows * w.Cols
	for lane := range v.lanes {
		v.vec.MaxPool2x2(maxima[lane*n:(lane+1)*n], nil, sums[lane*s.rows*v.pitch:], w)
	}
	v.vec.Interleave(y, maxima, v.bias, n, v.lanes, n, v.slope)
}
