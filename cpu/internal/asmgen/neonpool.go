package main

// pooling writes the loops of vecpool.go.
func (n *neon) pooling() {
	n.maxPool()
	n.maxPoolGrad()
	n.maxWindow()
	n.meanWindow()
}

// broadcast returns a register whose lanes all hold the low half of a parameter of type int.
func (n *neon) broadcast(name string) vreg {
	v := n.vector()
	n.release(func() { n.op("VDUP", n.integer(name), v) })
	return v
}

// withAndWithout writes two loops: one with a slice, and one where that is nil.
func (n *neon) withAndWithout(slice string, loop func(there bool, base greg, prefix string)) {
	base := n.base(slice)
	n.op("CBZ", base, "without")
	n.release(func() { loop(true, base, "with_") })
	n.op("RET")
	n.label("without")
	n.release(func() { loop(false, base, "without_") })
	n.end()
}

// neonWindow holds what is the same for all windows of two by two pixels: where the other pixels are, seen from the first.
type neonWindow struct {
	one, below, belowOne vreg // by their places
}

func (n *neon) newWindow() *neonWindow {
	w := &neonWindow{n.constant(1), n.broadcast("width"), n.vector()}
	n.op("VADD", w.one, w.below, w.belowOne)
	return w
}

// grid writes the loops over rows and columns of windows.
func (n *neon) grid(prefix string, begin, column, down func()) {
	rows, cols := n.integer("rows"), n.register()
	n.label(prefix + "row")
	begin()
	n.op("MOVD", n.parameter("cols"), cols)
	n.label(prefix + "column")
	column()
	n.op("SUBS", 1, cols)
	n.op("BNE", prefix+"column")
	down()
	n.op("SUBS", 1, rows)
	n.op("BNE", prefix+"row")
}

// bytesOf returns a register with a parameter that counts elements, as bytes.
func (n *neon) bytesOf(name string) greg {
	r := n.integer(name)
	n.op("LSL", 2, r)
	return r
}

// corners sets pointers to the pixels of the window at top: right is one pixel away, below one row, both in bytes.
func (n *neon) corners(p []greg, top, right, below greg) {
	n.op("MOVD", top, p[0])
	n.op("ADD", right, top, p[1])
	n.op("ADD", below, top, p[2])
	n.op("ADD", below, p[1], p[3])
}

func (n *neon) maxPool() {
	n.begin("maxPoolNEON", "func(y []float32, places []int32, x []float32, rows, cols, channels, stepX, stepY, below, width, place, placeX, placeY int)",
		"2×2 max pooling: windows lie stepX elements and placeX places from one another, rows of them stepY and placeY, and the rows of a window below and width.")
	y, x, channels, right, below := n.base("y"), n.base("x"), n.integer("channels"), n.bytesOf("channels"), n.bytesOf("below")
	stepX, stepY := n.bytesOf("stepX"), n.bytesOf("stepY")
	w := n.newWindow()
	n.withAndWithout("places", func(there bool, places greg, prefix string) {
		var rowPlace, downPlace, stepPlace, place vreg
		if there {
			rowPlace, downPlace, stepPlace, place = n.broadcast("place"), n.broadcast("placeY"), n.broadcast("placeX"), n.vector()
		}
		top, rest, pixels := n.register(), n.register(), n.registers(4)
		n.grid(prefix, func() {
			n.op("MOVD", x, top)
			if there {
				n.move(place, rowPlace)
			}
		}, func() {
			n.corners(pixels, top, right, below)
			n.op("MOVD", channels, rest)
			n.countdown(rest, 2, prefix, func(registers, lanes int, _ string) {
				n.interleaved(registers, func(r int) {
					v := n.vectorsOf(4)
					for i, p := range pixels {
						n.load(v[i], p.at(4*lanes*r), lanes)
					}
					winner := n.greatest2x2(w, v, there)
					n.store(v[0], y.at(4*lanes*r), lanes)
					if there {
						n.op("VADD", place, winner, winner)
						n.store(winner, places.at(4*lanes*r), lanes)
					}
				})
				moved := append([]greg{y}, pixels...)
				if there {
					moved = append(moved, places)
				}
				for _, p := range moved {
					n.op("ADD", 4*lanes*registers, p)
				}
			})
			n.op("ADD", stepX, top)
			if there {
				n.op("VADD", stepPlace, place, place)
			}
		}, func() {
			n.op("ADD", stepY, x)
			if there {
				n.op("VADD", downPlace, rowPlace, rowPlace)
			}
		})
	})
}

