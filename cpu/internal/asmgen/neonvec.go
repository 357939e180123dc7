package main

import (
	"fmt"
	"math"
)

// vecNEON writes the loops of package vec. Where nothing else is said, they are those of isa.writeVec.
func vecNEON(n *neon) {
	n.arithmetic()
	n.reductions()
	n.columns()
	n.activations()
	n.biasReLU()
	n.transcendental()
	n.optimizers()
	n.moves()
	n.pooling()
}

func (n *neon) arithmetic() {
	n.elements("add", "func(dst, x, y []float32)", "dst[i] = x[i] + y[i].", []string{"dst", "x", "y"}, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.add(in[1], in[1], in[2])
			return in[1:2]
		}
	})
	n.elements("mul", "func(dst, x, y []float32)", "dst[i] = x[i]·y[i].", []string{"dst", "x", "y"}, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.mul(in[1], in[1], in[2])
			return in[1:2]
		}
	})
	n.elements("scale", "func(dst, x []float32, alpha float32)", "dst[i] = alpha·x[i].", []string{"dst", "x"}, 4, func() func([]vreg) []vreg {
		alpha := n.scalar("alpha")
		return func(in []vreg) []vreg {
			n.mul(in[1], alpha, in[1])
			return in[1:2]
		}
	})
	n.elements("axpy", "func(y, x []float32, alpha float32)", "y[i] += alpha·x[i].", []string{"y", "x"}, 4, func() func([]vreg) []vreg {
		alpha := n.scalar("alpha")
		return func(in []vreg) []vreg {
			n.mulAdd(in[0], in[1], alpha)
			return in[:1]
		}
	})
}

func (n *neon) reductions() {
	n.reduction("sum", "func(x []float32) float32", "Σ x[i].", []string{"x"}, func(sum vreg, in []vreg) { n.add(sum, sum, in[0]) })
	n.reduction("dot", "func(x, y []float32) float32", "Σ x[i]·y[i].", []string{"x", "y"}, func(sum vreg, in []vreg) { n.mulAdd(sum, in[0], in[1]) })
	n.maximum()
}

// reduction writes a sum over slices, in four registers: element i goes to register i/4 mod 4 while there are enough for all four, and to the first after
// that. Then they are added up, and their lanes.
func (n *neon) reduction(name, signature, doc string, slices []string, add func(sum vreg, in []vreg)) {
	n.begin(name+"NEON", signature, doc)
	count := n.length(slices[0])
	bases := make([]greg, len(slices))
	for i, slice := range slices {
		bases[i] = n.base(slice)
	}
	sums := []vreg{n.zero(), n.zero(), n.zero(), n.zero()}
	n.countdown(count, len(sums), "", func(registers, lanes int, _ string) {
		n.interleaved(registers, func(r int) {
			in := make([]vreg, len(slices))
			for i, base := range bases {
				in[i] = n.vector()
				n.load(in[i], base.at(4*lanes*r), lanes)
			}
			add(sums[r], in)
		})
		for _, base := range bases {
			n.op("ADD", 4*lanes*registers, base)
		}
	})
	n.joinAll(sums, n.add)
	n.pair(sums[0], sums[0], sums[0])
	n.pairLowest(sums[0], sums[0])
	n.op("FMOVS", sums[0].float(), n.address(n.signature.Results().At(0)))
	n.end()
}

// joinAll writes s₀ = (s₀∘s₁) ∘ (s₂∘s₃).
func (n *neon) joinAll(s []vreg, join func(d, x, y vreg)) {
	join(s[0], s[0], s[1])
	join(s[2], s[2], s[3])
	join(s[0], s[0], s[2])
}

// maximum takes tails as vectors whose missing lanes repeat the first element.
func (n *neon) maximum() {
	n.begin("maxNEON", "func(x []float32) float32", "max x[i], or NaN if there is one.")
	count, x := n.length("x"), n.base("x")
	s := n.vectorsOf(4)
	n.op("VLD1R", fmt.Sprintf("(%s)", x), fmt.Sprintf("[%s]", s[0]))
	for _, v := range s[1:] {
		n.move(v, s[0])
	}
	n.countdown(count, len(s), "", func(registers, lanes int, _ string) {
		n.interleaved(registers, func(r int) {
			in := n.vector()
			if lanes == 1 {
				n.op("VLD1R", fmt.Sprintf("(%s)", x), fmt.Sprintf("[%s]", in))
			} else {
				n.load(in, x.at(4*lanes*r), lanes)
			}
			if lanes == 2 {
				n.op("VMOV", fmt.Sprintf("V%d.D[0]", int(in)), fmt.Sprintf("V%d.D[1]", int(in)))
			}
			n.max(s[r], s[r], in)
		})
		n.op("ADD", 4*lanes*registers, x)
	})
	n.joinAll(s, n.max)
	n.greatest(s[0], s[0])
	n.op("FMOVS", s[0].float(), n.address(n.signature.Results().At(0)))
	n.end()
}

