package lower

import (
	"fmt"

	"fovea/backend"
	"fovea/kernels"
)

// The explicit variant writes the im2col matrix to memory, a few images at a time:
//
//	Conv2D            Y  = σ(im2col(X)·Wᵀ + B)
//	Conv2DInputGrad   DX = col2im(DY·W), with its epilogue
//	Conv2DFilterGrad  DW = DYᵀ·im2col(X)
//
// [N·OH·OW, G, KH·KW·C/G] is the layout of the matrix.

// columnsLimit is how many elements of the im2col matrix are in memory at one time,
// if a single image has not more.
const columnsLimit = 1 << 24

// chunk is some of the images and the product that belongs to them.
type chunk struct {
	convolution
	first int // image
	multiplication
}

// chunks splits the images. product is called for each chunk and sets rows, columns,
// depth and strides.
func (c *convolution) chunks(op backend.Op, product func(c *convolution) multiplication) ([]chunk, error) {
	image := c.outHeight * c.outWidth * c.groups * c.patch
	if image > 1<<31-1 {
		return nil, fmt.Errorf("cuda: %s: %w: the im2col matrix of one image has %d elements, expected at most 2³¹−1", op.Kind(), backend.ErrUnsupported, image)
	}
	step := min(max(1, columnsLimit/image), c.images)
	var all []chunk
	for first := 0; first < c.images; first += step {
		part := *c
		part.images = min(step, c.images-first)
		k := chunk{convolution: part, first: first, multiplication: product(&part)}
		k.multiplication.groups = c.groups
		k.plan()
		all = append(all, k)
	}
	return all, nil
}

// columns is the number of elements of the chunk's im2col matrix.
func (k *chunk) elements() int { return k.pixels() * k.convolution.groups * k.patch }

// x and y are the addresses of the chunk's images in an array like X or like Y; 0 stays 0.
func (k *chunk) x(base kernels.Pointer) kernels.Pointer {
	return shifted(base, k.first*k.height*k.width*k.channels)
}

func (k *chunk) y(base kernels.Pointer) kernels.Pointer {
	return shifted(base, k.first*k.outHeight*k.outWidth*k.filters)
}

// shifted is the address so many elements behind base, or 0 if there is no base.
func shifted(base kernels.Pointer, elements int) kernels.Pointer {
	if base == 0 {
		return 0
	}
	return base + kernels.Pointer(4*elements)
}

// explicitWorkspace is the memory for the im2col matrix of any chunk, rounded up, and
// for the slices of any product behind it.
func explicitWorkspace(chunks []chunk) (columns, total int) {
	slices := 0
	for i := range chunks {
		columns = max(columns, (4*chunks[i].elements()+255)/256*256)
		slices = max(slices, chunks[i].workspace(chunks[i].results()))
	}
	return columns, columns + slices
}

// geometry is that of im2col, which makes `elements` elements, and of col2im.
func (k *chunk) image(elements int) kernels.Im2colGeometry {
	return kernels.Im2colGeometry{
		Elements: int32(elements), Depth: divisor(k.groupChannels), Groups: divisor(k.convolution.groups),
		KernelY: divisor(k.kernelHeight), KernelX: divisor(k.kernelWidth),
		OutY: divisor(k.outHeight), OutX: divisor(k.outWidth), ImageY: divisor(k.height), ImageX: divisor(k.width),
		StrideY: int32(k.StrideH), StrideX: int32(k.StrideW), DilationY: int32(k.DilationH), DilationX: int32(k.DilationW),
		PadY: int32(k.PadTop), PadX: int32(k.PadLeft),
	}
}

func perElement(call kernels.Call, elements int) Launch {
	return Launch{Call: call, Grid: [3]uint32{blocks(elements, kernels.Im2colThreads), 1, 1}, Block: [3]uint32{kernels.Im2colThreads, 1, 1}}
}

func (k *chunk) im2col(columns, x kernels.Pointer) Launch {
	n := k.elements()
	return perElement(kernels.Im2col(columns, k.x(x), k.image(n)), n)
}

