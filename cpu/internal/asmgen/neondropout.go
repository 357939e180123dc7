package main

import "fmt"

// neonPhilox are the registers of Philox4x32-10, see backend.Philox4x32: a lane is a block of four words. Keys are the same for all.
type neonPhilox struct {
	*neon
	factor0, factor1 vreg
	rise0, rise1     vreg // what the keys rise by
	key0, key1       vreg
	round0, round1   vreg // the keys of a round
	stream, step     vreg
	low, high, four  vreg // 64-bit numbers of the next four blocks, and how many that is
}

// double names a register of two lanes.
func double(v vreg) string { return fmt.Sprintf("V%d.D2", int(v)) }

// word32 returns a register whose lanes all hold a parameter of 32 bits.
func (n *neon) word32(name string) vreg {
	v := n.vector()
	n.release(func() {
		r := n.register()
		n.op("MOVWU", n.parameter(name), r)
		n.op("VDUP", r, v)
	})
	return v
}

func (n *neon) newPhilox() *neonPhilox {
	p := &neonPhilox{
		neon: n, factor0: n.constant(0xD2511F53), factor1: n.constant(0xCD9E8D57), rise0: n.constant(philoxKey0), rise1: n.constant(philoxKey1),
		key0: n.word32("key0"), key1: n.word32("key1"), round0: n.vector(), round1: n.vector(), stream: n.word32("stream"), step: n.word32("step"),
		low: n.vector(), high: n.vector(), four: n.vector(),
	}
	n.release(func() {
		block := n.integer("block")
		for i := range 4 {
			n.op("VMOV", block, fmt.Sprintf("V%d.D[%d]", int([]vreg{p.low, p.high}[i/2]), i%2))
			n.op("ADD", 1, block)
		}
		n.op("MOVD", 4, block)
		n.op("VDUP", block, double(p.four))
	})
	return p
}

// draw returns the words of the next blocks in order, a block in a register. Each set are four blocks.
func (p *neonPhilox) draw(sets int) []vreg {
	x := p.vectorsOf(4 * sets)
	for s := range sets {
		p.op("VUZP1", p.high, p.low, x[4*s])
		p.op("VUZP2", p.high, p.low, x[4*s+1])
		p.move(x[4*s+2], p.stream)
		p.move(x[4*s+3], p.step)
		p.op("VADD", double(p.four), double(p.low), double(p.low))
		p.op("VADD", double(p.four), double(p.high), double(p.high))
	}
	p.move(p.round0, p.key0)
	p.move(p.round1, p.key1)
	for round := range philoxRounds {
		if round > 0 {
			p.op("VADD", p.rise0, p.round0, p.round0)
			p.op("VADD", p.rise1, p.round1, p.round1)
		}
		p.interleaved(sets, func(s int) {
			x := x[4*s:]
			low0, high0, low1, high1 := p.vector(), p.vector(), p.vector(), p.vector() // products of the lower and the upper lanes
			p.mulLong(low0, high0, x[0], p.factor0)
			p.mulLong(low1, high1, x[2], p.factor1)
			p.op("VUZP2", high1, low1, x[0])
			p.xor(x[0], x[0], x[1])
			p.xor(x[0], x[0], p.round0)
			p.op("VUZP2", high0, low0, x[2])
			p.xor(x[2], x[2], x[3])
			p.xor(x[2], x[2], p.round1)
			p.op("VUZP1", high1, low1, x[1])
			p.op("VUZP1", high0, low0, x[3])
		})
	}
	for s := range sets {
		p.transpose(x[4*s : 4*s+4])
	}
	return x
}

// dropout draws eight blocks at a time, then four.
func (n *neon) dropout() {
	n.begin("dropoutNEON", "func(y, x []float32, block uint64, stream, step, key0, key1 uint32, threshold int32, factor float32)",
		"y[i] = factor·x[i] if the upper 24 bits of word i of Philox's blocks from block are at least threshold, else 0.")
	count, y, x := n.length("y"), n.base("y"), n.base("x")
	p := n.newPhilox()
	threshold, factor := n.word32("threshold"), n.scalar("factor")
	keep := func(words vreg, bytes, lanes int) {
		v := n.vector()
		n.load(v, x.at(bytes), lanes)
		n.op("VUSHR", 8, words, words)
		n.notLess(words, words, threshold)
		n.mul(v, v, factor)
		n.and(v, v, words)
		n.store(v, y.at(bytes), lanes)
	}
	advance := func(elements int) {
		n.op("ADD", 4*elements, x)
		n.op("ADD", 4*elements, y)
	}
	const set = 4 * neonLanes // elements
	loop := func(sets int, next string) {
		label := fmt.Sprintf("draw%d", sets)
		n.op("SUBS", sets*set, count)
		n.op("BLT", next)
		n.label(label)
		n.release(func() {
			words := p.draw(sets)
			n.interleaved(len(words), func(i int) { keep(words[i], 16*i, neonLanes) })
		})
		advance(sets * set)
		n.op("SUBS", sets*set, count)
		n.op("BGE", label)
		n.label(next)
		n.op("ADD", sets*set, count)
	}
	loop(2, "rest")
	loop(1, "tail")
	n.op("CBZ", count, "done")
	words, last := p.draw(1), n.vector()
	for _, w := range words {
		n.move(last, w)
		n.op("SUBS", neonLanes, count)
		n.op("BLT", "last")
		n.release(func() { keep(w, 0, neonLanes) })
		advance(neonLanes)
	}
	n.label("last")
	n.op("ADD", neonLanes, count)
	n.op("TBZ", 1, count, "single")
	n.move(words[0], last)
	n.release(func() { keep(words[0], 0, 2) })
	n.op("VEXT", 8, last.bytes(), last.bytes(), last.bytes())
	advance(2)
	n.label("single")
	n.op("TBZ", 0, count, "done")
	n.release(func() { keep(last, 0, 1) })
	n.label("done")
	n.end()
}
