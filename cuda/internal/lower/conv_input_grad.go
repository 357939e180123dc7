package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

var (
	inputGradLarge  = convTiles(128, 128, kernels.ConvInputGrad128x128, 64, 64, kernels.ConvInputGrad64x64Scalar)
	inputGradMedium = convTiles(64, 64, kernels.ConvInputGrad64x64, 64, 64, kernels.ConvInputGrad64x64Scalar)
	inputGrad32     = convTiles(128, 32, kernels.ConvInputGrad128x32, 128, 32, kernels.ConvInputGrad128x32Scalar)
	inputGrad16     = convTiles(64, 16, kernels.ConvInputGrad64x16, 64, 16, kernels.ConvInputGrad64x16Scalar)
	inputGrad8      = convTiles(128, 8, kernels.ConvInputGrad128x8, 128, 8, kernels.ConvInputGrad128x8Scalar)
)

// phased is one axis of X, split by the stride: phase p has the pixels p, p +
// stride, …, and they all meet the same taps of the filter.
type phased struct {
	phases          int
	extent, shorter int // pixels of the first `longer` phases, of the others
	longer          int
	taps            int // that a phase meets at most
}

func newPhased(image, kernel, stride, dilation int) phased {
	step := stride / gcd(stride, dilation) // from a tap of a phase to the next
	return phased{
		phases: min(stride, image),
		extent: (image + stride - 1) / stride, shorter: max(1, image/stride), longer: image % stride,
		taps: (kernel + step - 1) / step,
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// split puts the phases into the geometry of the axis.
func (p phased) split(a *kernels.ConvAxis) {
	a.Phases, a.Extents, a.Shorter, a.Longer = divisor(p.phases), divisor(p.extent), divisor(p.shorter), int32(p.longer)
}

func (l *lowering) conv2DInputGrad(o *backend.Conv2DInputGrad) (Work, error) {
	c, err := newConvolution(o, o.DX, o.W, o.DY, o.Window, o.Groups)
	if err != nil {
		return Work{}, err
	}
	vertical := newPhased(c.height, c.kernelHeight, c.StrideH, c.DilationH)
	horizontal := newPhased(c.width, c.kernelWidth, c.StrideW, c.DilationW)
	sums := vertical.taps * horizontal.taps * c.groupFilters
	if err := deep(o, sums); err != nil {
		return Work{}, err
	}
	if l.Variant == Explicit {
		return c.explicitInputGrad(o)
	}
	// Of the first phase, which has most pixels.
	rows, columns := c.images*vertical.extent*horizontal.extent, c.groupChannels
	batch := vertical.phases * horizontal.phases * c.groups
	ts := pixelTiles(rows, columns, batch, inputGradLarge, inputGradMedium, inputGrad32, inputGrad16, inputGrad8)
	down, across := ts.vector.grid(rows, columns)
	s := sliced(sums, 256, down*across*batch, ts.vector.busy())
	results := o.DX.Shape.Elements()
	return Work{
		Workspace: s.workspace(results),
		Emit: func(m Memory, workspace kernels.Pointer) []Node {
			dx, dy, w := m.Address(o.DX), m.Address(o.DY), m.Address(o.W)
			vector := fours(c.groupFilters) && aligned(dy) == 1
			if ts.vector.columns >= 64 { // these read the filters four at a time, too
				vector = vector && fours(c.groupChannels) && aligned(w) == 1
			}
			t := ts.pick(vector)
			down, across := t.grid(rows, columns)
			g := c.geometry()
			vertical.split(&g.Y)
			horizontal.split(&g.X)
			g.Rows, g.Columns, g.Sums, g.Slice = int32(rows), int32(columns), int32(sums), int32(s.length)
			g.Partial, g.RowTiles, g.ColumnTiles = int64(results), divisor(down), divisor(across)
			f := kernels.Finish{Gradient: epilogue(m, &o.GradEpilogue)}
			if s.slices == 1 {
				f.Vector = vectored(fours(columns), dx, f)
				return []Node{s.launch(t.kernel(dx, dy, w, g, f), down*across*batch)}
			}
			partial := kernels.Finish{Vector: vectored(fours(columns), workspace, kernels.Finish{})}
			return []Node{
				s.launch(t.kernel(workspace, dy, w, g, partial), down*across*batch),
				s.add(dx, 0, workspace, results, results, c.channels, f),
			}
		},
	}, nil
}
