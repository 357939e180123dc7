package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/winograd"
)

// winogradFilterGrad computes the gradients of filters from transformed tiles: for each
// element of these, the product of the gradients of the output, whose lanes are output
// channels, with the inputs; its depth are all tiles. They are cut into slices, each
// with its own sums, and the output channels into groups.
type winogradFilterGrad struct {
	*winogradTiles
	block             int     // tiles that are worked on at once
	slices, sliceSize int     // tiles
	lanes             int     // output channels of a group
	element           int     // floats from one element's sums to the next
	present           []uint8 // columns of the tiles, see winograd.Columns

	values, gradients, zero, sums, biases, row region
}

// Numbers that were measured to be good.
const (
	winogradSlice  = 128       // tiles of a slice at least: it costs a pass over its sums
	winogradLanes  = 64        // outputs of a group at least: it costs another transform of all inputs
	winogradPairs  = 160 << 10 // floats of transformed inputs and gradients that are worked on together
	winogradDepth  = 128       // tiles that are worked on at once where the sums are large
	winogradReload = 40        // tiles whose values are as large as the sums that such are
)

func newWinogradFilterGrad(t *winogradTiles) *winogradFilterGrad {
	v := &winogradFilterGrad{winogradTiles: t, lanes: t.outputs, element: spread(t.inputs * t.outputs)}
	v.present = winograd.Columns(0, winograd.Tile, v.tilesWide, v.outWidth)
	parts := min(max(v.products()/winogradGrain, 1), 8)
	v.slices = min(parts, max(v.tiles/winogradSlice, 1))
	v.sliceSize = ceil(v.tiles, v.slices)
	v.slices = ceil(v.tiles, v.sliceSize)
	if groups := ceil(parts, v.slices); groups > 1 {
		v.lanes = min(max(ceil(ceil(v.outputs, groups), 16)*16, winogradLanes, v.inputs/4), v.outputs)
	}
	// The sums are read and written for every block. Where they are large, it is better
	// to let the blocks outgrow the cache.
	v.block = max(winogradPairs/(winograd.Elements*(v.inputs+v.lanes)), 16)
	if v.inputs*v.lanes >= winogradReload*(v.inputs+v.lanes) {
		v.block = winogradDepth
	}
	v.block = ceil(v.sliceSize, ceil(v.sliceSize, v.block))
	if v.inputs%256 == 0 { // rows of a product 1 KiB apart would share few lines of the first-level cache
		v.pitch = spread(v.inputs)
	}
	return v
}

func (c *compiler) winogradFilterGrad(p *plan, o *backend.Conv2DFilterGrad, t *winogradTiles) {
	v := newWinogradFilterGrad(t)
	p.executed = v.executed(ceil(v.outputs, v.lanes))
	v.values = p.reserve(c.threads, transformedSize(v.block*v.pitch), 4)
	v.gradients = p.reserve(c.threads, transformedSize(v.block*v.lanes), 4)
	v.zero = p.reserve(c.threads, winograd.Piece*max(v.inputs, v.outputs), 4)
	v.sums = p.floats(v.slices * winograd.Elements * v.element)
	if o.DB.Present() {
		v.biases = p.doubles(v.slices * v.outputs)
		v.row = p.reserve(c.threads, v.outputs, 4)
	}
	p.bind = func(work []byte) {
		dw, db := c.floats(o.DW), c.floats(o.DB)
		sums := in[float32](work, v.sums)
		var biases []float64
		if db != nil {
			biases = in[float64](work, v.biases)
		}
		v.sum(c, work, sums, biases, c.floats(o.DY), c.floats(o.X))
		v.finish(c, dw, sums, o.Accumulate)
		if db != nil {
			c.once(func() {
				addSlices(biases, v.outputs)
				store(db, biases, o.Accumulate)
			})
		}
	}
}

