package lower

import (
	"math"
	"slices"

	"fovea/backend"
	"fovea/kernels"
)

func (l *lowering) fill(o *backend.Fill) (Work, error) {
	value := math.Float32bits(float32(o.Value))
	if o.Y.DType == backend.Int32 {
		value = uint32(int32(o.Value))
	}
	return emit(func(m Memory) []Node {
		return []Node{Memset{Address: m.Address(o.Y), Bytes: o.Y.Bytes(), Value: value}}
	})
}

// move is the copy of elements between two arrays of one type that a walk leads
// through, y first.
type move struct {
	w    *walk
	s    kernels.Strided
	size int // bytes of an element
	n    int
}

func newMove(op backend.Op, t backend.DType, w *walk) (move, error) {
	v := move{w: w, size: t.Size(), n: 1}
	for _, d := range w.extent {
		v.n *= d
	}
	var err error
	v.s, err = w.strided(op)
	return v, err
}

// node moves from and to arrays that begin at the given addresses.
func (v move) node(y, x kernels.Pointer) Node {
	if v.w.dense() {
		return Copy{To: y, From: x, Bytes: v.n * v.size}
	}
	kernel := kernels.MoveWords
	if v.size == 1 {
		kernel = kernels.MoveBytes
	}
	return elements(v.n, kernel(y, x, int32(v.n), v.s, v.w.vector(v.size, y, y, x)))
}

func (l *lowering) copy(o *backend.Copy) (Work, error) {
	y := o.Y.Shape
	v, err := newMove(o, o.Y.DType, newWalk(y, y.Strides(), backend.BroadcastStrides(o.X.Shape, y)))
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node { return []Node{v.node(m.Address(o.Y), m.Address(o.X))} })
}

// skip is the distance in bytes from the start of an array to an element.
func skip(v backend.View, start []int) kernels.Pointer {
	n := 0
	for axis, stride := range v.Shape.Strides() {
		n += start[axis] * stride
	}
	return kernels.Pointer(n * v.DType.Size())
}

func (l *lowering) slice(o *backend.Slice) (Work, error) {
	v, err := newMove(o, o.Y.DType, newWalk(o.Y.Shape, o.Y.Shape.Strides(), o.X.Shape.Strides()))
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node { return []Node{v.node(m.Address(o.Y), m.Address(o.X)+skip(o.X, o.Start))} })
}

func (l *lowering) embed(o *backend.Embed) (Work, error) {
	v, err := newMove(o, o.Y.DType, newWalk(o.X.Shape, o.Y.Shape.Strides(), o.X.Shape.Strides()))
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node {
		y := m.Address(o.Y)
		put := v.node(y+skip(o.Y, o.Start), m.Address(o.X))
		if o.X.Shape.Equal(o.Y.Shape) {
			return []Node{put}
		}
		return []Node{Memset{Address: y, Bytes: o.Y.Bytes()}, put}
	})
}

func (l *lowering) concatenate(o *backend.Concatenate) (Work, error) {
	moves := make([]move, len(o.Xs))
	places := make([]kernels.Pointer, len(o.Xs))
	start := make([]int, len(o.Y.Shape))
	for i, x := range o.Xs {
		var err error
		if moves[i], err = newMove(o, x.DType, newWalk(x.Shape, o.Y.Shape.Strides(), x.Shape.Strides())); err != nil {
			return Work{}, err
		}
		places[i] = skip(o.Y, start)
		start[o.Axis] += x.Shape[o.Axis]
	}
	return emit(func(m Memory) []Node {
		nodes := make([]Node, len(moves))
		for i, v := range moves {
			nodes[i] = v.node(m.Address(o.Y)+places[i], m.Address(o.Xs[i]))
		}
		return nodes
	})
}

// leastTile is the side of a matrix below which moving tiles of it wastes more than
// it saves.
const leastTile = 8

func (l *lowering) transpose(o *backend.Transpose) (Work, error) {
	own := o.X.Shape.Strides()
	from := make([]int, len(own))
	for axis, p := range o.Perm {
		from[axis] = own[p]
	}
	w := newWalk(o.Y.Shape, o.Y.Shape.Strides(), from)
	// The innermost axis of X, which is not that of Y.
	u := slices.Index(w.strides[1], 1)
	if u > 0 && w.extent[0] >= leastTile && w.extent[u] >= leastTile {
		return l.transposeTiles(o, w, u)
	}
	v, err := newMove(o, o.Y.DType, w)
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node { return []Node{v.node(m.Address(o.Y), m.Address(o.X))} })
}

// transposeTiles transposes the matrices of a walk's axes u and 0.
func (l *lowering) transposeTiles(o *backend.Transpose, w *walk, u int) (Work, error) {
	rows, columns := w.extent[u], w.extent[0]
	yStride, xStride := w.strides[0][u], w.strides[1][0]
	batch := &walk{strides: [][]int{nil, nil}}
	matrices := 1
	for axis, n := range w.extent {
		if axis == 0 || axis == u {
			continue
		}
		matrices *= n
		batch.extent = append(batch.extent, n)
		for i := range batch.strides {
			batch.strides[i] = append(batch.strides[i], w.strides[i][axis])
		}
	}
	if batch.extent == nil {
		batch = newWalk(nil, nil, nil)
	}
	s, err := batch.strided(o)
	if err != nil {
		return Work{}, err
	}
	across := int(blocks(columns, kernels.TileSide))
	tiles := int(blocks(rows, kernels.TileSide)) * across
	kernel := kernels.TransposeWords
	if o.Y.DType.Size() == 1 {
		kernel = kernels.TransposeBytes
	}
	return emit(func(m Memory) []Node {
		return []Node{Launch{
			Call: kernel(m.Address(o.Y), m.Address(o.X), int32(rows), int32(columns), int32(yStride), int32(xStride),
				divisor(tiles), divisor(across), s),
			Grid:  [3]uint32{uint32(matrices * tiles), 1, 1},
			Block: [3]uint32{kernels.TileSide, kernels.TileRows, 1},
		}}
	})
}
