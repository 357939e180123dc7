package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// divided returns the numbers first, first+1, … divided by n, rounded down; they are below 2¹⁶. The quotient of x + ½ is no nearer to a whole number than
// 1/2n, which rounding cannot bridge.
func (s *isa) divided(first int, n reg.Register) vecOp {
	c := s.c
	x, by, half := s.load(s.iota, nil), s.vector(), s.vector()
	if first > 0 {
		c.VPADDD(s.number(first), x, x)
	}
	c.VCVTDQ2PS(x, x)
	c.VCVTDQ2PS(s.integer(n), by)
	bits := c.GP64()
	c.MOVQ(operand.U32(0x3f000000), bits) // ½
	c.VMOVAPS(s.integer(bits), half)
	c.VADDPS(half, x, x)
	c.VDIVPS(by, x, x)
	c.VCVTTPS2DQ(x, x)
	return x
}

// number returns a register whose lanes all hold n.
func (s *isa) number(n int) vecOp {
	g := s.c.GP64()
	s.c.MOVQ(operand.U32(n), g)
	return s.integer(g)
}

// permute returns lane index of the two registers a and b one after the other.
func (s *isa) permute(a, b, index vecOp) vecOp {
	out := s.vector()
	s.c.VMOVAPS(index, out)
	s.c.VPERMI2PS(b, a, out)
	return out
}

// pixels is how narrow pixels lie in registers: as many whole ones as one register holds, as twice as many pixels of the larger image lie in two.
type pixels struct {
	count      reg.GPVirtual // in a register
	length     reg.GPVirtual // their elements
	one        *mask         // the first length elements
	two        []*mask       // the first 2·length elements, in two registers
	saved      operand.Mem   // these three masks, and then those for what is left at the end of a row: there are too few mask registers for both
	tail       reg.GPVirtual // elements that are left, 0 if there are none
	fullSteps  reg.GPVirtual // in a row
	whole      vecOp         // lane / channels
	wholeAbove vecOp         // the same for the lanes of a second register
}

// saveMasks stores the masks of the first n elements of a register and of the first 2n of two.
func (p *pixels) saveMasks(s *isa, n reg.Register, at operand.Mem) {
	c := s.c
	low, high, zero := c.GP64(), c.GP64(), c.GP64()
	c.LEAQ(operand.Mem{Base: n, Index: n, Scale: 1}, low)
	c.XORQ(zero, zero)
	c.MOVQ(low, high)
	c.SUBQ(operand.Imm(uint64(s.lanes)), high)
	c.CMOVQLT(zero, high)
	for i, m := range []*mask{s.first(n), s.upTo(low), s.first(high)} {
		c.KMOVW(m.register, at.Offset(2*i))
	}
}

// loadMasks loads one and two.
func (p *pixels) loadMasks(s *isa, at operand.Mem) {
	for i, m := range []*mask{p.one, p.two[0], p.two[1]} {
		s.c.KMOVW(at.Offset(2*i), m.register)
	}
}

// newPixels computes the layout for the parameters channels and cols.
func (s *isa) newPixels() *pixels {
	c := s.c
	channels := c.Load(c.Param("channels"), c.GP64())
	p := &pixels{count: c.GP64(), length: c.GP64(), tail: c.GP64(), fullSteps: c.GP64()}
	p.whole, p.wholeAbove = s.divided(0, channels), s.divided(s.lanes, channels)
	c.XORQ(p.count, p.count)
	c.XORQ(p.length, p.length)
	c.Label("fits")
	c.INCQ(p.count)
	c.ADDQ(channels, p.length)
	next := c.GP64()
	c.LEAQ(operand.Mem{Base: p.length, Index: channels, Scale: 1}, next)
	c.CMPQ(next, operand.Imm(uint64(s.lanes)))
	c.JLE(operand.LabelRef("fits"))
	p.one, p.two = &mask{register: c.K()}, []*mask{{register: c.K()}, {register: c.K()}}
	p.saved = c.AllocLocal(16)
	p.saveMasks(s, p.length, p.saved)

	c.Load(c.Param("cols"), p.tail)
	c.XORQ(p.fullSteps, p.fullSteps)
	c.Label("steps")
	c.SUBQ(p.count, p.tail)
	c.JL(operand.LabelRef("counted"))
	c.INCQ(p.fullSteps)
	c.JMP(operand.LabelRef("steps"))
	c.Label("counted")
	c.ADDQ(p.count, p.tail)
	c.IMULQ(channels, p.tail)
	p.saveMasks(s, p.tail, p.saved.Offset(8))
	return p
}

