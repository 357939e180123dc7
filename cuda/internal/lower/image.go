package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

// border describes a padding to kernels: x are the images without it, result is
// what the kernel makes.
func border(p backend.Padding, x, result backend.Shape) kernels.Border {
	return kernels.Border{
		Height: int32(x[1]), Width: int32(x[2]),
		Top: int32(p.Top), Bottom: int32(p.Bottom), Left: int32(p.Left), Right: int32(p.Right),
		Mode:         int32(p.Mode),
		ResultHeight: divisor(result[1]), ResultWidth: divisor(result[2]), Channels: divisor(result[3]),
	}
}

func (l *lowering) pad(o *backend.Pad) (Work, error) {
	n := o.Y.Shape.Elements()
	b := border(o.Padding, o.X.Shape, o.Y.Shape)
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		return []Node{elements(n, kernels.Pad(y, x, int32(n), b, rowVector(o.Y.Shape[3], 4, y, x)))}
	})
}

func (l *lowering) padGrad(o *backend.PadGrad) (Work, error) {
	n := o.DX.Shape.Elements()
	b := border(o.Padding, o.DX.Shape, o.DX.Shape)
	return emit(func(m Memory) []Node {
		dx, dy, e := m.Address(o.DX), m.Address(o.DY), epilogue(m, &o.GradEpilogue)
		return []Node{elements(n, kernels.PadGrad(dx, dy, int32(n), b, e, rowVector(o.DX.Shape[3], 4, dx, dy, e.Addend, e.Output)))}
	})
}

// resizing describes to kernels the way from images x to images y; result is one of
// them.
func resizing(mode backend.ResizeMode, x, y, result backend.Shape) kernels.Resizing {
	return kernels.Resizing{
		Mode:   int32(mode),
		Height: int32(x[1]), Width: int32(x[2]), OutHeight: int32(y[1]), OutWidth: int32(y[2]),
		Rows: divisor(result[1]), Columns: divisor(result[2]), Channels: divisor(result[3]),
	}
}

func (l *lowering) resize(o *backend.Resize) (Work, error) {
	n := o.Y.Shape.Elements()
	r := resizing(o.Mode, o.X.Shape, o.Y.Shape, o.Y.Shape)
	return emit(func(m Memory) []Node {
		y, x := m.Address(o.Y), m.Address(o.X)
		return []Node{elements(n, kernels.Resize(y, x, int32(n), r, rowVector(o.Y.Shape[3], 4, y, x)))}
	})
}

func (l *lowering) resizeGrad(o *backend.ResizeGrad) (Work, error) {
	n := o.DX.Shape.Elements()
	r := resizing(o.Mode, o.DX.Shape, o.DY.Shape, o.DX.Shape)
	return emit(func(m Memory) []Node {
		dx, dy, e := m.Address(o.DX), m.Address(o.DY), epilogue(m, &o.GradEpilogue)
		return []Node{elements(n, kernels.ResizeGrad(dx, dy, int32(n), r, e, rowVector(o.DX.Shape[3], 4, dx, dy, e.Addend, e.Output)))}
	})
}
