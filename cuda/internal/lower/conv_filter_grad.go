package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

type filterGradKernel = func(dw, db, dy, x kernels.Pointer, g kernels.ConvGeometry, f kernels.Finish) kernels.Call

// filterGradTiles chooses the kernel for so many filters and elements of a filter.
func filterGradTiles(rows, columns int) tiles[filterGradKernel] {
	type kernel = tile[filterGradKernel]
	scalar := kernel{64, 64, kernels.ConvFilterGrad64x64Scalar}
	switch {
	case rows <= 16 && columns <= 32:
		t := kernel{16, 32, kernels.ConvFilterGrad16x32Scalar}
		return tiles[filterGradKernel]{vector: t, scalar: t}
	case rows <= 16:
		return tiles[filterGradKernel]{
			vector: kernel{16, 64, kernels.ConvFilterGrad16x64},
			scalar: kernel{16, 64, kernels.ConvFilterGrad16x64Scalar},
		}
	case columns <= 32 && rows > 32:
		t := kernel{64, 32, kernels.ConvFilterGrad64x32Scalar}
		return tiles[filterGradKernel]{vector: t, scalar: t}
	case rows <= 32:
		return tiles[filterGradKernel]{
			vector: kernel{32, 64, kernels.ConvFilterGrad32x64},
			scalar: kernel{32, 64, kernels.ConvFilterGrad32x64Scalar},
		}
	case fills(rows, 128) && fills(columns, 128):
		return tiles[filterGradKernel]{vector: kernel{128, 128, kernels.ConvFilterGrad128x128}, scalar: scalar}
	}
	return tiles[filterGradKernel]{vector: kernel{64, 64, kernels.ConvFilterGrad64x64}, scalar: scalar}
}

func (l *lowering) conv2DFilterGrad(o *backend.Conv2DFilterGrad) (Work, error) {
	c, err := newConvolution(o, o.X, o.DW, o.DY, o.Window, o.Groups)
	if err != nil {
		return Work{}, err
	}
	sums := c.pixels()
	if err := deep(o, sums); err != nil {
		return Work{}, err
	}
	if l.Variant == Explicit {
		return l.explicitFilterGrad(c, o)
	}
	rows, columns := c.groupFilters, c.patch
	ts := filterGradTiles(rows, columns)
	down, across := ts.vector.grid(rows, columns)
	s := sliced(sums, 128, down*across*c.groups, ts.vector.busy())
	filters := o.DW.Shape.Elements()
	results := filters // in a slice: the filters, and the bias behind them
	if o.DB.Present() {
		results += c.filters
	}
	return Work{
		Workspace: s.workspace(results),
		Emit: func(m Memory, workspace kernels.Pointer) []Node {
			dw, db, dy, x := m.Address(o.DW), m.Address(o.DB), m.Address(o.DY), m.Address(o.X)
			vector := fours(c.groupChannels) && aligned(x) == 1
			if ts.vector.rows >= 64 { // these read DY four elements at a time, too
				vector = vector && fours(c.groupFilters) && aligned(dy) == 1
			}
			t := ts.pick(vector)
			down, across := t.grid(rows, columns)
			g := c.geometry()
			g.Rows, g.Columns, g.Sums, g.Slice = int32(rows), int32(columns), int32(sums), int32(s.length)
			g.Partial, g.RowTiles, g.ColumnTiles = int64(results), divisor(down), divisor(across)
			f := kernels.Finish{Accumulate: flag(o.Accumulate)}
			if s.slices == 1 {
				f.Vector = vectored(fours(columns), dw, f)
				return []Node{s.launch(t.kernel(dw, db, dy, x, g, f), down*across*c.groups)}
			}
			partial := kernels.Finish{Vector: vectored(fours(columns, results), workspace, kernels.Finish{})}
			var bias kernels.Pointer
			if db != 0 {
				bias = workspace + kernels.Pointer(4*filters)
			}
			return []Node{
				s.launch(t.kernel(workspace, bias, dy, x, g, partial), down*across*c.groups),
				s.add(dw, db, workspace, results, filters, filters, f),
			}
		},
	}, nil
}
