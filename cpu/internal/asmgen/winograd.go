package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The points of F(4×4, 3×3) are 0, ±a, ±b and ∞, as in package winograd, which explains the matrices.
const (
	pointA = 5. / 8
	pointB = 3. / 2
)

func winogradAVX512(c *build.Context) { newAVX512(c).writeWinograd() }
func winogradAVX2(c *build.Context)   { newAVX2(c).writeWinograd() }

// writeWinograd writes the transforms. Each takes a register of channels at a time. In two dimensions, a transform is the one of a line done to all columns and then to
// all rows of the result; some rows at a time, so that these fit the registers.
func (s *isa) writeWinograd() {
	k := &points{isa: s, registers: map[float64]vecOp{}}
	all := []float64{
		pointA, pointB, k.square(pointA), k.square(pointB), pointA * k.square(pointA), pointB * k.square(pointB),
		k.sum(), k.product(), 1 / k.product(), k.norm(pointA, pointB), k.norm(pointB, pointA), pointA * k.norm(pointA, pointB), pointB * k.norm(pointB, pointA),
	}
	for _, x := range all {
		s.float(x)
	}
	k.transform(line{6, 6, [][]int{{0}, {1, 2}, {3, 4}, {5}}, k.input}, "input", "V = Bᵀ·d·B")
	k.transform(line{4, 6, [][]int{{0}, {1, 2}, {3, 4}, {5}}, k.gradient}, "gradient", "M = A·d·Aᵀ")
	k.filter()
	k.filterGrad()
	k.fetch()
	k.outputs("output", "", nil)
	k.outputs("outputBias", "bias", func() func(v vecOp, m *mask, at, operandAt operand.Mem) vecOp {
		slope, keep, zero := s.scalar("slope"), s.unlessFlat(), s.zero()
		return func(v vecOp, m *mask, _, bias operand.Mem) vecOp {
			s.c.VADDPS(s.load(bias, m), v, v)
			return k.damp(lessOrEqual, v, zero, v, slope, keep)
		}
	})
	k.outputs("outputGrad", "y", func() func(v vecOp, m *mask, at, operandAt operand.Mem) vecOp {
		slope, keep, zero := s.scalar("slope"), s.unlessFlat(), s.zero()
		return func(v vecOp, m *mask, _, y operand.Mem) vecOp {
			return k.damp(notGreater, s.load(y, m), zero, v, slope, keep)
		}
	})
}

// square2D writes one register of channels of a transform in two dimensions. column begins column j, whose inputs come from load; absent jumps where they are all zero.
// Outputs go to out, a row after the other, within a row in the order of the groups; row begins a row.
func (k *points) square2D(l line, label string, m *mask, column func(j int), absent func(j int, label string), load func(i int, m *mask) vecOp, row func(i int), out func(i, j int, v vecOp)) {
	for _, group := range l.groups {
		half := map[int][]vecOp{}
		for j := range l.inputs {
			column(j)
			zero := fmt.Sprintf("%s_zero%d_%d", label, group[0], j)
			if absent != nil {
				absent(j, zero)
			}
			read := func(i int) vecOp { return load(i, m) }
			var made []vecOp
			l.apply(group, source{take: read, look: read}, func(i int, v vecOp) {
				half[i] = append(half[i], v)
				made = append(made, v)
			})
			if absent != nil {
				k.c.Label(zero + "_done")
				k.late = append(k.late, func() {
					k.c.Label(zero)
					for _, v := range made {
						k.c.VXORPS(v, v, v)
					}
					k.c.JMP(operand.LabelRef(zero + "_done"))
				})
			}
		}
		for _, i := range group {
			row(i)
			for _, g := range l.groups {
				l.apply(g, k.copies(half[i]), func(j int, v vecOp) { out(i, j, v) })
			}
		}
	}
}

