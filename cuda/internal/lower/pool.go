package lower

import (
	"fmt"

	"fovea/backend"
	"fovea/kernels"
)

// pooling is the geometry of a pooling Op of images x with windows y.
type pooling struct {
	x, y   backend.Shape
	kh, kw int
	backend.Window
	divisor float32 // as in kernels.Pooling
}

// newPooling refuses padded images that 32-bit positions do not reach beyond.
func newPooling(op backend.Op, x, y backend.View, kh, kw int, win backend.Window) (pooling, error) {
	p := pooling{x: x.Shape, y: y.Shape, kh: kh, kw: kw, Window: win}
	h, w := p.x[1]+p.PadTop+p.PadBottom, p.x[2]+p.PadLeft+p.PadRight
	if h > 1<<31-1 || w > 1<<31-1 {
		return p, fmt.Errorf("cuda: %s: %w: padded images of %d×%d, expected at most 2³¹−1 rows and columns", op.Kind(), backend.ErrUnsupported, h, w)
	}
	return p, nil
}

// average makes it a mean.
func (p pooling) average(countPadding bool) pooling {
	if countPadding {
		p.divisor = float32(p.kh * p.kw)
	}
	return p
}

// argument describes the pooling to a kernel that makes an array of the given shape,
// x or y.
func (p pooling) argument(result backend.Shape) kernels.Pooling {
	return kernels.Pooling{
		Height: int32(p.x[1]), Width: int32(p.x[2]), OutHeight: int32(p.y[1]), OutWidth: int32(p.y[2]),
		KernelHeight: int32(p.kh), KernelWidth: int32(p.kw),
		Down: divisor(p.StrideH), Across: divisor(p.StrideW),
		DilationHeight: divisor(p.DilationH), DilationWidth: divisor(p.DilationW),
		Top: int32(p.PadTop), Left: int32(p.PadLeft),
		Rows: divisor(result[1]), Columns: divisor(result[2]), Channels: divisor(result[3]),
		Divisor: p.divisor,
	}
}

// global reports whether the one window is the image, so that pooling is a
// reduction.
func (p pooling) global() bool {
	return p.kh == p.x[1] && p.kw == p.x[2] && p.y[1] == 1 && p.y[2] == 1 && p.PadTop == 0 && p.PadLeft == 0
}

// walks lead through the images and channels, and through the pixels.
func (p pooling) walks() (kept, reduced *walk) {
	n, h, w, c := p.x[0], p.x[1], p.x[2], p.x[3]
	return newWalk(backend.Shape{n, c}, []int{h * w * c, 1}), newWalk(backend.Shape{h * w}, []int{c})
}

const (
	// busyThreads keep a large device busy; with fewer windows than that, several
	// threads share one.
	busyThreads = 1 << 16
	// Each has this many pixels at least.
	pixelsPerThread = 4
)

// lanes is how many threads share a window: a power of two.
func (p pooling) lanes() int {
	windows, pixels := p.y.Elements(), min(p.kh, p.x[1])*min(p.kw, p.x[2])
	most := kernels.PoolThreads / min(powerOfTwo(p.y[3]), 32) // neighbours lie along the channels
	lanes := 1
	for lanes < most && windows*lanes < busyThreads && pixels >= 2*lanes*pixelsPerThread {
		lanes *= 2
	}
	return lanes
}

// shared launches a kernel whose threads share windows.
func (p pooling) shared(lanes int, call kernels.Call) Node {
	return Launch{
		Call:  call,
		Grid:  [3]uint32{blocks(p.y.Elements(), kernels.PoolThreads/lanes), 1, 1},
		Block: [3]uint32{kernels.PoolThreads, 1, 1},
	}
}

func (l *lowering) maxPool(o *backend.MaxPool2D) (Work, error) {
	p, err := newPooling(o, o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	if err != nil {
		return Work{}, err
	}
	if p.global() {
		kept, reduced := p.walks()
		return l.largest(o, o.Y, o.Argmax, o.X, kept, reduced)
	}
	n, lanes := int32(p.y.Elements()), p.lanes()
	return emit(func(m Memory) []Node {
		y, argmax, x := m.Address(o.Y), m.Address(o.Argmax), m.Address(o.X)
		if lanes > 1 {
			return []Node{p.shared(lanes, kernels.MaxPoolShared(y, argmax, x, n, p.argument(p.y), int32(lanes)))}
		}
		return []Node{elements(int(n), kernels.MaxPool(y, argmax, x, n, p.argument(p.y), rowVector(p.y[3], 4, y, argmax, x)))}
	})
}

func (l *lowering) maxPoolGrad(o *backend.MaxPool2DGrad) (Work, error) {
	p, err := newPooling(o, o.DX, o.DY, o.KernelH, o.KernelW, o.Window)
	if err != nil {
		return Work{}, err
	}
	n := p.x.Elements()
	return emit(func(m Memory) []Node {
		dx, dy, argmax, e := m.Address(o.DX), m.Address(o.DY), m.Address(o.Argmax), epilogue(m, &o.GradEpilogue)
		vector := rowVector(p.x[3], 4, dx, dy, argmax, e.Addend, e.Output)
		return []Node{elements(n, kernels.MaxPoolGrad(dx, dy, argmax, int32(n), p.argument(p.x), e, vector))}
	})
}

func (l *lowering) averagePool(o *backend.AvgPool2D) (Work, error) {
	p, err := newPooling(o, o.X, o.Y, o.KernelH, o.KernelW, o.Window)
	if err != nil {
		return Work{}, err
	}
	if p.global() {
		return l.reduce(&backend.Reduce{Y: o.Y, X: o.X, Func: backend.Mean, Axes: []int{1, 2}})
	}
	p = p.average(o.CountPadding)
	n, lanes := int32(p.y.Elements()), p.lanes()
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		if lanes > 1 {
			return []Node{p.shared(lanes, kernels.AveragePoolShared(y, x, n, p.argument(p.y), int32(lanes)))}
		}
		return []Node{elements(int(n), kernels.AveragePool(y, x, n, p.argument(p.y), rowVector(p.y[3], 4, y, x)))}
	})
}

func (l *lowering) averagePoolGrad(o *backend.AvgPool2DGrad) (Work, error) {
	p, err := newPooling(o, o.DX, o.DY, o.KernelH, o.KernelW, o.Window)
	if err != nil {
		return Work{}, err
	}
	p = p.average(o.CountPadding)
	n := p.x.Elements()
	return emit(func(m Memory) []Node {
		dx, dy, e := m.Address(o.DX), m.Address(o.DY), epilogue(m, &o.GradEpilogue)
		return []Node{elements(n, kernels.AveragePoolGrad(dx, dy, int32(n), p.argument(p.x), e, rowVector(p.x[3], 4, dx, dy, e.Addend, e.Output)))}
	})
}
