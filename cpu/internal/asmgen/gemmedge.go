package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// edge reads of B and writes to C the columns that a tile has.
type edge interface {
	prepare(cols reg.Register, vectors, lanes int)
	// variants writes the computation for full tiles, and for those that lack columns.
	variants(t tile, cols reg.Register)
}

// maskRegisters masks the last register of a row by a mask register of AVX-512. Masked stores cost nothing, masked loads an instruction of arithmetic (2 % of the
// speed of Zen 4): full tiles have a loop without.
type maskRegisters struct {
	c      *build.Context
	mask   reg.OpmaskVirtual
	last   int
	vector func() vecOp
}

func (m *maskRegisters) prepare(cols reg.Register, vectors, lanes int) {
	m.last, m.vector = vectors-1, m.c.ZMM
	if lanes == 8 {
		m.vector = m.c.YMM
	}
	last, bits := m.c.GP64(), m.c.GP64()
	m.c.LEAQ(operand.Mem{Base: cols, Disp: -m.last * lanes}, last)
	m.c.MOVQ(operand.I64(-1), bits)
	m.c.BZHIQ(last, bits, bits)
	m.mask = m.c.K()
	m.c.KMOVW(bits.As32(), m.mask)
}

func (m *maskRegisters) variants(t tile, cols reg.Register) {
	o := t.begin(m.c, "")
	m.c.CMPQ(parameter(m.c, "cols"), operand.I32(int32(t.vectors*t.lanes)))
	m.c.JNE(operand.LabelRef("edge_run_loop"))
	t.addUp(m.c, o, "", m.load)
	m.c.Label("finish")
	t.finish(m.c, o, "", access{m.loadMasked, m.add, m.store})
	t.addUp(m.c, o, "edge_", m.loadMasked)
	m.c.JMP(operand.LabelRef("finish"))
	o.writeRare()
}

func (m *maskRegisters) load(_ int, at operand.Mem) vecOp {
	r := m.vector()
	m.c.VMOVUPS(at, r)
	return r
}

func (m *maskRegisters) loadMasked(v int, at operand.Mem) vecOp {
	if v < m.last {
		return m.load(v, at)
	}
	r := m.vector()
	m.c.VMOVUPS_Z(at, m.mask, r)
	return r
}

func (m *maskRegisters) add(v int, at operand.Mem, sum vecOp) {
	if v < m.last {
		m.c.VADDPS(at, sum, sum)
	} else {
		m.c.VADDPS(at, sum, m.mask, sum)
	}
}

func (m *maskRegisters) store(v int, sum vecOp, at operand.Mem) {
	if v < m.last {
		m.c.VMOVUPS(sum, at)
	} else {
		m.c.VMOVUPS(sum, m.mask, at)
	}
}

// maskVectors is for AVX2, whose masked stores are slow on some processors: full tiles do without. There is no register to keep the mask in, so it is read from
// memory.
type maskVectors struct {
	c    *build.Context
	ones operand.Mem // 8 lanes of ones, then 8 of zeros
	last int
}

func (m *maskVectors) prepare(cols reg.Register, vectors, lanes int) {
	m.last = vectors - 1
	m.c.CMPQ(cols, operand.I32(int32(vectors*lanes)))
	m.c.JNE(operand.LabelRef("edge"))
}

func (m *maskVectors) variants(t tile, cols reg.Register) {
	whole := access{
		load: func(_ int, at operand.Mem) vecOp {
			r := m.c.YMM()
			m.c.VMOVUPS(at, r)
			return r
		},
		add:   func(_ int, at operand.Mem, sum vecOp) { m.c.VADDPS(at, sum, sum) },
		store: func(_ int, sum vecOp, at operand.Mem) { m.c.VMOVUPS(sum, at) },
	}
	o := t.begin(m.c, "")
	t.addUp(m.c, o, "", whole.load)
	t.finish(m.c, o, "", whole)
	o.writeRare()

	m.c.Label("edge")
	mask := m.c.GP64()
	m.c.LEAQ(m.ones.Offset(32+32*m.last), mask)
	m.c.SHLQ(operand.Imm(2), cols)
	m.c.SUBQ(cols, mask)
	masked := func(at operand.Mem) vecOp {
		r := m.c.YMM()
		m.c.VMOVUPS(operand.Mem{Base: mask}, r)
		m.c.VMASKMOVPS(at, r, r)
		return r
	}
	some := access{
		load: func(v int, at operand.Mem) vecOp {
			if v < m.last {
				return whole.load(v, at)
			}
			return masked(at)
		},
		add: func(v int, at operand.Mem, sum vecOp) {
			if v < m.last {
				whole.add(v, at, sum)
			} else {
				m.c.VADDPS(masked(at), sum, sum)
			}
		},
		store: func(v int, sum vecOp, at operand.Mem) {
			if v < m.last {
				whole.store(v, sum, at)
				return
			}
			r := m.c.YMM()
			m.c.VMOVUPS(operand.Mem{Base: mask}, r)
			m.c.VMASKMOVPS(sum, r, at)
		},
	}
	o = t.begin(m.c, "edge_")
	t.addUp(m.c, o, "edge_", some.load)
	t.finish(m.c, o, "edge_", some)
	o.writeRare()
}
