package reference

import "fovea/backend"

func reduce(m *memory, o *backend.Reduce) {
	x := m.floats(o.X)
	at := broadcast(o.Y.Shape, o.X.Shape)
	switch o.Func {
	case backend.Sum, backend.Mean:
		y := m.floats(o.Y)
		sum := make([]float64, len(y))
		for i, v := range x {
			sum[at[i]] += v
		}
		if o.Func == backend.Mean {
			for i := range sum {
				sum[i] /= float64(len(x) / len(y))
			}
		}
		store(y, sum, o.Accumulate)
	case backend.ReduceMax:
		y := m.floats(o.Y)
		for i, p := range winners(x, at, len(y)) {
			y[i] = x[p]
		}
	case backend.ReduceArgmax:
		y := m.ints(o.Y)
		place := places(at, len(y))
		for i, p := range winners(x, at, len(y)) {
			y[i] = int32(place[p])
		}
	}
}

// winners returns the element of x that is the maximum of those that become each
// of n results.
func winners(x []float64, at []int, n int) []int {
	best := make([]int, n)
	for i := range best {
		best[i] = -1
	}
	for i, v := range x {
		if b := best[at[i]]; b < 0 || beats(v, x[b]) {
			best[at[i]] = i
		}
	}
	return best
}

// places returns, for each element that becomes one of n results, how many before
// it become the same.
func places(at []int, n int) []int {
	count := make([]int, n)
	place := make([]int, len(at))
	for i, p := range at {
		place[i] = count[p]
		count[p]++
	}
	return place
}

func reduceMaxGrad(m *memory, o *backend.ReduceMaxGrad) {
	dx, dy, argmax := m.floats(o.DX), m.floats(o.DY), m.ints(o.Argmax)
	at := broadcast(o.DY.Shape, o.DX.Shape)
	g := make([]float64, len(dx))
	for i, place := range places(at, len(dy)) {
		if int(argmax[at[i]]) == place {
			g[i] = dy[at[i]]
		}
	}
	m.finish(dx, g, o.GradEpilogue)
}
