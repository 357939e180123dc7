package cpu

import (
	"fovea/backend"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/winograd"
)

// A convolution with 3×3 filters whose output is computed in tiles of 4×4 pixels, see
// package winograd. A block of tiles is transformed, multiplied element by element of
// the transformed tiles, and transformed back, all in the second-level cache.
type winogradTiles struct {
	kernel *winograd.Kernel
	gemm   *gemm.Kernel

	images               int
	inHeight, inWidth    int // of the images that are transformed
	outHeight, outWidth  int // of those that are made; for the gradient of filters, of the gradient of the output
	inputs, outputs      int // channels
	top, left            int // how far the first piece begins outside the images
	tilesHigh, tilesWide int
	tiles                int     // of all images
	pitch                int     // floats from the transformed inputs of one tile to those of the next
	columns              []uint8 // of the pieces, see winograd.Columns
	filters              bool
}

// winogradOf returns the tiles of a convolution or one of its gradients, if Winograd's
// algorithm can do it: 3×3 filters, no strides, dilation and groups, and padding that
// the gradient of the input has a counterpart of.
func (c *compiler) winogradOf(op backend.Op) (v *winogradTiles, possible bool) {
	v = &winogradTiles{kernel: c.device.winograd, gemm: c.device.gemm}
	var x, w, y backend.Shape
	var win backend.Window
	groups := 1
	switch o := op.(type) {
	case *backend.Conv2D:
		x, w, y, win, groups = o.X.Shape, o.W.Shape, o.Y.Shape, o.Window, o.Groups
	case *backend.Conv2DInputGrad:
		x, w, y, win, groups = o.DX.Shape, o.W.Shape, o.DY.Shape, o.Window, o.Groups
	case *backend.Conv2DFilterGrad:
		x, w, y, win, groups = o.X.Shape, o.DW.Shape, o.DY.Shape, o.Window, o.Groups
		v.filters = true
	}
	if groups != 1 || w[1] != winograd.Filter || w[2] != winograd.Filter || win.StrideH != 1 || win.StrideW != 1 ||
		win.DilationH != 1 || win.DilationW != 1 || max(win.PadTop, win.PadBottom, win.PadLeft, win.PadRight) > 2 {
		return nil, false
	}
	v.top, v.left = win.PadTop, win.PadLeft
	if _, ok := op.(*backend.Conv2DInputGrad); ok {
		x, y = y, x
		v.top, v.left = 2-v.top, 2-v.left
	}
	v.images, v.inHeight, v.inWidth, v.inputs = x[0], x[1], x[2], x[3]
	v.outHeight, v.outWidth, v.outputs = y[1], y[2], y[3]
	v.tilesHigh, v.tilesWide = ceil(v.outHeight, winograd.Tile), ceil(v.outWidth, winograd.Tile)
	v.tiles = v.images * v.tilesHigh * v.tilesWide
	v.pitch = v.inputs
	v.columns = winograd.Columns(-v.left, winograd.Piece, v.tilesWide, v.inWidth)
	return v, true
}

// products is how many multiply-adds the products take.
func (v *winogradTiles) products() int { return winograd.Elements * v.tiles * v.inputs * v.outputs }

// executed is how many floating-point operations are done, the inputs being transformed
// so many times: 24 for a line of six elements of an input, 16 for one of an output or
// its gradient.
func (v *winogradTiles) executed(times int) int64 {
	return int64(2*v.products() + v.tiles*(2*winograd.Piece*24*v.inputs*times+(winograd.Piece+winograd.Tile)*16*v.outputs))
}

// What takes as long as how many multiply-adds, by measurement: to transform an
// element of an input, of an output and of a filter, in vectors of up to 16 channels,
// and to begin and end an element of a product.
const (
	inputCost   = 5
	outputCost  = 4
	filterCost  = 6
	aloneCost   = 25 // an element of any of them, without vectors
	productCost = 4
)

// leastLanes is how many lanes a product has at least to be worth while: fewer fill no
// vector.
const leastLanes = 8

// cheaper reports whether the algorithm is estimated to take less time than the direct
// one, by a tenth at least, since it is less exact.
func (v *winogradTiles) cheaper() bool {
	rows, lanes := v.inputs, v.gemm.SizeB(v.outputs, 1)
	direct := lanes * (9*rows + productCost)
	if v.filters {
		rows, lanes = v.outputs, v.gemm.SizeB(v.inputs, 1)
		direct = min(lanes*(9*rows+productCost), 9*v.inputs*v.gemm.SizeB(v.outputs, 1)) // whichever has the lanes
	}
	direct *= v.images * v.outHeight * v.outWidth
	products := v.tiles * lanes * (rows + productCost)
	transforms := v.tiles * (inputCost*ceil(v.inputs, 16) + outputCost*ceil(v.outputs, 16)) * 16
	filters := filterCost * v.inputs * v.outputs
	if v.kernel.Scalar() {
		transforms = v.tiles * aloneCost * (v.inputs + v.outputs)
		filters = aloneCost * v.inputs * v.outputs
	}
	return v.outputs >= leastLanes && winograd.Elements*(products+transforms+filters) < direct*10/11
}

