package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func (s *isa) pooling() {
	s.maxPool()
	s.maxPoolGrad()
	if s.masked() {
		s.maxPoolNarrow()
		s.maxPoolGradNarrow()
	}
	s.maxWindow()
	s.meanWindow()
}

// pick returns yes in the lanes of the mask, no elsewhere.
func (s *isa) pick(m *mask, yes, no vecOp) vecOp {
	out := s.vector()
	if s.masked() {
		s.c.VBLENDMPS(yes, no, m.register, out)
	} else {
		s.c.VBLENDVPS(m.vector, yes, no, out)
	}
	return out
}

// equal returns where integers are equal and, if out is not nil, what is at out is greater than zero.
func (s *isa) equal(x, y, zero vecOp, out *operand.Mem, m *mask) *mask {
	if s.masked() {
		k := s.c.K()
		s.c.VPCMPEQD(y, x, k)
		if out != nil {
			s.c.VCMPPS(operand.Imm(greater), zero, s.load(*out, m), k, k)
		}
		return &mask{register: k}
	}
	v := s.vector()
	s.c.VPCMPEQD(y, x, v)
	if out != nil {
		positive := s.load(*out, m)
		s.c.VCMPPS(operand.Imm(greater), zero, positive, positive)
		s.c.VANDPS(positive, v, v)
	}
	return &mask{vector: v}
}

// only returns v in the lanes of the mask, zeros elsewhere.
func (s *isa) only(m *mask, v vecOp) vecOp {
	out := s.vector()
	if s.masked() {
		s.c.VMOVAPS_Z(v, m.register, out)
	} else {
		s.c.VANDPS(m.vector, v, out)
	}
	return out
}

// integer returns a register whose lanes all hold the low half of n.
func (s *isa) integer(n reg.Register) vecOp {
	v := s.vector()
	s.c.VMOVD(n.(reg.GPVirtual).As32(), asX(v))
	s.c.VPBROADCASTD(asX(v), v)
	return v
}

// window holds what is the same for all windows of two by two pixels: where the other pixels are, seen from the first.
type window struct {
	one, below, belowOne vecOp // by their places
}

func (s *isa) newWindow() *window {
	width := s.c.Load(s.c.Param("width"), s.c.GP64())
	w := &window{below: s.integer(width)}
	s.c.INCQ(width)
	w.belowOne = s.integer(width)
	s.c.MOVQ(operand.U32(1), width)
	w.one = s.integer(width)
	return w
}

// greatest returns the first maximum of four registers and, unless place is nil, its place; place is that of the first.
func (s *isa) greatest(w *window, p, q, r, t, place vecOp) (best, winner vecOp) {
	right := s.beats(notLessOrEqual, q, p)
	above := s.pick(right, q, p)
	rightBelow := s.beats(notLessOrEqual, t, r)
	below := s.pick(rightBelow, t, r)
	down := s.beats(notLessOrEqual, below, above)
	best = s.pick(down, below, above)
	if place == nil {
		return best, nil
	}
	winner = s.pick(down, s.pick(rightBelow, w.belowOne, w.below), s.pick(right, w.one, s.zero()))
	s.c.VPADDD(place, winner, winner)
	return best, winner
}

// withAndWithout writes two loops: one that stores places, and one where there is no slice for them.
func (s *isa) withAndWithout(slice string, loop func(base reg.Register, label string)) {
	base := s.c.Load(s.c.Param(slice).Base(), s.c.GP64())
	s.c.TESTQ(base, base)
	s.c.JZ(operand.LabelRef("without"))
	loop(base, "with_")
	s.end()
	s.c.Label("without")
	loop(nil, "without_")
	s.end()
}

// chunks writes a loop over the channels of a pixel, a register of them at a time. The body gets the offset in elements.
func (s *isa) chunks(channels reg.Register, tail *mask, label string, body func(at reg.Register, m *mask)) {
	s.spilling(channels, tail, label, nil, func(at reg.Register, load, _ *mask) { body(at, load) })
}

