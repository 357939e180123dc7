package main

import "fmt"

// gemmNEON writes the tiles of 1 to 12 rows by 8 and 4 columns. 12×8 takes 24 of the 32 registers for sums: four pipelines with a latency of four cycles
// need sixteen in flight. Two more hold a row of B, and the rest elements of A on their way. For 24 multiply-adds of whole registers, a step has five loads
// if A is packed (33 instructions in all), or 14 (42): two load ports suffice beside two pipelines, three beside four.
func gemmNEON(n *neon) {
	for rows := 1; rows <= 12; rows++ {
		for _, vectors := range []int{2, 1} {
			t := &neonTile{neon: n, rows: rows, vectors: vectors}
			t.write()
		}
	}
	// A single row is wide, since so few sums would not keep the multiply-adds in flight.
	for vectors := 3; vectors <= 16; vectors++ {
		t := &neonTile{neon: n, rows: 1, vectors: vectors}
		t.write()
	}
	n.peak(24)
	n.transpose4()
	n.copyRows()
}

// neonTile is one micro-kernel: tiles of rows×(vectors·4) elements of C, each held in rows·vectors registers.
type neonTile struct {
	*neon
	rows, vectors int

	sums               [][]vreg
	first              greg // row of A in the tile
	a, aStep           greg
	b, bStep           greg
	tiles, runs, depth greg // what is left of them
	c, cRow            greg
	rowAt              []greg // distance of each row of A but the first
	free               greg   // for what one piece of code needs alone

	// last is the distance in bytes from the first column's address to where the last of several registers of a row begins: in a tile that lacks columns, it
	// overlaps the one before it, so that nothing beyond the columns is touched.
	last greg
	// second and third are those of the elements in tiles with less than four columns, of which the last is repeated.
	second, third greg
}

// write writes the micro-kernel. For what it does, see microKernel in package gemm.
func (t *neonTile) write() {
	width := t.vectors * neonLanes
	t.begin(fmt.Sprintf("microNEONx%dx%d", t.rows, width),
		"func(tiles, depth, runs int, a *float32, aTile, aRow, aStep, aJump, aAhead int, b *float32, bTile, bStep, bJump int, c *float32, cRow, cJump, cols int, accumulate bool, bias *float32, biasTile int, relu, fetch bool)",
		fmt.Sprintf("what microKernel says, for %d×%d tiles.", t.rows, width))
	t.tiles, t.first, t.aStep, t.bStep, t.c, t.cRow = t.integer("tiles"), t.integer("a"), t.integer("aStep"), t.integer("bStep"), t.integer("c"), t.integer("cRow")
	t.a, t.b, t.runs, t.depth, t.free = t.register(), t.register(), t.register(), t.register(), t.register()
	cols := t.integer("cols")
	aRow := t.integer("aRow")
	t.rowAt = []greg{0, aRow}
	for i := 2; i < t.rows; i++ {
		r := t.register()
		t.op("ADD", aRow, t.rowAt[i-1], r)
		t.rowAt = append(t.rowAt, r)
	}
	t.sums = nil
	for range t.rows {
		t.sums = append(t.sums, t.vectorsOf(t.vectors))
	}

	if t.vectors == 1 {
		t.op("CMP", neonLanes, cols)
		t.op("BLT", "narrow")
	} else {
		t.last = cols
		t.op("SUB", neonLanes, cols)
		t.op("LSL", 2, cols)
	}
	t.start("")
	if t.rows > 1 {
		t.op("CMP", 4, aRow)
		t.op("BEQ", "packed")
	}
	if t.vectors > 2 {
		t.loops("", t.wideRow)
	} else {
		t.loops("", func() { t.spreadRows(t.loadB()) })
	}
	if t.rows > 1 {
		t.op("B", "sums")
		t.label("packed")
		t.loops("packed_", func() { t.adjacentRows(t.loadB()) })
		t.label("sums")
	}
	t.finish("", t.loadC, t.storeC)
	if t.vectors == 1 {
		t.label("narrow")
		t.second, t.third = t.register(), cols
		t.op("SUB", 1, cols)
		t.op("CMP", 0, cols)
		t.op("CSET", "NE", t.second)
		t.op("LSL", 2, t.second)
		t.op("LSL", 2, cols)
		t.start("narrow_")
		t.loops("narrow_", func() { t.spreadRows(t.loadNarrowB()) })
		t.finish("narrow_", t.loadNarrow, t.storeNarrow)
	}
	t.flush()
}

