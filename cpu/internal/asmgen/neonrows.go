package main

// softmax writes the loops over rows of softmax and its gradient.
func (n *neon) softmax() {
	n.expRows()
	n.affineRows()
}

// expRows goes through a row twice, with two registers of sums. NaN need no care: they make the sum NaN.
func (n *neon) expRows() {
	n.begin("expRowsNEON", "func(dst, maxima, sums, x []float32, cols int)",
		"maxima[i] = max of row i of x, dst = exp(x − maxima[i]) and sums[i] = the sum of that row; dst may be nil.")
	rows, maxima, sums, x, cols, at, rest := n.length("maxima"), n.base("maxima"), n.base("sums"), n.base("x"), n.integer("cols"), n.register(), n.register()
	m, least := n.newMath(), n.float(-104)
	best, totals := n.vector(), n.vectorsOf(2)
	n.withAndWithout("dst", func(there bool, dst greg, prefix string) {
		n.label(prefix + "row")
		n.loadRepeated(best, x, 0, 1)
		n.op("MOVD", x, at)
		n.op("MOVD", cols, rest)
		n.countdown(rest, 1, prefix+"max_", func(_, lanes int, _ string) {
			n.release(func() {
				v := n.vector()
				n.loadRepeated(v, at, 0, lanes)
				n.max(best, best, v)
				n.op("ADD", 4*lanes, at)
			})
		})
		n.greatest(best, best)
		n.op("FMOVS", best.float(), maxima.at(0))
		n.loadRepeated(best, maxima, 0, 1)
		for _, v := range totals {
			n.clear(v)
		}
		n.op("MOVD", cols, rest)
		n.countdown(rest, len(totals), prefix+"exp_", func(registers, lanes int, _ string) {
			n.interleaved(registers, func(r int) {
				v := n.vector()
				n.load(v, x.at(4*lanes*r), lanes)
				n.sub(v, v, best)
				n.max(v, v, least)
				n.exp(m, v)
				n.keep(v, lanes)
				n.add(totals[r], totals[r], v)
				if there {
					n.store(v, dst.at(4*lanes*r), lanes)
				}
			})
			n.op("ADD", 4*lanes*registers, x)
			if there {
				n.op("ADD", 4*lanes*registers, dst)
			}
		})
		n.add(totals[0], totals[0], totals[1])
		n.addLanes(totals[0])
		n.op("FMOVS", totals[0].float(), sums.at(0))
		n.op("ADD", 4, maxima)
		n.op("ADD", 4, sums)
		n.op("SUBS", 1, rows)
		n.op("BNE", prefix+"row")
	})
}

// affineRows has its own factor and offset for each row.
func (n *neon) affineRows() {
	n.begin("affineRowsNEON", "func(dst, x, factors, offsets []float32, cols int)", "dst = x·factors[i] + offsets[i] in row i.")
	rows, factors, offsets, dst, x, cols, rest := n.length("factors"), n.base("factors"), n.base("offsets"), n.base("dst"), n.base("x"), n.integer("cols"), n.register()
	factor, offset := n.vector(), n.vector()
	n.label("row")
	n.loadRepeated(factor, factors, 0, 1)
	n.loadRepeated(offset, offsets, 0, 1)
	n.op("MOVD", cols, rest)
	n.countdown(rest, 4, "", func(registers, lanes int, _ string) {
		n.interleaved(registers, func(r int) {
			v, sum := n.vector(), n.vector()
			n.load(v, x.at(4*lanes*r), lanes)
			n.move(sum, offset)
			n.mulAdd(sum, v, factor)
			n.store(sum, dst.at(4*lanes*r), lanes)
		})
		n.op("ADD", 4*lanes*registers, x)
		n.op("ADD", 4*lanes*registers, dst)
	})
	n.op("ADD", 4, factors)
	n.op("ADD", 4, offsets)
	n.op("SUBS", 1, rows)
	n.op("BNE", "row")
	n.end()
}

// normalization writes the loops of batch normalization.
func (n *neon) normalization() {
	n.elements("deviations", "func(dst, x, shift []float32)", "dst[i] = (x[i] + shift[i])².", []string{"dst", "x", "shift"}, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.add(in[1], in[1], in[2])
			n.mul(in[1], in[1], in[1])
			return in[1:2]
		}
	})
	n.elements("normalize", "func(dst, x, shift, factor, offset []float32)", "dst[i] = (x[i] + shift[i])·factor[i] + offset[i].",
		[]string{"dst", "x", "shift", "factor", "offset"}, 4, func() func([]vreg) []vreg {
			return func(in []vreg) []vreg {
				n.add(in[1], in[1], in[2])
				n.mulAdd(in[4], in[1], in[3])
				return in[4:5]
			}
		})
	n.elements("normalizedTimes", "func(dst, x, shift, factor, dy []float32)", "dst[i] = (x[i] + shift[i])·factor[i]·dy[i].",
		[]string{"dst", "x", "shift", "factor", "dy"}, 4, func() func([]vreg) []vreg {
			return func(in []vreg) []vreg {
				n.add(in[1], in[1], in[2])
				n.mul(in[1], in[1], in[3])
				n.mul(in[1], in[1], in[4])
				return in[1:2]
			}
		})
	n.elements("normalizeGrad", "func(dx, dy, x, shift, factor, a, b, gamma []float32)", "dx[i] = ((x[i] + shift[i])·factor[i]·a[i] + dy[i] + b[i])·gamma[i].",
		[]string{"dx", "dy", "x", "shift", "factor", "a", "b", "gamma"}, 4, func() func([]vreg) []vreg {
			return func(in []vreg) []vreg {
				dy, x := in[1], in[2]
				n.add(x, x, in[3])
				n.mul(x, x, in[4])
				n.mulAdd(dy, x, in[5])
				n.add(dy, dy, in[6])
				n.mul(dy, dy, in[7])
				return []vreg{dy}
			}
		})
}
