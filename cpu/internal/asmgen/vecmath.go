package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// mathConstants are the constants of exp, sigmoid and tanh.
type mathConstants struct {
	one, two, log2e, ln2High, ln2Low operand.Mem
	most, least, tanhMost            operand.Mem
	sign, notSign, bias              operand.Mem
	coefficients                     []operand.Mem // 1/8!, 1/7!, …, 1/2!
}

func (s *isa) newMath() *mathConstants {
	high := float64(float32(math.Ln2))
	m := &mathConstants{
		one:      s.float(1),
		two:      s.float(2),
		log2e:    s.float(math.Log2E),
		ln2High:  s.float(high),
		ln2Low:   s.float(math.Ln2 - high),
		most:     s.float(89),   // exp overflows above 88.73
		least:    s.float(-104), // exp rounds to 0 below −103.98
		tanhMost: s.float(20),   // tanh(10) rounds to 1
		sign:     s.bits(1 << 31),
		notSign:  s.bits(1<<31 - 1),
		bias:     s.bits(127),
	}
	factorial := 40320.0
	for i := 8.0; i >= 2; i-- {
		m.coefficients = append(m.coefficients, s.float(1/factorial))
		factorial /= i
	}
	return m
}

// reduce returns n, the integer nearest to x/ln 2, as integer and as float, and exp(r) − 1 for the remainder r = x − n·ln 2, |r| ≤ 0.35.
//
// n·ln2High is exact within the fused operation and so is its difference from x, whose last place is no finer than that of ln2High where n ≠ 0. The
// polynomial is r + r²·(1/2! + … + r⁶/8!): what is left out is less than r⁸/9! of r, 6e-10.
func (s *isa) reduce(m *mathConstants, x vecOp) (n, whole, p vecOp) {
	c := s.c
	n, whole = s.vector(), s.vector()
	c.VMULPS(m.log2e, x, n)
	c.VCVTPS2DQ(n, n)
	c.VCVTDQ2PS(n, whole)
	r := s.vector()
	c.VMOVAPS(x, r)
	c.VFNMADD231PS(m.ln2High, whole, r)
	c.VFNMADD231PS(m.ln2Low, whole, r)
	q := s.load(m.coefficients[0], nil)
	for _, k := range m.coefficients[1:] {
		c.VFMADD213PS(k, r, q)
	}
	p = s.vector()
	c.VMULPS(r, r, p)
	c.VFMADD213PS(r, q, p)
	return n, whole, p
}

// exp returns exp(x) = (exp(r) − 1 + 1)·2ⁿ. The scaling by 2ⁿ rounds once, in the subnormal range too.
func (s *isa) exp(m *mathConstants, x vecOp) vecOp {
	c := s.c
	// Minimum and maximum return their second source, which is the first operand here, if there is a NaN.
	clamped := s.load(m.most, nil)
	c.VMINPS(x, clamped, clamped)
	least := s.load(m.least, nil)
	c.VMAXPS(clamped, least, clamped)
	n, whole, p := s.reduce(m, clamped)
	c.VADDPS(m.one, p, p)
	if s.masked() {
		c.VSCALEFPS(whole, p, p)
		return p
	}
	// 2ⁿ itself need not be a float: multiply by 2^⌊n/2⌋, which is exact, and then by the rest.
	half := s.vector()
	c.VPSRAD(operand.Imm(1), n, half)
	c.VPSUBD(half, n, n)
	c.VMULPS(s.powerOfTwo(m, half), p, p)
	c.VMULPS(s.powerOfTwo(m, n), p, p)
	return p
}

// powerOfTwo returns 2ⁿ for −127 < n < 128, and overwrites n.
func (s *isa) powerOfTwo(m *mathConstants, n vecOp) vecOp {
	s.c.VPADDD(m.bias, n, n)
	s.c.VPSLLD(operand.Imm(23), n, n)
	return n
}

// sigmoid returns e/(1+e) for x ≤ 0 and 1/(1+e) for x > 0, e = exp(−|x|): no term overflows, and small results keep their precision.
func (s *isa) sigmoid(m *mathConstants, x vecOp) vecOp {
	c := s.c
	negative := s.vector()
	c.VORPS(m.sign, x, negative)
	e := s.exp(m, negative)
	one := s.load(m.one, nil)
	below := s.vector()
	c.VADDPS(e, one, below)
	above := s.choose(greater, x, s.zero(), one, e)
	c.VDIVPS(below, above, above)
	return above
}

// tanh returns t/(t+2), t = exp(2|x|) − 1 = 2ⁿ·(exp(r) − 1) + (2ⁿ − 1), with the sign of x. For small x, n is 0 and t has full relative precision.
func (s *isa) tanh(m *mathConstants, x vecOp) vecOp {
	c := s.c
	twice := s.vector()
	c.VANDPS(m.notSign, x, twice)
	c.VADDPS(twice, twice, twice)
	clamped := s.load(m.tanhMost, nil)
	c.VMINPS(twice, clamped, clamped)
	n, _, p := s.reduce(m, clamped)
	power := s.powerOfTwo(m, n)
	t := s.vector()
	c.VSUBPS(m.one, power, t)
	c.VFMADD231PS(p, power, t)
	below := s.vector()
	c.VADDPS(m.two, t, below)
	c.VDIVPS(below, t, t)
	sign := s.vector()
	c.VANDPS(m.sign, x, sign)
	c.VORPS(t, sign, t)
	return t
}
