package main

import "fmt"

// Shapes of the loops of package lanes: rows of products, rows and shifts of dot products.
const (
	neonProductRows = 6
	neonDotRows     = 4
	neonDotShifts   = 5
)

func lanesNEON(n *neon) {
	for rows := 1; rows <= neonProductRows; rows++ {
		n.products(rows)
	}
	for rows := 1; rows <= neonDotRows; rows++ {
		for shifts := 1; shifts <= neonDotShifts; shifts++ {
			n.dots(rows, shifts)
		}
	}
}

// rowsFrom sets pointers to rows that are step bytes apart, of which the first is set.
func (n *neon) rowsFrom(rows []greg, step greg) {
	for i, r := range rows[1:] {
		n.op("ADD", step, rows[i], r)
	}
}

// products takes four registers of lanes at a time, then one, two lanes and one.
func (n *neon) products(rows int) {
	n.begin(fmt.Sprintf("products%dNEON", rows),
		"func(depth, runs int, a *float32, aRow, aStep, aJump int, b *float32, bStep, bJump int, c *float32, cRow, lanes int, accumulate bool)",
		fmt.Sprintf("what productKernel does, for %d rows.", rows))
	count, a, b, c := n.integer("lanes"), n.integer("a"), n.integer("b"), n.integer("c")
	aRow, cRow, aStep, bStep := n.integer("aRow"), n.integer("cRow"), n.integer("aStep"), n.integer("bStep")
	runs, depth, right, to, free, left := n.register(), n.register(), n.register(), n.register(), n.register(), n.registers(rows)
	n.countdown(count, 4, "", func(registers, lanes int, prefix string) {
		n.release(func() {
			sums := make([][]vreg, rows)
			for i := range sums {
				sums[i] = n.vectorsOf(registers)
				for _, v := range sums[i] {
					n.clear(v)
				}
			}
			n.op("MOVD", a, left[0])
			n.rowsFrom(left, aRow)
			n.op("MOVD", b, right)
			n.op("MOVD", n.parameter("runs"), runs)
			n.label(prefix + "run")
			n.op("MOVD", n.parameter("depth"), depth)
			n.label(prefix + "step")
			n.interleaved(registers, func(r int) {
				x, factor := n.vector(), n.vector()
				n.load(factor, right.at(4*lanes*r), lanes)
				for i, p := range left {
					n.load(x, p.at(4*lanes*r), lanes)
					n.mulAdd(sums[i][r], x, factor)
				}
			})
			advance := func(left []greg, by, rightBy greg) {
				for _, p := range left {
					n.op("ADD", by, p)
				}
				n.op("ADD", rightBy, right)
			}
			advance(left, aStep, bStep)
			n.op("SUBS", 1, depth)
			n.op("BNE", prefix+"step")
			n.op("MOVD", n.parameter("aJump"), free)
			n.op("MOVD", n.parameter("bJump"), depth)
			advance(left, free, depth)
			n.op("SUBS", 1, runs)
			n.op("BNE", prefix+"run")
			n.writeRows(sums, c, to, cRow, free, lanes, prefix)
			for _, p := range []greg{a, b, c} {
				n.op("ADD", 4*lanes*registers, p)
			}
		})
	})
	n.end()
}

// writeRows stores rows of registers from c on, row bytes apart, or adds them to what is there if the parameter accumulate is set.
func (n *neon) writeRows(rows [][]vreg, c, to, row, free greg, lanes int, prefix string) {
	each := func(write func(v vreg, at string)) {
		n.op("MOVD", c, to)
		for _, registers := range rows {
			for r, v := range registers {
				write(v, to.at(4*lanes*r))
			}
			n.op("ADD", row, to)
		}
	}
	n.op("MOVBU", n.parameter("accumulate"), free)
	n.op("CBZ", free, prefix+"store")
	old := n.vector()
	each(func(v vreg, at string) {
		n.load(old, at, lanes)
		n.add(v, v, old)
	})
	n.label(prefix + "store")
	each(func(v vreg, at string) { n.store(v, at, lanes) })
}

// dots keeps a register of sums for each pair of a row of a and a shift of b.
func (n *neon) dots(rows, shifts int) {
	n.begin(fmt.Sprintf("dots%dx%dNEON", rows, shifts), "func(n, runs int, a *float32, aRow, aRun int, b *float32, bRun int, sums *float32)",
		fmt.Sprintf("what dotKernel does, for %d rows and %d shifts.", rows, shifts))
	length, a, aRow, aRun, b, bRun, sums, runs, count := n.integer("n"), n.integer("a"), n.integer("aRow"), n.integer("aRun"), n.integer("b"), n.integer("bRun"),
		n.integer("sums"), n.integer("runs"), n.register()
	left := append([]greg{a}, n.registers(rows-1)...)
	n.rowsFrom(left, aRow)
	n.op("SUB", length.shifted(2), aRun) // from the end of a run to the beginning of the next
	n.op("SUB", length.shifted(2), bRun)
	total := n.vectorsOf(rows * shifts)
	for i, v := range total {
		n.load(v, sums.at(16*i), neonLanes)
	}
	n.label("run")
	n.op("MOVD", length, count)
	n.countdown(count, 1, "", func(_, lanes int, _ string) {
		n.release(func() {
			x, y := n.vectorsOf(rows), n.vectorsOf(2)
			for i, p := range left {
				n.load(x[i], p.at(0), lanes)
				n.op("ADD", 4*lanes, p)
			}
			for j := range shifts {
				n.load(y[j%2], b.at(4*j), lanes)
				for i := range rows {
					n.mulAdd(total[i*shifts+j], x[i], y[j%2])
				}
			}
			n.op("ADD", 4*lanes, b)
		})
	})
	for _, p := range left {
		n.op("ADD", aRun, p)
	}
	n.op("ADD", bRun, b)
	n.op("SUBS", 1, runs)
	n.op("BNE", "run")
	for i, v := range total {
		n.store(v, sums.at(16*i), neonLanes)
	}
	n.end()
}
