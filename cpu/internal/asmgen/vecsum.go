package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func (s *isa) reductions() {
	c := s.c
	s.reduction("sum", "func(x []float32) float32", "Σ x[i].", []string{"x"}, func(sum vecOp, in []vecOp) { c.VADDPS(in[0], sum, sum) })
	s.reduction("dot", "func(x, y []float32) float32", "Σ x[i]·y[i].", []string{"x", "y"}, func(sum vecOp, in []vecOp) { c.VFMADD231PS(in[0], in[1], sum) })
	s.columns()
}

// reduction writes a sum over slices, in four registers: element i goes to register i/lanes mod 4 while there are enough for all four, and to the first after
// that. Then they are added up, and their lanes, halves first.
func (s *isa) reduction(name, signature, doc string, slices []string, add func(sum vecOp, in []vecOp)) {
	c := s.c
	s.begin(name, signature, doc)
	n := c.Load(c.Param(slices[0]).Len(), c.GP64())
	bases := make([]reg.Register, len(slices))
	for i, slice := range slices {
		bases[i] = c.Load(c.Param(slice).Base(), c.GP64())
	}
	sums := []vecOp{s.zero(), s.zero(), s.zero(), s.zero()}
	at := c.GP64()
	step := func(sum vecOp, vector int, m *mask) {
		in := make([]vecOp, len(slices))
		for i, base := range bases {
			in[i] = s.load(operand.Mem{Base: base, Index: at, Scale: 4, Disp: 4 * s.lanes * vector}, m)
		}
		add(sum, in)
	}
	lanes, four := operand.Imm(uint64(s.lanes)), operand.Imm(uint64(4*s.lanes))
	c.XORQ(at, at)
	c.SUBQ(four, n)
	c.JL(operand.LabelRef("rest"))
	c.Label("loop4")
	for i, sum := range sums {
		step(sum, i, nil)
	}
	c.ADDQ(four, at)
	c.SUBQ(four, n)
	c.JGE(operand.LabelRef("loop4"))
	c.Label("rest")
	c.ADDQ(operand.Imm(uint64(3*s.lanes)), n)
	c.JL(operand.LabelRef("tail"))
	c.Label("loop")
	step(sums[0], 0, nil)
	c.ADDQ(lanes, at)
	c.SUBQ(lanes, n)
	c.JGE(operand.LabelRef("loop"))
	c.Label("tail")
	c.ADDQ(lanes, n)
	c.JZ(operand.LabelRef("done"))
	step(sums[1], 0, s.first(n))
	c.Label("done")
	total := s.addAll(sums)
	c.Store(s.foldSum(total), c.ReturnIndex(0))
	s.end()
}

// foldSum returns the sum of the lanes, halves first.
func (s *isa) foldSum(total vecOp) reg.Register {
	c := s.c
	low, high := c.YMM(), c.YMM()
	if s.masked() {
		c.VEXTRACTF64X4(operand.Imm(1), total, high)
		c.VADDPS(asY(total), high, low)
	} else {
		c.VMOVAPS(total, low)
	}
	c.VEXTRACTF128(operand.Imm(1), low, high.AsX())
	x, t := low.AsX(), high.AsX()
	c.VADDPS(t, x, x)
	c.VPERMILPS(operand.Imm(0b1110), x, t)
	c.VADDPS(t, x, x)
	c.VPERMILPS(operand.Imm(0b01), x, t)
	c.VADDSS(t, x, x)
	return x
}

// addAll returns (s₀+s₁) + (s₂+s₃), and overwrites them.
func (s *isa) addAll(sums []vecOp) vecOp {
	s.c.VADDPS(sums[1], sums[0], sums[0])
	s.c.VADDPS(sums[3], sums[2], sums[2])
	s.c.VADDPS(sums[2], sums[0], sums[0])
	return sums[0]
}

func asY(v vecOp) reg.Register { return v.(interface{ AsY() reg.Register }).AsY() }

// columns takes a register of columns at a time, down all rows, four rows at once.
func (s *isa) columns() {
	c := s.c
	s.begin("columns", "func(dst, x []float32, rows, stride int)", "dst[j] += Σᵢ x[i·stride+j].")
	n := c.Load(c.Param("dst").Len(), c.GP64())
	dst := c.Load(c.Param("dst").Base(), c.GP64())
	x := c.Load(c.Param("x").Base(), c.GP64())
	stride := c.Load(c.Param("stride"), c.GP64())
	c.SHLQ(operand.Imm(2), stride)
	s.columnChunks(n, []reg.Register{dst, x}, "", func(m *mask, label string) {
		sums := []vecOp{s.zero(), s.zero(), s.zero(), s.zero()}
		rows := c.Load(c.Param("rows"), c.GP64())
		at := c.GP64()
		c.MOVQ(x, at)
		c.Label(label)
		for i, sum := range sums {
			c.VADDPS(s.load(operand.Mem{Base: at}, m), sum, sum)
			if i == len(sums)-1 {
				break
			}
			c.ADDQ(stride, at)
			c.DECQ(rows)
			c.JZ(operand.LabelRef(label + "_done"))
		}
		c.ADDQ(stride, at)
		c.DECQ(rows)
		c.JNZ(operand.LabelRef(label))
		c.Label(label + "_done")
		total := s.addAll(sums)
		c.VADDPS(s.load(operand.Mem{Base: dst}, m), total, total)
		s.store(total, operand.Mem{Base: dst}, m)
	})
	s.end()
}
