package main

// binary writes the loops of two operands that are no sums or products.
func (n *neon) binary() {
	two := []string{"dst", "x", "y"}
	n.elements("sub", "func(dst, x, y []float32)", "dst[i] = x[i] − y[i].", two, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.sub(in[1], in[1], in[2])
			return in[1:2]
		}
	})
	n.elements("div", "func(dst, x, y []float32)", "dst[i] = x[i]/y[i].", two, 2, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.div(in[1], in[1], in[2])
			return in[1:2]
		}
	})
	n.elements("larger", "func(dst, x, y []float32)", "dst[i] = y[i] if y[i] > x[i], or if it is NaN and x[i] is not; else x[i].", two, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			wins, free := n.vector(), n.vector()
			n.beats(wins, in[2], in[1], free)
			n.insert(in[1], in[2], wins)
			return in[1:2]
		}
	})
	n.elements("smaller", "func(dst, x, y []float32)", "dst[i] = y[i] if y[i] < x[i], or if it is NaN and x[i] is not; else x[i].", two, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			wins, free := n.vector(), n.vector()
			n.loses(wins, in[2], in[1], free)
			n.insert(in[1], in[2], wins)
			return in[1:2]
		}
	})
	for _, compare := range []struct {
		name, sign string
		write      func(d, x, y, one vreg)
	}{
		{"equal", "=", func(d, x, y, one vreg) {
			n.equals(d, x, y)
			n.and(d, d, one)
		}},
		{"notEqual", "≠", func(d, x, y, one vreg) {
			n.equals(d, x, y)
			n.andNot(d, one, d)
		}},
		{"less", "<", func(d, x, y, one vreg) {
			n.greater(d, y, x)
			n.and(d, d, one)
		}},
		{"lessOrEqual", "≤", func(d, x, y, one vreg) {
			n.atLeast(d, y, x)
			n.and(d, d, one)
		}},
	} {
		n.elements(compare.name, "func(dst, x, y []float32)", "dst[i] = 1 if x[i] "+compare.sign+" y[i], else 0.", two, 4, func() func([]vreg) []vreg {
			one := n.float(1)
			return func(in []vreg) []vreg {
				compare.write(in[1], in[1], in[2], one)
				return in[1:2]
			}
		})
	}
	n.elements("selects", "func(dst, cond, x, y []float32)", "dst[i] = x[i] if cond[i] ≠ 0, else y[i].", []string{"dst", "cond", "x", "y"}, 4, func() func([]vreg) []vreg {
		return func(in []vreg) []vreg {
			n.isZero(in[1], in[1])
			n.insert(in[2], in[3], in[1])
			return in[2:3]
		}
	})
}

// beats sets wins to ones where v takes the place of the maximum m found before: where v is greater, or NaN while m is not.
func (n *neon) beats(wins, v, m, free vreg) {
	n.atLeast(wins, m, v)
	n.equals(free, m, m)
	n.andNot(wins, free, wins)
}

// loses is the same for the minimum.
func (n *neon) loses(wins, v, m, free vreg) {
	n.atLeast(wins, v, m)
	n.equals(free, m, m)
	n.andNot(wins, free, wins)
}