// channels writes the loop over n channels, a register of them at a time, what follows it, and ends the function. Body advances its pointers.
func (k *points) channels(n reg.Register, body func(m *mask, label string), after func()) {
	c := k.c
	lanes := operand.Imm(uint64(k.lanes))
	c.SUBQ(lanes, n)
	c.JL(operand.LabelRef("tail"))
	c.Label("channels")
	body(nil, "whole")
	c.SUBQ(lanes, n)
	c.JGE(operand.LabelRef("channels"))
	c.Label("tail")
	c.ADDQ(lanes, n)
	c.JZ(operand.LabelRef("done"))
	body(k.first(n), "tail")
	c.Label("done")
	if after != nil {
		after()
	}
	k.end()
	for _, f := range k.late {
		f()
	}
	k.late = nil
}

// next goes back to label tile if there is another tile to do.
func (k *points) next() {
	k.c.DECQ(k.address("tiles"))
	k.c.JNZ(operand.LabelRef("tile"))
}

// rowsOf returns pointers to n rows that are step bytes apart, a parameter.
func (k *points) rowsOf(n int, base, step reg.Register) []reg.GPVirtual {
	rows := make([]reg.GPVirtual, n)
	for i := range rows {
		rows[i] = k.c.GP64()
		if i == 0 {
			k.c.MOVQ(base, rows[i])
		} else {
			k.c.LEAQ(operand.Mem{Base: rows[i-1], Index: step, Scale: 1}, rows[i])
		}
	}
	return rows
}

// grid is a square of values whose rows and columns lie some bytes apart.
type grid struct {
	base   reg.GPVirtual // where the row begins that is being written
	third  reg.GPVirtual // three columns behind it
	stride reg.Register
}

// grid returns the grid of the transformed values: element (i, j) lies 6·i + j strides behind base.
func (k *points) grid(base string, stride reg.Register) grid {
	g := grid{k.c.GP64(), k.c.GP64(), stride}
	k.c.Load(k.c.Param(base), g.base)
	return g
}

// row moves to row i, after row i−1.
func (k *points) row(g grid, i int) {
	if i > 0 {
		k.c.LEAQ(operand.Mem{Base: g.third, Index: g.stride, Scale: 1}, g.base)
		k.c.LEAQ(operand.Mem{Base: g.base, Index: g.stride, Scale: 2}, g.base)
	}
	k.c.LEAQ(operand.Mem{Base: g.base, Index: g.stride, Scale: 2}, g.third)
	k.c.ADDQ(g.stride, g.third)
}

// at is column j of the row.
func (g grid) at(j int) operand.Mem {
	base := g.base
	if j >= 3 {
		base, j = g.third, j-3
	}
	if j == 0 {
		return operand.Mem{Base: base}
	}
	return operand.Mem{Base: base, Index: g.stride, Scale: uint8(j)}
}

// restart moves from the last row to the next channels.
func (k *points) restart(g grid, bytes int) {
	k.c.IMUL3Q(operand.Imm(30), g.stride, g.third)
	k.c.SUBQ(g.third, g.base)
	k.c.ADDQ(operand.Imm(uint64(bytes)), g.base)
}

// prefetched is how many bytes behind an element of a transformed piece the cache line is fetched that will be written next but one: stores are done in order, and would wait
// for each line in turn.
const prefetched = 128

