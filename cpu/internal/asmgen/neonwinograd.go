package main

import "fmt"

// winogradNEON writes the transforms of package winograd, as winograd.go does: those of a line are the same formulas.
func winogradNEON(n *neon) {
	k := &neonPoints{neon: n}
	k.transform(6, k.input, "input", "V = Bᵀ·d·B")
	k.transform(4, k.gradient, "gradient", "M = A·d·Aᵀ")
	k.filter()
	k.filterGrad()
	k.outputs("output", "", "x = Aᵀ·M·A")
	k.outputs("outputBias", "bias *float32, slope float32", "x = ReLU(Aᵀ·M·A + bias)")
	k.outputs("outputGrad", "y *float32, slope float32", "x = Aᵀ·M·A where y > 0, slope times that elsewhere,")
}

// neonPoints makes the transforms of lines, with factors in registers.
type neonPoints struct {
	*neon
	factors map[float64]vreg // those of the function that is being written
}

// The factors that several transforms need, by the names that package winograd has for them.
var (
	squareA, squareB = pointA * pointA, pointB * pointB
	cubeA, cubeB     = pointA * squareA, pointB * squareB
	sumOfSquares     = squareA + squareB
	productOfSquares = squareA * squareB
	norm0            = 1 / productOfSquares
	normA            = 1 / (2 * squareA * (squareA - squareB))
	normB            = 1 / (2 * squareB * (squareB - squareA))
)

// prepare loads factors at the begin of a function.
func (k *neonPoints) prepare(factors ...float64) {
	k.factors = map[float64]vreg{}
	for _, x := range factors {
		if _, ok := k.factors[x]; !ok {
			k.factors[x] = k.float(x)
		}
	}
}

func (k *neonPoints) factor(x float64) vreg {
	v, ok := k.factors[x]
	if !ok {
		panic(fmt.Sprintf("neon: factor %v is not prepared", x))
	}
	return v
}

// neonSource gives the inputs of a line: into a register that may be overwritten, look in one that may not.
type neonSource struct {
	into func(d vreg, i int)
	look func(i int) vreg
}

// neonLine writes some outputs of a transform of one dimension, the registers for which are given in their order. It may take other registers.
type neonLine func(group []int, in neonSource, out []vreg)

// plus does v += x·factor, minus v −= x·factor.
func (k *neonPoints) plus(v vreg, factor float64, x vreg)  { k.mulAdd(v, x, k.factor(factor)) }
func (k *neonPoints) minus(v vreg, factor float64, x vreg) { k.mulSub(v, x, k.factor(factor)) }

// times returns x·factor, and sumOf and difference what they say, in a register of their own.
func (k *neonPoints) times(factor float64, x vreg) vreg {
	v := k.vector()
	k.mul(v, x, k.factor(factor))
	return v
}

func (k *neonPoints) sumOf(x, y vreg) vreg {
	v := k.vector()
	k.add(v, x, y)
	return v
}

func (k *neonPoints) difference(x, y vreg) vreg {
	v := k.vector()
	k.sub(v, x, y)
	return v
}

// pair writes even ± x·odd, the values at ±x. Even is the second output.
func (k *neonPoints) pair(x float64, odd vreg, out []vreg) {
	k.move(out[0], out[1])
	k.plus(out[0], x, odd)
	k.minus(out[1], x, odd)
}

var pairedOutputs = [][]int{{0}, {1, 2}, {3, 4}, {5}}

// pointsOf returns the point that a pair of outputs belongs to, and the other.
func pointsOf(group []int) (x, y float64) {
	if group[0] == 3 {
		return pointB, pointA
	}
	return pointA, pointB
}

// input is Bᵀ.
func (k *neonPoints) input(group []int, in neonSource, out []vreg) {
	if len(group) == 1 {
		first := group[0] / 5
		in.into(out[0], 4+first)
		k.minus(out[0], sumOfSquares, in.look(2+first))
		k.plus(out[0], productOfSquares, in.look(first))
		return
	}
	x, y := pointsOf(group)
	odd := k.vector()
	in.into(out[1], 4)
	in.into(odd, 3)
	k.minus(out[1], y*y, in.look(2))
	k.minus(odd, y*y, in.look(1))
	k.pair(x, odd, out)
}

// gradient is A.
func (k *neonPoints) gradient(group []int, in neonSource, out []vreg) {
	if len(group) == 1 {
		in.into(out[0], group[0]/5*3)
		return
	}
	x, _ := pointsOf(group)
	odd := k.vector()
	in.into(out[1], 0)
	in.into(odd, 1)
	k.plus(out[1], x*x, in.look(2))
	k.plus(odd, x*x, in.look(3))
	k.pair(x, odd, out)
}

