package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
)

// philox holds the constants of Philox4x32-10, see backend.Philox4x32.
type philox struct {
	factor0, factor1 operand.Mem
	low, high        operand.Mem // where 64-bit lanes of two registers go when they are interleaved
	lanes            operand.Mem // 0, 1, 2, … as 64-bit numbers
}

const (
	philoxRounds = 10
	philoxKey0   = 0x9E3779B9 // what the keys rise by
	philoxKey1   = 0xBB67AE85
)

func (s *isa) newPhilox() *philox {
	n := s.lanes / 2
	p := &philox{factor0: s.bits(0xD2511F53), factor1: s.bits(0xCD9E8D57)}
	p.lanes = s.longs("lanes", n, func(i int) int { return i })
	if s.masked() {
		p.low = s.longs("interleaveLow", n, func(i int) int { return i/2 + i%2*n })
		p.high = s.longs("interleaveHigh", n, func(i int) int { return n/2 + i/2 + i%2*n })
	}
	return p
}

// longs declares 64-bit numbers.
func (s *isa) longs(name string, n int, f func(i int) int) operand.Mem {
	m := s.c.StaticGlobal(name)
	s.c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range n {
		s.c.AddDatum(8*i, operand.U64(f(i)))
	}
	return m
}

// xor3 does x ^= y ^ z, z being 32 bits for all lanes.
func (s *isa) xor3(x, y vecOp, z operand.Mem) {
	if s.masked() {
		s.c.VPTERNLOGD_BCST(operand.Imm(0x96), z, y, x)
		return
	}
	t := s.vector()
	s.c.VPBROADCASTD(z, t)
	s.c.VPXOR(y, x, x)
	s.c.VPXOR(t, x, x)
}

// dropout draws as many blocks of four words as a register has 64-bit lanes: each lane holds a word, and above it what multiplications do not see. A product
// of two words then fills its lane.
func (s *isa) dropout(p *philox) {
	c := s.c
	s.begin("dropout", "func(y, x []float32, block uint64, stream, step, key0, key1 uint32, threshold int32, factor float32)",
		"y[i] = factor·x[i] if the upper 24 bits of word i of Philox's blocks from block are at least threshold, else 0.")
	n := c.Load(c.Param("y").Len(), c.GP64())
	y, x := c.Load(c.Param("y").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())

	size := 4 * s.lanes
	keys := c.AllocLocal(philoxRounds * 2 * 4)
	key0, key1 := c.Load(c.Param("key0"), c.GP32()), c.Load(c.Param("key1"), c.GP32())
	for r := range philoxRounds {
		c.MOVL(key0, keys.Offset(8*r))
		c.MOVL(key1, keys.Offset(8*r+4))
		c.ADDL(operand.U32(philoxKey0), key0)
		c.ADDL(operand.U32(philoxKey1), key1)
	}
	parameter := func(name string) vecOp {
		v := s.vector()
		c.VMOVD(c.Load(c.Param(name), c.GP32()), asX(v))
		c.VPBROADCASTD(asX(v), v)
		return v
	}
	stream, step, threshold, factor := parameter("stream"), parameter("step"), parameter("threshold"), s.scalar("factor")
	block, advance := s.vector(), s.vector()
	at := c.Load(c.Param("block"), c.GP64())
	c.VMOVQ(at, asX(block))
	c.VPBROADCASTQ(asX(block), block)
	c.VPADDQ(p.lanes, block, block)
	c.MOVQ(operand.U32(s.lanes/2), at)
	c.VMOVQ(at, asX(advance))
	c.VPBROADCASTQ(asX(advance), advance)
	factor0, factor1 := s.load(p.factor0, nil), s.load(p.factor1, nil)

	// draw returns the words of the blocks in order, in two registers.
	draw := func() []vecOp {
		x0, x1, x2, x3 := s.vector(), s.vector(), s.vector(), s.vector()
		c.VMOVAPS(block, x0)
		c.VPSRLQ(operand.Imm(32), block, x1)
		c.VMOVAPS(stream, x2)
		c.VMOVAPS(step, x3)
		for r := range philoxRounds {
			product0, product1 := s.vector(), s.vector()
			c.VPMULUDQ(factor0, x0, product0)
			c.VPMULUDQ(factor1, x2, product1)
			c.VPSRLQ(operand.Imm(32), product1, x0)
			s.xor3(x0, x1, keys.Offset(8*r))
			c.VPSRLQ(operand.Imm(32), product0, x2)
			s.xor3(x2, x3, keys.Offset(8*r+4))
			x1, x3 = product1, product0
		}
		c.VPADDQ(advance, block, block)
		return s.interleaveWords(p, s.pairWords(x0, x1), s.pairWords(x2, x3))
	}
	keep := func(words []vecOp, i int, m *mask) {
		c.VPSRLD(operand.Imm(8), words[i], words[i])
		from := operand.Mem{Base: x, Disp: i * size}
		v := s.load(from, m)
		c.VMULPS(factor, v, v)
		s.store(s.only(s.atLeast(words[i], threshold), v), operand.Mem{Base: y, Disp: i * size}, m)
	}
	both := operand.Imm(uint64(2 * s.lanes))
	c.SUBQ(both, n)
	c.JL(operand.LabelRef("tail"))
	c.Label("loop")
	words := draw()
	keep(words, 0, nil)
	keep(words, 1, nil)
	c.ADDQ(operand.Imm(uint64(2*size)), x)
	c.ADDQ(operand.Imm(uint64(2*size)), y)
	c.SUBQ(both, n)
	c.JGE(operand.LabelRef("loop"))
	c.Label("tail")
	c.ADDQ(both, n)
	c.JZ(operand.LabelRef("done"))
	words = draw()
	keep(words, 0, s.upTo(n))
	c.SUBQ(operand.Imm(uint64(s.lanes)), n)
	c.JLE(operand.LabelRef("done"))
	keep(words, 1, s.first(n))
	c.Label("done")
	s.end()
}

// pairWords returns the low halves of 64-bit lanes: those of low below those of high, which it overwrites.
func (s *isa) pairWords(low, high vecOp) vecOp {
	c := s.c
	c.VPSLLQ(operand.Imm(32), high, high)
	c.VPSLLQ(operand.Imm(32), low, low)
	c.VPSRLQ(operand.Imm(32), low, low)
	c.VORPS(low, high, high)
	return high
}

// interleaveWords returns the 64-bit lanes of a and b by turns, in two registers.
func (s *isa) interleaveWords(p *philox, a, b vecOp) []vecOp {
	c := s.c
	if s.masked() {
		low, high := s.load(p.low, nil), s.load(p.high, nil)
		c.VPERMI2Q(b, a, low)
		c.VPERMI2Q(b, a, high)
		return []vecOp{low, high}
	}
	even, odd, low, high := s.vector(), s.vector(), s.vector(), s.vector()
	c.VPUNPCKLQDQ(b, a, even)
	c.VPUNPCKHQDQ(b, a, odd)
	c.VPERM2I128(operand.Imm(0x20), odd, even, low)
	c.VPERM2I128(operand.Imm(0x31), odd, even, high)
	return []vecOp{low, high}
}

// atLeast returns where x ≥ y, as signed integers.
func (s *isa) atLeast(x, y vecOp) *mask {
	if s.masked() {
		k := s.c.K()
		s.c.VPCMPD(operand.Imm(5), y, x, k)
		return &mask{register: k}
	}
	below, ones := s.vector(), s.vector()
	s.c.VPCMPGTD(x, y, below)
	s.c.VPCMPEQD(ones, ones, ones)
	s.c.VPXOR(ones, below, below)
	return &mask{vector: below}
}
