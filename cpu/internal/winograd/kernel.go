package winograd

import "fmt"

// Kernel is one implementation of the transforms. It is immutable and safe for concurrent use.
//
// Everywhere, channels lie side by side, and the element of row i and column j of a transformed piece is stride·(6·i + j) behind the first.
// Transformed pieces of many tiles are best kept with a stride that is no multiple of 4 KiB, which would put all 36 elements into the same few
// lines of a cache.
//
// The functions of the fields get distances in bytes.
type Kernel struct {
	name string

	input, gradient func(v *float32, stride int, x *float32, at, pitch, step int, zero *float32, rows int, cols *uint8, n, tiles int)
	filter          func(u *float32, stride int, w *float32, at, pitch, step, n int)
	filterGrad      func(w *float32, pitch, step int, u *float32, stride, n int, accumulate bool)
	fetch           func(x *float32, lines int) // optional
	output          func(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int)
	outputBias      func(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int, bias *float32, slope float32)
	outputGrad      func(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int, y *float32, slope float32)
}

// Kernels returns the implementations that run on this machine, fastest first; the portable one is last and always there.
func Kernels() []*Kernel {
	return append([]*Kernel(nil), kernels...)
}

// Default returns the fastest implementation, Kernels()[0].
func Default() *Kernel { return kernels[0] }

var kernels = append(machineKernels(), &portable)

// Scalar reports whether the transforms take a channel at a time, not a register of them.
func (k *Kernel) Scalar() bool { return k == &portable }

// Name returns the name of the instruction set: "avx512", "avx2", "neon" or "portable".
func (k *Kernel) Name() string { return k.name }

// Image is an image, [Height, Width, Channels].
type Image struct {
	Height, Width, Channels int
	Data                    []float32
}

// Run is some tiles beside each other, the first of them at (Row, Col).
type Run struct{ Row, Col, Tiles int }

// Columns returns, for each tile of a row of them that begins at column first of an image, a bit for each of n columns that the image has.
func Columns(first, n, tiles, width int) []uint8 {
	bits := make([]uint8, tiles)
	for i := range bits {
		bits[i] = uint8(valid(first+i*Tile, n, width))
	}
	return bits
}

// valid returns a bit for each of n numbers from first on that lies in [0, limit).
func valid(first, n, limit int) int {
	low, high := min(max(-first, 0), n), min(max(limit-first, 0), n)
	return (1<<high - 1) &^ (1<<low - 1)
}

// check panics unless the image is whole and n channels from first on are some of its own.
func (m *Image) check(first, n int) {
	if m.Height < 1 || m.Width < 1 || first < 0 || n < 1 || first+n > m.Channels || len(m.Data) < m.Height*m.Width*m.Channels {
		panic(fmt.Sprintf("BUG: winograd: channels %d+%d of an image %d×%d×%d of %d elements", first, n, m.Height, m.Width, m.Channels, len(m.Data)))
	}
}

// checkSquare panics unless tiles of n channels of transformed elements that are stride apart fit into length.
func checkSquare(length, stride, n, tiles int) {
	if tiles < 1 || stride < n*tiles || length < stride*(Elements-1)+n*tiles {
		panic(fmt.Sprintf("BUG: winograd: %d tiles of %d channels of %d elements %d apart in %d", tiles, n, Elements, stride, length))
	}
}

// Input transforms pieces of an image, V = Bᵀ·d·B: 6×6 pixels from where each tile of the run begins, all channels. Pixels outside the image are
// zero: cols is [Columns] of the tiles. The transformed pieces of the tiles lie side by side. The slice zero holds at least 6 pixels of zeros.
func (k *Kernel) Input(v []float32, stride int, x *Image, run Run, cols []uint8, zero []float32) {
	k.transform(k.input, v, stride, x, run, cols, Piece, 0, x.Channels, zero)
}

// Gradient transforms tiles of the gradient of an output, M = A·y′·Aᵀ, n channels from first on. Pixels outside the image are zero: cols is
// [Columns] of the tiles. The slice zero holds at least 4 pixels of zeros.
func (k *Kernel) Gradient(m []float32, stride int, dy *Image, run Run, cols []uint8, first, n int, zero []float32) {
	k.transform(k.gradient, m, stride, dy, run, cols, Tile, first, n, zero)
}

func (k *Kernel) transform(f func(v *float32, stride int, x *float32, at, pitch, step int, zero *float32, rows int, cols *uint8, n, tiles int),
	v []float32, stride int, x *Image, run Run, cols []uint8, size, first, n int, zero []float32) {
	x.check(first, n)
	checkSquare(len(v), stride, n, run.Tiles)
	if len(zero) < size*x.Channels || len(cols) < run.Tiles {
		panic(fmt.Sprintf("BUG: winograd: %d zeros for %d pixels of %d channels, columns of %d tiles for %d", len(zero), size, x.Channels, len(cols), run.Tiles))
	}
	pitch := x.Width * x.Channels
	f(&v[0], 4*stride, &x.Data[0], 4*(run.Row*pitch+run.Col*x.Channels+first), 4*pitch, 4*x.Channels, &zero[0],
		valid(run.Row, size, x.Height), &cols[0], n, run.Tiles)
}