// output is Aᵀ, in groups of the even and of the odd outputs.
func (k *neonPoints) output(group []int, in neonSource, out []vreg) {
	if group[0] == 0 {
		a, b := k.sumOf(in.look(1), in.look(2)), k.sumOf(in.look(3), in.look(4))
		k.add(out[0], in.look(0), a)
		k.add(out[0], out[0], b)
		k.mul(out[1], a, k.factor(squareA))
		k.plus(out[1], squareB, b)
		return
	}
	a, b := k.difference(in.look(1), in.look(2)), k.difference(in.look(3), in.look(4))
	k.mul(out[0], a, k.factor(pointA))
	k.plus(out[0], pointB, b)
	in.into(out[1], 5)
	k.plus(out[1], cubeA, a)
	k.plus(out[1], cubeB, b)
}

// filters is G.
func (k *neonPoints) filters(group []int, in neonSource, out []vreg) {
	switch {
	case group[0] == 0:
		k.mul(out[0], in.look(0), k.factor(norm0))
	case group[0] == 5:
		in.into(out[0], 2)
	default:
		x, _ := pointsOf(group)
		norm := normA
		if x == pointB {
			norm = normB
		}
		in.into(out[1], 0)
		k.plus(out[1], x*x, in.look(2))
		k.mul(out[1], out[1], k.factor(norm))
		k.pair(x*norm, in.look(1), out)
	}
}

// filterSums is Gᵀ, in groups of the even outputs and of the odd one.
func (k *neonPoints) filterSums(group []int, in neonSource, out []vreg) {
	if group[0] == 1 {
		k.mul(out[0], k.difference(in.look(1), in.look(2)), k.factor(pointA*normA))
		k.plus(out[0], pointB*normB, k.difference(in.look(3), in.look(4)))
		return
	}
	a, b := k.times(normA, k.sumOf(in.look(1), in.look(2))), k.times(normB, k.sumOf(in.look(3), in.look(4)))
	k.add(out[0], a, b)
	k.plus(out[0], norm0, in.look(0))
	in.into(out[1], 5)
	k.plus(out[1], squareA, a)
	k.plus(out[1], squareB, b)
}

// neonSquare is a transform in two dimensions: that of a line, done to all columns, and then to the rows of the result, a group of them at a time, so that they fit the
// registers.
type neonSquare struct {
	line   neonLine
	inputs int
	groups [][]int
	column func(j int)                        // begins column j
	skip   func(j int, zero string)           // jumps to the label if column j is zero, optional
	load   func(v vreg, i int)                // reads element i of the column
	row    func(i int, next string)           // begins row i of the result, or jumps
	put    func(j int, v vreg, prefix string) // writes element j of the row
}

// write writes one register of channels of the transform.
func (k *neonPoints) write(q *neonSquare, prefix string) {
	for _, group := range q.groups {
		k.release(func() {
			half := make([][]vreg, len(group)) // by output and column
			for i := range half {
				half[i] = k.vectorsOf(q.inputs)
			}
			for j := range q.inputs {
				k.columnOf(q, group, half, j, fmt.Sprintf("%szero%d_%d", prefix, group[0], j))
			}
			for at, i := range group {
				next := fmt.Sprintf("%srow%d", prefix, i)
				q.row(i, next)
				in := neonSource{func(d vreg, j int) { k.move(d, half[at][j]) }, func(j int) vreg { return half[at][j] }}
				for _, g := range q.groups {
					k.release(func() {
						out := k.vectorsOf(len(g))
						q.line(g, in, out)
						for o, j := range g {
							k.release(func() { q.put(j, out[o], fmt.Sprintf("%spixel%d_%d", prefix, i, j)) })
						}
					})
				}
				k.label(next)
			}
		})
	}
}

// columnOf transforms a column.
func (k *neonPoints) columnOf(q *neonSquare, group []int, half [][]vreg, j int, zero string) {
	var out []vreg
	for i := range half {
		out = append(out, half[i][j])
	}
	q.column(j)
	if q.skip != nil {
		q.skip(j, zero)
	}
	k.release(func() {
		q.line(group, neonSource{q.load, func(i int) vreg {
			v := k.vector()
			q.load(v, i)
			return v
		}}, out)
	})
	if q.skip != nil {
		k.op("B", zero+"_done")
		k.label(zero)
		for _, v := range out {
			k.clear(v)
		}
		k.label(zero + "_done")
	}
}

// columns returns what begins a column: it moves the offset at by step.
func (k *neonPoints) columns(at, step greg) func(j int) {
	return func(j int) {
		if j == 0 {
			k.op("MOVD", "ZR", at)
		} else {
			k.op("ADD", step, at)
		}
	}
}