// columns takes four registers of columns at a time, a cache line, down all rows, four rows at once; then one register, two lanes and one.
func (n *neon) columns() {
	const most = 4
	n.begin("columnsNEON", "func(dst, x []float32, rows, stride int)", "dst[j] += Σᵢ x[i·stride+j].")
	count, dst, x := n.length("dst"), n.base("dst"), n.base("x")
	rows, stride, at, left := n.integer("rows"), n.integer("stride"), n.register(), n.register()
	n.op("LSL", 2, stride)
	n.countdown(count, most, "", func(registers, lanes int, prefix string) {
		n.release(func() {
			sums := make([][]vreg, 4)
			for i := range sums {
				for range registers {
					sums[i] = append(sums[i], n.zero())
				}
			}
			row := func(i int) {
				n.interleaved(registers, func(r int) {
					v := n.vector()
					n.load(v, at.at(4*lanes*r), lanes)
					n.add(sums[i][r], sums[i][r], v)
				})
				n.op("ADD", stride, at)
			}
			n.op("MOVD", x, at)
			n.op("SUBS", 4, rows, left)
			n.op("BLT", prefix+"rest_rows")
			n.label(prefix + "rows")
			for i := range sums {
				row(i)
			}
			n.op("SUBS", 4, left)
			n.op("BGE", prefix+"rows")
			n.label(prefix + "rest_rows")
			n.op("ADDS", 4, left)
			for i := range 3 {
				n.op("BEQ", prefix+"sums")
				row(i)
				if i < 2 {
					n.op("SUBS", 1, left)
				}
			}
			n.label(prefix + "sums")
			n.interleaved(registers, func(r int) {
				n.joinAll([]vreg{sums[0][r], sums[1][r], sums[2][r], sums[3][r]}, n.add)
				v := n.vector()
				n.load(v, dst.at(4*lanes*r), lanes)
				n.add(v, v, sums[0][r])
				n.store(v, dst.at(4*lanes*r), lanes)
			})
			n.op("ADD", 4*lanes*registers, dst)
			n.op("ADD", 4*lanes*registers, x)
		})
	})
	n.end()
}

// unlessZero returns a register of ones, or of zeros if x is zero in all lanes.
func (n *neon) unlessZero(x vreg) vreg {
	v := n.vector()
	n.op("VSHL", 1, x, v) // drops the sign
	n.op("VCMTST", v, v, v)
	return v
}

// relu overwrites v by slope·v where v ≤ 0, +0 if the slope is: keep is unlessZero(slope).
func (n *neon) relu(v, slope, keep vreg) {
	below, t := n.vector(), n.vector()
	n.atMost0(below, v)
	n.mul(t, v, slope)
	n.and(t, t, keep)
	n.insert(v, t, below)
}

func (n *neon) activations() {
	n.elements("relu", "func(dst, x []float32, slope float32)", "dst[i] = slope·x[i] if x[i] ≤ 0, else x[i].", []string{"dst", "x"}, 4, func() func([]vreg) []vreg {
		slope := n.scalar("slope")
		keep := n.unlessZero(slope)
		return func(in []vreg) []vreg {
			n.relu(in[1], slope, keep)
			return in[1:2]
		}
	})
	n.elements("reluGrad", "func(dx, dy, y []float32, slope float32)", "dx[i] = dy[i] if y[i] > 0, else slope·dy[i].", []string{"dx", "dy", "y"}, 4, func() func([]vreg) []vreg {
		slope := n.scalar("slope")
		keep := n.unlessZero(slope)
		return func(in []vreg) []vreg {
			t := n.vector()
			n.positive(in[2], in[2])
			n.mul(t, in[1], slope)
			n.and(t, t, keep)
			n.insert(t, in[1], in[2])
			return []vreg{t}
		}
	})
	n.elements("sigmoidGrad", "func(dx, dy, y []float32)", "dx[i] = dy[i]·(y[i]·(1 − y[i])).", []string{"dx", "dy", "y"}, 4, func() func([]vreg) []vreg {
		one := n.float(1)
		return func(in []vreg) []vreg {
			t := n.vector()
			n.sub(t, one, in[2])
			n.mul(t, in[2], t)
			n.mul(t, in[1], t)
			return []vreg{t}
		}
	})
	n.elements("tanhGrad", "func(dx, dy, y []float32)", "dx[i] = dy[i]·(1 − y[i]²).", []string{"dx", "dy", "y"}, 4, func() func([]vreg) []vreg {
		one := n.float(1)
		return func(in []vreg) []vreg {
			t := n.vector()
			n.move(t, one)
			n.mulSub(t, in[2], in[2])
			n.mul(t, in[1], t)
			return []vreg{t}
		}
	})
}

