package main

import "math"

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

// transcendental writes the functions of vecmath.go by the formulas there. Two registers at a time is what fits beside the constants.
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
	n.elements("elu", "func(dst, x []float32, alpha float32)", "dst[i] = alpha·(exp(x[i]) − 1) if x[i] ≤ 0, else x[i].", []string{"dst", "x"}, 2, func() func([]vreg) []vreg {
		m := n.newMath()
		least, alpha := n.float(-30), n.scalar("alpha")
		return func(in []vreg) []vreg {
			x, p := in[1], n.vector()
			n.max(p, x, least)
			power := n.reduce(m, p)
			n.powerOfTwo(m, power)
			t := n.vector()
			n.sub(t, power, m.one)
			n.mulAdd(t, power, p)
			n.mul(t, t, alpha)
			n.negative(p, x) // zeros keep their sign
			n.insert(x, t, p)
			return in[1:2]
		}
	})
	n.elements("log", "func(dst, x []float32)", "dst[i] = ln(x[i]).", []string{"dst", "x"}, 2, n.log)
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
	n.shiftRight(half, whole, 1)
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

// log keeps its constants in sixteen registers, and is the body of the loop.
func (n *neon) log() func(in []vreg) []vreg {
	scaleUp, leastNormal, scaledUp, root := n.float(0x1p24), n.float(0x1p-126), n.float(-24), n.float(math.Sqrt2/2)
	one, two, ln2High, ln2Low := n.float(1), n.float(2), n.float(float64(float32(math.Ln2))), n.float(math.Ln2-float64(float32(math.Ln2)))
	inf, nan, minusInf := n.float(math.Inf(1)), n.constant(0x7fc00000), n.float(math.Inf(-1))
	var odd []vreg
	for i := 11.0; i >= 3; i -= 2 {
		odd = append(odd, n.float(2/i))
	}
	return func(in []vreg) []vreg {
		x, off, r, whole, q, t, u := in[1], n.vector(), n.vector(), n.vector(), n.vector(), n.vector(), n.vector()
		n.greater(off, leastNormal, x)
		n.mul(r, x, scaleUp)
		n.insertElse(r, x, off)
		n.and(off, off, scaledUp)
		n.op("VSUB", root, r, whole)
		n.shiftRight(whole, whole, 23)
		n.op("VSHL", 23, whole, q)
		n.op("VSUB", q, r, r)
		n.sub(r, r, one)
		n.whole(whole, whole)
		n.add(whole, whole, off)

		square := off
		n.add(q, r, two)
		n.div(q, r, q)
		n.mul(square, q, q)
		n.move(t, odd[0])
		for _, k := range odd[1:] {
			n.move(u, k)
			n.mulAdd(u, t, square)
			t, u = u, t
		}
		n.mul(t, t, square)
		n.sub(t, r, t)
		n.mul(t, q, t)
		n.mulSub(t, whole, ln2Low)
		n.sub(r, r, t)
		n.mulAdd(r, whole, ln2High)

		n.greater(t, inf, x)
		n.insertElse(r, x, t) // infinity and NaN
		n.negative(t, x)
		n.insert(r, nan, t)
		n.isZero(t, x)
		n.insert(r, minusInf, t)
		return []vreg{r}
	}
}