func (k *chunk) col2im(dx, columns kernels.Pointer, e kernels.GradEpilogue) Launch {
	n := k.images * k.height * k.width * k.channels
	e.Addend, e.Output = k.x(e.Addend), k.x(e.Output)
	return perElement(kernels.Col2im(k.x(dx), columns, k.image(n), e), n)
}

func (c *convolution) explicit(o *backend.Conv2D, finish func(Memory) kernels.Finish) (Work, error) {
	row := c.groups * c.patch // of the im2col matrix
	chunks, err := c.chunks(o, func(c *convolution) multiplication {
		return multiplication{
			rows: c.pixels(), columns: c.groupFilters, depth: c.patch,
			a: strides{row, 1, c.patch}, b: strides{c.patch, 1, c.groupFilters * c.patch},
			cRow: c.filters, cGroup: c.groupFilters,
		}
	})
	if err != nil {
		return Work{}, err
	}
	slices, total := explicitWorkspace(chunks)
	return Work{Workspace: total, Emit: func(m Memory, columns kernels.Pointer) (nodes []Node) {
		for _, k := range chunks {
			nodes = append(nodes, k.im2col(columns, m.Address(o.X)))
			nodes = append(nodes, k.nodes(k.y(m.Address(o.Y)), columns, m.Address(o.W), columns+kernels.Pointer(slices), finish(m))...)
		}
		return nodes
	}}, nil
}

func (c *convolution) explicitInputGrad(o *backend.Conv2DInputGrad) (Work, error) {
	row := c.groups * c.patch
	chunks, err := c.chunks(o, func(c *convolution) multiplication {
		return multiplication{
			rows: c.pixels(), columns: c.patch, depth: c.groupFilters,
			a: strides{c.filters, 1, c.groupFilters}, b: strides{1, c.patch, c.groupFilters * c.patch},
			cRow: row, cGroup: c.patch,
		}
	})
	if err != nil {
		return Work{}, err
	}
	slices, total := explicitWorkspace(chunks)
	return Work{Workspace: total, Emit: func(m Memory, columns kernels.Pointer) (nodes []Node) {
		for _, k := range chunks {
			nodes = append(nodes, k.nodes(columns, k.y(m.Address(o.DY)), m.Address(o.W), columns+kernels.Pointer(slices), kernels.Finish{})...)
			nodes = append(nodes, k.col2im(m.Address(o.DX), columns, epilogue(m, &o.GradEpilogue)))
		}
		return nodes
	}}, nil
}

func (l *lowering) explicitFilterGrad(c convolution, o *backend.Conv2DFilterGrad) (Work, error) {
	row := c.groups * c.patch
	chunks, err := c.chunks(o, func(c *convolution) multiplication {
		return multiplication{
			rows: c.groupFilters, columns: c.patch, depth: c.pixels(),
			a: strides{1, c.filters, c.groupFilters}, b: strides{1, row, c.patch},
			cRow: c.patch, cGroup: c.groupFilters * c.patch,
		}
	})
	if err != nil {
		return Work{}, err
	}
	bias := Work{Emit: func(Memory, kernels.Pointer) []Node { return nil }}
	if o.DB.Present() {
		db, err := o.DB.Reshape(backend.Shape{1, 1, 1, c.filters})
		if err != nil {
			return Work{}, err
		}
		if bias, err = l.reduce(&backend.Reduce{Y: db, X: o.DY, Func: backend.Sum, Axes: []int{0, 1, 2}, Accumulate: o.Accumulate}); err != nil {
			return Work{}, err
		}
	}
	slices, total := explicitWorkspace(chunks)
	return Work{Workspace: max(total, bias.Workspace), Emit: func(m Memory, columns kernels.Pointer) (nodes []Node) {
		for i, k := range chunks {
			f := kernels.Finish{Accumulate: flag(o.Accumulate || i > 0)}
			nodes = append(nodes, k.im2col(columns, m.Address(o.X)))
			nodes = append(nodes, k.nodes(m.Address(o.DW), k.y(m.Address(o.DY)), columns, columns+kernels.Pointer(slices), f)...)
		}
		return append(nodes, bias.Emit(m, columns)...)
	}}, nil
}