// greatest2x2 writes the first maximum of four registers to the first of them, and returns its place, seen from the first, if that is asked for.
func (n *neon) greatest2x2(w *neonWindow, v []vreg, place bool) (winner vreg) {
	right, rightBelow, down, free := n.vector(), n.vector(), n.vector(), n.vector()
	n.beats(right, v[1], v[0], free)
	n.insert(v[0], v[1], right)
	n.beats(rightBelow, v[3], v[2], free)
	n.insert(v[2], v[3], rightBelow)
	n.beats(down, v[2], v[0], free)
	n.insert(v[0], v[2], down)
	if !place {
		return 0
	}
	n.and(right, right, w.one)
	n.move(free, w.below)
	n.insert(free, w.belowOne, rightBelow)
	n.insert(right, free, down)
	return right
}

// maxPoolGrad writes all pixels under the windows of a row, which lie side by side: the gradient where a pixel won, and zero elsewhere.
func (n *neon) maxPoolGrad() {
	n.begin("maxPoolGradNEON", "func(dx, dy []float32, places []int32, output []float32, rows, cols, channels, length, width, place int)",
		"the gradient of maxPool for windows side by side, rows of dx being length elements and width places, where output is greater than zero, if there is one.")
	dx, dy, places := n.base("dx"), n.base("dy"), n.base("places")
	channels, right, below := n.integer("channels"), n.bytesOf("channels"), n.bytesOf("length")
	w := n.newWindow()
	zero, two, rowPlace, place := n.zero(), n.constant(2), n.broadcast("place"), n.vector()
	n.withAndWithout("output", func(there bool, output greg, prefix string) {
		top, rest, pixels := n.register(), n.register(), n.registers(4)
		var outputs []greg
		if there {
			outputs = n.registers(4)
			n.op("SUB", dx, output) // how far it lies from dx
		}
		n.grid(prefix, func() {
			n.op("MOVD", dx, top)
			n.move(place, rowPlace)
		}, func() {
			n.corners(pixels, top, right, below)
			for i, o := range outputs {
				n.op("ADD", output, pixels[i], o)
			}
			n.op("MOVD", channels, rest)
			n.countdown(rest, 2, prefix, func(registers, lanes int, _ string) {
				n.interleaved(registers, func(r int) {
					d, won, hit, active := n.vector(), n.vector(), n.vector(), n.vector()
					n.load(d, dy.at(4*lanes*r), lanes)
					n.load(won, places.at(4*lanes*r), lanes)
					n.op("VSUB", place, won, won)
					for i, here := range []vreg{zero, w.one, w.below, w.belowOne} {
						n.op("VCMEQ", here, won, hit)
						if there {
							n.load(active, outputs[i].at(4*lanes*r), lanes)
							n.positive(active, active)
							n.and(hit, hit, active)
						}
						n.and(hit, hit, d)
						n.store(hit, pixels[i].at(4*lanes*r), lanes)
					}
				})
				for _, p := range append(append([]greg{dy, places}, pixels...), outputs...) {
					n.op("ADD", 4*lanes*registers, p)
				}
			})
			n.op("ADD", right.shifted(1), top)
			n.op("VADD", two, place, place)
		}, func() {
			n.op("ADD", below.shifted(1), dx)
			n.op("VADD", w.below, rowPlace, rowPlace)
			n.op("VADD", w.below, rowPlace, rowPlace)
		})
	})
}

