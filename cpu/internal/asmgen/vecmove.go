package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func (s *isa) moves() {
	s.interleave()
	s.deinterleave()
	s.addRows()
	if s.masked() {
		s.slideRows()
	}
}

// transpose8 exchanges rows and columns of eight registers of eight lanes, which it overwrites. If only six are given, the last two columns hold anything.
func (s *isa) transpose8(v []vecOp) []vecOp {
	c := s.c
	pairs := make([]vecOp, 8) // (v₀₀ v₁₀ v₀₁ v₁₁), (v₀₂ v₁₂ v₀₃ v₁₃), …
	for i := 0; i < len(v); i += 2 {
		pairs[i], pairs[i+1] = s.vector(), v[i+1]
		c.VUNPCKLPS(v[i+1], v[i], pairs[i])
		c.VUNPCKHPS(v[i+1], v[i], pairs[i+1])
	}
	fours := make([]vecOp, 8) // (v₀₀ v₁₀ v₂₀ v₃₀), (v₀₁ …), (v₀₂ …), (v₀₃ …), and v₄ to v₇
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			low, high := pairs[i+j], pairs[i+2+j]
			t := s.vector()
			if high == nil {
				c.VUNPCKHPD(low, low, t)
				fours[i+2*j], fours[i+2*j+1] = low, t
				continue
			}
			c.VUNPCKLPD(high, low, t)
			c.VUNPCKHPD(high, low, high)
			fours[i+2*j], fours[i+2*j+1] = t, high
		}
	}
	out := make([]vecOp, 8)
	for i := range 4 {
		low, high := fours[i], fours[4+i]
		t := s.vector()
		if s.masked() {
			c.VSHUFF32X4(operand.Imm(0b00), high, low, t)
			c.VSHUFF32X4(operand.Imm(0b11), high, low, high)
		} else {
			c.VPERM2F128(operand.Imm(0x20), high, low, t)
			c.VPERM2F128(operand.Imm(0x31), high, low, high)
		}
		out[i], out[4+i] = t, high
	}
	return out
}

// planePointers returns pointers to eight planes. Where there are fewer, the rest are the last again.
func (s *isa) planePointers(first reg.GPVirtual, plane, count reg.Register) []reg.GPVirtual {
	p := []reg.GPVirtual{first}
	for i := 1; i < 8; i++ {
		next, here := s.c.GP64(), s.c.GP64()
		s.c.LEAQ(operand.Mem{Base: p[i-1], Index: plane, Scale: 1}, next)
		s.c.MOVQ(p[i-1], here)
		s.c.CMPQ(count, operand.Imm(uint64(i)))
		s.c.CMOVQGT(next, here)
		p = append(p, here)
	}
	return p
}