// spilling is chunks where the lanes beyond the channels may be written too, unless exact jumps, as what follows is written later. It matters for AVX2, whose
// masked stores are slow on many processors.
func (s *isa) spilling(channels reg.Register, tail *mask, label string, exact func(at reg.Register, to operand.LabelRef), body func(at reg.Register, load, store *mask)) {
	c := s.c
	lanes := operand.Imm(uint64(s.lanes))
	at, rest := c.GP64(), c.GP64()
	c.XORQ(at, at)
	c.MOVQ(channels, rest)
	c.SUBQ(lanes, rest)
	c.JL(operand.LabelRef(label + "tail"))
	c.Label(label + "chunk")
	body(at, nil, nil)
	c.ADDQ(lanes, at)
	c.SUBQ(lanes, rest)
	c.JGE(operand.LabelRef(label + "chunk"))
	c.Label(label + "tail")
	c.ADDQ(lanes, rest)
	c.JZ(operand.LabelRef(label + "whole"))
	if exact != nil && !s.masked() {
		exact(at, operand.LabelRef(label+"exact"))
		body(at, tail, nil)
		c.JMP(operand.LabelRef(label + "whole"))
		c.Label(label + "exact")
	}
	body(at, tail, tail)
	c.Label(label + "whole")
}

// unlessFollowed jumps unless there is another pixel, which is as long as what a register holds beyond this one.
func (s *isa) unlessFollowed(channels, left reg.Register, to operand.LabelRef) {
	s.c.CMPQ(left, operand.Imm(1))
	s.c.JEQ(to)
	s.c.CMPQ(channels, operand.Imm(uint64(s.lanes/2)))
	s.c.JLT(to)
}

// tailOf returns the mask of what is left of channels after whole registers.
func (s *isa) tailOf(channels reg.Register) *mask {
	rest := s.c.GP64()
	s.c.MOVQ(channels, rest)
	s.c.ANDQ(operand.Imm(uint64(s.lanes-1)), rest)
	return s.first(rest)
}

// grid writes the loops over rows and columns of windows. column gets a register that holds 1 in the last of a row.
func (s *isa) grid(label string, begin func(), column func(left reg.Register), down func()) {
	c := s.c
	rows, cols := c.GP64(), c.GP64()
	c.Load(c.Param("rows"), rows)
	c.Label(label + "row")
	begin()
	c.Load(c.Param("cols"), cols)
	c.Label(label + "column")
	column(cols)
	c.DECQ(cols)
	c.JNZ(operand.LabelRef(label + "column"))
	down()
	c.DECQ(rows)
	c.JNZ(operand.LabelRef(label + "row"))
}

// bytesOf loads a parameter that counts elements, as bytes.
func (s *isa) bytesOf(name string) reg.GPVirtual {
	n := s.c.Load(s.c.Param(name), s.c.GP64()).(reg.GPVirtual)
	s.c.SHLQ(operand.Imm(2), n)
	return n
}

// maxPool goes from pixel to pixel, and takes a register of channels at a time.
func (s *isa) maxPool() {
	c := s.c
	s.begin("maxPool", "func(y []float32, places []int32, x []float32, rows, cols, channels, stepX, stepY, below, width, place, placeX, placeY int)",
		"2×2 max pooling: windows lie stepX elements and placeX places from one another, rows of them stepY and placeY, and the rows of a window below and width.")
	y, x := c.Load(c.Param("y").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())
	channels, below := c.Load(c.Param("channels"), c.GP64()), s.bytesOf("below")
	tail := s.tailOf(channels)
	w := s.newWindow()
	s.withAndWithout("places", func(places reg.Register, label string) {
		top, bottom := c.GP64(), c.GP64()
		var place, stepPlace, rowPlace, downPlace vecOp
		if places != nil {
			t := c.GP64()
			rowPlace = s.integer(c.Load(c.Param("place"), t))
			downPlace = s.integer(c.Load(c.Param("placeY"), t))
			stepPlace = s.integer(c.Load(c.Param("placeX"), t))
			place = s.vector()
		}
		s.grid(label, func() {
			c.MOVQ(x, top)
			if places != nil {
				c.VMOVAPS(rowPlace, place)
			}
		}, func(left reg.Register) {
			c.LEAQ(operand.Mem{Base: top, Index: below, Scale: 1}, bottom)
			exact := func(_ reg.Register, to operand.LabelRef) { s.unlessFollowed(channels, left, to) }
			s.spilling(channels, tail, label, exact, func(at reg.Register, m, store *mask) {
				load := func(base reg.Register, first reg.Register) vecOp {
					return s.load(operand.Mem{Base: base, Index: first, Scale: 4}, m)
				}
				next := c.GP64()
				c.LEAQ(operand.Mem{Base: at, Index: channels, Scale: 1}, next)
				best, winner := s.greatest(w, load(top, at), load(top, next), load(bottom, at), load(bottom, next), place)
				s.store(best, operand.Mem{Base: y, Index: at, Scale: 4}, store)
				if places != nil {
					s.store(winner, operand.Mem{Base: places, Index: at, Scale: 4}, store)
				}
			})
			c.LEAQ(operand.Mem{Base: y, Index: channels, Scale: 4}, y)
			step := c.Load(c.Param("stepX"), c.GP64())
			c.LEAQ(operand.Mem{Base: top, Index: step, Scale: 4}, top)
			if places != nil {
				c.LEAQ(operand.Mem{Base: places, Index: channels, Scale: 4}, places)
				c.VPADDD(stepPlace, place, place)
			}
		}, func() {
			step := c.Load(c.Param("stepY"), c.GP64())
			c.LEAQ(operand.Mem{Base: x, Index: step, Scale: 4}, x)
			if places != nil {
				c.VPADDD(downPlace, rowPlace, rowPlace)
			}
		})
	})
}

