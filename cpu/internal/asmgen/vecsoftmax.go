package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func (s *isa) softmax(m *mathConstants) {
	s.expRows(m)
	s.affineRows()
}

// rowsOf writes a loop over the rows of x, and gives the body a function that writes a loop over the registers of the row.
func (s *isa) rowsOf(rows, cols reg.Register, pointers []reg.Register, body func(each func(label string, step func(at reg.Register, m *mask)))) {
	c := s.c
	tail := s.tailOf(cols)
	c.Label("rows")
	body(func(label string, step func(at reg.Register, m *mask)) { s.chunks(cols, tail, label, step) })
	for _, p := range pointers {
		c.LEAQ(operand.Mem{Base: p, Index: cols, Scale: 4}, p)
	}
	c.DECQ(rows)
	c.JNZ(operand.LabelRef("rows"))
}

// expRows goes through a row twice. NaN need no care: they make the sum NaN, whatever the maximum is.
func (s *isa) expRows(m *mathConstants) {
	c := s.c
	s.begin("expRows", "func(dst, maxima, sums, x []float32, cols int)",
		"maxima[i] = max of row i of x, dst = exp(x − maxima[i]) and sums[i] = the sum of that row; dst may be nil.")
	rows := c.Load(c.Param("maxima").Len(), c.GP64())
	maxima, sums := c.Load(c.Param("maxima").Base(), c.GP64()), c.Load(c.Param("sums").Base(), c.GP64())
	dst, x := c.Load(c.Param("dst").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())
	cols := c.Load(c.Param("cols"), c.GP64())
	store := c.GP64() // what dst advances by: nothing if there is none
	c.XORQ(store, store)
	c.TESTQ(dst, dst)
	c.CMOVQNE(cols, store)
	s.rowsOf(rows, cols, []reg.Register{x}, func(each func(label string, step func(at reg.Register, m *mask))) {
		best := s.vector()
		c.VORPS(m.sign, s.load(m.inf, nil), best)
		each("max_", func(at reg.Register, tail *mask) {
			v := s.load(operand.Mem{Base: x, Index: at, Scale: 4}, tail)
			if tail != nil {
				least := s.vector()
				c.VORPS(m.sign, s.load(m.inf, nil), least)
				v = s.pick(tail, v, least)
			}
			c.VMAXPS(best, v, best)
		})
		s.foldMax(best)
		c.VMOVSS(asX(best), operand.Mem{Base: maxima})
		c.VBROADCASTSS(asX(best), best)
		sum := s.zero()
		each("exp_", func(at reg.Register, tail *mask) {
			v := s.load(operand.Mem{Base: x, Index: at, Scale: 4}, tail)
			c.VSUBPS(best, v, v)
			e := s.exp(m, v)
			label := "stored"
			if tail != nil {
				label = "stored_tail"
				e = s.only(tail, e)
			}
			c.VADDPS(e, sum, sum)
			c.TESTQ(dst, dst)
			c.JZ(operand.LabelRef(label))
			s.store(e, operand.Mem{Base: dst, Index: at, Scale: 4}, tail)
			c.Label(label)
		})
		c.VMOVSS(s.foldSum(sum), operand.Mem{Base: sums})
		c.ADDQ(operand.Imm(4), maxima)
		c.ADDQ(operand.Imm(4), sums)
		c.LEAQ(operand.Mem{Base: dst, Index: store, Scale: 4}, dst)
	})
	s.end()
}

// affineRows has its own factor and offset for each row.
func (s *isa) affineRows() {
	c := s.c
	s.begin("affineRows", "func(dst, x, factors, offsets []float32, cols int)", "dst = x·factors[i] + offsets[i] in row i.")
	rows := c.Load(c.Param("factors").Len(), c.GP64())
	factors, offsets := c.Load(c.Param("factors").Base(), c.GP64()), c.Load(c.Param("offsets").Base(), c.GP64())
	dst, x := c.Load(c.Param("dst").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())
	cols := c.Load(c.Param("cols"), c.GP64())
	s.rowsOf(rows, cols, []reg.Register{dst, x}, func(each func(label string, step func(at reg.Register, m *mask))) {
		factor, offset := s.vector(), s.vector()
		c.VBROADCASTSS(operand.Mem{Base: factors}, factor)
		c.VBROADCASTSS(operand.Mem{Base: offsets}, offset)
		each("", func(at reg.Register, tail *mask) {
			v := s.load(operand.Mem{Base: x, Index: at, Scale: 4}, tail)
			c.VFMADD213PS(offset, factor, v)
			s.store(v, operand.Mem{Base: dst, Index: at, Scale: 4}, tail)
		})
		c.ADDQ(operand.Imm(4), factors)
		c.ADDQ(operand.Imm(4), offsets)
	})
	s.end()
}