// transform writes the transform of pieces of an image.
func (k *points) transform(l line, name, doc string) {
	c := k.c
	k.begin(name, "func(v *float32, stride int, x *float32, at, pitch, step int, zero *float32, rows int, cols *uint8, n, tiles int)",
		doc+" for n channels of the pixels d of neighbouring tiles; those whose bit is not set in rows or, for each tile, cols are zero. All distances are in bytes.")
	k.prepare(pointA, pointB, pointA*pointA, pointB*pointB, k.sum(), k.product())
	stride, step, at := c.GP64(), c.GP64(), c.GP64()
	c.Load(c.Param("step"), step)
	c.Load(c.Param("stride"), stride)
	c.Label("tile")
	base, pitch, zero, bits := c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.Load(c.Param("x"), base)
	c.ADDQ(k.address("at"), base)
	c.Load(c.Param("pitch"), pitch)
	rows := k.rowsOf(l.inputs, base, pitch)
	c.Load(c.Param("zero"), zero)
	c.Load(c.Param("rows"), bits)
	for i, r := range rows {
		c.TESTL(operand.U32(1<<i), bits.As32())
		c.CMOVQEQ(zero, r)
	}
	n, cols := c.GP64(), c.GP64()
	c.Load(c.Param("n"), n)
	c.Load(c.Param("cols"), cols)
	c.MOVBLZX(operand.Mem{Base: cols}, cols.As32())
	out := k.grid("v", stride)
	k.channels(n, func(m *mask, label string) {
		k.square2D(l, label, m,
			func(j int) {
				if j == 0 {
					c.XORQ(at, at)
				} else {
					c.ADDQ(step, at)
				}
			},
			func(j int, zero string) {
				c.TESTL(operand.U32(1<<j), cols.As32())
				c.JZ(operand.LabelRef(zero))
			},
			func(i int, m *mask) vecOp { return k.load(operand.Mem{Base: rows[i], Index: at, Scale: 1}, m) },
			func(i int) { k.row(out, i) },
			func(_, j int, v vecOp) {
				to := out.at(j)
				k.store(v, to, m)
				to.Disp = prefetched
				c.PREFETCHT0(to)
			})
		k.restart(out, 4*k.lanes)
		for _, r := range rows {
			c.ADDQ(operand.Imm(uint64(4*k.lanes)), r)
		}
	}, func() {
		c.Load(c.Param("n"), at)
		c.SHLQ(operand.Imm(2), at)
		c.ADDQ(at, k.address("v"))
		c.MOVQ(step, at)
		c.SHLQ(operand.Imm(2), at)
		c.ADDQ(at, k.address("at"))
		c.INCQ(k.address("cols"))
		k.next()
	})
}

// fetch writes a loop of prefetches into the second-level cache.
func (k *points) fetch() {
	k.begin("fetch", "func(x *float32, lines int)", "nothing but to have cache lines from x on fetched.")
	x, lines := k.c.GP64(), k.c.GP64()
	k.c.Load(k.c.Param("x"), x)
	k.c.Load(k.c.Param("lines"), lines)
	k.c.Label("loop")
	k.c.PREFETCHT1(operand.Mem{Base: x})
	k.c.ADDQ(operand.Imm(64), x)
	k.c.DECQ(lines)
	k.c.JNZ(operand.LabelRef("loop"))
	k.c.RET()
}

// filter writes G·w·Gᵀ. A step or pitch may be negative.
func (k *points) filter() {
	c := k.c
	k.begin("filter", "func(u *float32, stride int, w *float32, at, pitch, step int, n int)",
		"U = G·w·Gᵀ for n channels of the taps w, the first of them at bytes behind w. All distances are in bytes.")
	base, pitch, n, step, stride, at := c.GP64(), c.GP64(), c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.Load(c.Param("w"), base)
	c.ADDQ(k.address("at"), base)
	c.Load(c.Param("pitch"), pitch)
	rows := k.rowsOf(3, base, pitch)
	c.Load(c.Param("n"), n)
	c.Load(c.Param("step"), step)
	c.Load(c.Param("stride"), stride)
	out := k.grid("u", stride)
	na, nb := k.norm(pointA, pointB), k.norm(pointB, pointA)
	k.prepare(pointA*pointA, pointB*pointB, 1/k.product(), na, nb, pointA*na, pointB*nb)
	k.channels(n, func(m *mask, label string) {
		k.square2D(line{3, 6, [][]int{{0}, {1, 2}, {3, 4}, {5}}, k.filters}, label, m,
			func(j int) {
				if j == 0 {
					c.XORQ(at, at)
				} else {
					c.ADDQ(step, at)
				}
			},
			nil,
			func(i int, m *mask) vecOp { return k.load(operand.Mem{Base: rows[i], Index: at, Scale: 1}, m) },
			func(i int) { k.row(out, i) },
			func(_, j int, v vecOp) { k.store(v, out.at(j), m) })
		k.restart(out, 4*k.lanes)
		for _, r := range rows {
			c.ADDQ(operand.Imm(uint64(4*k.lanes)), r)
		}
	}, nil)
}