// taps writes the loops over the pixels of a window, whose first is at x.
func (n *neon) taps(x, stepX, stepY greg, prefix string, pixel func(at greg), row func()) {
	n.release(func() {
		top, at, rows, cols := n.register(), n.register(), n.register(), n.register()
		n.op("MOVD", x, top)
		n.op("MOVD", n.parameter("rows"), rows)
		n.label(prefix + "row")
		n.op("MOVD", top, at)
		n.op("MOVD", n.parameter("cols"), cols)
		n.label(prefix + "column")
		pixel(at)
		n.op("ADD", stepX, at)
		n.op("SUBS", 1, cols)
		n.op("BNE", prefix+"column")
		row()
		n.op("ADD", stepY, top)
		n.op("SUBS", 1, rows)
		n.op("BNE", prefix+"row")
	})
}

// maxWindow takes four registers of channels through all pixels.
func (n *neon) maxWindow() {
	n.begin("maxWindowNEON", "func(y []float32, places []int32, x []float32, rows, cols, stepX, stepY, place, placeX, placeY int)",
		"the first maxima over one window, whose pixels lie stepX elements and placeX places from one another, its rows stepY and placeY.")
	count, y, x, stepX, stepY := n.length("y"), n.base("y"), n.base("x"), n.bytesOf("stepX"), n.bytesOf("stepY")
	n.withAndWithout("places", func(there bool, places greg, prefix string) {
		var first, stepPlace, downPlace, rowPlace, place vreg
		if there {
			first, stepPlace, downPlace, rowPlace, place = n.broadcast("place"), n.broadcast("placeX"), n.broadcast("placeY"), n.vector(), n.vector()
		}
		n.countdown(count, 4, prefix, func(registers, lanes int, prefix string) {
			n.release(func() {
				best, winners := n.vectorsOf(registers), n.vectorsOf(registers)
				for r := range best {
					n.load(best[r], x.at(4*lanes*r), lanes)
					if there {
						n.move(winners[r], first)
					}
				}
				if there {
					n.move(rowPlace, first)
					n.move(place, first)
				}
				n.taps(x, stepX, stepY, prefix, func(at greg) {
					n.interleaved(registers, func(r int) {
						v, wins, free := n.vector(), n.vector(), n.vector()
						n.load(v, at.at(4*lanes*r), lanes)
						n.beats(wins, v, best[r], free)
						n.insert(best[r], v, wins)
						if there {
							n.insert(winners[r], place, wins)
						}
					})
					if there {
						n.op("VADD", stepPlace, place, place)
					}
				}, func() {
					if there {
						n.op("VADD", downPlace, rowPlace, rowPlace)
						n.move(place, rowPlace)
					}
				})
				for r := range best {
					n.store(best[r], y.at(4*lanes*r), lanes)
					if there {
						n.store(winners[r], places.at(4*lanes*r), lanes)
					}
				}
				n.op("ADD", 4*lanes*registers, x)
				n.op("ADD", 4*lanes*registers, y)
				if there {
					n.op("ADD", 4*lanes*registers, places)
				}
			})
		})
	})
}

// meanWindow takes four registers of channels through all pixels.
func (n *neon) meanWindow() {
	n.begin("meanWindowNEON", "func(y, x []float32, rows, cols, stepX, stepY int, divisor float32)", "the sums over one window, laid out as in maxWindow, divided.")
	count, y, x, stepX, stepY := n.length("y"), n.base("y"), n.base("x"), n.bytesOf("stepX"), n.bytesOf("stepY")
	divisor := n.scalar("divisor")
	n.countdown(count, 4, "", func(registers, lanes int, prefix string) {
		n.release(func() {
			sums := n.vectorsOf(registers)
			for _, v := range sums {
				n.clear(v)
			}
			n.taps(x, stepX, stepY, prefix, func(at greg) {
				n.interleaved(registers, func(r int) {
					v := n.vector()
					n.load(v, at.at(4*lanes*r), lanes)
					n.add(sums[r], sums[r], v)
				})
			}, func() {})
			for r, v := range sums {
				n.div(v, v, divisor)
				n.store(v, y.at(4*lanes*r), lanes)
			}
			n.op("ADD", 4*lanes*registers, x)
			n.op("ADD", 4*lanes*registers, y)
		})
	})
	n.end()
}