// start begins a tile.
func (t *neonTile) start(prefix string) {
	t.label(prefix + "tile")
	t.op("MOVD", t.first, t.a)
	t.op("MOVD", t.parameter("b"), t.b)
	t.op("MOVD", t.parameter("runs"), t.runs)
	for _, row := range t.sums {
		for _, v := range row {
			t.clear(v)
		}
	}
}

// loops writes the loops over runs and depth with one way to multiply an element of each row of A by a row of B.
func (t *neonTile) loops(prefix string, multiply func()) {
	t.label(prefix + "run")
	t.op("MOVD", t.parameter("depth"), t.depth)
	t.label(prefix + "step")
	t.release(multiply)
	t.op("SUBS", 1, t.depth)
	t.op("BNE", prefix+"step")
	t.op("MOVD", t.parameter("aJump"), t.free)
	t.op("ADD", t.free, t.a)
	t.op("MOVD", t.parameter("bJump"), t.free)
	t.op("ADD", t.free, t.b)
	t.op("SUBS", 1, t.runs)
	t.op("BNE", prefix+"run")
}

// loadB reads a row of B and steps to the next.
func (t *neonTile) loadB() []vreg {
	right := []vreg{t.vector()}
	t.load(right[0], t.b.at(0), neonLanes)
	if t.vectors == 2 {
		right = append(right, t.vector())
		t.loadAt(right[1], t.b, t.last, neonLanes)
	}
	t.op("ADD", t.bStep, t.b)
	return right
}

// wideRow multiplies one row, whose sums leave no room for a row of B. That is read four registers ahead.
func (t *neonTile) wideRow() {
	const ahead = 4
	element, right := t.vector(), t.vectorsOf(ahead+1)
	t.load(element, t.a.at(0), 1)
	t.op("ADD", t.aStep, t.a)
	for v := range t.vectors + ahead {
		switch {
		case v < t.vectors-1:
			t.load(right[v%len(right)], t.b.at(16*v), neonLanes)
		case v == t.vectors-1:
			t.loadAt(right[v%len(right)], t.b, t.last, neonLanes)
			t.op("ADD", t.bStep, t.b)
		}
		if v >= ahead {
			t.mulAddLane(t.sums[0][v-ahead], right[(v-ahead)%len(right)], element, 0)
		}
	}
}

func (t *neonTile) loadNarrowB() []vreg {
	right := t.vector()
	t.loadNarrow([]vreg{right}, t.b)
	t.op("ADD", t.bStep, t.b)
	return []vreg{right}
}

// spreadRows multiplies by elements of A that each lie somewhere else. They are read four rows ahead.
func (t *neonTile) spreadRows(right []vreg) {
	const ahead = 4
	elements := make([]vreg, min(t.rows, ahead+1))
	for i := range elements {
		elements[i] = t.vector()
	}
	read := func(i int) {
		if i == 0 {
			t.load(elements[0], t.a.at(0), 1)
		} else {
			t.loadAt(elements[i%len(elements)], t.a, t.rowAt[i], 1)
		}
	}
	for i := range min(t.rows, ahead) {
		read(i)
	}
	for i, row := range t.sums {
		if i+ahead < t.rows {
			read(i + ahead)
		}
		if i+ahead == max(t.rows, ahead) {
			t.op("ADD", t.aStep, t.a)
		}
		for v, sum := range row {
			t.mulAddLane(sum, right[v], elements[i%len(elements)], 0)
		}
	}
}