// channels writes the loop over count channels, at which the pointers show.
func (k *neonPoints) channels(count greg, pointers []greg, body func(lanes int, prefix string)) {
	k.countdown(count, 1, "", func(_, lanes int, prefix string) {
		body(lanes, prefix)
		for _, p := range pointers {
			k.op("ADD", 4*lanes, p)
		}
	})
}

// tiles writes the loop over tiles beside each other, step bytes from pixel to pixel, and ends the function. The body begins with the number of channels in
// count, and with the first pixel of the tile at first.
func (k *neonPoints) tiles(first, step, count greg, body func()) {
	tiles := k.integer("tiles")
	k.label("tile")
	k.op("MOVD", k.parameter("n"), count)
	body()
	k.op("ADD", step.shifted(2), first)
	k.op("SUBS", 1, tiles)
	k.op("BNE", "tile")
	k.end()
}

// transform writes the transform of pieces of an image. What it writes for a tile lies behind that of the one before.
func (k *neonPoints) transform(inputs int, l neonLine, name, doc string) {
	k.begin(name+"NEON", "func(v *float32, stride int, x *float32, at, pitch, step int, zero *float32, rows int, cols *uint8, n, tiles int)",
		doc+" for n channels of the pixels d of neighbouring tiles; those whose bit is not set in rows or, for each tile, cols are zero. All distances are in bytes.")
	first, at, pitch, step, zero, bits := k.integer("x"), k.integer("at"), k.integer("pitch"), k.integer("step"), k.integer("zero"), k.integer("rows")
	k.op("ADD", at, first)
	present, cols, count, stride, to, out := k.integer("cols"), k.register(), k.register(), k.integer("stride"), k.integer("v"), k.register()
	rows := k.registers(inputs)
	k.prepare(pointA, pointB, squareA, squareB, sumOfSquares, productOfSquares)
	k.tiles(first, step, count, func() {
		k.op("MOVBU", present.at(0), cols)
		k.op("ADD", 1, present)
		k.op("MOVD", first, rows[0])
		k.rowsFrom(rows, pitch)
		for i, r := range rows {
			k.op("TST", 1<<i, bits)
			k.op("CSEL", "EQ", zero, r, r)
		}
		k.channels(count, append([]greg{to}, rows...), func(lanes int, prefix string) {
			k.op("MOVD", to, out)
			k.write(&neonSquare{
				line: l, inputs: inputs, groups: pairedOutputs,
				column: k.columns(at, step),
				skip:   func(j int, zero string) { k.op("TBZ", j, cols, zero) },
				load:   func(v vreg, i int) { k.loadAt(v, rows[i], at, lanes) },
				row:    func(int, string) {},
				put:    k.oneAfterTheOther(out, stride, lanes),
			}, prefix)
		})
	})
}

// oneAfterTheOther writes the transformed values, which come row after row, stride bytes apart.
func (k *neonPoints) oneAfterTheOther(out, stride greg, lanes int) func(int, vreg, string) {
	return func(_ int, v vreg, _ string) {
		k.store(v, out.at(0), lanes)
		k.op("ADD", stride, out)
	}
}

// filter writes G·w·Gᵀ. A step or pitch may be negative.
func (k *neonPoints) filter() {
	k.begin("filterNEON", "func(u *float32, stride int, w *float32, at, pitch, step int, n int)",
		"U = G·w·Gᵀ for n channels of the taps w, the first of them at bytes behind w. All distances are in bytes.")
	base, at, pitch := k.integer("w"), k.integer("at"), k.integer("pitch")
	k.op("ADD", at, base)
	rows := append([]greg{base}, k.registers(2)...)
	k.rowsFrom(rows, pitch)
	count, step, stride, to, out := k.integer("n"), k.integer("step"), k.integer("stride"), k.integer("u"), k.register()
	k.prepare(squareA, squareB, norm0, normA, normB, pointA*normA, pointB*normB)
	k.channels(count, append([]greg{to}, rows...), func(lanes int, prefix string) {
		k.op("MOVD", to, out)
		k.write(&neonSquare{
			line: k.filters, inputs: 3, groups: pairedOutputs,
			column: k.columns(at, step),
			load:   func(v vreg, i int) { k.loadAt(v, rows[i], at, lanes) },
			row:    func(int, string) {},
			put:    k.oneAfterTheOther(out, stride, lanes),
		}, prefix)
	})
	k.end()
}

// transformed returns pointers to the six rows of transformed values, and their stride.
func (k *neonPoints) transformed(name string) (rows []greg, stride greg) {
	base, stride, six := k.integer(name), k.integer("stride"), k.register()
	k.op("ADD", stride.shifted(1), stride, six)
	k.op("LSL", 1, six)
	rows = append([]greg{base}, k.registers(5)...)
	k.rowsFrom(rows, six)
	return rows, stride
}

