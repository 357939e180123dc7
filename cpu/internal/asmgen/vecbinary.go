package main

import "github.com/mmcloughlin/avo/operand"

// binary writes the loops of two operands that are no sums or products.
func (s *isa) binary() {
	c := s.c
	two := []string{"dst", "x", "y"}
	s.elements("sub", "func(dst, x, y []float32)", "dst[i] = x[i] − y[i].", two, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			c.VSUBPS(in[2], in[1], in[1])
			return in[1:2]
		}
	})
	s.elements("div", "func(dst, x, y []float32)", "dst[i] = x[i]/y[i].", two, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			c.VDIVPS(in[2], in[1], in[1])
			return in[1:2]
		}
	})
	s.elements("larger", "func(dst, x, y []float32)", "dst[i] = y[i] if y[i] > x[i], or if it is NaN and x[i] is not; else x[i].", two, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp { return []vecOp{s.pick(s.beats(notLessOrEqual, in[2], in[1]), in[2], in[1])} }
	})
	s.elements("smaller", "func(dst, x, y []float32)", "dst[i] = y[i] if y[i] < x[i], or if it is NaN and x[i] is not; else x[i].", two, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			return []vecOp{s.pick(s.beats(notGreaterOrEqual, in[2], in[1]), in[2], in[1])}
		}
	})
	for _, compare := range []struct {
		name, sign string
		predicate  uint64
	}{{"equal", "=", equalTo}, {"notEqual", "≠", notEqualTo}, {"less", "<", less}, {"lessOrEqual", "≤", lessOrEqual}} {
		s.elements(compare.name, "func(dst, x, y []float32)", "dst[i] = 1 if x[i] "+compare.sign+" y[i], else 0.", two, func() func([]vecOp) []vecOp {
			one, zero := s.load(s.float(1), nil), s.zero()
			return func(in []vecOp) []vecOp { return []vecOp{s.choose(compare.predicate, in[1], in[2], one, zero)} }
		})
	}
	s.elements("selects", "func(dst, cond, x, y []float32)", "dst[i] = x[i] if cond[i] ≠ 0, else y[i].", []string{"dst", "cond", "x", "y"}, func() func([]vecOp) []vecOp {
		zero := s.zero()
		return func(in []vecOp) []vecOp { return []vecOp{s.choose(notEqualTo, in[1], zero, in[2], in[3])} }
	})
}

// beats returns where v takes the place of the best found before: where the predicate, which is true for NaN, holds and best is no NaN.
func (s *isa) beats(predicate uint64, v, best vecOp) *mask {
	if s.masked() {
		k := s.c.K()
		s.c.VCMPPS(operand.Imm(ordered), best, best, k)
		s.c.VCMPPS(operand.Imm(predicate), best, v, k, k)
		return &mask{register: k}
	}
	wins, number := s.vector(), s.vector()
	s.c.VCMPPS(operand.Imm(predicate), best, v, wins)
	s.c.VCMPPS(operand.Imm(ordered), best, best, number)
	s.c.VANDPS(number, wins, wins)
	return &mask{vector: wins}
}