// interleave transposes blocks of 8 pixels of up to 8 planes. A pixel is stored as eight lanes: those that are too many are overwritten by the next pixels, if
// there are enough to come and the pixels follow one another; else a mask leaves them out.
func (s *isa) interleave() {
	s = s.narrow()
	c := s.c
	s.begin("interleave", "func(dst, planes, bias []float32, pixels, plane, pitch int, slope float32)",
		"dst[p·pitch+k] = ReLU(planes[k·plane+p] + bias[k]) for p < pixels and k < len(bias) ≤ 8.")
	width := c.Load(c.Param("bias").Len(), c.GP64())
	dst := c.Load(c.Param("dst").Base(), c.GP64())
	plane, pitch := c.Load(c.Param("plane"), c.GP64()), c.Load(c.Param("pitch"), c.GP64())
	widthMask := s.first(width)
	c.SHLQ(operand.Imm(2), plane)

	shifts := c.AllocLocal(8 * 32)
	{
		bias := c.Load(c.Param("bias").Base(), c.GP64())
		last := c.GP64()
		c.LEAQ(operand.Mem{Base: bias, Index: width, Scale: 4, Disp: -4}, last)
		for i := range 8 {
			v := s.vector()
			c.VBROADCASTSS(operand.Mem{Base: bias}, v)
			c.VMOVUPS(v, shifts.Offset(32*i))
			c.ADDQ(operand.Imm(4), bias)
			c.CMPQ(bias, last)
			c.CMOVQGT(last, bias)
		}
	}
	planes := s.planePointers(c.Load(c.Param("planes").Base(), c.GP64()).(reg.GPVirtual), plane, width)
	at := c.GP64() // in the planes, in bytes
	c.XORQ(at, at)
	body := func(n int, m *mask, relu func(v vecOp) vecOp) []vecOp {
		v := make([]vecOp, n)
		for i := range v {
			v[i] = s.load(operand.Mem{Base: planes[i], Index: at, Scale: 1}, m)
			c.VADDPS(shifts.Offset(32*i), v[i], v[i])
			v[i] = relu(v[i])
		}
		c.ADDQ(operand.Imm(32), at)
		return s.transpose8(v)
	}

	rest := plane // no longer needed
	c.Load(c.Param("pixels"), rest)
	c.CMPQ(width, operand.Imm(8))
	c.JEQ(operand.LabelRef("unmasked"))
	c.CMPQ(width, pitch)
	c.JNE(operand.LabelRef("masked"))
	c.Label("unmasked")
	c.SHLQ(operand.Imm(2), pitch)
	c.SUBQ(operand.Imm(16), rest)
	c.JL(operand.LabelRef("few"))
	pitch3 := c.GP64()
	c.LEAQ(operand.Mem{Base: pitch, Index: pitch, Scale: 2}, pitch3)
	s.bySlope("", func(label string, relu func(v vecOp)) {
		blocks := func(n int, label string) {
			half := c.GP64()
			c.Label(label)
			pixels := body(n, nil, func(v vecOp) vecOp { relu(v); return v })
			c.LEAQ(operand.Mem{Base: dst, Index: pitch, Scale: 4}, half)
			for i, base := range []reg.Register{dst, half} {
				s.store(pixels[4*i], operand.Mem{Base: base}, nil)
				s.store(pixels[4*i+1], operand.Mem{Base: base, Index: pitch, Scale: 1}, nil)
				s.store(pixels[4*i+2], operand.Mem{Base: base, Index: pitch, Scale: 2}, nil)
				s.store(pixels[4*i+3], operand.Mem{Base: base, Index: pitch3, Scale: 1}, nil)
			}
			c.LEAQ(operand.Mem{Base: half, Index: pitch, Scale: 4}, dst)
			c.SUBQ(operand.Imm(8), rest)
			c.JGE(operand.LabelRef(label))
			c.JMP(operand.LabelRef("few"))
		}
		c.CMPQ(width, operand.Imm(6))
		c.JGT(operand.LabelRef(label + "eight"))
		blocks(6, label+"six")
		blocks(8, label+"eight")
	})
	c.Label("few")
	c.ADDQ(operand.Imm(16), rest)
	c.JMP(operand.LabelRef("rest"))

	c.Label("masked")
	c.SHLQ(operand.Imm(2), pitch)
	c.Label("rest")
	slope, keep, zero := s.scalar("slope"), s.unlessFlat(), s.zero()
	c.Label("tail")
	for i, v := range body(8, s.upTo(rest), func(v vecOp) vecOp { return s.choose(lessOrEqual, v, zero, s.negative(v, slope, keep), v) }) {
		c.CMPQ(rest, operand.Imm(uint64(i)))
		c.JLE(operand.LabelRef("done"))
		s.store(v, operand.Mem{Base: dst}, widthMask)
		c.ADDQ(pitch, dst)
	}
	c.SUBQ(operand.Imm(8), rest)
	c.JG(operand.LabelRef("tail"))
	c.Label("done")
	s.end()
}

