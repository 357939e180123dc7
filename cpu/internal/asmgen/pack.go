package main

import (
	"fmt"
	"math/bits"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose8 writes the packing of eight lanes that each lie in one piece.
func transpose8(c *build.Context) {
	transposeLoop(c, "transpose8", 8, func(src, stride, dst, width reg.Register) {
		row := rowsOf(c, src, stride, 8)
		in := make([]vecOp, 8)
		for i := range in {
			in[i] = c.YMM()
			c.VMOVUPS(row(i), in[i])
		}
		// Pairs, then pairs of pairs within each half of a register, then halves.
		pair := make([]vecOp, 8)
		for i := 0; i < 8; i += 2 {
			pair[i], pair[i+1] = c.YMM(), c.YMM()
			c.VUNPCKLPS(in[i+1], in[i], pair[i])
			c.VUNPCKHPS(in[i+1], in[i], pair[i+1])
		}
		quad := make([]vecOp, 8)
		for i := 0; i < 8; i += 4 {
			for j := range 2 {
				quad[i+2*j], quad[i+2*j+1] = c.YMM(), c.YMM()
				c.VUNPCKLPD(pair[i+2+j], pair[i+j], quad[i+2*j])
				c.VUNPCKHPD(pair[i+2+j], pair[i+j], quad[i+2*j+1])
			}
		}
		to := rowsOf(c, dst, width, 8)
		for i := range 8 {
			out := c.YMM()
			if i < 4 {
				c.VINSERTF128(operand.Imm(1), quad[i+4].AsX(), quad[i], out)
			} else {
				c.VPERM2F128(operand.Imm(0x31), quad[i], quad[i-4], out)
			}
			c.VMOVUPS(out, to(i))
		}
	})
}

// transpose4 writes the packing of four lanes that each lie in one piece.
func transpose4(c *build.Context) {
	transposeLoop(c, "transpose4", 4, func(src, stride, dst, width reg.Register) {
		row := rowsOf(c, src, stride, 4)
		in := make([]vecOp, 4)
		for i := range in {
			in[i] = c.XMM()
			c.VMOVUPS(row(i), in[i])
		}
		pair := []vecOp{c.XMM(), c.XMM(), c.XMM(), c.XMM()}
		for i := 0; i < 4; i += 2 {
			c.VUNPCKLPS(in[i+1], in[i], pair[i])
			c.VUNPCKHPS(in[i+1], in[i], pair[i+1])
		}
		to := rowsOf(c, dst, width, 4)
		for j := range 2 {
			low, high := c.XMM(), c.XMM()
			c.VUNPCKLPD(pair[2+j], pair[j], low)
			c.VUNPCKHPD(pair[2+j], pair[j], high)
			c.VMOVUPS(low, to(2*j))
			c.VMOVUPS(high, to(2*j+1))
		}
	})
}

// rowsOf returns the address of row i of up to eight, stride bytes apart.
func rowsOf(c *build.Context, base, stride reg.Register, n int) func(i int) operand.Mem {
	triple := c.GP64()
	c.LEAQ(operand.Mem{Base: stride, Index: stride, Scale: 2}, triple)
	far := c.GP64()
	if n > 4 {
		c.LEAQ(operand.Mem{Base: base, Index: stride, Scale: 4}, far)
	}
	return func(i int) operand.Mem {
		m := operand.Mem{Base: base}
		if i >= 4 {
			m.Base = far
			i -= 4
		}
		switch i {
		case 1:
			m.Index, m.Scale = stride, 1
		case 2:
			m.Index, m.Scale = stride, 2
		case 3:
			m.Index, m.Scale = triple, 1
		}
		return m
	}
}

// transposeLoop writes a function that transposes n lanes, n depth indices at a time. The last block overlaps the one before where depth is not a
// multiple of n.
func transposeLoop(c *build.Context, name string, n int, block func(src, stride, dst, width reg.Register)) {
	c.Function(name)
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	c.SignatureExpr("func(dst *float32, width int, src *float32, stride, depth int)")
	c.Doc(fmt.Sprintf("%s does dst[p*width+l] = src[l*stride+p] for l < %d and p < depth, which is at least %[2]d. It reads and writes nothing else.", name, n))
	dst := c.Load(c.Param("dst"), c.GP64())
	width := c.Load(c.Param("width"), c.GP64())
	src := c.Load(c.Param("src"), c.GP64())
	stride := c.Load(c.Param("stride"), c.GP64())
	depth := c.Load(c.Param("depth"), c.GP64())
	c.SHLQ(operand.Imm(2), width)
	c.SHLQ(operand.Imm(2), stride)
	advance := c.GP64()
	c.MOVQ(width, advance)
	c.SHLQ(operand.Imm(uint64(bits.TrailingZeros(uint(n)))), advance)

	c.Label("loop")
	block(src, stride, dst, width)
	c.SUBQ(operand.Imm(uint64(n)), depth)
	c.JZ(operand.LabelRef("done"))
	c.CMPQ(depth, operand.Imm(uint64(n)))
	c.JLT(operand.LabelRef("last"))
	c.ADDQ(operand.Imm(uint64(4*n)), src)
	c.ADDQ(advance, dst)
	c.JMP(operand.LabelRef("loop"))

	c.Label("last")
	c.LEAQ(operand.Mem{Base: src, Index: depth, Scale: 4}, src)
	c.IMULQ(depth, width)
	c.ADDQ(width, dst)
	again := c.Load(c.Param("width"), c.GP64())
	c.SHLQ(operand.Imm(2), again)
	block(src, stride, dst, again)
	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}

// copyRows writes the packing of lanes that are neighbours in memory: a loop over rows for each number of registers that a row takes, the last of which
// overlaps the one before.
func copyRows(c *build.Context) {
	c.Function("copyRows")
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	c.SignatureExpr("func(dst *float32, width int, src *float32, stride, lanes, depth int)")
	c.Doc("copyRows does dst[p*width+l] = src[p*stride+l] for l < lanes, which is 4 to 32, and p < depth. It reads and writes nothing else.")
	dst := c.Load(c.Param("dst"), c.GP64())
	width := c.Load(c.Param("width"), c.GP64())
	src := c.Load(c.Param("src"), c.GP64())
	stride := c.Load(c.Param("stride"), c.GP64())
	lanes := c.Load(c.Param("lanes"), c.GP64())
	depth := c.Load(c.Param("depth"), c.GP64())
	c.SHLQ(operand.Imm(2), width)
	c.SHLQ(operand.Imm(2), stride)
	c.CMPQ(lanes, operand.Imm(8))
	c.JLT(operand.LabelRef("half"))
	for vectors := 1; vectors < 4; vectors++ {
		c.CMPQ(lanes, operand.Imm(uint64(8*vectors)))
		c.JLE(operand.LabelRef(fmt.Sprintf("loop%d", vectors)))
	}
	loop := func(label string, vectors, size int, vector func() vecOp) {
		c.Label(label)
		last := c.GP64()
		c.LEAQ(operand.Mem{Base: lanes, Disp: -size}, last)
		c.Label(label + "_row")
		for v := range vectors {
			from, to := operand.Mem{Base: src, Disp: 4 * size * v}, operand.Mem{Base: dst, Disp: 4 * size * v}
			if v == vectors-1 {
				from, to = operand.Mem{Base: src, Index: last, Scale: 4}, operand.Mem{Base: dst, Index: last, Scale: 4}
			}
			r := vector()
			c.VMOVUPS(from, r)
			c.VMOVUPS(r, to)
		}
		c.ADDQ(stride, src)
		c.ADDQ(width, dst)
		c.DECQ(depth)
		c.JNZ(operand.LabelRef(label + "_row"))
		c.VZEROUPPER()
		c.RET()
	}
	for vectors := 4; vectors >= 1; vectors-- {
		loop(fmt.Sprintf("loop%d", vectors), vectors, 8, c.YMM)
	}
	loop("half", 2, 4, c.XMM)
}
