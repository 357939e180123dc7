package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func vecAVX512(c *build.Context) { newAVX512(c).writeVec() }
func vecAVX2(c *build.Context)   { newAVX2(c).writeVec() }

func (s *isa) writeVec() {
	m := s.newMath()
	if s.masked() {
		s.declareIota()
	}
	p := s.newPhilox()
	s.arithmetic()
	s.binary()
	s.reductions()
	s.maximum(m)
	s.activations(m)
	s.optimizers()
	s.softmax(m)
	s.normalization()
	s.dropout(p)
	s.moves()
	s.pooling()
}

func (s *isa) arithmetic() {
	c := s.c
	s.elements("sqrt", "func(dst, x []float32)", "dst[i] = √x[i].", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			c.VSQRTPS(in[1], in[1])
			return in[1:2]
		}
	})
	s.elements("shift", "func(dst, x []float32, alpha float32)", "dst[i] = x[i] + alpha.", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		alpha := s.scalar("alpha")
		return func(in []vecOp) []vecOp {
			c.VADDPS(in[1], alpha, in[1])
			return in[1:2]
		}
	})
	s.elements("add", "func(dst, x, y []float32)", "dst[i] = x[i] + y[i].", []string{"dst", "x", "y"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			c.VADDPS(in[2], in[1], in[1])
			return in[1:2]
		}
	})
	s.elements("mul", "func(dst, x, y []float32)", "dst[i] = x[i]·y[i].", []string{"dst", "x", "y"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			c.VMULPS(in[2], in[1], in[1])
			return in[1:2]
		}
	})
	s.elements("scale", "func(dst, x []float32, alpha float32)", "dst[i] = alpha·x[i].", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		alpha := s.scalar("alpha")
		return func(in []vecOp) []vecOp {
			c.VMULPS(in[1], alpha, in[1])
			return in[1:2]
		}
	})
	s.elements("axpy", "func(y, x []float32, alpha float32)", "y[i] += alpha·x[i].", []string{"y", "x"}, func() func([]vecOp) []vecOp {
		alpha := s.scalar("alpha")
		return func(in []vecOp) []vecOp {
			c.VFMADD231PS(in[1], alpha, in[0])
			return in[:1]
		}
	})
}

// negative returns slope·v, but +0 if slope is 0: keep is unlessFlat().
func (s *isa) negative(v, slope, keep vecOp) vecOp {
	t := s.vector()
	s.c.VMULPS(v, slope, t)
	s.c.VANDPS(keep, t, t)
	return t
}

// bySlope writes a loop twice: for the slope zero, where what is not positive becomes +0, and for the others. The function it gets overwrites v by its ReLU.
func (s *isa) bySlope(prefix string, loop func(label string, relu func(v vecOp))) {
	c := s.c
	bits, zero := c.GP32(), s.zero()
	c.MOVL(s.address("slope"), bits)
	c.SHLL(operand.Imm(1), bits) // drops the sign
	c.JNZ(operand.LabelRef(prefix + "sloped"))
	loop(prefix+"flat_", func(v vecOp) {
		if s.masked() {
			k := c.K()
			c.VCMPPS(operand.Imm(notLessOrEqual), zero, v, k)
			c.VMOVAPS_Z(v, k, v)
		} else {
			t := s.vector()
			c.VCMPPS(operand.Imm(notLessOrEqual), zero, v, t)
			c.VANDPS(t, v, v)
		}
	})
	c.Label(prefix + "sloped")
	slope := s.scalar("slope")
	loop(prefix+"sloped_", func(v vecOp) {
		if s.masked() {
			k := c.K()
			c.VCMPPS(operand.Imm(lessOrEqual), zero, v, k)
			c.VMULPS(slope, v, k, v)
		} else {
			t, small := s.vector(), s.vector()
			c.VCMPPS(operand.Imm(lessOrEqual), zero, v, t)
			c.VMULPS(slope, v, small)
			c.VBLENDVPS(t, small, v, v)
		}
	})
}

