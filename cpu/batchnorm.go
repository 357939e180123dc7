package cpu

import (
	"math"

	"fovea/backend"
	"fovea/cpu/internal/vec"
)

// channels is the geometry of an array of values with channels along its last
// axis, worked on in chunks: several rows together, as one vector, so that few
// channels do not make short loops. Numbers of the channels are repeated to the
// length of a chunk.
type channels struct {
	rows, c int
	chunk   int // rows
}

// chunkLength is about how many elements a chunk has: a few of them fit into the
// first-level cache.
const chunkLength = 1024

func newChannels(s backend.Shape) channels {
	rows, c := matrix(s)
	return channels{rows, c, min(max(chunkLength/c, 1), rows)}
}

// length is the elements of a chunk.
func (v channels) length() int { return v.chunk * v.c }

// repeat fills x with its first c numbers, again and again.
func (v channels) repeat(x []float32) {
	for at := v.c; at < len(x); at += v.c {
		copy(x[at:], x[:v.c])
	}
}

// chunks calls f for pieces of the elements of rows lo to hi−1, each as long as a
// chunk but for the last: elements from to to−1.
func (v channels) chunks(lo, hi int, f func(from, to int)) {
	for r := lo; r < hi; r += v.chunk {
		f(r*v.c, min(r+v.chunk, hi)*v.c)
	}
}

// slices is how rows are cut for sums over them: by shape alone.
func (v channels) slices() (n, size int) {
	return cut(v.rows, max(grainFor(v.c), 256), 1)
}

func (c *compiler) batchNorm(p *plan, o *backend.BatchNorm) {
	v := newChannels(o.X.Shape)
	slices, _ := v.slices()
	sums := p.doubles(slices * v.c)
	means := p.doubles(v.c)
	factors := p.reserve(3, v.length(), 4) // −mean, scale, beta
	scratch := p.reserve(c.threads, 2*v.length(), 4)
	p.bind = func(work []byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		mean, variance, gamma, beta := c.floats(o.Mean), c.floats(o.Variance), c.floats(o.Gamma), c.floats(o.Beta)
		sums, means := in[float64](work, sums), in[float64](work, means)
		factors, scratch := each[float32](work, factors), each[float32](work, scratch)
		k := c.device.vec
		n := float64(v.rows)

		c.sumRows(v, sums, func(sum []float64, lo, hi, worker int) {
			columnSums(k, sum, x[lo*v.c:], hi-lo, v.c, scratch[worker])
		})
		c.once(func() {
			addSlices(sums, v.c)
			for j := range mean {
				means[j] = sums[j] / n
				mean[j] = float32(means[j])
				factors[0][j] = -mean[j]
			}
			v.repeat(factors[0])
		})
		c.sumRows(v, sums, func(sum []float64, lo, hi, worker int) {
			squares, row := scratch[worker][:v.length()], scratch[worker][v.length():]
			sumChunks(k, v, sum, lo, hi, row, func(from, to int) []float32 {
				d := squares[:to-from]
				k.Deviations(d, x[from:to], factors[0][:to-from])
				return d
			})
		})
		c.once(func() {
			addSlices(sums, v.c)
			for j := range variance {
				// The deviations were taken from the rounded mean.
				e := float64(mean[j]) - means[j]
				s := max(sums[j]/n-e*e, 0)
				if math.IsNaN(sums[j]) {
					s = math.NaN()
				}
				variance[j] = float32(s)
				factors[1][j] = float32(float64(gamma[j]) / math.Sqrt(s+o.Epsilon))
				factors[2][j] = beta[j]
			}
			v.repeat(factors[1])
			v.repeat(factors[2])
		})
		c.normalise(v, y, x, factors, activation{})
	}
}

// sumRows adds the step that takes sums over slices of the rows: f writes those
// of one slice.
func (c *compiler) sumRows(v channels, sums []float64, f func(sum []float64, lo, hi, worker int)) {
	parts, size := v.slices()
	c.parallel(parts, func(part, worker int) {
		f(sums[part*v.c:(part+1)*v.c], part*size, min((part+1)*size, v.rows), worker)
	})
}

// sumChunks sets sum to the column sums of the values that f computes for the
// chunks of rows lo to hi−1; row is scratch.
func sumChunks(k *vec.Kernel, v channels, sum []float64, lo, hi int, row []float32, f func(from, to int) []float32) {
	clear(sum)
	row = row[:v.c]
	v.chunks(lo, hi, func(from, to int) {
		clear(row)
		k.ColumnSums(row, f(from, to), (to-from)/v.c, v.c)
		for j, s := range row {
			sum[j] += float64(s)
		}
	})
}