// place returns the image of a tile, and its row and column among the tiles of that.
func (v *winogradTiles) place(tile int) (image, row, col int) {
	line := tile / v.tilesWide
	return line / v.tilesHigh, line % v.tilesHigh, tile % v.tilesWide
}

// spread is how far the elements of n transformed values lie apart: in whole lines of a
// cache, an odd number of them, so that the elements of one value go to different ones.
func spread(n int) int { return (ceil(n, 16) | 1) * 16 }

// transformedSize is the floats of n transformed values.
func transformedSize(n int) int { return winograd.Elements * spread(n) }

// winogradBlock is about how many floats of transformed inputs and outputs are worked
// on together: half of a second-level cache of 1 MiB.
const winogradBlock = 112 << 10

// blockOf returns how many tiles to work on at once, with so many channels of input and
// output together.
func (v *winogradTiles) blockOf(channels int) int {
	mr := v.gemm.MR()
	n := max(winogradBlock/(winograd.Elements*channels)/mr, 1) * mr
	if n >= v.tiles {
		return v.tiles
	}
	return n
}

// runs calls f for runs of tiles beside each other: at of them come before it.
func (v *winogradTiles) runs(first, tiles int, f func(image, at int, run winograd.Run)) {
	for at := 0; at < tiles; {
		image, row, col := v.place(first + at)
		n := min(v.tilesWide-col, tiles-at)
		f(image, at, winograd.Run{Row: row * winograd.Tile, Col: col * winograd.Tile, Tiles: n})
		at += n
	}
}

// transformInputs transforms the pieces of tiles from first on into to; m is scratch.
func (v *winogradTiles) transformInputs(m *winograd.Image, to, x, zero []float32, first, tiles int) {
	size := v.inHeight * v.inWidth * v.inputs
	m.Height, m.Width, m.Channels = v.inHeight, v.inWidth, v.inputs
	stride := spread(tiles * v.pitch)
	v.runs(first, tiles, func(image, at int, run winograd.Run) {
		m.Data = x[image*size : (image+1)*size]
		cols := v.columns[run.Col/winograd.Tile:]
		run.Row, run.Col = run.Row-v.top, run.Col-v.left
		if v.pitch == v.inputs {
			v.kernel.Input(to[at*v.pitch:], stride, m, run, cols, zero)
			return
		}
		for n := run.Tiles; n > 0; n-- {
			run.Tiles = 1
			v.kernel.Input(to[at*v.pitch:], stride, m, run, cols, zero)
			run.Col, cols, at = run.Col+winograd.Tile, cols[1:], at+1
		}
	})
}

// winogradConvolution is a Conv2D or the convolution that a Conv2DInputGrad is.
type winogradConvolution struct {
	*winogradTiles
	block  int // tiles that are worked on at once
	lanes  int // outputs that are computed at once
	panels int // floats of the packed transformed filters of one element

	filters            *derived
	values, sums, zero region
	scratch            region // of the transformed filters before they are packed
}

// winogradGrain is how many multiply-adds are worth a part: they take some
// microseconds.
const winogradGrain = 1 << 18

// parts returns how a convolution is cut: into blocks of tiles and, where these are few,
// ranges of outputs. Every range transforms the inputs anew.
func (v *winogradTiles) parts() (block, lanes int) {
	block, lanes = v.blockOf(v.inputs+v.outputs), v.outputs
	wanted := min(max(v.products()/winogradGrain, 1), 8)
	if v.tiles/block < wanted {
		// Half the height of a tile of the products is enough for them to be fast.
		block = ceil(v.tiles, min(max(2*v.tiles/v.gemm.MR(), 1), wanted))
	}
	if blocks := ceil(v.tiles, block); blocks < wanted {
		nr := v.gemm.NR()
		lanes = min(ceil(ceil(v.outputs, ceil(wanted, blocks)), nr)*nr, v.outputs)
	}
	return block, lanes
}