// steps writes the loop over a row.
func (p *pixels) steps(s *isa, label string, body, advance func()) {
	c := s.c
	n := c.GP64()
	p.loadMasks(s, p.saved)
	c.MOVQ(p.fullSteps, n)
	c.TESTQ(n, n)
	c.JZ(operand.LabelRef(label + "tail"))
	c.Label(label + "step")
	body()
	advance()
	c.DECQ(n)
	c.JNZ(operand.LabelRef(label + "step"))
	c.Label(label + "tail")
	c.TESTQ(p.tail, p.tail)
	c.JZ(operand.LabelRef(label + "done"))
	p.loadMasks(s, p.saved.Offset(8))
	body()
	c.Label(label + "done")
}

// maxPoolNarrow takes several pixels at a time: their windows lie in two registers, from which the left and the right pixels are picked.
func (s *isa) maxPoolNarrow() {
	c := s.c
	s.begin("maxPoolNarrow", "func(y []float32, places []int32, x []float32, rows, cols, channels, stepY, below, width, place, placeY int)",
		"maxPool for windows side by side and channels of which at least two pixels fit into a register.")
	p := s.newPixels()
	y, x := c.Load(c.Param("y").Base(), c.GP64()), c.Load(c.Param("x").Base(), c.GP64())
	below := s.bytesOf("below")
	w := s.newWindow()
	left, right := s.vector(), s.vector() // lane j: element j + channels·(j/channels), and a pixel further
	{
		channels := s.integer(c.Load(c.Param("channels"), c.GP64()))
		c.VPMULLD(p.whole, channels, left)
		c.VPADDD(s.iota, left, left)
		c.VPADDD(channels, left, right)
	}
	places := c.Load(c.Param("places").Base(), c.GP64())
	offset := s.vector() // of the places of a register
	c.VPADDD(p.whole, p.whole, offset)
	rows, at, out := c.GP64(), c.GP64(), c.GP64()
	loop := func(label string, withPlaces bool) {
		var place, rowPlace, step, down vecOp
		if withPlaces {
			t := c.GP64()
			place, rowPlace = s.vector(), s.integer(c.Load(c.Param("place"), t))
			c.VPADDD(offset, rowPlace, rowPlace)
			down = s.integer(c.Load(c.Param("placeY"), t))
			c.LEAQ(operand.Mem{Base: p.count, Index: p.count, Scale: 1}, t)
			step = s.integer(t)
		}
		c.Load(c.Param("rows"), rows)
		c.Label(label + "row")
		if withPlaces {
			c.VMOVAPS(rowPlace, place)
		}
		row := func(label string, greatest func(p, q, r, t vecOp) (best, winner vecOp)) {
			c.MOVQ(x, at)
			p.steps(s, label, func() {
				bottom := c.GP64()
				c.LEAQ(operand.Mem{Base: at, Index: below, Scale: 1}, bottom)
				pair := func(base reg.Register) (l, r vecOp) {
					a, b := s.load(operand.Mem{Base: base}, p.two[0]), s.load(operand.Mem{Base: base, Disp: 4 * s.lanes}, p.two[1])
					return s.permute(a, b, left), s.permute(a, b, right)
				}
				topLeft, topRight := pair(at)
				bottomLeft, bottomRight := pair(bottom)
				best, winner := greatest(topLeft, topRight, bottomLeft, bottomRight)
				s.store(best, operand.Mem{Base: y}, p.one)
				if withPlaces {
					s.store(winner, operand.Mem{Base: places}, p.one)
				}
			}, func() {
				c.LEAQ(operand.Mem{Base: y, Index: p.length, Scale: 4}, y)
				c.LEAQ(operand.Mem{Base: at, Index: p.length, Scale: 8}, at)
				if withPlaces {
					c.LEAQ(operand.Mem{Base: places, Index: p.length, Scale: 4}, places)
					c.VPADDD(step, place, place)
				}
			})
		}
		exact := func(p, q, r, t vecOp) (best, winner vecOp) { return s.greatest(w, p, q, r, t, place) }
		if withPlaces {
			row(label, exact)
		} else {
			// The processor's maximum is right but for NaN, of which there is hardly ever one: then the row is done again.
			nan, start := c.K(), c.GP64()
			c.KXORW(nan, nan, nan)
			c.MOVQ(y, start)
			row(label, func(p, q, r, t vecOp) (best, winner vecOp) {
				for _, pair := range [][]vecOp{{p, q}, {r, t}} {
					k := c.K()
					c.VCMPPS(operand.Imm(unordered), pair[0], pair[1], k)
					c.KORW(k, nan, nan)
				}
				for _, v := range []vecOp{q, r, t} {
					c.VMAXPS(p, v, p)
				}
				return p, nil
			})
			c.KORTESTW(nan, nan)
			c.JZ(operand.LabelRef(label + "numbers"))
			c.MOVQ(start, y)
			row(label+"again_", exact)
			c.Label(label + "numbers")
		}
		c.LEAQ(operand.Mem{Base: y, Index: p.tail, Scale: 4}, y)
		c.Load(c.Param("stepY"), out)
		c.LEAQ(operand.Mem{Base: x, Index: out, Scale: 4}, x)
		if withPlaces {
			c.LEAQ(operand.Mem{Base: places, Index: p.tail, Scale: 4}, places)
			c.VPADDD(down, rowPlace, rowPlace)
		}
		c.DECQ(rows)
		c.JNZ(operand.LabelRef(label + "row"))
		s.end()
	}
	c.TESTQ(places, places)
	c.JZ(operand.LabelRef("without"))
	loop("with_", true)
	c.Label("without")
	loop("without_", false)
}