// maxPoolGrad writes all pixels under the windows of a row, which lie side by side: the gradient where a pixel won, and zero elsewhere.
func (s *isa) maxPoolGrad() {
	c := s.c
	s.begin("maxPoolGrad", "func(dx, dy []float32, places []int32, output []float32, rows, cols, channels, length, width, place int)",
		"the gradient of maxPool for windows side by side, rows of dx being length elements and width places, where output is greater than zero, if there is one.")
	dx, dy := c.Load(c.Param("dx").Base(), c.GP64()), c.Load(c.Param("dy").Base(), c.GP64())
	places := c.Load(c.Param("places").Base(), c.GP64())
	channels := c.Load(c.Param("channels"), c.GP64())
	tail := s.tailOf(channels)
	w := s.newWindow()
	zero, two, place := s.zero(), s.vector(), s.vector()
	c.VPADDD(w.one, w.one, two)
	t := c.GP64()
	rowPlace := s.integer(c.Load(c.Param("place"), t))
	s.withAndWithout("output", func(output reg.Register, label string) {
		top, bottom := c.GP64(), c.GP64()
		if output != nil {
			c.SUBQ(dx, output) // how far it lies from dx
		}
		s.grid(label, func() {
			c.MOVQ(dx, top)
			c.VMOVAPS(rowPlace, place)
		}, func(left reg.Register) {
			c.LEAQ(operand.Mem{Base: top, Index: c.Load(c.Param("length"), c.GP64()), Scale: 4}, bottom)
			exact := func(at reg.Register, to operand.LabelRef) {
				s.unlessFollowed(channels, left, to)
				c.TESTQ(at, at) // the pixel at the right has been begun
				c.JNZ(to)
			}
			s.spilling(channels, tail, label, exact, func(at reg.Register, m, store *mask) {
				next := c.GP64()
				c.LEAQ(operand.Mem{Base: at, Index: channels, Scale: 1}, next)
				d, won := s.load(operand.Mem{Base: dy, Index: at, Scale: 4}, m), s.load(operand.Mem{Base: places, Index: at, Scale: 4}, m)
				c.VPSUBD(place, won, won)
				for i, here := range []vecOp{zero, w.one, w.below, w.belowOne} {
					base, first := []reg.Register{top, bottom}[i/2], []reg.Register{at, next}[i%2]
					var active *operand.Mem
					if output != nil {
						from := c.GP64()
						c.LEAQ(operand.Mem{Base: base, Index: output, Scale: 1}, from)
						active = &operand.Mem{Base: from, Index: first, Scale: 4}
					}
					s.store(s.only(s.equal(won, here, zero, active, m), d), operand.Mem{Base: base, Index: first, Scale: 4}, store)
				}
			})
			c.LEAQ(operand.Mem{Base: dy, Index: channels, Scale: 4}, dy)
			c.LEAQ(operand.Mem{Base: places, Index: channels, Scale: 4}, places)
			c.LEAQ(operand.Mem{Base: top, Index: channels, Scale: 8}, top)
			c.VPADDD(two, place, place)
		}, func() {
			c.LEAQ(operand.Mem{Base: dx, Index: c.Load(c.Param("length"), c.GP64()), Scale: 8}, dx)
			c.VPADDD(w.below, rowPlace, rowPlace)
			c.VPADDD(w.below, rowPlace, rowPlace)
		})
	})
}

