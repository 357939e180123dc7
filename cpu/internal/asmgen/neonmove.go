package main

func (n *neon) moves() {
	n.interleave()
	n.deinterleave()
	n.addRows()
}

// addRows adds row after row.
func (n *neon) addRows() {
	n.begin("addRowsNEON", "func(dst, src []float32, rows, cols, dstStride, srcStride int)", "dst[i·dstStride+j] += src[i·srcStride+j].")
	dst, src, rows, cols := n.base("dst"), n.base("src"), n.integer("rows"), n.integer("cols")
	dstStride, srcStride, to, from, rest := n.integer("dstStride"), n.integer("srcStride"), n.register(), n.register(), n.register()
	n.op("LSL", 2, dstStride)
	n.op("LSL", 2, srcStride)
	n.label("row")
	n.op("MOVD", dst, to)
	n.op("MOVD", src, from)
	n.op("MOVD", cols, rest)
	n.countdown(rest, 4, "", func(registers, lanes int, _ string) {
		n.interleaved(registers, func(r int) {
			sum, v := n.vector(), n.vector()
			n.load(sum, to.at(4*lanes*r), lanes)
			n.load(v, from.at(4*lanes*r), lanes)
			n.add(sum, sum, v)
			n.store(sum, to.at(4*lanes*r), lanes)
		})
		n.op("ADD", 4*lanes*registers, to)
		n.op("ADD", 4*lanes*registers, from)
	})
	n.op("ADD", dstStride, dst)
	n.op("ADD", srcStride, src)
	n.op("SUBS", 1, rows)
	n.op("BNE", "row")
	n.end()
}

// planes writes the loops over channels and pixels of interleave and deinterleave: four, two or one channels at a time go through all pixels, of which again four, two or
// one make a block. What moves a block gets its first channel's place in the first pixel, what begins a group of channels the number of these.
func (n *neon) planes(width, pixels, first, pitch, plane, firstPlane greg, begin func(channels int), block func(channels, pixels int, pixel greg, planes []greg)) {
	pixel, rest := n.register(), n.register()
	planes := n.registers(4)
	n.op("LSL", 2, pitch)
	n.op("LSL", 2, plane)
	n.countdown(width, 1, "", func(_, channels int, prefix string) {
		n.release(func() {
			begin(channels)
			n.op("MOVD", first, pixel)
			for i := range channels {
				n.op("MOVD", firstPlane, planes[i])
				n.op("ADD", plane, firstPlane)
			}
			n.op("MOVD", pixels, rest)
			n.countdown(rest, 1, prefix, func(_, pixels int, _ string) {
				n.release(func() { block(channels, pixels, pixel, planes[:channels]) })
				for _, p := range planes[:channels] {
					n.op("ADD", 4*pixels, p)
				}
			})
			n.op("ADD", 4*channels, first)
		})
	})
}

// interleave transposes blocks of four by four.
func (n *neon) interleave() {
	n.begin("interleaveNEON", "func(dst, planes, bias []float32, pixels, plane, pitch int, slope float32)",
		"dst[p·pitch+k] = ReLU(planes[k·plane+p] + bias[k]) for p < pixels and k < len(bias).")
	width, bias, pixels, dst, first := n.length("bias"), n.base("bias"), n.integer("pixels"), n.base("dst"), n.base("planes")
	pitch, plane := n.integer("pitch"), n.integer("plane")
	slope := n.scalar("slope")
	keep := n.unlessZero(slope)
	var shifts []vreg
	n.planes(width, pixels, dst, pitch, plane, first, func(channels int) {
		shifts = nil
		for i := range channels {
			shifts = append(shifts, n.vector())
			n.loadRepeated(shifts[i], bias, 0, 1)
			n.op("ADD", 4, bias)
		}
	}, func(channels, pixels int, pixel greg, planes []greg) {
		v := n.vectorsOf(4)
		n.interleaved(channels, func(i int) {
			n.load(v[i], planes[i].at(0), pixels)
			n.add(v[i], v[i], shifts[i])
			n.relu(v[i], slope, keep)
		})
		n.transpose(v)
		for _, p := range v[:pixels] {
			n.store(p, pixel.at(0), channels)
			n.op("ADD", pitch, pixel)
		}
	})
	n.end()
}

// deinterleave is interleave the other way round.
func (n *neon) deinterleave() {
	n.begin("deinterleaveNEON", "func(dst, src []float32, pixels, width, plane, pitch int)", "dst[k·plane+p] = src[p·pitch+k] for p < pixels and k < width.")
	width, pixels, src, first := n.integer("width"), n.integer("pixels"), n.base("src"), n.base("dst")
	pitch, plane := n.integer("pitch"), n.integer("plane")
	n.planes(width, pixels, src, pitch, plane, first, func(int) {}, func(channels, pixels int, pixel greg, planes []greg) {
		v := n.vectorsOf(4)
		for _, p := range v[:pixels] {
			n.load(p, pixel.at(0), channels)
			n.op("ADD", pitch, pixel)
		}
		n.transpose(v)
		for i, p := range planes {
			n.store(v[i], p.at(0), pixels)
		}
	})
	n.end()
}