// deinterleave is interleave the other way round. Planes that do not exist are written to the last, before that is.
func (s *isa) deinterleave() {
	s = s.narrow()
	c := s.c
	s.begin("deinterleave", "func(dst, src []float32, pixels, width, plane, pitch int)", "dst[k·plane+p] = src[p·pitch+k] for p < pixels and k < width ≤ 8.")
	width := c.Load(c.Param("width"), c.GP64())
	src := c.Load(c.Param("src").Base(), c.GP64())
	plane, pitch := c.Load(c.Param("plane"), c.GP64()), c.Load(c.Param("pitch"), c.GP64())
	widthMask := s.first(width)
	c.SHLQ(operand.Imm(2), plane)
	c.SHLQ(operand.Imm(2), pitch)
	planes := s.planePointers(c.Load(c.Param("dst").Base(), c.GP64()).(reg.GPVirtual), plane, width)
	write := func(v []vecOp, m *mask) {
		for i := 7; i >= 0; i-- {
			s.store(v[i], operand.Mem{Base: planes[i]}, m)
			c.ADDQ(operand.Imm(32), planes[i])
		}
	}

	rest := plane // no longer needed
	c.Load(c.Param("pixels"), rest)
	c.SUBQ(operand.Imm(16), rest)
	c.JL(operand.LabelRef("few"))
	c.Label("loop")
	v := make([]vecOp, 8)
	for i := range v {
		v[i] = s.load(operand.Mem{Base: src}, nil)
		c.ADDQ(pitch, src)
	}
	write(s.transpose8(v), nil)
	c.SUBQ(operand.Imm(8), rest)
	c.JGE(operand.LabelRef("loop"))
	c.Label("few")
	c.ADDQ(operand.Imm(16), rest)
	c.Label("tail")
	for i := range v {
		v[i] = s.zero()
	}
	for i := range v {
		c.CMPQ(rest, operand.Imm(uint64(i)))
		c.JLE(operand.LabelRef("loaded"))
		s.loadTo(v[i], operand.Mem{Base: src}, widthMask)
		c.ADDQ(pitch, src)
	}
	c.Label("loaded")
	write(s.transpose8(v), s.upTo(rest))
	c.SUBQ(operand.Imm(8), rest)
	c.JG(operand.LabelRef("tail"))
	s.end()
}

