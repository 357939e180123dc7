package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tile is one micro-kernel: rows×(vectors·lanes) elements of C, held in rows·vectors registers.
type tile struct {
	name    string
	rows    int
	vectors int          // registers a row
	lanes   int          // float32 in a register
	vector  func() vecOp // allocates a register
	fused   bool         // multiply by an element of A straight from memory, which the instruction broadcasts
}

type vecOp = reg.VecVirtual

// gemmAVX512 writes the tiles with 32, 16 and 8 columns. Each is wide enough for its height to keep the multiply-adds in flight: 28 or 14
// sums against a latency of 4 cycles. With 8 columns, two half-width instructions a cycle do as much as one of full width.
func gemmAVX512(c *build.Context) {
	for rows := 2; rows <= 14; rows += 2 {
		for _, t := range []tile{
			{vectors: 2, lanes: 16, vector: c.ZMM},
			{vectors: 1, lanes: 16, vector: c.ZMM, fused: true},
			{vectors: 1, lanes: 8, vector: c.YMM, fused: true},
		} {
			t.rows = rows
			t.name = fmt.Sprintf("microAVX512x%dx%d", rows, t.vectors*t.lanes)
			t.write(c, &maskRegisters{c: c})
		}
	}
	peakLoop(c, "peakAVX512", 16, c.ZMM)
}

// gemmAVX2 writes the tiles with 16 and 8 columns.
func gemmAVX2(c *build.Context) {
	iota := c.StaticGlobal("iota")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 16 {
		c.AddDatum(4*i, operand.U32(i))
	}
	for rows := 2; rows <= 6; rows += 2 {
		for _, vectors := range []int{2, 1} {
			t := tile{rows: rows, vectors: vectors, lanes: 8, vector: c.YMM}
			t.name = fmt.Sprintf("microAVX2x%dx%d", rows, vectors*8)
			t.write(c, &maskVectors{c: c, iota: iota})
		}
	}
	peakLoop(c, "peakAVX2", 12, c.YMM)
	transpose8(c)
	transpose4(c)
	copyRows(c)
}

// write writes the micro-kernel. For what it does, see microKernel in package gemm.
func (t tile) write(c *build.Context, edge edge) {
	c.Function(t.name)
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	c.SignatureExpr("func(depth int, a, b, c *float32, ldc, rows, cols int, accumulate bool)")
	c.Doc(fmt.Sprintf("%s is the microKernel for %d×%d tiles.", t.name, t.rows, t.vectors*t.lanes))
	depth := c.Load(c.Param("depth"), c.GP64())
	a := c.Load(c.Param("a"), c.GP64())
	b := c.Load(c.Param("b"), c.GP64())
	out := c.Load(c.Param("c"), c.GP64())
	ldc := c.Load(c.Param("ldc"), c.GP64())
	rows := c.Load(c.Param("rows"), c.GP64())
	c.SHLQ(operand.Imm(2), ldc)

	sums := make([][]vecOp, t.rows)
	for i := range sums {
		for range t.vectors {
			s := t.vector()
			c.VXORPS(s, s, s)
			sums[i] = append(sums[i], s)
		}
	}

	c.Label("depth_loop")
	right := make([]vecOp, t.vectors)
	for v := range right {
		right[v] = t.vector()
		c.VMOVUPS(operand.Mem{Base: b, Disp: 4 * t.lanes * v}, right[v])
	}
	for i := range sums {
		element := operand.Mem{Base: a, Disp: 4 * i}
		if t.fused {
			for v := range right {
				c.VFMADD231PS_BCST(element, right[v], sums[i][v])
			}
			continue
		}
		left := t.vector()
		c.VBROADCASTSS(element, left)
		for v := range right {
			c.VFMADD231PS(right[v], left, sums[i][v])
		}
	}
	c.ADDQ(operand.Imm(uint64(4*t.rows)), a)
	c.ADDQ(operand.Imm(uint64(4*t.lanes*t.vectors)), b)
	c.DECQ(depth)
	c.JNZ(operand.LabelRef("depth_loop"))

	cols := c.Load(c.Param("cols"), c.GP64())
	accumulate := c.Load(c.Param("accumulate"), c.GP8())
	edge.prepare(cols, t.vectors, t.lanes)
	c.TESTB(accumulate, accumulate)
	c.JNZ(operand.LabelRef("add"))
	t.rowByRow(c, sums, out, ldc, rows, "store", edge.store)
	c.Label("add")
	t.rowByRow(c, sums, out, ldc, rows, "add", edge.add)
	edge.slow(func(store, add func(v int, sum vecOp, at operand.Mem)) {
		c.Label("edge")
		c.TESTB(accumulate, accumulate)
		c.JNZ(operand.LabelRef("edge_add"))
		t.rowByRow(c, sums, out, ldc, rows, "edge_store", store)
		c.Label("edge_add")
		t.rowByRow(c, sums, out, ldc, rows, "edge_add", add)
	})
}

