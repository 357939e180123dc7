package reference

import (
	"math"

	"fovea/backend"
)

func softmax(m *memory, o *backend.Softmax) {
	y, x := m.floats(o.Y), m.floats(o.X)
	n, c := rows(o.X.Shape)
	for i := range n {
		in, out := x[i*c:(i+1)*c], y[i*c:(i+1)*c]
		if o.Log {
			copy(out, logSoftmax(in))
		} else {
			copy(out, probabilities(in))
		}
	}
}

// exponentials returns exp(z − m) of a row with the maximum m, and their sum.
func exponentials(z []float64) (e []float64, m, sum float64) {
	m = z[0]
	for _, v := range z {
		if beats(v, m) {
			m = v
		}
	}
	e = make([]float64, len(z))
	for i, v := range z {
		e[i] = math.Exp(v - m)
		sum += e[i]
	}
	return e, m, sum
}

// probabilities returns the softmax of a row.
func probabilities(z []float64) []float64 {
	e, _, sum := exponentials(z)
	for i := range e {
		e[i] /= sum
	}
	return e
}

// logSoftmax returns the logarithm of the softmax of a row.
func logSoftmax(z []float64) []float64 {
	y, m, sum := exponentials(z)
	for i, v := range z {
		y[i] = v - m - math.Log(sum)
	}
	return y
}

func softmaxGrad(m *memory, o *backend.SoftmaxGrad) {
	dx, dy, y := m.floats(o.DX), m.floats(o.DY), m.floats(o.Y)
	g := make([]float64, len(dx))
	n, c := rows(o.DX.Shape)
	for i := range n {
		g, dy, y := g[i*c:(i+1)*c], dy[i*c:(i+1)*c], y[i*c:(i+1)*c]
		var sum float64
		for k := range c {
			if o.Log {
				sum += dy[k]
			} else {
				sum += dy[k] * y[k]
			}
		}
		for j := range c {
			if o.Log {
				g[j] = dy[j] - math.Exp(y[j])*sum
			} else {
				g[j] = y[j] * (dy[j] - sum)
			}
		}
	}
	m.finish(dx, g, o.GradEpilogue)
}

func maxout(m *memory, o *backend.Maxout) {
	y, argmax, x := m.floats(o.Y), m.ints(o.Argmax), m.floats(o.X)
	for i := range y {
		group := x[i*o.Pieces : (i+1)*o.Pieces]
		best := 0
		for k, v := range group {
			if beats(v, group[best]) {
				best = k
			}
		}
		y[i] = group[best]
		if argmax != nil {
			argmax[i] = int32(best)
		}
	}
}

func maxoutGrad(m *memory, o *backend.MaxoutGrad) {
	dx, dy, argmax := m.floats(o.DX), m.floats(o.DY), m.ints(o.Argmax)
	g := make([]float64, len(dx))
	for i, d := range dy {
		for k := range o.Pieces {
			if int(argmax[i]) == k {
				g[i*o.Pieces+k] = d
			}
		}
	}
	m.finish(dx, g, o.GradEpilogue)
}