func (s *isa) activations(m *mathConstants) {
	c := s.c
	s.elements("relu", "func(dst, x []float32, slope float32)", "dst[i] = slope·x[i] if x[i] ≤ 0, else x[i].", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		slope, keep, zero := s.scalar("slope"), s.unlessFlat(), s.zero()
		return func(in []vecOp) []vecOp {
			return []vecOp{s.choose(lessOrEqual, in[1], zero, s.negative(in[1], slope, keep), in[1])}
		}
	})
	s.elements("reluGrad", "func(dx, dy, y []float32, slope float32)", "dx[i] = dy[i] if y[i] > 0, else slope·dy[i].", []string{"dx", "dy", "y"}, func() func([]vecOp) []vecOp {
		slope, keep, zero := s.scalar("slope"), s.unlessFlat(), s.zero()
		return func(in []vecOp) []vecOp {
			return []vecOp{s.choose(greater, in[2], zero, in[1], s.negative(in[1], slope, keep))}
		}
	})
	s.elements("sigmoidGrad", "func(dx, dy, y []float32)", "dx[i] = dy[i]·(y[i]·(1 − y[i])).", []string{"dx", "dy", "y"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			t := s.load(m.one, nil)
			c.VSUBPS(in[2], t, t)
			c.VMULPS(in[2], t, t)
			c.VMULPS(in[1], t, t)
			return []vecOp{t}
		}
	})
	s.elements("tanhGrad", "func(dx, dy, y []float32)", "dx[i] = dy[i]·(1 − y[i]²).", []string{"dx", "dy", "y"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			t := s.load(m.one, nil)
			c.VFNMADD231PS(in[2], in[2], t)
			c.VMULPS(in[1], t, t)
			return []vecOp{t}
		}
	})
	s.elements("exp", "func(dst, x []float32)", "dst[i] = exp(x[i]).", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp { return []vecOp{s.exp(m, in[1])} }
	})
	s.elements("sigmoid", "func(dst, x []float32)", "dst[i] = 1/(1 + exp(−x[i])).", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp { return []vecOp{s.sigmoid(m, in[1])} }
	})
	s.elements("tanh", "func(dst, x []float32)", "dst[i] = tanh(x[i]).", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp { return []vecOp{s.tanh(m, in[1])} }
	})
	s.elements("log", "func(dst, x []float32)", "dst[i] = ln(x[i]).", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp { return []vecOp{s.log(m, in[1])} }
	})
	s.elements("elu", "func(dst, x []float32, alpha float32)", "dst[i] = alpha·(exp(x[i]) − 1) if x[i] ≤ 0, else x[i].", []string{"dst", "x"}, func() func([]vecOp) []vecOp {
		alpha, zero := s.scalar("alpha"), s.zero()
		return func(in []vecOp) []vecOp {
			t := s.expm1(m, in[1])
			c.VMULPS(alpha, t, t)
			return []vecOp{s.choose(less, in[1], zero, t, in[1])} // zeros keep their sign
		}
	})
	s.elements("eluGrad", "func(dx, dy, y []float32, alpha float32)", "dx[i] = dy[i] if y[i] > 0, else dy[i]·(y[i] + alpha).", []string{"dx", "dy", "y"}, func() func([]vecOp) []vecOp {
		alpha, zero := s.scalar("alpha"), s.zero()
		return func(in []vecOp) []vecOp {
			t := s.vector()
			c.VADDPS(alpha, in[2], t)
			c.VMULPS(in[1], t, t)
			return []vecOp{s.choose(greater, in[2], zero, in[1], t)}
		}
	})
	s.biasReLU()
}