func (c *compiler) newWinogradConvolution(p *plan, t *winogradTiles, w backend.View) *winogradConvolution {
	v := &winogradConvolution{winogradTiles: t}
	v.block, v.lanes = v.parts()
	v.panels = spread(v.gemm.SizeB(v.outputs, v.inputs))
	v.filters = c.derive(p, w, winograd.Elements*v.panels)
	v.values = p.reserve(c.threads, transformedSize(v.block*v.inputs), 4)
	v.sums = p.reserve(c.threads, transformedSize(v.block*v.lanes), 4)
	v.zero = p.reserve(c.threads, winograd.Piece*v.inputs, 4)
	p.executed = v.executed(ceil(v.outputs, v.lanes))
	return v
}

// bind adds the step that computes the output: finish makes a run of tiles of an image,
// n channels from first on. y is where it goes, beside what is read along with it, if
// anything is.
func (v *winogradConvolution) bind(c *compiler, work []byte, y, beside, x []float32, finish func(m []float32, stride int, y *winograd.Image, image int, run winograd.Run, first, n int)) {
	filters := v.filters.floats(work)
	values, sums, zeros := each[float32](work, v.values), each[float32](work, v.sums), each[float32](work, v.zero)
	images := make([]winograd.Image, 2*c.threads)
	groups := ceil(v.outputs, v.lanes)
	c.parallel(ceil(v.tiles, v.block)*groups, func(part, worker int) {
		block, group := part/groups, part%groups
		first, from := block*v.block, group*v.lanes
		tiles, lanes := min(v.block, v.tiles-first), min(v.lanes, v.outputs-from)
		values, sums, zero := values[worker], sums[worker], zeros[worker]
		clear(zero)
		v.transformInputs(&images[2*worker], values, x, zero, first, tiles)
		// Meanwhile, what will be read and written next comes from memory.
		var fetched [3]coming
		if groups == 1 {
			fetched[0] = v.outputOf(first, tiles)
			if beside != nil {
				fetched[2] = fetched[0]
			}
			if next := first + c.threads*v.block; next < v.tiles {
				fetched[1] = v.inputOf(next, min(v.block, v.tiles-next))
			}
		}
		f := gemm.Block{Cols: lanes, Depth: v.inputs, Runs: 1, ARow: v.inputs, AStep: 1, CRow: lanes}
		in, out := spread(tiles*v.inputs), spread(tiles*lanes)
		rows := v.gemm.MR()
		rest := winograd.Elements * ceil(tiles, rows)
		for e := range winograd.Elements {
			for i := 0; i < tiles; i += rows {
				f.Rows = min(rows, tiles-i)
				v.gemm.Block(&f, values[e*in+i*v.inputs:], filters[e*v.panels+from*v.inputs:], sums[e*out+i*lanes:])
				v.kernel.Fetch(fetched[0].take(y, rest))
				v.kernel.Fetch(fetched[1].take(x, rest))
				v.kernel.Fetch(fetched[2].take(beside, rest))
				rest--
			}
		}
		image := &images[2*worker+1]
		image.Height, image.Width, image.Channels = v.outHeight, v.outWidth, v.outputs
		v.runs(first, tiles, func(n, at int, run winograd.Run) {
			finish(sums[at*lanes:], out, image, n, run, from, lanes)
		})
	})
}

// winogradForward plans a Conv2D.
func (c *compiler) winogradForward(p *plan, o *backend.Conv2D, t *winogradTiles) {
	v := c.newWinogradConvolution(p, t, o.W)
	chunk := min(v.inputs, filterChunk)
	v.scratch = p.reserve(c.threads, transformedSize(v.gemm.NR()*chunk), 4)
	p.bind = func(work []byte) {
		filters, scratch, w := v.filters.floats(work), each[float32](work, v.scratch), c.floats(o.W)
		c.making(v.filters, func() { v.packFilters(c, filters, scratch, w, chunk) })
		y, bias, act := c.floats(o.Y), c.floats(o.B), c.activation(o.Activation)
		slope, rest := act.asSlope()
		if bias == nil {
			bias = noBias(v.outputs)
		}
		size := v.outHeight * v.outWidth * v.outputs
		v.bind(c, work, y, nil, c.floats(o.X), func(m []float32, stride int, to *winograd.Image, image int, run winograd.Run, first, n int) {
			to.Data = y[image*size : (image+1)*size]
			v.kernel.OutputBias(to, run, first, n, m, stride, bias[first:], slope)
			if rest.f != backend.Identity {
				v.eachRow(run, first, n, func(at, length int) { rest.apply(to.Data[at : at+length]) })
			}
		})
	}
}