// biasReLU takes four registers of columns at a time down all rows, then one, two lanes and one.
func (n *neon) biasReLU() {
	n.begin("biasReLUNEON", "func(c, bias []float32, rows, stride int, slope float32)", "c[i·stride+j] = ReLU(c[i·stride+j] + bias[j]).")
	count, bias, out := n.length("bias"), n.base("bias"), n.base("c")
	rows, stride, at, left := n.integer("rows"), n.integer("stride"), n.register(), n.register()
	n.op("LSL", 2, stride)
	slope := n.scalar("slope")
	keep := n.unlessZero(slope)
	n.countdown(count, 4, "", func(registers, lanes int, prefix string) {
		n.release(func() {
			shifts := make([]vreg, registers)
			for r := range shifts {
				shifts[r] = n.vector()
				n.load(shifts[r], bias.at(4*lanes*r), lanes)
			}
			n.op("MOVD", out, at)
			n.op("MOVD", rows, left)
			n.label(prefix + "rows")
			n.interleaved(registers, func(r int) {
				v := n.vector()
				n.load(v, at.at(4*lanes*r), lanes)
				n.add(v, v, shifts[r])
				n.relu(v, slope, keep)
				n.store(v, at.at(4*lanes*r), lanes)
			})
			n.op("ADD", stride, at)
			n.op("SUBS", 1, left)
			n.op("BNE", prefix+"rows")
			n.op("ADD", 4*lanes*registers, bias)
			n.op("ADD", 4*lanes*registers, out)
		})
	})
	n.end()
}

// neonMath are the constants that all of exp, sigmoid and tanh need, in registers.
type neonMath struct {
	one, log2e, ln2High, ln2Low, bias vreg
	coefficients                      []vreg // 1/8!, 1/7!, …, 1/2!
}

func (n *neon) newMath() *neonMath {
	high := float64(float32(math.Ln2))
	m := &neonMath{
		one:     n.float(1),
		log2e:   n.float(math.Log2E),
		ln2High: n.float(high),
		ln2Low:  n.float(math.Ln2 - high),
		bias:    n.constant(127),
	}
	factorial := 40320.0
	for i := 8.0; i >= 2; i-- {
		m.coefficients = append(m.coefficients, n.float(1/factorial))
		factorial /= i
	}
	return m
}

// transcendental writes exp, sigmoid and tanh by the formulas of vecmath.go. Two registers at a time is what fits beside the constants.
func (n *neon) transcendental() {
	n.elements("exp", "func(dst, x []float32)", "dst[i] = exp(x[i]).", []string{"dst", "x"}, 2, func() func([]vreg) []vreg {
		m := n.newMath()
		most, least := n.float(89), n.float(-104)
		return func(in []vreg) []vreg {
			x := in[1]
			n.min(x, x, most)
			n.max(x, x, least)
			n.exp(m, x)
			return in[1:2]
		}
	})
	n.elements("sigmoid", "func(dst, x []float32)", "dst[i] = 1/(1 + exp(−x[i])).", []string{"dst", "x"}, 2, func() func([]vreg) []vreg {
		m := n.newMath()
		least, sign := n.float(-104), n.constant(1<<31)
		return func(in []vreg) []vreg {
			x, e := in[1], n.vector()
			n.or(e, x, sign)
			n.max(e, e, least)
			n.exp(m, e)
			n.positive(x, x)
			below := n.vector()
			n.add(below, e, m.one)
			n.insert(e, m.one, x)
			n.div(e, e, below)
			return []vreg{e}
		}
	})
	n.elements("tanh", "func(dst, x []float32)", "dst[i] = tanh(x[i]).", []string{"dst", "x"}, 2, func() func([]vreg) []vreg {
		m := n.newMath()
		two, most, sign, notSign := n.float(2), n.float(20), n.constant(1<<31), n.constant(1<<31-1)
		return func(in []vreg) []vreg {
			x, p := in[1], n.vector()
			n.and(p, x, notSign)
			n.add(p, p, p)
			n.min(p, p, most)
			power := n.reduce(m, p)
			n.powerOfTwo(m, power)
			t := n.vector()
			n.sub(t, power, m.one)
			n.mulAdd(t, power, p)
			n.add(p, t, two)
			n.div(t, t, p)
			n.insert(t, x, sign)
			return []vreg{t}
		}
	})
}

