package reference

import "fovea/backend"

func fill(m *memory, o *backend.Fill) {
	if o.Y.DType == backend.Int32 {
		y := m.ints(o.Y)
		for i := range y {
			y[i] = int32(o.Value)
		}
		return
	}
	y := m.floats(o.Y)
	for i := range y {
		y[i] = o.Value
	}
}

// move copies elements between arrays of one type: y[yAt[i]] = x[xAt[i]], where
// nil positions are the array's own order.
func (m *memory) move(y, x backend.View, yAt, xAt []int) {
	switch y.DType {
	case backend.Float32:
		place(m.floats(y), m.floats(x), yAt, xAt)
	case backend.Int32:
		place(m.ints(y), m.ints(x), yAt, xAt)
	case backend.Uint8:
		place(m.bytes(y), m.bytes(x), yAt, xAt)
	}
}

func place[T any](y, x []T, yAt, xAt []int) {
	n := len(y)
	if yAt != nil {
		n = len(yAt)
	}
	for i := range n {
		to, from := i, i
		if yAt != nil {
			to = yAt[i]
		}
		if xAt != nil {
			from = xAt[i]
		}
		y[to] = x[from]
	}
}

func copyOf(m *memory, o *backend.Copy) { m.move(o.Y, o.X, nil, broadcast(o.X.Shape, o.Y.Shape)) }

// box lists where the elements of a box lie in the array around it.
func box(inner, outer backend.Shape, start []int) []int {
	strides := outer.Strides()
	base := 0
	for i, s := range start {
		base += s * strides[i]
	}
	return positions(inner, strides, base)
}

func slice(m *memory, o *backend.Slice) {
	m.move(o.Y, o.X, nil, box(o.Y.Shape, o.X.Shape, o.Start))
}

func embed(m *memory, o *backend.Embed) {
	clear(m.floats(o.Y))
	m.move(o.Y, o.X, box(o.X.Shape, o.Y.Shape, o.Start), nil)
}

func concatenate(m *memory, o *backend.Concatenate) {
	start := make([]int, len(o.Y.Shape))
	for _, x := range o.Xs {
		m.move(o.Y, x, box(x.Shape, o.Y.Shape, start), nil)
		start[o.Axis] += x.Shape[o.Axis]
	}
}

func transpose(m *memory, o *backend.Transpose) {
	own := o.X.Shape.Strides()
	strides := make([]int, len(own))
	for i, p := range o.Perm {
		strides[i] = own[p]
	}
	m.move(o.Y, o.X, nil, positions(o.Y.Shape, strides, 0))
}

func gather(m *memory, o *backend.Gather) error {
	indices, err := m.indices("Indices", o.Indices, o.X.Shape[0])
	if err != nil {
		return err
	}
	n := o.X.Shape.Elements() / o.X.Shape[0]
	at := make([]int, 0, len(indices)*n)
	for _, r := range indices {
		for j := range n {
			at = append(at, int(r)*n+j)
		}
	}
	if o.Y.DType == o.X.DType {
		m.move(o.Y, o.X, nil, at)
		return nil
	}
	y, x := m.floats(o.Y), m.bytes(o.X)
	for i, p := range at {
		y[i] = float64(x[p])
	}
	affine(y, m.floats(o.Scale), m.floats(o.Shift))
	return nil
}

// affine scales and shifts each channel, if that is asked for.
func affine(y, scale, shift []float64) {
	if scale == nil {
		return
	}
	for i, v := range y {
		c := i % len(scale)
		y[i] = v*scale[c] + shift[c]
	}
}

func scatterAdd(m *memory, o *backend.ScatterAdd) error {
	indices, err := m.indices("Indices", o.Indices, o.Y.Shape[0])
	if err != nil {
		return err
	}
	y, x := m.floats(o.Y), m.floats(o.X)
	n := len(y) / o.Y.Shape[0]
	for i, r := range indices {
		for j := range n {
			y[int(r)*n+j] += x[i*n+j]
		}
	}
	return nil
}

func convert(m *memory, o *backend.Convert) {
	y := m.floats(o.Y)
	if o.X.DType == backend.Int32 {
		for i, v := range m.ints(o.X) {
			y[i] = float64(v)
		}
		return
	}
	for i, v := range m.bytes(o.X) {
		y[i] = float64(v)
	}
	affine(y, m.floats(o.Scale), m.floats(o.Shift))
}
