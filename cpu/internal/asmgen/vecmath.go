package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// mathConstants are the constants of the functions.
type mathConstants struct {
	one, two, log2e, ln2High, ln2Low operand.Mem
	most, least, tanhMost            operand.Mem
	sign, notSign, bias              operand.Mem
	coefficients                     []operand.Mem // 1/8!, 1/7!, …, 1/2!

	leastExpm1                                     operand.Mem
	leastNormal, scaleUp, scaledUp, root, inf, nan operand.Mem
	odd                                            []operand.Mem // 2/11, 2/9, …, 2/3
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

		leastExpm1:  s.float(-30), // exp(−30) − 1 rounds to −1
		leastNormal: s.float(0x1p-126),
		scaleUp:     s.float(0x1p24),
		scaledUp:    s.float(-24),
		root:        s.float(math.Sqrt2 / 2),
		inf:         s.float(math.Inf(1)),
		nan:         s.bits(0x7fc00000),
	}
	for i := 11.0; i >= 3; i -= 2 {
		m.odd = append(m.odd, s.float(2/i))
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

// expm1 returns exp(x) − 1 = 2ⁿ·(exp(r) − 1) + (2ⁿ − 1) for x ≤ 0. Near 0, n is 0 and the result has full relative precision.
func (s *isa) expm1(m *mathConstants, x vecOp) vecOp {
	c := s.c
	clamped := s.load(m.leastExpm1, nil)
	c.VMAXPS(x, clamped, clamped)
	n, _, p := s.reduce(m, clamped)
	power := s.powerOfTwo(m, n)
	t := s.vector()
	c.VSUBPS(m.one, power, t)
	c.VFMADD231PS(p, power, t)
	return t
}

// log returns ln x = n·ln 2 + ln(1 + r) for x = 2ⁿ·(1 + r), √½ ≤ 1 + r < √2. With q = r/(2 + r), |q| ≤ 0.1716,
//
//	ln(1 + r) = 2·artanh q = 2q + 2/3·q³ + 2/5·q⁵ + … = r − q·(r − (2/3·q² + 2/5·q⁴ + …)),
//
// where r is exact and the rest much smaller. What is left out is less than 2/13·q¹² of q, 1e-10.
func (s *isa) log(m *mathConstants, x vecOp) vecOp {
	c := s.c
	scaled := s.vector()
	c.VMULPS(m.scaleUp, x, scaled)
	least := s.load(m.leastNormal, nil)
	v := s.choose(less, x, least, scaled, x)
	off := s.choose(less, x, least, s.load(m.scaledUp, nil), s.zero())
	n := s.vector()
	c.VPSUBD(m.root, v, n)
	c.VPSRAD(operand.Imm(23), n, n)
	r, shift := s.vector(), s.vector()
	c.VPSLLD(operand.Imm(23), n, shift)
	c.VPSUBD(shift, v, r)
	c.VSUBPS(m.one, r, r)
	c.VCVTDQ2PS(n, n)
	c.VADDPS(off, n, n)

	q, square := s.vector(), s.vector()
	c.VADDPS(m.two, r, q)
	c.VDIVPS(q, r, q)
	c.VMULPS(q, q, square)
	t := s.load(m.odd[0], nil)
	for _, k := range m.odd[1:] {
		c.VFMADD213PS(k, square, t)
	}
	c.VMULPS(square, t, t)
	c.VSUBPS(t, r, t)
	c.VMULPS(t, q, t)
	c.VFMSUB231PS(m.ln2Low, n, t) // n·ln2Low − t
	c.VADDPS(t, r, r)
	c.VFMADD231PS(m.ln2High, n, r)

	inf := s.load(m.inf, nil)
	r = s.choose(notLess, x, inf, x, r) // infinity and NaN
	r = s.choose(less, x, s.zero(), s.load(m.nan, nil), r)
	minus := s.vector()
	c.VORPS(m.sign, inf, minus)
	return s.choose(equalTo, x, s.zero(), minus, r)
}
