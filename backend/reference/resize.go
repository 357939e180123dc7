package reference

import "fovea/backend"

func resize(m *memory, o *backend.Resize) {
	y, x := m.floats(o.Y), m.floats(o.X)
	clear(y)
	weights(o.Mode, o.X.Shape, o.Y.Shape, func(resized, source int, weight float64) { y[resized] += weight * x[source] })
}

func resizeGrad(m *memory, o *backend.ResizeGrad) {
	dx, dy := m.floats(o.DX), m.floats(o.DY)
	g := make([]float64, len(dx))
	weights(o.Mode, o.DX.Shape, o.DY.Shape, func(resized, source int, weight float64) { g[source] += weight * dy[resized] })
	m.finish(dx, g, o.GradEpilogue)
}

// weights calls f for each pair of an element of the resized images, in row-major
// order, and an element that it is made of, with the weight of the latter.
func weights(mode backend.ResizeMode, from, to backend.Shape, f func(resized, source int, weight float64)) {
	down, across := backend.ResizeTaps(mode, from[1], to[1]), backend.ResizeTaps(mode, from[2], to[2])
	c := to[3]
	for image := range to[0] {
		for i, vertical := range down {
			for j, horizontal := range across {
				for k := range c {
					resized := ((image*to[1]+i)*to[2]+j)*c + k
					for _, a := range vertical {
						for _, b := range horizontal {
							f(resized, ((image*from[1]+a.Source)*from[2]+b.Source)*c+k, a.Weight*b.Weight)
						}
					}
				}
			}
		}
	}
}
