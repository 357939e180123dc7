package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

// channels is an array seen as rows of channels.
type channels struct{ rows, channels int }

func newChannels(s backend.Shape) channels {
	c := s[len(s)-1]
	return channels{s.Elements() / c, c}
}

const (
	// rowsPerLane is what a lane adds up at least before another slice is worth it:
	// below that, one launch does everything.
	rowsPerLane = 32
	// mostSlices bounds the time that adding them up takes.
	mostSlices = 256
	// rowsApplied is how many rows a lane normalises.
	rowsApplied = 8
	// mostSlicesAcross is the limit of a grid.
	mostSlicesAcross = 1<<16 - 1
)

// columns is how many threads of a block lie along the channels, if each has `width`
// of them.
func (c channels) columns(width int) int {
	return min(powerOfTwo((c.channels+width-1)/width), 32/width)
}

// geometry cuts the rows into chunks.
func (c channels) geometry(chunk, width int) kernels.Channels {
	return kernels.Channels{Rows: int32(c.rows), Channels: int32(c.channels), Columns: int32(c.columns(width)), Chunk: int32(chunk)}
}

// node launches a kernel whose threads have `width` channels each.
func (c channels) node(g kernels.Channels, width int, call kernels.Call) Node {
	return Launch{
		Call:  call,
		Grid:  [3]uint32{blocks(c.channels, int(g.Columns)*width), blocks(c.rows, int(g.Chunk)), 1},
		Block: [3]uint32{kernels.NormThreads, 1, 1},
	}
}

// sums cuts the rows into slices that are added up on their own. It follows from the
// shape alone.
func (c channels) sums() (g kernels.Channels, slices int) {
	columns := c.columns(1)
	lanes := kernels.NormThreads / columns
	groups := (c.channels + columns - 1) / columns
	slices = max(1, min(c.rows/(lanes*rowsPerLane), busyBlocks/groups, mostSlices))
	chunk := (c.rows + slices - 1) / slices
	return c.geometry(chunk, 1), (c.rows + chunk - 1) / chunk
}

// second sees the results of the slices as rows, which one block adds up.
func (c channels) second(slices int) (channels, kernels.Channels) {
	s := channels{slices, c.channels}
	return s, s.geometry(slices, 1)
}

// apply is the geometry of launches that make each row on its own.
func (c channels) apply(vector int32) (g kernels.Channels, width int) {
	width = 1
	if vector != 0 {
		width = 4
	}
	lanes := kernels.NormThreads / c.columns(width)
	return c.geometry(max(lanes*rowsApplied, (c.rows+mostSlicesAcross-1)/mostSlicesAcross), width), width
}

// normalise launches y = σ(gamma·(x − mean)/√(variance + ε) + beta).
func (c channels) normalise(m Memory, y, x, gamma, beta, mean, variance backend.View, epsilon float64, f backend.Activation) Node {
	to, from := m.Address(y), m.Address(x)
	scale, shift, mu, v := m.Address(gamma), m.Address(beta), m.Address(mean), m.Address(variance)
	vector := rowVector(c.channels, 4, to, from, scale, shift, mu, v)
	g, width := c.apply(vector)
	return c.node(g, width, kernels.BatchNormApply(to, from, scale, shift, mu, v, g, float32(epsilon), activation(f), vector))
}

func (l *lowering) batchNorm(o *backend.BatchNorm) (Work, error) {
	c := newChannels(o.X.Shape)
	g, slices := c.sums()
	if slices == 1 {
		return emit(func(m Memory) []Node {
			return []Node{c.node(g, 1, kernels.BatchNorm(m.Address(o.Y), m.Address(o.Mean), m.Address(o.Variance),
				m.Address(o.X), m.Address(o.Gamma), m.Address(o.Beta), g, float32(o.Epsilon)))}
		})
	}
	rest, r := c.second(slices)
	return Work{
		Workspace: slices * 3 * c.channels * 4,
		Emit: func(m Memory, partial kernels.Pointer) []Node {
			return []Node{
				c.node(g, 1, kernels.BatchNormSlices(partial, m.Address(o.X), g)),
				rest.node(r, 1, kernels.BatchNormStatistics(m.Address(o.Mean), m.Address(o.Variance), partial, r, float32(c.rows))),
				c.normalise(m, o.Y, o.X, o.Gamma, o.Beta, o.Mean, o.Variance, o.Epsilon, backend.Activation{}),
			}
		},
	}, nil
}

func (l *lowering) batchNormInference(o *backend.BatchNormInference) (Work, error) {
	c := newChannels(o.X.Shape)
	return emit(func(m Memory) []Node {
		return []Node{c.normalise(m, o.Y, o.X, o.Gamma, o.Beta, o.Mean, o.Variance, o.Epsilon, o.Activation)}
	})
}

func (l *lowering) batchNormGrad(o *backend.BatchNormGrad) (Work, error) {
	c := newChannels(o.X.Shape)
	g, slices := c.sums()
	epsilon, accumulate := float32(o.Epsilon), flag(o.Accumulate)
	if slices == 1 {
		return emit(func(m Memory) []Node {
			return []Node{c.node(g, 1, kernels.BatchNormGrad(m.Address(o.DX), m.Address(o.DGamma), m.Address(o.DBeta), m.Address(o.DY),
				m.Address(o.X), m.Address(o.Gamma), m.Address(o.Mean), m.Address(o.Variance), g, epsilon, accumulate, epilogue(m, &o.GradEpilogue)))}
		})
	}
	rest, r := c.second(slices)
	return Work{
		Workspace: (slices + 1) * 2 * c.channels * 4,
		Emit: func(m Memory, sums kernels.Pointer) []Node {
			partial := sums + kernels.Pointer(2*c.channels*4)
			dx, dy, x, e := m.Address(o.DX), m.Address(o.DY), m.Address(o.X), epilogue(m, &o.GradEpilogue)
			gamma, mean, variance := m.Address(o.Gamma), m.Address(o.Mean), m.Address(o.Variance)
			vector := rowVector(c.channels, 4, dx, dy, x, e.Addend, e.Output, gamma, mean, variance, sums)
			apply, width := c.apply(vector)
			return []Node{
				c.node(g, 1, kernels.BatchNormGradSlices(partial, dy, x, mean, variance, g, epsilon)),
				rest.node(r, 1, kernels.BatchNormGradSums(sums, m.Address(o.DGamma), m.Address(o.DBeta), partial, r, accumulate)),
				c.node(apply, width, kernels.BatchNormGradApply(dx, dy, x, gamma, mean, variance, sums, apply, float32(c.rows), epsilon, e, vector)),
			}
		},
	}, nil
}