// filterGrad writes Gᵀ·U·G.
func (k *points) filterGrad() {
	c := k.c
	k.begin("filterGrad", "func(w *float32, pitch, step int, u *float32, stride, n int, accumulate bool)",
		"w = Gᵀ·U·G, or w += Gᵀ·U·G, for n channels. All distances are in bytes.")
	rows, stride := k.transformed("u")
	to, pitch, step, n, at, place := c.GP64(), c.GP64(), c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.Load(c.Param("w"), to)
	c.Load(c.Param("pitch"), pitch)
	c.Load(c.Param("step"), step)
	c.Load(c.Param("n"), n)
	na, nb := k.norm(pointA, pointB), k.norm(pointB, pointA)
	k.prepare(pointA*pointA, pointB*pointB, 1/k.product(), na, nb, pointA*na, pointB*nb)
	accumulate := k.address("accumulate")
	k.channels(n, func(m *mask, label string) {
		k.square2D(line{6, 3, k.groups([]int{0, 2}, []int{1}), k.filterSums}, label, m,
			func(j int) { k.column(at, stride, j) },
			nil,
			func(i int, m *mask) vecOp { return k.load(operand.Mem{Base: rows[i], Index: at, Scale: 1}, m) },
			func(i int) {
				c.MOVQ(to, at)
				for range i {
					c.ADDQ(pitch, at)
				}
			},
			func(i, j int, v vecOp) {
				c.MOVQ(at, place)
				for range j {
					c.ADDQ(step, place)
				}
				store := fmt.Sprintf("%s_store%d_%d", label, i, j)
				c.CMPB(accumulate, operand.Imm(0))
				c.JEQ(operand.LabelRef(store))
				c.VADDPS(k.load(operand.Mem{Base: place}, m), v, v)
				c.Label(store)
				k.store(v, operand.Mem{Base: place}, m)
			})
		c.ADDQ(operand.Imm(uint64(4*k.lanes)), to)
		for _, r := range rows {
			c.ADDQ(operand.Imm(uint64(4*k.lanes)), r)
		}
	}, nil)
}

// transformed returns pointers to the six rows of transformed values, and where their stride lies.
func (k *points) transformed(name string) ([]reg.GPVirtual, operand.Mem) {
	base, six := k.c.GP64(), k.c.GP64()
	k.c.Load(k.c.Param(name), base)
	stride := k.address("stride")
	k.c.MOVQ(stride, six)
	k.c.IMUL3Q(operand.Imm(6), six, six)
	return k.rowsOf(6, base, six), stride
}

func (k *points) column(at reg.Register, stride operand.Mem, j int) {
	if j == 0 {
		k.c.XORQ(at, at)
	} else {
		k.c.ADDQ(stride, at)
	}
}

// groups are those given where there are registers for them, else single outputs.
func (k *points) groups(groups ...[]int) [][]int {
	if k.masked() {
		return groups
	}
	var single [][]int
	for _, g := range groups {
		for _, i := range g {
			single = append(single, []int{i})
		}
	}
	return single
}