// exp overwrites x by exp(x), for −104 ≤ x ≤ 89 or NaN.
func (n *neon) exp(m *neonMath, x vreg) {
	whole := n.reduce(m, x)
	n.add(x, x, m.one)
	half := n.vector()
	n.halve(half, whole)
	n.op("VSUB", half, whole, whole)
	n.powerOfTwo(m, half)
	n.mul(x, x, half)
	n.powerOfTwo(m, whole)
	n.mul(x, x, whole)
}

// reduce returns n, the integer nearest to x/ln 2, and overwrites x by exp(r) − 1 for the remainder r = x − n·ln 2.
func (n *neon) reduce(m *neonMath, x vreg) (integer vreg) {
	integer = n.vector()
	q, t := n.vector(), n.vector()
	n.mul(integer, x, m.log2e)
	n.nearest(integer, integer)
	n.whole(t, integer)
	n.mulSub(x, t, m.ln2High)
	n.mulSub(x, t, m.ln2Low)
	n.move(q, m.coefficients[0])
	for _, k := range m.coefficients[1:] {
		n.move(t, k)
		n.mulAdd(t, q, x)
		q, t = t, q
	}
	n.mul(t, x, x)
	n.mulAdd(x, t, q)
	return integer
}

// powerOfTwo overwrites the integer n by 2ⁿ, for −127 < n < 128.
func (n *neon) powerOfTwo(m *neonMath, v vreg) {
	n.op("VADD", m.bias, v, v)
	n.op("VSHL", 23, v, v)
}

func (n *neon) optimizers() {
	n.elements("momentum", "func(w, v, g []float32, rate, momentum, decay, direct, velocity float32)",
		"g' = g + decay·w, v = momentum·v + g', w −= rate·(direct·g' + velocity·v).",
		[]string{"w", "v", "g"}, 2, func() func([]vreg) []vreg {
			rate, momentum, decay, direct, velocity := n.scalar("rate"), n.scalar("momentum"), n.scalar("decay"), n.scalar("direct"), n.scalar("velocity")
			return func(in []vreg) []vreg {
				w, v, g := in[0], in[1], in[2]
				moved := n.vector()
				n.mulAdd(g, decay, w)
				n.move(moved, g)
				n.mulAdd(moved, momentum, v)
				n.mul(g, direct, g)
				n.mulAdd(g, velocity, moved)
				n.mulSub(w, rate, g)
				return []vreg{w, moved}
			}
		})
	n.elements("adam", "func(w, m, v, g []float32, keep, decay, beta1, rest1, beta2, rest2, rate, correction, epsilon float32)",
		"w = keep·w, g' = g + decay·w, m = beta1·m + rest1·g', v = beta2·v + rest2·g'², w −= rate·m/(√v·correction + epsilon).",
		[]string{"w", "m", "v", "g"}, 2, func() func([]vreg) []vreg {
			keep, decay := n.scalar("keep"), n.scalar("decay")
			beta1, rest1 := n.scalar("beta1"), n.scalar("rest1")
			beta2, rest2 := n.scalar("beta2"), n.scalar("rest2")
			rate, correction, epsilon := n.scalar("rate"), n.scalar("correction"), n.scalar("epsilon")
			return func(in []vreg) []vreg {
				w, m, v, g := in[0], in[1], in[2], in[3]
				t := n.vector()
				n.mul(w, keep, w)
				n.mulAdd(g, decay, w)
				n.mul(m, beta1, m)
				n.mulAdd(m, rest1, g)
				n.mul(g, g, g)
				n.mul(v, beta2, v)
				n.mulAdd(v, rest2, g)
				n.sqrt(g, v)
				n.move(t, epsilon)
				n.mulAdd(t, correction, g)
				n.mul(g, rate, m)
				n.div(g, g, t)
				n.sub(w, w, g)
				return []vreg{w, m, v}
			}
		})
}
