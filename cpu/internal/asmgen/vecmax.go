package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maximum takes two registers of maxima through the slice; its last register overlaps the one before. A maximum loses a NaN: these
// are found by the greatest bits without sign, which are above those of infinity.
func (s *isa) maximum(m *mathConstants) {
	c := s.c
	s.begin("max", "func(x []float32) float32", "the greatest x[i], or NaN if there is one.")
	n := c.Load(c.Param("x").Len(), c.GP64())
	x := c.Load(c.Param("x").Base(), c.GP64())
	lanes := operand.Imm(uint64(s.lanes))
	least := s.vector()
	c.VORPS(m.sign, s.load(m.inf, nil), least)
	best, other := s.vector(), s.vector()
	c.VMOVAPS(least, best)
	c.VMOVAPS(least, other)
	size, notSign := s.zero(), s.load(m.notSign, nil)
	step := func(best, v vecOp) {
		c.VMAXPS(best, v, best)
		c.VANDPS(notSign, v, v)
		c.VPMAXUD(v, size, size)
	}
	at := func(i int) operand.Mem { return operand.Mem{Base: x, Disp: 4 * s.lanes * i} }
	c.CMPQ(n, lanes)
	c.JL(operand.LabelRef("short"))
	c.SUBQ(operand.Imm(uint64(2*s.lanes)), n)
	c.JL(operand.LabelRef("rest"))
	c.Label("loop")
	step(best, s.load(at(0), nil))
	step(other, s.load(at(1), nil))
	c.ADDQ(operand.Imm(uint64(8*s.lanes)), x)
	c.SUBQ(operand.Imm(uint64(2*s.lanes)), n)
	c.JGE(operand.LabelRef("loop"))
	c.Label("rest")
	c.ADDQ(operand.Imm(uint64(2*s.lanes)), n) // what is left, less than two registers
	last := c.GP64()
	c.LEAQ(operand.Mem{Base: x, Index: n, Scale: 4, Disp: -4 * s.lanes}, last)
	step(other, s.load(operand.Mem{Base: last}, nil))
	c.CMPQ(n, lanes)
	c.JLE(operand.LabelRef("fold"))
	step(best, s.load(at(0), nil))
	c.JMP(operand.LabelRef("fold"))

	c.Label("short")
	tail := s.first(n)
	step(best, s.pick(tail, s.load(at(0), tail), least))

	c.Label("fold")
	c.VMAXPS(other, best, best)
	s.foldMax(best)
	result := asX(best)
	found := c.GP32()
	s.anyAbove(size, m.inf, found)
	c.TESTL(found, found)
	c.JZ(operand.LabelRef("done"))
	c.VMOVSS(m.nan, result)
	c.Label("done")
	c.Store(result, c.ReturnIndex(0))
	s.end()
}

// anyAbove sets found unless no lane of x is greater than y, as integers.
func (s *isa) anyAbove(x vecOp, y operand.Mem, found reg.GPVirtual) {
	if s.masked() {
		k := s.c.K()
		s.c.VPCMPUD(operand.Imm(6), y, x, k)
		s.c.KMOVW(k, found)
		return
	}
	s.c.VPCMPGTD(y, x, x)
	s.c.VMOVMSKPS(x, found)
}

// foldMax puts the greatest lane into the lowest.
func (s *isa) foldMax(v vecOp) {
	c := s.c
	if s.masked() {
		high := c.YMM()
		c.VEXTRACTF64X4(operand.Imm(1), v, high)
		c.VMAXPS(asY(v), high, asY(v))
	}
	t := c.XMM()
	c.VEXTRACTF128(operand.Imm(1), asY(v), t)
	x := asX(v)
	c.VMAXPS(t, x, x)
	c.VPERMILPS(operand.Imm(0b1110), x, t)
	c.VMAXPS(t, x, x)
	c.VPERMILPS(operand.Imm(0b01), x, t)
	c.VMAXPS(t, x, x)
}
