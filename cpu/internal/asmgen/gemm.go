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
	avx512  bool
	fused   bool // multiply by an element of A straight from memory, which the instruction broadcasts
}

type vecOp = reg.VecVirtual

// gemmAVX512 writes the tiles with 32, 16 and 8 columns. Each is wide enough for its height to keep the multiply-adds in flight: 28 or 14
// sums against a latency of 4 cycles. With 8 columns, two half-width instructions a cycle do as much as one of full width.
func gemmAVX512(c *build.Context) {
	for rows := 1; rows <= 14; rows++ {
		for _, t := range []tile{
			{vectors: 2, lanes: 16, vector: c.ZMM},
			{vectors: 1, lanes: 16, vector: c.ZMM, fused: true},
			{vectors: 1, lanes: 8, vector: c.YMM, fused: true},
		} {
			t.rows, t.avx512 = rows, true
			t.name = fmt.Sprintf("microAVX512x%dx%d", rows, t.vectors*t.lanes)
			t.write(c, &maskRegisters{c: c})
		}
	}
	// A single row is wide, since so few sums would not keep the multiply-adds in flight.
	for vectors := 3; vectors <= 8; vectors++ {
		t := tile{rows: 1, vectors: vectors, lanes: 16, vector: c.ZMM, avx512: true}
		t.name = fmt.Sprintf("microAVX512x1x%d", vectors*t.lanes)
		t.write(c, &maskRegisters{c: c})
	}
	peakLoop(c, "peakAVX512", 16, c.ZMM)
}

// gemmAVX2 writes the tiles with 16 and 8 columns.
func gemmAVX2(c *build.Context) {
	ones := c.StaticGlobal("ones")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 16 {
		lane := uint32(0)
		if i < 8 {
			lane = 0xffffffff
		}
		c.AddDatum(4*i, operand.U32(lane))
	}
	for rows := 1; rows <= 6; rows++ {
		for _, vectors := range []int{2, 1} {
			t := tile{rows: rows, vectors: vectors, lanes: 8, vector: c.YMM}
			t.name = fmt.Sprintf("microAVX2x%dx%d", rows, vectors*8)
			t.write(c, &maskVectors{c: c, ones: ones})
		}
	}
	for vectors := 3; vectors <= 8; vectors++ {
		t := tile{rows: 1, vectors: vectors, lanes: 8, vector: c.YMM}
		t.name = fmt.Sprintf("microAVX2x1x%d", vectors*8)
		t.write(c, &maskVectors{c: c, ones: ones})
	}
	peakLoop(c, "peakAVX2", 12, c.YMM)
	transpose8(c)
	transpose4(c)
	copyRows(c)
	cpuid(c)
}

// write writes the micro-kernel. For what it does, see microKernel in package gemm.
func (t tile) write(c *build.Context, edge edge) {
	c.Function(t.name)
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	c.SignatureExpr("func(tiles, depth, runs int, a *float32, aTile, aRow, aStep, aJump, aAhead int, b *float32, bTile, bStep, bJump int, c *float32, cRow, cJump, cols int, accumulate bool, bias *float32, biasTile int, relu, fetch bool)")
	c.Doc(fmt.Sprintf("%s is the microKernel for %d×%d tiles.", t.name, t.rows, t.vectors*t.lanes))

	cols := c.Load(c.Param("cols"), c.GP64())
	edge.prepare(cols, t.vectors, t.lanes)
	edge.variants(t, cols)
}

// operands are the registers of a micro-kernel.
type operands struct {
	first reg.GPVirtual   // row of A in the tile
	out   reg.GPVirtual   // C's tile
	a     []reg.GPVirtual // every third row of A
	aRow  reg.Register
	aStep reg.Register
	b     reg.GPVirtual
	bStep reg.Register
	runs  reg.Register
	ahead reg.GPVirtual // what of A is fetched next, 0 if nothing is
	sums  [][]vecOp
	rare  []func() // writes what is seldom needed
}

// apart leaves code that is seldom needed to writeRare, for a jump to label, and goes on here: the usual way takes no jump.
func (o *operands) apart(c *build.Context, label string, code func()) {
	c.Label(label + "ed")
	o.rare = append(o.rare, func() {
		c.Label(label)
		code()
		c.JMP(operand.LabelRef(label + "ed"))
	})
}

// writeRare writes that code, behind the function.
func (o *operands) writeRare() {
	for _, write := range o.rare {
		write()
	}
}

