package main

// vecNEON writes the loops of package vec. Where nothing else is said, they are those of isa.writeVec.
func vecNEON(n *neon) {
	n.arithmetic()
	n.binary()
	n.reductions()
	n.columns()
	n.activations()
	n.biasReLU()
	n.transcendental()
	n.optimizers()
	n.softmax()
	n.normalization()
	n.dropout()
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
	n.elements("sqrt", "func(dst, x []float32)", "dst[i] = √x[i].", []string{"dst", "x"}, 2, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.sqrt(in[1], in[1])
			return in[1:2]
		}
	})
	n.elements("shift", "func(dst, x []float32, alpha float32)", "dst[i] = x[i] + alpha.", []string{"dst", "x"}, 4, func() func([]vreg) []vreg {
		alpha := n.scalar("alpha")
		return func(in []vreg) []vreg {
			n.add(in[1], alpha, in[1])
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
	n.addLanes(sums[0])
	n.op("FMOVS", sums[0].float(), n.address(n.signature.Results().At(0)))
	n.end()
}

// addLanes puts the sum of all lanes into the lowest.
func (n *neon) addLanes(v vreg) {
	n.pair(v, v, v)
	n.pairLowest(v, v)
}

// joinAll writes s₀ = (s₀∘s₁) ∘ (s₂∘s₃).
func (n *neon) joinAll(s []vreg, join func(d, x, y vreg)) {
	join(s[0], s[0], s[1])
	join(s[2], s[2], s[3])
	join(s[0], s[0], s[2])
}

// maximum takes tails as registers whose missing lanes repeat those that there are.
func (n *neon) maximum() {
	n.begin("maxNEON", "func(x []float32) float32", "max x[i], or NaN if there is one.")
	count, x := n.length("x"), n.base("x")
	s := n.vectorsOf(4)
	n.loadRepeated(s[0], x, 0, 1)
	for _, v := range s[1:] {
		n.move(v, s[0])
	}
	n.countdown(count, len(s), "", func(registers, lanes int, _ string) {
		n.interleaved(registers, func(r int) {
			in := n.vector()
			n.loadRepeated(in, x, 4*lanes*r, lanes)
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
	n.elements("eluGrad", "func(dx, dy, y []float32, alpha float32)", "dx[i] = dy[i] if y[i] > 0, else dy[i]·(y[i] + alpha).", []string{"dx", "dy", "y"}, 4, func() func([]vreg) []vreg {
		alpha := n.scalar("alpha")
		return func(in []vreg) []vreg {
			t := n.vector()
			n.add(t, in[2], alpha)
			n.mul(t, t, in[1])
			n.positive(in[2], in[2])
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