// slideRows holds the columns of a row of dst in two registers. From one row to the next they move on: what they leave is stored, what they reach is loaded.
// So rows may overlap without any load waiting for a store, not even where only the bytes that a mask leaves out are the same, if cols ≥ 16.
func (s *isa) slideRows() {
	c := s.c
	s.begin("slideRows", "func(dst, src []float32, rows, cols, dstStride, srcStride int)",
		"dst[i·dstStride+j] += src[i·srcStride+j] for cols ≤ 32 and dstStride ≤ 16, dstStride ≤ cols.")
	dst, src := c.Load(c.Param("dst").Base(), c.GP64()), c.Load(c.Param("src").Base(), c.GP64())
	cols, step := c.Load(c.Param("cols"), c.GP64()), c.Load(c.Param("dstStride"), c.GP64()).(reg.GPVirtual)
	stride := c.Load(c.Param("srcStride"), c.GP64())
	c.SHLQ(operand.Imm(2), stride)

	// halves returns the masks of both registers for the lanes whose bits are set.
	halves := func(bits reg.GPVirtual) []*mask {
		low, high := c.K(), c.K()
		c.KMOVW(bits.As32(), low)
		c.SHRQ(operand.Imm(16), bits)
		c.KMOVW(bits.As32(), high)
		return []*mask{{register: low}, {register: high}}
	}
	ones := c.GP64()
	c.MOVQ(operand.I64(-1), ones)
	firstBits := func(n reg.Register) reg.GPVirtual {
		b := c.GP64()
		c.BZHIQ(n, ones, b)
		return b
	}
	all, left := halves(firstBits(cols)), s.first(step)
	kept := c.GP64() // columns that a row and the next have in common
	c.MOVQ(cols, kept)
	c.SUBQ(step, kept)
	reachedBits := firstBits(cols)
	c.XORQ(firstBits(kept), reachedBits)
	reached := halves(reachedBits)

	on, back := s.vector(), s.vector() // by how many lanes, modulo 16
	c.VPBROADCASTD(step.As32(), on)
	c.VPADDD(s.iota, on, on)
	numbers := s.load(s.iota, nil)
	c.VPBROADCASTD(kept.As32(), back)
	c.VPSUBD(back, numbers, back)
	c.SHLQ(operand.Imm(2), step)
	at := func(base reg.Register, i int) operand.Mem { return operand.Mem{Base: base, Disp: 64 * i} }
	rows := c.Load(c.Param("rows"), c.GP64())
	low, high := s.load(at(dst, 0), all[0]), s.load(at(dst, 1), all[1])
	row := func() {
		c.VADDPS(s.load(at(src, 0), all[0]), low, low)
		c.VADDPS(s.load(at(src, 1), all[1]), high, high)
	}
	c.DECQ(rows)
	c.JZ(operand.LabelRef("last"))
	c.Label("loop")
	row()
	s.store(low, at(dst, 0), left)
	c.ADDQ(stride, src)
	c.ADDQ(step, dst)
	next := s.load(operand.Mem{Base: dst, Index: kept, Scale: 4}, left)
	c.VPERMPS(next, back, next)
	c.VPERMT2PS(high, on, low)
	c.VPERMPS(high, on, high)
	c.VMOVAPS(next, reached[0].register, low)
	c.VMOVAPS(next, reached[1].register, high)
	c.DECQ(rows)
	c.JNZ(operand.LabelRef("loop"))
	c.Label("last")
	row()
	s.store(low, at(dst, 0), all[0])
	s.store(high, at(dst, 1), all[1])
	s.end()
}

// addRows adds row after row, a register at a time.
func (s *isa) addRows() {
	c := s.c
	s.begin("addRows", "func(dst, src []float32, rows, cols, dstStride, srcStride int)", "dst[i·dstStride+j] += src[i·srcStride+j].")
	dst, src := c.Load(c.Param("dst").Base(), c.GP64()), c.Load(c.Param("src").Base(), c.GP64())
	cols, rows := c.Load(c.Param("cols"), c.GP64()), c.Load(c.Param("rows"), c.GP64())
	dstStride, srcStride := c.Load(c.Param("dstStride"), c.GP64()), c.Load(c.Param("srcStride"), c.GP64())
	c.SHLQ(operand.Imm(2), dstStride)
	c.SHLQ(operand.Imm(2), srcStride)
	rest, at := c.GP64(), c.GP64()
	lanes := operand.Imm(uint64(s.lanes))
	c.MOVQ(cols, rest)
	c.ANDQ(operand.Imm(uint64(s.lanes-1)), rest)
	tail := s.first(rest)
	add := func(m *mask) {
		to := operand.Mem{Base: dst, Index: at, Scale: 4}
		v := s.load(operand.Mem{Base: src, Index: at, Scale: 4}, m)
		c.VADDPS(s.load(to, m), v, v)
		s.store(v, to, m)
	}
	c.Label("row")
	c.XORQ(at, at)
	c.MOVQ(cols, rest)
	c.SUBQ(lanes, rest)
	c.JL(operand.LabelRef("tail"))
	c.Label("loop")
	add(nil)
	c.ADDQ(lanes, at)
	c.SUBQ(lanes, rest)
	c.JGE(operand.LabelRef("loop"))
	c.Label("tail")
	c.ADDQ(lanes, rest)
	c.JZ(operand.LabelRef("next"))
	add(tail)
	c.Label("next")
	c.ADDQ(dstStride, dst)
	c.ADDQ(srcStride, src)
	c.DECQ(rows)
	c.JNZ(operand.LabelRef("row"))
	s.end()
}
