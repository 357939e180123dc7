package reference

import "fovea/backend"

func pad(m *memory, o *backend.Pad) {
	y, x := m.floats(o.Y), m.floats(o.X)
	clear(y)
	copies(o.Padding, o.X.Shape, o.Y.Shape, func(padded, source int) { y[padded] = x[source] })
}

func padGrad(m *memory, o *backend.PadGrad) {
	dx, dy := m.floats(o.DX), m.floats(o.DY)
	g := make([]float64, len(dx))
	copies(o.Padding, o.DX.Shape, o.DY.Shape, func(padded, source int) { g[source] += dy[padded] })
	m.finish(dx, g, o.GradEpilogue)
}

// copies calls f for the elements of the padded images in row-major order, with
// the element of the original that each is a copy of; zeros are left out.
func copies(p backend.Padding, small, large backend.Shape, f func(padded, source int)) {
	n, h, w, c := large[0], large[1], large[2], large[3]
	for image := range n {
		for i := range h {
			row := p.Mode.Source(i-p.Top, small[1])
			for j := range w {
				col := p.Mode.Source(j-p.Left, small[2])
				if row < 0 || col < 0 {
					continue
				}
				for k := range c {
					f(((image*h+i)*w+j)*c+k, ((image*small[1]+row)*small[2]+col)*c+k)
				}
			}
		}
	}
}