// maxPoolGradNarrow is the other way round: for each lane of the larger image, the gradient and the place of its window are picked.
func (s *isa) maxPoolGradNarrow() {
	c := s.c
	s.begin("maxPoolGradNarrow", "func(dx, dy []float32, places []int32, output []float32, rows, cols, channels, length, width, place int)",
		"maxPoolGrad for channels of which at least two pixels fit into a register.")
	p := s.newPixels()
	dx, dy := c.Load(c.Param("dx").Base(), c.GP64()), c.Load(c.Param("dy").Base(), c.GP64())
	places := c.Load(c.Param("places").Base(), c.GP64())
	length := s.bytesOf("length")
	width := s.integer(c.Load(c.Param("width"), c.GP64()))
	channels := s.integer(c.Load(c.Param("channels"), c.GP64()))
	var window, upper, lower []vecOp // of each lane: the lane of its window; its pixel in the upper and the lower row
	for i, whole := range []vecOp{p.whole, p.wholeAbove} {
		lane, below := s.vector(), s.vector()
		c.VPADDD(s.number(1), whole, lane)
		c.VPSRLD(operand.Imm(1), lane, lane)
		c.VPMULLD(channels, lane, lane)
		c.VPSUBD(lane, s.load(s.iota, nil), lane)
		if i > 0 {
			c.VPADDD(s.number(s.lanes), lane, lane)
		}
		c.VPADDD(width, whole, below)
		window, upper, lower = append(window, lane), append(upper, whole), append(lower, below)
	}
	t := c.GP64()
	rowPlace := s.integer(c.Load(c.Param("place"), t))
	down := s.vector()
	c.VPADDD(width, width, down)
	c.LEAQ(operand.Mem{Base: p.count, Index: p.count, Scale: 1}, t)
	step, place, zero := s.integer(t), s.vector(), s.zero()
	rows, at := c.GP64(), c.GP64()
	s.withAndWithout("output", func(output reg.Register, label string) {
		c.Load(c.Param("rows"), rows)
		if output != nil {
			c.SUBQ(dx, output) // how far it lies from dx
		}
		c.Label(label + "row")
		c.MOVQ(dx, at)
		c.VMOVAPS(rowPlace, place)
		p.steps(s, label, func() {
			d, won := s.load(operand.Mem{Base: dy}, p.one), s.load(operand.Mem{Base: places}, p.one)
			c.VPSUBD(place, won, won)
			bottom := c.GP64()
			c.LEAQ(operand.Mem{Base: at, Index: length, Scale: 1}, bottom)
			for i := range 2 {
				gradient, pixel := s.vector(), s.vector()
				c.VPERMPS(d, window[i], gradient)
				c.VPERMD(won, window[i], pixel)
				for j, base := range []reg.Register{at, bottom} {
					here := [][]vecOp{upper, lower}[j][i]
					to := operand.Mem{Base: base, Disp: 4 * s.lanes * i}
					var active *operand.Mem
					if output != nil {
						active = &operand.Mem{Base: base, Index: output, Scale: 1, Disp: 4 * s.lanes * i}
					}
					s.store(s.only(s.equal(pixel, here, zero, active, p.two[i]), gradient), to, p.two[i])
				}
			}
		}, func() {
			c.LEAQ(operand.Mem{Base: dy, Index: p.length, Scale: 4}, dy)
			c.LEAQ(operand.Mem{Base: places, Index: p.length, Scale: 4}, places)
			c.LEAQ(operand.Mem{Base: at, Index: p.length, Scale: 8}, at)
			c.VPADDD(step, place, place)
		})
		c.LEAQ(operand.Mem{Base: dy, Index: p.tail, Scale: 4}, dy)
		c.LEAQ(operand.Mem{Base: places, Index: p.tail, Scale: 4}, places)
		c.LEAQ(operand.Mem{Base: dx, Index: length, Scale: 2}, dx)
		c.VPADDD(down, rowPlace, rowPlace)
		c.DECQ(rows)
		c.JNZ(operand.LabelRef(label + "row"))
	})
}