// sum adds the step that computes the sums of all slices.
func (v *winogradFilterGrad) sum(c *compiler, work []byte, sums []float32, biases []float64, dy, x []float32) {
	values, gradients, zeros := each[float32](work, v.values), each[float32](work, v.gradients), each[float32](work, v.zero)
	var rows [][]float32
	if biases != nil {
		rows = each[float32](work, v.row)
	}
	images := make([]winograd.Image, c.threads)
	groups := ceil(v.outputs, v.lanes)
	c.parallel(v.slices*groups, func(part, worker int) {
		m := &images[worker]
		slice, group := part/groups, part%groups
		from := group * v.lanes
		lanes := min(v.lanes, v.outputs-from)
		values, gradients, zero := values[worker], gradients[worker], zeros[worker]
		clear(zero)
		var bias []float64
		if biases != nil && group == 0 {
			bias = biases[slice*v.outputs : (slice+1)*v.outputs]
			clear(bias)
		}
		sum := sums[slice*winograd.Elements*v.element:]
		f := gemm.Block{Rows: lanes, Cols: v.inputs, Runs: 1, ARow: 1, AStep: lanes, BStep: v.pitch, CRow: v.inputs}
		end := min((slice+1)*v.sliceSize, v.tiles)
		for first := slice * v.sliceSize; first < end; first += v.block {
			f.Depth = min(v.block, end-first)
			v.transformInputs(m, values, x, zero, first, f.Depth)
			v.transformGradients(m, gradients, dy, zero, first, f.Depth, from, lanes)
			in, out := spread(f.Depth*v.pitch), spread(f.Depth*lanes)
			for e := range winograd.Elements {
				v.gemm.Block(&f, gradients[e*out:], values[e*in:], sum[e*v.element+from*v.inputs:])
			}
			f.Accumulate = true
			if bias != nil {
				v.addBiases(c, bias, dy, rows[worker], first, f.Depth)
			}
		}
	})
}

// transformGradients transforms tiles of the gradient of the output, n channels of
// them, into to; m is scratch.
func (v *winogradFilterGrad) transformGradients(m *winograd.Image, to, dy, zero []float32, first, tiles, from, n int) {
	size := v.outHeight * v.outWidth * v.outputs
	stride := spread(tiles * n)
	m.Height, m.Width, m.Channels = v.outHeight, v.outWidth, v.outputs
	v.runs(first, tiles, func(image, at int, run winograd.Run) {
		m.Data = dy[image*size : (image+1)*size]
		v.kernel.Gradient(to[at*n:], stride, m, run, v.present[run.Col/winograd.Tile:], from, n, zero)
	})
}

// addBiases adds the pixels of tiles of dy to the biases; row is scratch.
func (v *winogradFilterGrad) addBiases(c *compiler, bias []float64, dy, row []float32, first, tiles int) {
	v.runs(first, tiles, func(image, _ int, run winograd.Run) {
		pixels := min(run.Tiles*winograd.Tile, v.outWidth-run.Col)
		for y := run.Row; y < min(run.Row+winograd.Tile, v.outHeight); y++ {
			at := ((image*v.outHeight+y)*v.outWidth + run.Col) * v.outputs
			addColumns(c, bias, dy[at:at+pixels*v.outputs], row)
		}
	})
}

// finish adds the step that adds up the slices and transforms the sums.
func (v *winogradFilterGrad) finish(c *compiler, dw, sums []float32, accumulate bool) {
	c.split(v.outputs, grainFor(winograd.Elements*v.inputs*v.slices), 1, func(lo, hi, _ int) {
		for e := range winograd.Elements {
			at := e * v.element
			sum := sums[at+lo*v.inputs : at+hi*v.inputs]
			for s := 1; s < v.slices; s++ {
				at += winograd.Elements * v.element
				c.device.vec.Add(sum, sum, sums[at+lo*v.inputs:at+hi*v.inputs])
			}
		}
		for o := lo; o < hi; o++ {
			v.kernel.FilterGrad(dw[o*9*v.inputs:(o+1)*9*v.inputs], 3*v.inputs, v.inputs, sums[o*v.inputs:], v.element, v.inputs, accumulate)
		}
	})
}