// outputs writes Aᵀ·M·A and what finishes it: a function of the sums, where they go, and the same place of another operand.
func (k *points) outputs(name, other string, finish func() func(v vecOp, m *mask, at, operandAt operand.Mem) vecOp) {
	c := k.c
	signature, doc := "func(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int", "x = Aᵀ·M·A"
	switch other {
	case "bias":
		doc = "x = ReLU(Aᵀ·M·A + bias)"
	case "y":
		doc = "x = Aᵀ·M·A where y > 0, slope times that elsewhere,"
	}
	switch other {
	case "bias":
		signature += ", bias *float32, slope float32"
	case "y":
		signature += ", y *float32, slope float32"
	}
	k.begin(name, signature+")", doc+" for n channels of neighbouring tiles, of which the image has rows and cols pixels. All distances are in bytes.")
	k.prepare(pointA, pointB, pointA*pointA, pointB*pointB, pointA*pointA*pointA, pointB*pointB*pointB)
	var end func(v vecOp, m *mask, at, operandAt operand.Mem) vecOp
	if finish != nil {
		end = finish()
	}
	pitch, step, at, line4 := c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.Load(c.Param("pitch"), pitch)
	c.Load(c.Param("step"), step)
	c.Label("tile")
	rows, stride := k.transformed("m")
	to, n := c.GP64(), c.GP64()
	c.Load(c.Param("x"), to)
	c.Load(c.Param("n"), n)
	var second reg.GPVirtual
	if other != "" {
		second = c.GP64()
		c.Load(c.Param(other), second)
		if other == "y" {
			c.SUBQ(to, second)
		}
	}
	height, width := k.address("rows"), k.address("cols")
	k.channels(n, func(m *mask, label string) {
		last := ""
		k.square2D(lineOf(k), label, m,
			func(j int) {
				if j == 0 && last != "" {
					c.Label(last)
					last = ""
				}
				k.column(at, stride, j)
			},
			nil,
			func(i int, m *mask) vecOp { return k.load(operand.Mem{Base: rows[i], Index: at, Scale: 1}, m) },
			func(i int) {
				if last != "" {
					c.Label(last)
				}
				last = fmt.Sprintf("%s_row%d", label, i)
				c.CMPQ(height, operand.Imm(uint64(i)))
				c.JLE(operand.LabelRef(last))
				c.MOVQ(to, line4)
				for range i {
					c.ADDQ(pitch, line4)
				}
			},
			func(i, j int, v vecOp) {
				skip := fmt.Sprintf("%s_pixel%d_%d", label, i, j)
				if j > 0 {
					c.CMPQ(width, operand.Imm(uint64(j)))
					c.JLE(operand.LabelRef(skip))
				}
				place := operand.Mem{Base: line4, Index: step, Scale: uint8(j)}
				switch j {
				case 0:
					place = operand.Mem{Base: line4}
				case 3:
					c.LEAQ(operand.Mem{Base: line4, Index: step, Scale: 2}, at)
					place = operand.Mem{Base: at, Index: step, Scale: 1}
				}
				switch other {
				case "bias":
					v = end(v, m, place, operand.Mem{Base: second})
				case "y":
					c.LEAQ(place, at)
					place = operand.Mem{Base: at}
					v = end(v, m, place, operand.Mem{Base: at, Index: second, Scale: 1})
				}
				k.store(v, place, m)
				if j > 0 {
					c.Label(skip)
				}
			})
		c.Label(last)
		c.ADDQ(operand.Imm(uint64(4*k.lanes)), to)
		if other == "bias" {
			c.ADDQ(operand.Imm(uint64(4*k.lanes)), second)
		}
		for _, r := range rows {
			c.ADDQ(operand.Imm(uint64(4*k.lanes)), r)
		}
	}, func() {
		c.Load(c.Param("n"), at)
		c.SHLQ(operand.Imm(2), at)
		c.ADDQ(at, k.address("m"))
		c.MOVQ(step, at)
		c.SHLQ(operand.Imm(2), at)
		c.ADDQ(at, k.address("x"))
		if other == "y" {
			c.ADDQ(at, k.address("y"))
		}
		c.SUBQ(operand.Imm(4), width)
		k.next()
	})
}

func lineOf(k *points) line { return line{6, 4, k.groups([]int{0, 2}, []int{1, 3}), k.output} }