// begin writes how the operands of a tile are found and its sums begin.
func (t tile) begin(c *build.Context, prefix string) *operands {
	o := &operands{first: c.GP64(), out: c.GP64()}
	c.Load(c.Param("a"), o.first)
	c.Load(c.Param("c"), o.out)
	c.Label(prefix + "tile_loop")
	o.a, o.aRow = t.rowPointers(c, o.first)
	o.aStep = c.Load(c.Param("aStep"), c.GP64())
	o.b = c.GP64()
	c.Load(c.Param("b"), o.b)
	if t.prefetches() {
		o.ahead = c.Load(c.Param("aAhead"), c.GP64()).(reg.GPVirtual)
		c.TESTQ(o.ahead, o.ahead)
		c.JEQ(operand.LabelRef(prefix + "near"))
		c.MOVQ(o.first, o.ahead)
		c.ADDQ(parameter(c, "aTile"), o.ahead)
		c.Label(prefix + "near")
	}
	o.bStep = c.Load(c.Param("bStep"), c.GP64())
	o.runs = c.Load(c.Param("runs"), c.GP64())
	o.sums = make([][]vecOp, t.rows)
	for i := range o.sums {
		for range t.vectors {
			s := t.vector()
			c.VXORPS(s, s, s)
			o.sums[i] = append(o.sums[i], s)
		}
	}
	if t.prefetches() {
		c.CMPB(parameter(c, "fetch"), operand.Imm(0))
		c.JEQ(operand.LabelRef(prefix + "begun"))
		c.CMPQ(parameter(c, "depth"), operand.I32(t.prefetchDepth()))
		c.JGE(operand.LabelRef(prefix + "begun"))
		t.prefetchC(c, o)
		c.Label(prefix + "begun")
	}
	return o
}

// addUp writes the loops over runs and depth, with one way to read B.
func (t tile) addUp(c *build.Context, o *operands, prefix string, load func(v int, at operand.Mem) vecOp) {
	c.Label(prefix + "run_loop")
	depth := c.Load(c.Param("depth"), c.GP64())
	c.Label(prefix + "depth_loop")
	right := make([]vecOp, t.vectors)
	for v := range right {
		right[v] = load(v, operand.Mem{Base: o.b, Disp: 4 * t.lanes * v})
	}
	if t.prefetches() {
		t.prefetchA(c, o, prefix)
	}
	for i := range o.sums {
		element := operand.Mem{Base: o.a[i/3]}
		if i%3 > 0 {
			element.Index, element.Scale = o.aRow, uint8(i%3)
		}
		if t.fused {
			for v := range right {
				c.VFMADD231PS_BCST(element, right[v], o.sums[i][v])
			}
			continue
		}
		left := t.vector()
		c.VBROADCASTSS(element, left)
		for v := range right {
			c.VFMADD231PS(right[v], left, o.sums[i][v])
		}
	}
	for _, p := range o.a {
		c.ADDQ(o.aStep, p)
	}
	c.ADDQ(o.bStep, o.b)
	if t.prefetches() {
		c.CMPQ(depth, operand.I32(t.prefetchDepth()))
		c.JEQ(operand.LabelRef(prefix + "fetch"))
		o.apart(c, prefix+"fetch", func() {
			late := c.GP8()
			c.MOVB(parameter(c, "accumulate"), late)
			c.ORB(parameter(c, "fetch"), late)
			c.JEQ(operand.LabelRef(prefix + "fetched"))
			t.prefetchC(c, o)
		})
	}
	c.DECQ(depth)
	c.JNZ(operand.LabelRef(prefix + "depth_loop"))
	for _, p := range o.a {
		c.ADDQ(parameter(c, "aJump"), p)
	}
	c.ADDQ(parameter(c, "bJump"), o.b)
	c.DECQ(o.runs)
	c.JNZ(operand.LabelRef(prefix + "run_loop"))
}

// parameter returns where in memory a parameter of the function lies.
func parameter(c *build.Context, name string) operand.Mem {
	p, err := c.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}

// access is how the columns of a tile are read and written.
type access struct {
	load  func(v int, at operand.Mem) vecOp
	add   func(v int, at operand.Mem, sum vecOp) // sum += what lies there
	store func(v int, sum vecOp, at operand.Mem)
}

// finish writes what is done to the sums while they are in registers, and how they get to C, and goes on to the next tile. The parameters tiles, b and bias become
// those of the tiles that are left.
func (t tile) finish(c *build.Context, o *operands, prefix string, m access) {
	cRow := c.Load(c.Param("cRow"), c.GP64())
	c.CMPB(parameter(c, "accumulate"), operand.Imm(0))
	c.JEQ(operand.LabelRef(prefix + "bias"))
	from := c.GP64()
	c.MOVQ(o.out, from)
	t.rowByRow(c, o.sums, from, cRow, func(v int, sum vecOp, at operand.Mem) { m.add(v, at, sum) })

	c.Label(prefix + "bias")
	bias := c.Load(c.Param("bias"), c.GP64())
	c.TESTQ(bias, bias)
	c.JZ(operand.LabelRef(prefix + "relu"))
	for v := range t.vectors {
		b := m.load(v, operand.Mem{Base: bias, Disp: 4 * t.lanes * v})
		for i := range o.sums {
			c.VADDPS(b, o.sums[i][v], o.sums[i][v])
		}
	}

	c.Label(prefix + "relu")
	c.CMPB(parameter(c, "relu"), operand.Imm(0))
	c.JEQ(operand.LabelRef(prefix + "store"))
	t.relu(c, o.sums)

	c.Label(prefix + "store")
	t.rowByRow(c, o.sums, o.out, cRow, m.store)
	c.CMPQ(parameter(c, "tiles"), operand.Imm(1))
	c.JEQ(operand.LabelRef(prefix + "done"))
	c.DECQ(parameter(c, "tiles"))
	c.ADDQ(parameter(c, "aTile"), o.first)
	c.ADDQ(parameter(c, "cJump"), o.out)
	for _, pointer := range []string{"b", "bias"} {
		step := c.Load(c.Param(pointer+"Tile"), c.GP64())
		c.ADDQ(step, parameter(c, pointer))
	}
	c.JMP(operand.LabelRef(prefix + "tile_loop"))
	c.Label(prefix + "done")
	c.VZEROUPPER()
	c.RET()
}