// Fetch begins to bring memory into the second-level cache, where the processor can be asked to.
func (k *Kernel) Fetch(x []float32) {
	if lines := len(x) / 16; lines > 0 && k.fetch != nil {
		k.fetch(&x[0], lines)
	}
}

// Filter transforms filters, U = G·w·Gᵀ, for n channels: element (i, j) of the filter of channel c is w[at + i·pitch + j·step + c]. With at
// the last tap and negative distances the filter is flipped.
func (k *Kernel) Filter(u []float32, stride int, w []float32, at, pitch, step, n int) {
	checkSquare(len(u), stride, n, 1)
	low, high := at+min(2*pitch, 0)+min(2*step, 0), at+max(2*pitch, 0)+max(2*step, 0)
	if low < 0 || high+n > len(w) {
		panic(fmt.Sprintf("BUG: winograd: %d channels of taps %d+%d·i+%d·j of %d elements", n, at, pitch, step, len(w)))
	}
	k.filter(&u[0], 4*stride, &w[0], 4*at, 4*pitch, 4*step, n)
}

// FilterGrad makes gradients of filters of their sums, w = Gᵀ·U·G or w += Gᵀ·U·G, for n channels: element (i, j) of channel c is
// w[i·pitch + j·step + c].
func (k *Kernel) FilterGrad(w []float32, pitch, step int, u []float32, stride, n int, accumulate bool) {
	checkSquare(len(u), stride, n, 1)
	if pitch < 0 || step < 0 || 2*pitch+2*step+n > len(w) {
		panic(fmt.Sprintf("BUG: winograd: %d channels of taps %d·i+%d·j of %d elements", n, pitch, step, len(w)))
	}
	k.filterGrad(&w[0], 4*pitch, 4*step, &u[0], 4*stride, n, accumulate)
}

// Output makes tiles of an output of the sums of products: x = Aᵀ·M·A, 4×4 pixels as far as they lie inside the image, n channels from first on.
func (k *Kernel) Output(x *Image, run Run, first, n int, m []float32, stride int) {
	to, pitch, step, rows, cols := x.tiles(run, first, n, len(m), stride)
	k.output(&x.Data[to], pitch, step, &m[0], 4*stride, rows, cols, n, run.Tiles)
}

// OutputBias is Output followed by y = y + bias and y = slope·y where y ≤ 0. The bias is that of the n channels.
func (k *Kernel) OutputBias(x *Image, run Run, first, n int, m []float32, stride int, bias []float32, slope float32) {
	to, pitch, step, rows, cols := x.tiles(run, first, n, len(m), stride)
	if len(bias) < n {
		panic(fmt.Sprintf("BUG: winograd: %d biases for %d channels", len(bias), n))
	}
	k.outputBias(&x.Data[to], pitch, step, &m[0], 4*stride, rows, cols, n, run.Tiles, &bias[0], slope)
}

// OutputGrad is Output followed by x = slope·x where not y > 0, for an array y like x.
func (k *Kernel) OutputGrad(x *Image, run Run, first, n int, m []float32, stride int, y []float32, slope float32) {
	to, pitch, step, rows, cols := x.tiles(run, first, n, len(m), stride)
	if len(y) < x.Height*x.Width*x.Channels {
		panic(fmt.Sprintf("BUG: winograd: %d elements beside %d×%d×%d", len(y), x.Height, x.Width, x.Channels))
	}
	k.outputGrad(&x.Data[to], pitch, step, &m[0], 4*stride, rows, cols, n, run.Tiles, &y[to], slope)
}

// tiles returns where a run of tiles of the image begins, its distances in bytes, and how many rows and columns of it there are.
func (m *Image) tiles(run Run, first, n, length, stride int) (to, pitch, step, rows, cols int) {
	m.check(first, n)
	checkSquare(length, stride, n, run.Tiles)
	rows, cols = min(m.Height-run.Row, Tile), m.Width-run.Col
	if run.Row < 0 || run.Col < 0 || rows < 1 || cols <= (run.Tiles-1)*Tile {
		panic(fmt.Sprintf("BUG: winograd: tiles %+v of %d×%d pixels", run, m.Height, m.Width))
	}
	to = (run.Row*m.Width+run.Col)*m.Channels + first
	return to, 4 * m.Width * m.Channels, 4 * m.Channels, rows, cols
}
