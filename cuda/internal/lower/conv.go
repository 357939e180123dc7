package lower

import (
	"fmt"

	"fovea/backend"
	"fovea/kernels"
)

type convKernel = func(y, x, w kernels.Pointer, g kernels.ConvGeometry, f kernels.Finish) kernels.Call

// convTiles are the kernels of one width.
func convTiles(rows, columns int, vector convKernel, scalarRows, scalarColumns int, scalar convKernel) tiles[convKernel] {
	return tiles[convKernel]{
		vector: tile[convKernel]{rows, columns, vector},
		scalar: tile[convKernel]{scalarRows, scalarColumns, scalar},
	}
}

var (
	convLarge  = convTiles(128, 128, kernels.Conv128x128, 64, 64, kernels.Conv64x64Scalar)
	convMedium = convTiles(64, 64, kernels.Conv64x64, 64, 64, kernels.Conv64x64Scalar)
	conv32     = convTiles(128, 32, kernels.Conv128x32, 128, 32, kernels.Conv128x32Scalar)
	conv16     = convTiles(64, 16, kernels.Conv64x16, 64, 16, kernels.Conv64x16Scalar)
	conv8      = convTiles(128, 8, kernels.Conv128x8, 128, 8, kernels.Conv128x8Scalar)
)

// convolution is what the shapes of a Conv2D or one of its gradients say.
type convolution struct {
	images, height, width, channels    int // of X
	outHeight, outWidth, filters       int // of Y
	kernelHeight, kernelWidth, groups  int
	groupChannels, groupFilters, patch int // of one group: channels of X, of Y, elements of a filter
	backend.Window
}

// longestAxis bounds padded extents, so that places far outside a picture can be told in 32 bits.
const longestAxis = 1 << 30

func newConvolution(op backend.Op, x, w, y backend.View, win backend.Window, groups int) (convolution, error) {
	c := convolution{
		images: x.Shape[0], height: x.Shape[1], width: x.Shape[2], channels: x.Shape[3],
		outHeight: y.Shape[1], outWidth: y.Shape[2], filters: y.Shape[3],
		kernelHeight: w.Shape[1], kernelWidth: w.Shape[2], groups: groups,
		groupChannels: w.Shape[3], groupFilters: y.Shape[3] / groups, patch: w.Shape[1] * w.Shape[2] * w.Shape[3],
		Window: win,
	}
	if h, v := c.height+c.PadTop+c.PadBottom, c.width+c.PadLeft+c.PadRight; max(h, v) > longestAxis {
		return c, fmt.Errorf("cuda: %s: %w: padded images of %d×%d pixels, expected at most %d either way", op.Kind(), backend.ErrUnsupported, h, v, longestAxis)
	}
	return c, nil
}

// pixels is the number of Y's pixels.
func (c *convolution) pixels() int { return c.images * c.outHeight * c.outWidth }

// geometry is what all three kernels share: the axes of the convolution and of its
// filter gradient, in which the pixels of the result, or of the sum, are those of Y.
func (c *convolution) geometry() kernels.ConvGeometry {
	axis := func(image, out, kernel, stride, dilation, pad int) kernels.ConvAxis {
		return kernels.ConvAxis{
			Image: int32(image), Out: int32(out), Kernel: int32(kernel), Stride: int32(stride), Dilation: int32(dilation), Pad: int32(pad),
			Phases: divisor(1), Extents: divisor(out), Shorter: divisor(out), Longer: 1,
		}
	}
	return kernels.ConvGeometry{
		Y:      axis(c.height, c.outHeight, c.kernelHeight, c.StrideH, c.DilationH, c.PadTop),
		X:      axis(c.width, c.outWidth, c.kernelWidth, c.StrideW, c.DilationW, c.PadLeft),
		Images: int32(c.images), Channels: int32(c.channels), Filters: int32(c.filters),
		Depth: divisor(c.groupChannels), Width: divisor(c.groupFilters),
	}
}

// pixelTiles chooses among the kernels whose rows are pixels: few columns have
// narrow tiles; the largest ones must not be half empty, and must be many.
func pixelTiles(rows, columns, batch int, large, medium, narrow32, narrow16, narrow8 tiles[convKernel]) tiles[convKernel] {
	switch {
	case columns <= 8:
		return narrow8
	case columns <= 16:
		return narrow16
	case columns <= 32:
		return narrow32
	}
	if down, across := large.vector.grid(rows, columns); fills(columns, large.vector.columns) && down*across*batch >= 128 {
		return large
	}
	return medium
}

// fills reports whether the last tile of so many is more than half full.
func fills(n, size int) bool { return (n-1)%size >= size/2 }

func (l *lowering) conv2D(o *backend.Conv2D) (Work, error) {
	c, err := newConvolution(o, o.X, o.W, o.Y, o.Window, o.Groups)
	if err != nil {
		return Work{}, err
	}
	if err := deep(o, c.patch); err != nil {
		return Work{}, err
	}
	finish := func(m Memory) kernels.Finish {
		return kernels.Finish{Bias: m.Address(o.B), Activation: activation(o.Activation)}
	}
	if l.Variant == Explicit {
		return c.explicit(o, finish)
	}
	rows, columns := c.pixels(), c.groupFilters
	ts := pixelTiles(rows, columns, c.groups, convLarge, convMedium, conv32, conv16, conv8)
	down, across := ts.vector.grid(rows, columns)
	s := sliced(c.patch, 256, down*across*c.groups, ts.vector.busy())
	results := rows * c.filters
	return Work{
		Workspace: s.workspace(results),
		Emit: func(m Memory, workspace kernels.Pointer) []Node {
			y, x, w := m.Address(o.Y), m.Address(o.X), m.Address(o.W)
			t := ts.pick(fours(c.groupChannels) && aligned(x, w) == 1)
			down, across := t.grid(rows, columns)
			g := c.geometry()
			g.Rows, g.Columns, g.Sums, g.Slice = int32(rows), int32(columns), int32(c.patch), int32(s.length)
			g.Partial, g.RowTiles, g.ColumnTiles = int64(results), divisor(down), divisor(across)
			f := finish(m)
			if s.slices == 1 {
				f.Vector = vectored(fours(columns), y, f)
				return []Node{s.launch(t.kernel(y, x, w, g, f), down*across*c.groups)}
			}
			partial := kernels.Finish{Vector: vectored(fours(columns), workspace, kernels.Finish{})}
			return []Node{
				s.launch(t.kernel(workspace, x, w, g, partial), down*across*c.groups),
				s.add(y, 0, workspace, results, results, c.filters, f),
			}
		},
	}, nil
}
