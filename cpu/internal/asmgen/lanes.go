package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func lanesAVX512(c *build.Context) { newAVX512(c).writeLanes(3) }
func lanesAVX2(c *build.Context)   { newAVX2(c).writeLanes(2) }

// writeLanes writes the loops of package lanes; dots of up to so many rows.
func (s *isa) writeLanes(dotRows int) {
	for rows := 1; rows <= 6; rows++ {
		s.products(rows)
	}
	for rows := 1; rows <= dotRows; rows++ {
		for cols := 1; cols <= 5; cols++ {
			s.dots(rows, cols)
		}
	}
}

// products takes a register of lanes at a time.
func (s *isa) products(rows int) {
	c := s.c
	s.begin(fmt.Sprintf("products%d", rows),
		"func(depth, runs int, a *float32, aRow, aStep, aJump int, b *float32, bStep, bJump int, c *float32, cRow, lanes int, accumulate bool)",
		fmt.Sprintf("what productKernel does, for %d rows.", rows))
	n := c.Load(c.Param("lanes"), c.GP64())
	a, b, out := c.Load(c.Param("a"), c.GP64()), c.Load(c.Param("b"), c.GP64()), c.Load(c.Param("c"), c.GP64())
	aRow, cRow := c.Load(c.Param("aRow"), c.GP64()), c.Load(c.Param("cRow"), c.GP64())
	s.columnChunks(n, []reg.Register{a, b, out}, "", func(m *mask, label string) {
		sums := make([]vecOp, rows)
		for i := range sums {
			sums[i] = s.zero()
		}
		at := everyThird(c, a, aRow, rows)
		right := c.GP64()
		c.MOVQ(b, right)
		runs, depth := c.Load(c.Param("runs"), c.GP64()), c.GP64()
		c.Label(label + "_run")
		c.Load(c.Param("depth"), depth)
		c.Label(label + "_step")
		factor := s.load(operand.Mem{Base: right}, m)
		for i, sum := range sums {
			if from := third(at, aRow, i); m == nil {
				c.VFMADD231PS(from, factor, sum)
			} else {
				c.VFMADD231PS(s.load(from, m), factor, sum)
			}
		}
		advance := func(step, jump string) {
			for _, p := range at {
				c.ADDQ(s.address(step), p)
			}
			c.ADDQ(s.address(jump), right)
		}
		advance("aStep", "bStep")
		c.DECQ(depth)
		c.JNZ(operand.LabelRef(label + "_step"))
		advance("aJump", "bJump")
		c.DECQ(runs)
		c.JNZ(operand.LabelRef(label + "_run"))

		to := everyThird(c, out, cRow, rows)
		c.CMPB(s.address("accumulate"), operand.Imm(0))
		c.JE(operand.LabelRef(label + "_store"))
		for i, sum := range sums {
			c.VADDPS(s.load(third(to, cRow, i), m), sum, sum)
		}
		c.Label(label + "_store")
		for i, sum := range sums {
			s.store(sum, third(to, cRow, i), m)
		}
	})
	s.end()
}

// everyThird returns copies of a pointer to every third of so many rows: third addresses a row by them.
func everyThird(c *build.Context, first, row reg.Register, rows int) []reg.GPVirtual {
	var all []reg.GPVirtual
	for i := 0; i < rows; i += 3 {
		p := c.GP64()
		if i == 0 {
			c.MOVQ(first, p)
		} else {
			c.LEAQ(operand.Mem{Base: all[len(all)-1], Index: row, Scale: 2}, p)
			c.ADDQ(row, p)
		}
		all = append(all, p)
	}
	return all
}

func third(all []reg.GPVirtual, row reg.Register, i int) operand.Mem {
	at := operand.Mem{Base: all[i/3]}
	if i%3 > 0 {
		at.Index, at.Scale = row, uint8(i%3)
	}
	return at
}

// dots keeps a register of sums for each pair of a row of a and a shift of b.
func (s *isa) dots(rows, cols int) {
	c := s.c
	s.begin(fmt.Sprintf("dots%dx%d", rows, cols), "func(n, runs int, a *float32, aRow, aRun int, b *float32, bRun int, sums *float32)",
		fmt.Sprintf("what dotKernel does, for %d rows and %d shifts.", rows, cols))
	a := everyThird(c, c.Load(c.Param("a"), c.GP64()), c.Load(c.Param("aRow"), c.GP64()), rows)
	aRow := c.Load(c.Param("aRow"), c.GP64())
	b, sums := c.Load(c.Param("b"), c.GP64()), c.Load(c.Param("sums"), c.GP64())
	runs, n, at := c.Load(c.Param("runs"), c.GP64()), c.GP64(), c.GP64()
	total := make([]vecOp, rows*cols)
	for i := range total {
		total[i] = s.load(operand.Mem{Base: sums, Disp: 4 * s.lanes * i}, nil)
	}
	// Rows of a need the index of an address for themselves, so that their pointers are moved along.
	step := func(m *mask) {
		left := make([]vecOp, rows)
		for i := range left {
			left[i] = s.load(third(a, aRow, i), m)
		}
		for j := range cols {
			right := s.load(operand.Mem{Base: b, Index: at, Scale: 4, Disp: 4 * j}, m)
			for i := range rows {
				c.VFMADD231PS(left[i], right, total[i*cols+j])
			}
		}
	}
	lanes := operand.Imm(uint64(s.lanes))
	c.Label("run")
	c.Load(c.Param("n"), n)
	c.XORQ(at, at)
	c.SUBQ(lanes, n)
	c.JL(operand.LabelRef("tail"))
	c.Label("loop")
	step(nil)
	c.ADDQ(lanes, at)
	for _, p := range a {
		c.ADDQ(operand.Imm(uint64(4*s.lanes)), p)
	}
	c.SUBQ(lanes, n)
	c.JGE(operand.LabelRef("loop"))
	c.Label("tail")
	c.ADDQ(lanes, n)
	c.JZ(operand.LabelRef("next"))
	step(s.first(n))
	c.Label("next")
	c.SHLQ(operand.Imm(2), at)
	for _, p := range a {
		c.ADDQ(s.address("aRun"), p)
		c.SUBQ(at, p)
	}
	c.ADDQ(s.address("bRun"), b)
	c.DECQ(runs)
	c.JNZ(operand.LabelRef("run"))
	for i, v := range total {
		s.store(v, operand.Mem{Base: sums, Disp: 4 * s.lanes * i}, nil)
	}
	s.end()
}