// normalise adds the step y = σ((x + factors₀)·factors₁ + factors₂).
func (c *compiler) normalise(v channels, y, x []float32, factors [][]float32, a activation) {
	k := c.device.vec
	c.split(v.rows, grainFor(v.c*3), v.chunk, func(lo, hi, _ int) {
		v.chunks(lo, hi, func(from, to int) {
			out, n := y[from:to], to-from
			k.Normalize(out, x[from:to], factors[0][:n], factors[1][:n], factors[2][:n])
			a.apply(out)
		})
	})
}

func (c *compiler) batchNormInference(p *plan, o *backend.BatchNormInference) {
	v := newChannels(o.X.Shape)
	factors := p.reserve(3, v.length(), 4)
	p.bind = func(work []byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		mean, variance, gamma, beta := c.floats(o.Mean), c.floats(o.Variance), c.floats(o.Gamma), c.floats(o.Beta)
		factors := each[float32](work, factors)
		c.once(func() {
			for j := range mean {
				factors[0][j] = -mean[j]
				factors[1][j] = float32(float64(gamma[j]) / math.Sqrt(float64(variance[j])+o.Epsilon))
				factors[2][j] = beta[j]
			}
			for _, f := range factors {
				v.repeat(f)
			}
		})
		c.normalise(v, y, x, factors, c.activation(o.Activation))
	}
}

func (c *compiler) batchNormGrad(p *plan, o *backend.BatchNormGrad) {
	v := newChannels(o.X.Shape)
	slices, _ := v.slices()
	sumsA, sumsB := p.doubles(slices*v.c), p.doubles(slices*v.c)
	factors := p.reserve(5, v.length(), 4) // −mean, s, −a/R, −b/R, gamma·s
	scratch := p.reserve(c.threads, 3*v.length(), 4)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		dx, dgamma, dbeta, dy, x := c.floats(o.DX), c.floats(o.DGamma), c.floats(o.DBeta), c.floats(o.DY), c.floats(o.X)
		gamma, mean, variance := c.floats(o.Gamma), c.floats(o.Mean), c.floats(o.Variance)
		a, b := in[float64](work, sumsA), in[float64](work, sumsB)
		factors, scratch := each[float32](work, factors), each[float32](work, scratch)
		k, length := c.device.vec, v.length()

		c.once(func() {
			for j := range mean {
				s := 1 / math.Sqrt(float64(variance[j])+o.Epsilon)
				factors[0][j] = -mean[j]
				factors[1][j] = float32(s)
				factors[4][j] = float32(float64(gamma[j]) * s)
			}
			v.repeat(factors[0])
			v.repeat(factors[1])
			v.repeat(factors[4])
		})
		parts, size := v.slices()
		c.parallel(parts, func(part, worker int) {
			lo, hi := part*size, min((part+1)*size, v.rows)
			t, row := scratch[worker][:length], scratch[worker][length:]
			columnSums(k, b[part*v.c:(part+1)*v.c], dy[lo*v.c:], hi-lo, v.c, row)
			sumChunks(k, v, a[part*v.c:(part+1)*v.c], lo, hi, row, func(from, to int) []float32 {
				n := to - from
				k.NormalizedTimes(t[:n], x[from:to], factors[0][:n], factors[1][:n], dy[from:to])
				return t[:n]
			})
		})
		c.once(func() {
			addSlices(a, v.c)
			addSlices(b, v.c)
			n := float64(v.rows)
			for j := range mean {
				factors[2][j] = float32(-a[j] / n)
				factors[3][j] = float32(-b[j] / n)
			}
			v.repeat(factors[2])
			v.repeat(factors[3])
			if dgamma != nil {
				store(dgamma, a, o.Accumulate)
				store(dbeta, b, o.Accumulate)
			}
		})
		c.split(v.rows, grainFor(v.c*6), v.chunk, func(lo, hi, _ int) {
			v.chunks(lo, hi, func(from, to int) {
				g, n := dx[from:to], to-from
				k.NormalizeGrad(g, dy[from:to], x[from:to], factors[0][:n], factors[1][:n], factors[2][:n], factors[3][:n], factors[4][:n])
				epilogue.apply(g, from)
			})
		})
	}
}

// store writes sums to y, or adds them to it.
func store(y []float32, sums []float64, accumulate bool) {
	for i := range y {
		s := sums[i]
		if accumulate {
			s += float64(y[i])
		}
		y[i] = float32(s)
	}
}

func (c *compiler) movingAverage(p *plan, o *backend.MovingAverage) {
	p.bind = func([]byte) {
		y, x := c.floats(o.Y), c.floats(o.X)
		keep, take := 1-o.Momentum, o.Momentum*o.Scale
		c.split(len(y), grainFor(scalarCost), 16, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				y[i] = float32(keep*float64(y[i]) + take*float64(x[i]))
			}
		})
	}
}