// advance adds i times step, i ≤ 3.
func (k *neonPoints) advance(p, step greg, i int) {
	if i&1 != 0 {
		k.op("ADD", step, p)
	}
	if i&2 != 0 {
		k.op("ADD", step.shifted(1), p)
	}
}

// filterGrad writes Gᵀ·U·G.
func (k *neonPoints) filterGrad() {
	k.begin("filterGradNEON", "func(w *float32, pitch, step int, u *float32, stride, n int, accumulate bool)",
		"w = Gᵀ·U·G, or w += Gᵀ·U·G, for n channels. All distances are in bytes.")
	rows, stride := k.transformed("u")
	to, pitch, step, count, accumulate := k.integer("w"), k.integer("pitch"), k.integer("step"), k.integer("n"), k.register()
	at, line, place := k.register(), k.register(), k.register()
	k.op("MOVBU", k.parameter("accumulate"), accumulate)
	k.prepare(squareA, squareB, norm0, normA, normB, pointA*normA, pointB*normB)
	k.channels(count, append([]greg{to}, rows...), func(lanes int, prefix string) {
		k.write(&neonSquare{
			line: k.filterSums, inputs: 6, groups: [][]int{{0, 2}, {1}},
			column: k.columns(at, stride),
			load:   func(v vreg, i int) { k.loadAt(v, rows[i], at, lanes) },
			row: func(i int, _ string) {
				k.op("MOVD", to, line)
				k.advance(line, pitch, i)
			},
			put: func(j int, v vreg, prefix string) {
				k.op("MOVD", line, place)
				k.advance(place, step, j)
				k.op("CBZ", accumulate, prefix)
				old := k.vector()
				k.load(old, place.at(0), lanes)
				k.add(v, v, old)
				k.label(prefix)
				k.store(v, place.at(0), lanes)
			},
		}, prefix)
	})
	k.end()
}

// outputs writes Aᵀ·M·A and what finishes it by another operand.
func (k *neonPoints) outputs(name, more, doc string) {
	signature := "func(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int"
	if more != "" {
		signature += ", " + more
	}
	k.begin(name+"NEON", signature+")", doc+" for n channels of neighbouring tiles, of which the image has rows and cols pixels. All distances are in bytes.")
	rows, stride := k.transformed("m")
	first, pitch, step, height, width := k.integer("x"), k.integer("pitch"), k.integer("step"), k.integer("rows"), k.integer("cols")
	count, at, line, place, to := k.register(), k.register(), k.register(), k.register(), k.register()
	pointers := append([]greg{to}, rows...)
	var other greg
	var slope, keep vreg
	if more != "" {
		slope = k.scalar("slope")
		keep = k.unlessZero(slope)
	}
	switch name {
	case "outputBias":
		other = k.register()
		pointers = append(pointers, other)
	case "outputGrad":
		other = k.integer("y")
		k.op("SUB", first, other) // how far it lies from x
	}
	k.prepare(pointA, pointB, squareA, squareB, cubeA, cubeB)
	k.tiles(first, step, count, func() {
		k.op("MOVD", first, to)
		if name == "outputBias" {
			k.op("MOVD", k.parameter("bias"), other)
		}
		k.channels(count, pointers, func(lanes int, prefix string) {
			k.write(&neonSquare{
				line: k.output, inputs: 6, groups: [][]int{{0, 2}, {1, 3}},
				column: k.columns(at, stride),
				load:   func(v vreg, i int) { k.loadAt(v, rows[i], at, lanes) },
				row: func(i int, next string) {
					k.op("CMP", i, height)
					k.op("BLE", next)
					k.op("MOVD", to, line)
					k.advance(line, pitch, i)
				},
				put: func(j int, v vreg, prefix string) {
					k.op("CMP", j, width)
					k.op("BLE", prefix)
					k.op("MOVD", line, place)
					k.advance(place, step, j)
					switch name {
					case "outputBias":
						bias := k.vector()
						k.load(bias, other.at(0), lanes)
						k.add(v, v, bias)
						k.relu(v, slope, keep)
					case "outputGrad":
						y, t := k.vector(), k.vector()
						k.loadAt(y, place, other, lanes)
						k.positive(y, y)
						k.mul(t, v, slope)
						k.and(t, t, keep)
						k.insert(t, v, y)
						v = t
					}
					k.store(v, place.at(0), lanes)
					k.label(prefix)
				},
			}, prefix)
		})
		k.op("SUB", 4, width)
	})
}