// eachRow calls f for the stretches of n channels from first on of a run of tiles: for
// whole rows of it, if it has all channels.
func (v *winogradConvolution) eachRow(run winograd.Run, first, n int, f func(at, length int)) {
	cols := min(run.Tiles*winograd.Tile, v.outWidth-run.Col)
	for row := run.Row; row < min(run.Row+winograd.Tile, v.outHeight); row++ {
		at := (row*v.outWidth+run.Col)*v.outputs + first
		if n == v.outputs {
			f(at, cols*n)
			continue
		}
		for j := range cols {
			f(at+j*v.outputs, n)
		}
	}
}

// noBias is a bias that changes nothing, not even the sign of a zero.
func noBias(n int) []float32 {
	zero := float32(0)
	bias := make([]float32, n)
	for i := range bias {
		bias[i] = -zero
	}
	return bias
}

// filterChunk is how many channels of filters are transformed at once.
const filterChunk = 64

// packFilters adds the step that transforms the filters [O, 3, 3, C]: a lane of the
// right factors is an output, the depth are the inputs.
func (v *winogradConvolution) packFilters(c *compiler, to []float32, scratch [][]float32, w []float32, chunk int) {
	panels, chunks := v.panelsOf(v.outputs), ceil(v.inputs, chunk)
	c.split(len(panels)*chunks, 1, 1, func(lo, hi, worker int) {
		u := scratch[worker]
		for i := lo; i < hi; i++ {
			p, channel := panels[i/chunks], i%chunks*chunk
			n := min(chunk, v.inputs-channel)
			stride := spread(p.lanes * n)
			for l := range p.lanes {
				v.kernel.Filter(u[l*n:], stride, w, (p.first+l)*9*v.inputs+channel, 3*v.inputs, v.inputs, n)
			}
			for e := range winograd.Elements {
				panel := to[e*v.panels+p.first*v.inputs+channel*p.width:]
				gemm.Interleave(panel, p.width, u[e*stride:], n, p.lanes, n)
				if p.lanes < p.width {
					gemm.ZeroLanes(panel[p.lanes:], p.width, p.width-p.lanes, n)
				}
			}
		}
	})
}

// panel is a panel of a right factor: lanes of them from first on, width with those that
// do not exist.
type panel struct{ first, lanes, width int }

func (v *winogradTiles) panelsOf(lanes int) (all []panel) {
	for first := 0; first < lanes; {
		width := v.gemm.PanelB(lanes - first)
		all = append(all, panel{first, min(width, lanes-first), width})
		first += width
	}
	return all
}

// winogradInputGrad plans a Conv2DInputGrad: a convolution of DY with the filters
// turned by half, whose outputs are their inputs.
func (c *compiler) winogradInputGrad(p *plan, o *backend.Conv2DInputGrad, t *winogradTiles) {
	v := c.newWinogradConvolution(p, t, o.W)
	epilogue := c.gradEpilogue(p, o.GradEpilogue, o.DX)
	p.bind = func(work []byte) {
		epilogue.bind(c, work)
		filters, w := v.filters.floats(work), c.floats(o.W)
		c.making(v.filters, func() { v.packTurned(c, filters, w) })
		dx := c.floats(o.DX)
		slope, rest := epilogue.derivative.asSlope()
		inside := epilogue.addend == nil && epilogue.output != nil && rest.f == backend.Identity
		size := v.outHeight * v.outWidth * v.outputs
		v.bind(c, work, dx, epilogue.output, c.floats(o.DY), func(m []float32, stride int, to *winograd.Image, image int, run winograd.Run, first, n int) {
			to.Data = dx[image*size : (image+1)*size]
			if inside {
				v.kernel.OutputGrad(to, run, first, n, m, stride, epilogue.output[image*size:(image+1)*size], slope)
				return
			}
			v.kernel.Output(to, run, first, n, m, stride)
			if !epilogue.none() {
				v.eachRow(run, first, n, func(at, length int) { epilogue.apply(to.Data[at:at+length], image*size+at) })
			}
		})
	}
}

// packTurned adds the step that transforms filters [O, 3, 3, C], turned: a lane of the
// right factors is one of their inputs, the depth are their outputs.
func (v *winogradConvolution) packTurned(c *compiler, to []float32, w []float32) {
	panels := v.panelsOf(v.outputs)
	const chunk = 16
	chunks := ceil(v.inputs, chunk)
	c.split(len(panels)*chunks, 1, 1, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			p := panels[i/chunks]
			for q := i % chunks * chunk; q < min((i%chunks+1)*chunk, v.inputs); q++ {
				u := to[p.first*v.inputs+q*p.width:]
				v.kernel.Filter(u, v.panels, w, (9*q+8)*v.outputs+p.first, -3*v.outputs, -v.outputs, p.lanes)
				if p.lanes < p.width {
					for e := range winograd.Elements {
						clear(u[e*v.panels+p.lanes : e*v.panels+p.width])
					}
				}
			}
		}
	})
}
