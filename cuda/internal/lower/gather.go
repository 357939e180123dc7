package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

func (l *lowering) gather(o *backend.Gather) (Work, error) {
	n, rows := o.Y.Shape.Elements(), o.X.Shape[0]
	length := o.X.Shape.Elements() / rows
	if o.Y.DType != o.X.DType {
		return l.convertBytes(o.Y, o.X, o.Indices, o.Scale, o.Shift, rows, length)
	}
	size := o.X.DType.Size()
	kernel := kernels.GatherWords
	if size == 1 {
		kernel = kernels.GatherBytes
	}
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		return []Node{elements(n, kernel(y, x, m.Address(o.Indices), int32(n), int32(rows), divisor(length), rowVector(length, size, y, x)))}
	})
}

// rowVector is 1 if rows of the given length can be moved four elements at a time.
func rowVector(length, size int, addresses ...kernels.Pointer) int32 {
	if length%4 != 0 {
		return 0
	}
	for _, a := range addresses {
		if a%kernels.Pointer(4*size) != 0 {
			return 0
		}
	}
	return 1
}

func (l *lowering) convert(o *backend.Convert) (Work, error) {
	n := o.Y.Shape.Elements()
	if o.X.DType == backend.Uint8 {
		return l.convertBytes(o.Y, o.X, backend.View{}, o.Scale, o.Shift, 1, n)
	}
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		return []Node{elements(n, kernels.ConvertInts(y, x, int32(n), aligned(y, x)))}
	})
}

// convertBytes makes float of the rows of x that indices name, or of all in order.
func (l *lowering) convertBytes(yView, xView, indices, scale, shift backend.View, rows, length int) (Work, error) {
	n, channels := yView.Shape.Elements(), 1
	if scale.Present() {
		channels = scale.Shape.Elements()
	}
	return emit(func(m Memory) []Node {
		y, x := m.Address(yView), m.Address(xView)
		vector := aligned(y)
		if x%4 != 0 || indices.Present() && length%4 != 0 {
			vector = 0
		}
		return []Node{elements(n, kernels.ConvertBytes(y, x, m.Address(indices), m.Address(scale), m.Address(shift),
			int32(n), int32(rows), divisor(length), divisor(channels), vector))}
	})
}

func (l *lowering) scatterAdd(o *backend.ScatterAdd) (Work, error) {
	count, rows := o.Indices.Shape[0], o.Y.Shape[0]
	length := o.Y.Shape.Elements() / rows
	columnBlocks := blocks(length, kernels.ScatterThreads)
	return emit(func(m Memory) []Node {
		return []Node{Launch{
			Call:  kernels.ScatterAdd(m.Address(o.Y), m.Address(o.X), m.Address(o.Indices), int32(count), int32(length), divisor(int(columnBlocks))),
			Grid:  [3]uint32{uint32(rows) * columnBlocks, 1, 1},
			Block: [3]uint32{kernels.ScatterThreads, 1, 1},
		}}
	})
}