// rowByRow writes f for every register, and returns. Heights are even and a panel is padded by less than the least height, so only the last row can be missing.
func (t tile) rowByRow(c *build.Context, sums [][]vecOp, out, ldc, rows reg.Register, label string, f func(v int, sum vecOp, at operand.Mem)) {
	for i := range sums {
		for v, s := range sums[i] {
			f(v, s, operand.Mem{Base: out, Disp: 4 * t.lanes * v})
		}
		if i == len(sums)-2 {
			c.CMPQ(rows, operand.Imm(uint64(len(sums))))
			c.JLT(operand.LabelRef(label + "_done"))
		}
		if i < len(sums)-1 {
			c.ADDQ(ldc, out)
		}
	}
	c.Label(label + "_done")
	c.VZEROUPPER()
	c.RET()
}

// edge writes to C the columns that a tile has.
type edge interface {
	prepare(cols reg.Register, vectors, lanes int)
	store(v int, sum vecOp, at operand.Mem)
	add(v int, sum vecOp, at operand.Mem)
	// slow lets the edge have its own code, at label edge, for tiles that lack columns.
	slow(write func(store, add func(v int, sum vecOp, at operand.Mem)))
}

// maskRegisters masks loads and stores by the mask registers of AVX-512, at no cost, in full tiles as well.
type maskRegisters struct {
	c     *build.Context
	masks []reg.OpmaskVirtual
}

func (m *maskRegisters) prepare(cols reg.Register, vectors, lanes int) {
	bits := m.c.GP64()
	m.c.MOVQ(operand.I64(-1), bits)
	m.c.BZHIQ(cols, bits, bits)
	for v := range vectors {
		k := m.c.K()
		m.c.KMOVW(bits.As32(), k)
		m.masks = append(m.masks, k)
		if v < vectors-1 {
			m.c.SHRQ(operand.Imm(uint64(lanes)), bits)
		}
	}
}

func (m *maskRegisters) store(v int, sum vecOp, at operand.Mem) {
	m.c.VMOVUPS(sum, m.masks[v], at)
}

func (m *maskRegisters) add(v int, sum vecOp, at operand.Mem) {
	m.c.VADDPS(at, sum, m.masks[v], sum)
	m.c.VMOVUPS(sum, m.masks[v], at)
}

func (m *maskRegisters) slow(func(store, add func(int, vecOp, operand.Mem))) {}

// maskVectors is for AVX2, whose masked stores are slow on some processors: full tiles do without.
type maskVectors struct {
	c    *build.Context
	iota operand.Mem // 0, 1, 2, …
	cols reg.Register
}

func (m *maskVectors) prepare(cols reg.Register, vectors, lanes int) {
	m.cols = cols
	m.c.CMPQ(cols, operand.Imm(uint64(vectors*lanes)))
	m.c.JNE(operand.LabelRef("edge_masks"))
}

func (m *maskVectors) store(_ int, sum vecOp, at operand.Mem) { m.c.VMOVUPS(sum, at) }

func (m *maskVectors) add(_ int, sum vecOp, at operand.Mem) {
	m.c.VADDPS(at, sum, sum)
	m.c.VMOVUPS(sum, at)
}

func (m *maskVectors) slow(write func(store, add func(int, vecOp, operand.Mem))) {
	m.c.Label("edge_masks")
	count, free := m.c.YMM(), m.c.YMM()
	m.c.VMOVQ(m.cols, count.AsX())
	m.c.VPBROADCASTD(count.AsX(), count)
	masks := []vecOp{m.c.YMM(), m.c.YMM()}
	for v, mask := range masks {
		m.c.VPCMPGTD(m.iota.Offset(32*v), count, mask)
	}
	write(
		func(v int, sum vecOp, at operand.Mem) { m.c.VMASKMOVPS(sum, masks[v], at) },
		func(v int, sum vecOp, at operand.Mem) {
			m.c.VMASKMOVPS(at, masks[v], free)
			m.c.VADDPS(free, sum, sum)
			m.c.VMASKMOVPS(sum, masks[v], at)
		})
}

// peakLoop writes a loop of n independent multiply-adds.
func peakLoop(c *build.Context, name string, n int, vector func() vecOp) {
	c.Function(name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(iterations int)")
	c.Doc(fmt.Sprintf("%s does %d independent multiply-adds of whole registers, iterations times.", name, n))
	count := c.Load(c.Param("iterations"), c.GP64())
	factor := vector()
	c.VXORPS(factor, factor, factor)
	sums := make([]vecOp, n)
	for i := range sums {
		sums[i] = vector()
		c.VXORPS(sums[i], sums[i], sums[i])
	}
	c.Label("loop")
	for _, s := range sums {
		c.VFMADD231PS(factor, factor, s)
	}
	c.DECQ(count)
	c.JNZ(operand.LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}
