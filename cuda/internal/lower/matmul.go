package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

type matMulKernel = func(c, a, b kernels.Pointer, g kernels.MatMulGeometry, f kernels.Finish) kernels.Call

var (
	matMulLarge = tiles[matMulKernel]{
		vector: tile[matMulKernel]{128, 128, kernels.MatMul128x128},
		scalar: tile[matMulKernel]{64, 64, kernels.MatMul64x64Scalar},
	}
	matMulMedium = tiles[matMulKernel]{
		vector: tile[matMulKernel]{64, 64, kernels.MatMul64x64},
		scalar: tile[matMulKernel]{64, 64, kernels.MatMul64x64Scalar},
	}
	matMulSmall = tiles[matMulKernel]{
		vector: tile[matMulKernel]{32, 32, kernels.MatMul32x32},
		scalar: tile[matMulKernel]{32, 32, kernels.MatMul32x32Scalar},
	}
)

// strides of a matrix: from a row of the result, or a column, to the next, from one
// product of a sum to the next, and from one group to the next. They are counted
// in elements.
type strides struct{ result, depth, group int }

// multiplication is C = A·B for matrices of any strides, in several groups.
type multiplication struct {
	rows, columns, depth, groups int
	a, b                         strides
	cRow, cGroup                 int // C's results lie together, all groups in one array
	tiles                        tiles[matMulKernel]
	slicing
}

// plan chooses tiles and slices.
func (p *multiplication) plan() {
	large, medium, small := matMulLarge.vector, matMulMedium.vector, matMulSmall.vector
	count := func(t tile[matMulKernel]) int {
		down, across := t.grid(p.rows, p.columns)
		return down * across * p.groups
	}
	switch {
	case count(large) >= 128:
		p.tiles, p.slicing = matMulLarge, sliced(p.depth, 256, count(large), large.busy())
	case count(medium) >= 32:
		p.tiles, p.slicing = matMulMedium, sliced(p.depth, 128, count(medium), medium.busy())
	default:
		p.tiles, p.slicing = matMulSmall, sliced(p.depth, 64, count(small), small.busy())
	}
}

func (p *multiplication) results() int { return p.rows * p.columns * p.groups }

// vector reports whether a factor with so many rows can be read four elements at a time.
func (p *multiplication) vector(s strides, rows int) bool {
	if s.depth == 1 {
		return fours(p.depth, s.result, s.group)
	}
	return fours(rows, s.depth, s.group)
}

// nodes multiplies.
func (p *multiplication) nodes(c, a, b, workspace kernels.Pointer, f kernels.Finish) []Node {
	t := p.tiles.pick(p.vector(p.a, p.rows) && p.vector(p.b, p.columns) && aligned(a, b) == 1)
	down, across := t.grid(p.rows, p.columns)
	g := kernels.MatMulGeometry{
		Rows: int32(p.rows), Columns: int32(p.columns), Depth: int32(p.depth), Slice: int32(p.length),
		ARow: uint32(p.a.result), ADepth: uint32(p.a.depth), AGroup: uint32(p.a.group),
		BColumn: uint32(p.b.result), BDepth: uint32(p.b.depth), BGroup: uint32(p.b.group),
		CRow: uint32(p.cRow), CGroup: uint32(p.cGroup), Partial: int64(p.results()),
		RowTiles: divisor(down), ColumnTiles: divisor(across),
	}
	rows := fours(p.columns, p.cRow, p.cGroup)
	if p.slices == 1 {
		f.Vector = vectored(rows, c, f)
		return []Node{p.launch(t.kernel(c, a, b, g, f), down*across*p.groups)}
	}
	partial := kernels.Finish{Vector: vectored(rows && fours(p.results()), workspace, kernels.Finish{})}
	return []Node{
		p.launch(t.kernel(workspace, a, b, g, partial), down*across*p.groups),
		p.add(c, 0, workspace, p.results(), p.results(), p.columns*p.groups, f),
	}
}

func (l *lowering) matMul(o *backend.MatMul) (Work, error) {
	_, k, err := backend.MatMulShape(o.A.Shape, o.B.Shape, o.TransposeA, o.TransposeB)
	if err != nil {
		return Work{}, err
	}
	if err := deep(o, k); err != nil {
		return Work{}, err
	}
	m, n := o.C.Shape[0], o.C.Shape[1]
	p := &multiplication{rows: m, columns: n, depth: k, groups: 1, a: strides{k, 1, 0}, b: strides{1, n, 0}, cRow: n}
	if o.TransposeA {
		p.a = strides{1, m, 0}
	}
	if o.TransposeB {
		p.b = strides{k, 1, 0}
	}
	p.plan()
	return Work{
		Workspace: p.workspace(p.results()),
		Emit: func(mem Memory, workspace kernels.Pointer) []Node {
			f := kernels.Finish{Bias: mem.Address(o.Bias), Gradient: epilogue(mem, &o.GradEpilogue), Activation: activation(o.Activation), Accumulate: flag(o.Accumulate)}
			return p.nodes(mem.Address(o.C), mem.Address(o.A), mem.Address(o.B), workspace, f)
		},
	}, nil
}