// biasReLU takes a register of columns at a time, down all rows. A matrix narrower than a register is taken as one long row instead, if its rows follow one
// another: masked accesses to neighbouring rows would overlap, and each load wait for the store before it.
func (s *isa) biasReLU() {
	c := s.c
	s.begin("biasReLU", "func(c, bias []float32, rows, stride int, slope float32)", "c[i·stride+j] = ReLU(c[i·stride+j] + bias[j]).")
	n := c.Load(c.Param("bias").Len(), c.GP64())
	bias := c.Load(c.Param("bias").Base(), c.GP64())
	out := c.Load(c.Param("c").Base(), c.GP64())
	stride := c.Load(c.Param("stride"), c.GP64())
	c.CMPQ(n, operand.Imm(uint64(s.lanes)))
	c.JGE(operand.LabelRef("wide"))
	c.CMPQ(n, stride)
	c.JNE(operand.LabelRef("wide"))

	// The bias repeats every n elements: a copy of two registers' length has it at every phase that a register can begin with.
	repeated := c.AllocLocal(2 * 4 * s.lanes)
	i, column, element := c.GP64(), c.GP64(), c.GP32()
	c.XORQ(i, i)
	c.Label("repeat")
	c.XORQ(column, column)
	c.Label("repeat_column")
	c.MOVL(operand.Mem{Base: bias, Index: column, Scale: 4}, element)
	c.MOVL(element, repeated.Idx(i, 4))
	c.INCQ(i)
	c.CMPQ(i, operand.Imm(uint64(2*s.lanes)))
	c.JEQ(operand.LabelRef("repeated"))
	c.INCQ(column)
	c.CMPQ(column, n)
	c.JLT(operand.LabelRef("repeat_column"))
	c.JMP(operand.LabelRef("repeat"))
	c.Label("repeated")
	s.bySlope("narrow_", func(label string, relu func(v vecOp)) {
		s.biasStream(n, out, repeated, label, relu)
		s.end()
	})

	c.Label("wide")
	c.SHLQ(operand.Imm(2), stride)
	s.bySlope("wide_", func(label string, relu func(v vecOp)) {
		s.columnChunks(n, []reg.Register{bias, out}, label, func(m *mask, label string) {
			shift := s.load(operand.Mem{Base: bias}, m)
			rows := c.Load(c.Param("rows"), c.GP64())
			at := c.GP64()
			c.MOVQ(out, at)
			c.Label(label)
			v := s.load(operand.Mem{Base: at}, m)
			c.VADDPS(shift, v, v)
			relu(v)
			s.store(v, operand.Mem{Base: at}, m)
			c.ADDQ(stride, at)
			c.DECQ(rows)
			c.JNZ(operand.LabelRef(label))
		})
		s.end()
	})
}

// biasStream is biasReLU for rows of n elements that follow one another, the bias repeated.
func (s *isa) biasStream(n, out reg.Register, repeated operand.Mem, label string, relu func(v vecOp)) {
	c := s.c
	rest, phase, advance, wrapped := c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.MOVQ(operand.U32(s.lanes), advance)
	c.Label(label + "modulo") // advance = lanes mod n
	c.SUBQ(n, advance)
	c.CMPQ(advance, n)
	c.JGE(operand.LabelRef(label + "modulo"))
	c.Load(c.Param("rows"), rest)
	c.IMULQ(n, rest)
	c.XORQ(phase, phase)
	step := func(m *mask) {
		v := s.load(operand.Mem{Base: out}, m)
		c.VADDPS(repeated.Idx(phase, 4), v, v)
		relu(v)
		s.store(v, operand.Mem{Base: out}, m)
	}
	c.SUBQ(operand.Imm(uint64(s.lanes)), rest)
	c.JL(operand.LabelRef(label + "stream_tail"))
	c.Label(label + "stream")
	step(nil)
	c.ADDQ(operand.Imm(uint64(4*s.lanes)), out)
	c.ADDQ(advance, phase)
	c.MOVQ(phase, wrapped)
	c.SUBQ(n, wrapped)
	c.CMOVQGE(wrapped, phase)
	c.SUBQ(operand.Imm(uint64(s.lanes)), rest)
	c.JGE(operand.LabelRef(label + "stream"))
	c.Label(label + "stream_tail")
	c.ADDQ(operand.Imm(uint64(s.lanes)), rest)
	c.JZ(operand.LabelRef(label + "stream_done"))
	step(s.first(rest))
	c.Label(label + "stream_done")
}

// columnChunks writes a loop over n columns, a register of them at a time, that advances the pointers.
func (s *isa) columnChunks(n reg.Register, pointers []reg.Register, label string, body func(m *mask, label string)) {
	c := s.c
	lanes := operand.Imm(uint64(s.lanes))
	c.SUBQ(lanes, n)
	c.JL(operand.LabelRef(label + "tail"))
	c.Label(label + "chunk")
	body(nil, label+"rows")
	for _, p := range pointers {
		c.ADDQ(operand.Imm(uint64(4*s.lanes)), p)
	}
	c.SUBQ(lanes, n)
	c.JGE(operand.LabelRef(label + "chunk"))
	c.Label(label + "tail")
	c.ADDQ(lanes, n)
	c.JZ(operand.LabelRef(label + "done"))
	body(s.first(n), label+"tail_rows")
	c.Label(label + "done")
}