// adjacentRows multiplies by elements of A that lie side by side, as in a packed panel: four, two or one in a register.
func (t *neonTile) adjacentRows(right []vreg) {
	type element struct {
		register vreg
		lane     int
	}
	var elements []element
	for i := 0; i < t.rows; {
		lanes := neonLanes
		for lanes > t.rows-i {
			lanes /= 2
		}
		v := t.vector()
		t.load(v, t.a.at(4*i), lanes)
		for l := range lanes {
			elements = append(elements, element{v, l})
		}
		i += lanes
	}
	t.op("ADD", t.aStep, t.a)
	for i, row := range t.sums {
		for v, sum := range row {
			t.mulAddLane(sum, right[v], elements[i].register, elements[i].lane)
		}
	}
}

// finish writes what is done to the sums while they are in registers, and how they get to C, and goes on to the next tile.
func (t *neonTile) finish(prefix string, load, store func(row []vreg, at greg)) {
	t.op("MOVBU", t.parameter("accumulate"), t.free)
	t.op("CBZ", t.free, prefix+"bias")
	t.op("MOVD", t.c, t.a)
	for _, row := range t.sums {
		t.release(func() { t.addRow(row, t.a, load) })
		t.op("ADD", t.cRow, t.a)
	}

	t.label(prefix + "bias")
	t.op("MOVD", t.parameter("bias"), t.a)
	t.op("CBZ", t.a, prefix+"relu")
	for _, row := range t.sums {
		t.release(func() { t.addRow(row, t.a, load) })
	}

	t.label(prefix + "relu")
	t.op("MOVBU", t.parameter("relu"), t.free)
	t.op("CBZ", t.free, prefix+"store")
	t.release(func() {
		zero := t.zero()
		for _, row := range t.sums {
			for _, sum := range row {
				t.max(sum, sum, zero)
			}
		}
	})

	t.label(prefix + "store")
	for _, row := range t.sums {
		store(row, t.c)
		t.op("ADD", t.cRow, t.c)
	}
	t.op("MOVD", t.parameter("aTile"), t.free)
	t.op("ADD", t.free, t.first)
	t.op("MOVD", t.parameter("cJump"), t.free)
	t.op("ADD", t.free, t.c)
	for _, pointer := range []string{"b", "bias"} {
		t.op("MOVD", t.parameter(pointer+"Tile"), t.free)
		t.op("MOVD", t.parameter(pointer), t.b)
		t.op("ADD", t.free, t.b)
		t.op("MOVD", t.b, t.parameter(pointer))
	}
	t.op("SUBS", 1, t.tiles)
	t.op("BNE", prefix+"tile")
	t.op("RET")
}

// addRow adds what lies at an address to a row of sums.
func (t *neonTile) addRow(row []vreg, at greg, load func(row []vreg, at greg)) {
	old := t.vectorsOf(len(row))
	load(old, at)
	for v, sum := range row {
		t.add(sum, sum, old[v])
	}
}

func (t *neonTile) loadC(row []vreg, at greg) {
	for v, r := range row {
		if v > 0 && v == t.vectors-1 {
			t.loadAt(r, at, t.last, neonLanes)
		} else {
			t.load(r, at.at(16*v), neonLanes)
		}
	}
}

func (t *neonTile) storeC(row []vreg, at greg) {
	for v, r := range row {
		if v > 0 && v == t.vectors-1 {
			t.storeAt(r, at, t.last)
		} else {
			t.store(r, at.at(16*v), neonLanes)
		}
	}
}

// loadNarrow reads one, two or three elements.
func (t *neonTile) loadNarrow(row []vreg, at greg) {
	t.load(row[0], at.at(0), 1)
	t.op("ADD", t.second, at, t.free)
	t.op("VLD1", fmt.Sprintf("(%s)", t.free), fmt.Sprintf("V%d.S[1]", int(row[0])))
	t.op("ADD", t.third, at, t.free)
	t.op("VLD1", fmt.Sprintf("(%s)", t.free), fmt.Sprintf("V%d.S[2]", int(row[0])))
}

// storeNarrow writes one, two or three elements.
func (t *neonTile) storeNarrow(row []vreg, at greg) {
	t.store(row[0], at.at(0), 1)
	t.op("ADD", t.second, at, t.free)
	t.op("VST1", fmt.Sprintf("V%d.S[1]", int(row[0])), fmt.Sprintf("(%s)", t.free))
	t.op("ADD", t.third, at, t.free)
	t.op("VST1", fmt.Sprintf("V%d.S[2]", int(row[0])), fmt.Sprintf("(%s)", t.free))
}

