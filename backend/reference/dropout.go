package reference

import "fovea/backend"

func dropout(m *memory, o *backend.Dropout) {
	y, x := m.floats(o.Y), m.floats(o.X)
	keep := kept(m.ints(o.Draw), o.Stream, o.Rate, len(y))
	for i, v := range x {
		y[i] = 0
		if keep[i] {
			y[i] = v / (1 - o.Rate)
		}
	}
}

func dropoutGrad(m *memory, o *backend.DropoutGrad) {
	dx, dy := m.floats(o.DX), m.floats(o.DY)
	g := make([]float64, len(dx))
	for i, keep := range kept(m.ints(o.Draw), o.Stream, o.Rate, len(dx)) {
		if keep {
			g[i] = dy[i] / (1 - o.Rate)
		}
	}
	m.finish(dx, g, o.GradEpilogue)
}

// kept draws which of n elements stay.
func kept(draw []int32, stream uint32, rate float64, n int) []bool {
	seed := uint64(uint32(draw[0])) | uint64(uint32(draw[1]))<<32
	keep := make([]bool, n)
	for e := range keep {
		keep[e] = backend.Uniform(seed, uint64(e), stream, uint32(draw[2])) >= rate
	}
	return keep
}