// taps writes the loops over the pixels of a window, whose first is at x.
func (s *isa) taps(x reg.Register, label string, pixel func(at reg.Register), row func()) {
	c := s.c
	top, at, rows, cols := c.GP64(), c.GP64(), c.GP64(), c.GP64()
	c.MOVQ(x, top)
	c.Load(c.Param("rows"), rows)
	c.Label(label + "row")
	c.MOVQ(top, at)
	c.Load(c.Param("cols"), cols)
	c.Label(label + "column")
	pixel(at)
	step := c.GP64()
	c.LEAQ(operand.Mem{Base: at, Index: c.Load(c.Param("stepX"), step), Scale: 4}, at)
	c.DECQ(cols)
	c.JNZ(operand.LabelRef(label + "column"))
	row()
	c.LEAQ(operand.Mem{Base: top, Index: c.Load(c.Param("stepY"), step), Scale: 4}, top)
	c.DECQ(rows)
	c.JNZ(operand.LabelRef(label + "row"))
}

// maxWindow takes a register of channels through all pixels.
func (s *isa) maxWindow() {
	c := s.c
	s.begin("maxWindow", "func(y []float32, places []int32, x []float32, rows, cols, stepX, stepY, place, placeX, placeY int)",
		"the first maxima over one window, whose pixels lie stepX elements and placeX places from one another, its rows stepY and placeY.")
	n := c.Load(c.Param("y").Len(), c.GP64())
	y, x := c.Load(c.Param("y").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())
	tail := s.tailOf(n)
	s.withAndWithout("places", func(places reg.Register, label string) {
		s.chunks(n, tail, label, func(i reg.Register, m *mask) {
			part := label
			if m != nil {
				part += "tail_"
			}
			from := c.GP64()
			c.LEAQ(operand.Mem{Base: x, Index: i, Scale: 4}, from)
			best := s.load(operand.Mem{Base: from}, m)
			var winner, place, rowPlace, stepPlace, downPlace vecOp
			if places != nil {
				t := c.GP64()
				winner, place = s.vector(), s.vector()
				rowPlace = s.integer(c.Load(c.Param("place"), t))
				stepPlace, downPlace = s.integer(c.Load(c.Param("placeX"), t)), s.integer(c.Load(c.Param("placeY"), t))
				c.VMOVAPS(rowPlace, place)
				c.VMOVAPS(place, winner)
			}
			s.taps(from, part, func(at reg.Register) {
				v := s.load(operand.Mem{Base: at}, m)
				wins := s.beats(notLessOrEqual, v, best)
				c.VMOVAPS(s.pick(wins, v, best), best)
				if places != nil {
					c.VMOVAPS(s.pick(wins, place, winner), winner)
					c.VPADDD(stepPlace, place, place)
				}
			}, func() {
				if places != nil {
					c.VPADDD(downPlace, rowPlace, rowPlace)
					c.VMOVAPS(rowPlace, place)
				}
			})
			s.store(best, operand.Mem{Base: y, Index: i, Scale: 4}, m)
			if places != nil {
				s.store(winner, operand.Mem{Base: places, Index: i, Scale: 4}, m)
			}
		})
	})
}

// meanWindow takes a register of channels through all pixels.
func (s *isa) meanWindow() {
	c := s.c
	s.begin("meanWindow", "func(y, x []float32, rows, cols, stepX, stepY int, divisor float32)", "the sums over one window, laid out as in maxWindow, divided.")
	n := c.Load(c.Param("y").Len(), c.GP64())
	y, x := c.Load(c.Param("y").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())
	tail, divisor := s.tailOf(n), s.scalar("divisor")
	s.chunks(n, tail, "", func(i reg.Register, m *mask) {
		part := ""
		if m != nil {
			part = "tail_"
		}
		from := c.GP64()
		c.LEAQ(operand.Mem{Base: x, Index: i, Scale: 4}, from)
		sum := s.zero()
		s.taps(from, part, func(at reg.Register) { c.VADDPS(s.load(operand.Mem{Base: at}, m), sum, sum) }, func() {})
		c.VDIVPS(divisor, sum, sum)
		s.store(sum, operand.Mem{Base: y, Index: i, Scale: 4}, m)
	})
	s.end()
}