// relu replaces sums that are at most zero by +0. AVX-512 tells the classes of numbers apart in one instruction.
func (t tile) relu(c *build.Context, sums [][]vecOp) {
	other := t.vector()
	if t.avx512 {
		const negativeToZero = 8<<(4*zeroClass) | 8<<(4*minusInfinityClass) | 8<<(4*negativeClass)
		table := c.GP32()
		c.MOVL(operand.U32(negativeToZero), table)
		c.VPBROADCASTD(table, other)
	} else {
		c.VXORPS(other, other, other)
	}
	for _, row := range sums {
		for _, s := range row {
			if t.avx512 {
				c.VFIXUPIMMPS(operand.Imm(0), other, s, s)
				continue
			}
			keep := t.vector()
			c.VCMPPS(operand.Imm(notLessOrEqual), other, s, keep)
			c.VANDPS(keep, s, s)
		}
	}
}

// Classes of numbers in the tables of VFIXUPIMMPS, whose nibble for a class tells what becomes of its numbers: 0 leaves them, 8 makes them +0.
const (
	zeroClass          = 2
	minusInfinityClass = 4
	negativeClass      = 6
)

// prefetches reports whether the tile of C is brought near before it is read, and on demand before it is written, and the rows of A of the tile that follows. The
// tiles that large products are made of do that.
func (t tile) prefetches() bool {
	return t.vectors == 2 && (t.lanes == 16 && t.rows >= 8 || t.lanes == 8 && t.rows >= 5)
}

// prefetchDepth is how many steps before the end of a run C is fetched: about 1400 cycles. Too late, and C comes from memory in the end; too early, and the operands
// that stream by in the meantime push it out of the cache again. Where runs are shorter, C is fetched at the beginning of the tile, but on demand only: it may be near.
func (t tile) prefetchDepth() int32 { return int32(1400 * 16 / (t.rows * t.vectors * t.lanes)) }

func (t tile) prefetchC(c *build.Context, o *operands) {
	out := c.GP64()
	c.MOVQ(o.out, out)
	for i := range t.rows {
		for at := 0; at < 4*t.lanes*t.vectors; at += 64 {
			c.PREFETCHT0(operand.Mem{Base: out, Disp: at})
		}
		if i < t.rows-1 {
			c.ADDQ(parameter(c, "cRow"), out)
		}
	}
}

// prefetchA fetches a part of the next tile's rows of A, where that is asked for: to ask costs less than to fetch what is near.
func (t tile) prefetchA(c *build.Context, o *operands, prefix string) {
	c.TESTQ(o.ahead, o.ahead)
	c.JNE(operand.LabelRef(prefix + "ahead"))
	o.apart(c, prefix+"ahead", func() {
		c.PREFETCHT0(operand.Mem{Base: o.ahead})
		c.ADDQ(parameter(c, "aAhead"), o.ahead)
	})
}

// rowPointers returns pointers to every third row of A, and the distance of two rows: an address can add it once or twice.
func (t tile) rowPointers(c *build.Context, first reg.Register) (a []reg.GPVirtual, aRow reg.Register) {
	aRow = c.Load(c.Param("aRow"), c.GP64())
	a = append(a, c.GP64())
	c.MOVQ(first, a[0])
	for i := 3; i < t.rows; i += 3 {
		p := c.GP64()
		c.LEAQ(operand.Mem{Base: a[len(a)-1], Index: aRow, Scale: 2}, p)
		c.ADDQ(aRow, p)
		a = append(a, p)
	}
	return a, aRow
}

// rowByRow writes f for every register. In the end, out points to the row after the tile.
func (t tile) rowByRow(c *build.Context, sums [][]vecOp, out, cRow reg.Register, f func(v int, sum vecOp, at operand.Mem)) {
	for i := range sums {
		for v, s := range sums[i] {
			f(v, s, operand.Mem{Base: out, Disp: 4 * t.lanes * v})
		}
		c.ADDQ(cRow, out)
	}
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

// cpuid writes the instruction as a function.
func cpuid(c *build.Context) {
	c.Function("cpuid")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)")
	c.Doc("cpuid returns what the processor says about itself. The leaf must not be beyond the highest, which leaf 0, or 0x80000000 for those from there on, tells.")
	c.Load(c.Param("leaf"), reg.EAX)
	c.Load(c.Param("subleaf"), reg.ECX)
	c.CPUID()
	c.Store(reg.EAX, c.Return("eax"))
	c.Store(reg.EBX, c.Return("ebx"))
	c.Store(reg.ECX, c.Return("ecx"))
	c.Store(reg.EDX, c.Return("edx"))
	c.RET()
}