// peak writes a loop of independent multiply-adds.
func (n *neon) peak(sums int) {
	n.begin("peakNEON", "func(iterations int)", fmt.Sprintf("%d independent multiply-adds of whole registers, iterations times.", sums))
	count, factor := n.integer("iterations"), n.zero()
	all := make([]vreg, sums)
	for i := range all {
		all[i] = n.zero()
	}
	n.label("loop")
	for _, v := range all {
		n.mulAdd(v, factor, factor)
	}
	n.op("SUBS", 1, count)
	n.op("BNE", "loop")
	n.end()
}

// transpose4 writes the packing of four lanes that each lie in one piece, four depth indices at a time. The last block overlaps the one before where depth is not a
// multiple of four.
func (n *neon) transpose4() {
	n.begin("transpose4NEON", "func(dst *float32, width int, src *float32, stride, depth int)",
		"dst[p*width+l] = src[l*stride+p] for l < 4 and p < depth, which is at least 4. It reads and writes nothing else.")
	dst, width, src, stride, depth := n.integer("dst"), n.integer("width"), n.integer("src"), n.integer("stride"), n.integer("depth")
	at, to, back := n.register(), n.register(), n.register()
	n.op("LSL", 2, width)
	n.op("LSL", 2, stride)
	n.label("loop")
	in := n.vectorsOf(4)
	n.op("MOVD", src, at)
	for i, v := range in {
		n.load(v, at.at(0), neonLanes)
		if i < 3 {
			n.op("ADD", stride, at)
		}
	}
	n.transpose(in)
	n.op("MOVD", dst, to)
	for i, v := range in {
		n.store(v, to.at(0), neonLanes)
		if i < 3 {
			n.op("ADD", width, to)
		}
	}
	n.op("SUBS", 4, depth)
	n.op("BEQ", "done")
	n.op("ADD", width, to, dst)
	n.op("ADD", 16, src)
	n.op("CMP", 4, depth)
	n.op("BGE", "loop")
	n.op("MOVD", 4, back) // steps back so far that four are left
	n.op("SUB", depth, back)
	n.op("SUB", back.shifted(2), src)
	n.op("MSUB", width, dst, back, dst)
	n.op("MOVD", 4, depth)
	n.op("B", "loop")
	n.label("done")
	n.end()
}

// copyRows writes the packing of lanes that are neighbours in memory: a loop over rows for each number of registers that a row takes, the last of which
// overlaps the one before.
func (n *neon) copyRows() {
	n.begin("copyRowsNEON", "func(dst *float32, width int, src *float32, stride, lanes, depth int)",
		"dst[p*width+l] = src[p*stride+l] for l < lanes, which is 4 to 16, and p < depth. It reads and writes nothing else.")
	dst, width, src, stride, lanes, depth := n.integer("dst"), n.integer("width"), n.integer("src"), n.integer("stride"), n.integer("lanes"), n.integer("depth")
	n.op("LSL", 2, width)
	n.op("LSL", 2, stride)
	last := n.register()
	n.op("SUB", 4, lanes, last)
	n.op("LSL", 2, last)
	for vectors := 1; vectors < 4; vectors++ {
		n.op("CMP", neonLanes*vectors, lanes)
		n.op("BLE", fmt.Sprintf("loop%d", vectors))
	}
	for vectors := 4; vectors >= 1; vectors-- {
		label := fmt.Sprintf("loop%d", vectors)
		n.label(label)
		n.interleaved(vectors, func(v int) {
			r := n.vector()
			if v == vectors-1 {
				n.loadAt(r, src, last, neonLanes)
				n.storeAt(r, dst, last)
			} else {
				n.load(r, src.at(16*v), neonLanes)
				n.store(r, dst.at(16*v), neonLanes)
			}
		})
		n.op("ADD", stride, src)
		n.op("ADD", width, dst)
		n.op("SUBS", 1, depth)
		n.op("BNE", label)
		n.op("RET")
	}
	n.flush()
}
