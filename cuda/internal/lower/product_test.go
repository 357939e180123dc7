package lower

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/kernels"
)

func view(shape ...int) backend.View { return backend.View{Buffer: 1, Shape: shape} }

func square(stride, dilation, pad int) backend.Window {
	return backend.Window{StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation,
		PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
}

// layer is a convolution of square images by square filters.
type layer struct{ n, size, c, o, kernel, groups int }

func (s layer) shapes(t *testing.T, w backend.Window) (x, filters, y backend.View) {
	x, filters = view(s.n, s.size, s.size, s.c), view(s.o, s.kernel, s.kernel, s.c/s.groups)
	shape, err := backend.Conv2DShape(x.Shape, filters.Shape, w, s.groups)
	require.NoError(t, err)
	return x, filters, view(shape...)
}

func (s layer) forward(t *testing.T, w backend.Window) *backend.Conv2D {
	x, filters, y := s.shapes(t, w)
	return &backend.Conv2D{Y: y, X: x, W: filters, Window: w, Groups: s.groups}
}

func (s layer) inputGrad(t *testing.T, w backend.Window) *backend.Conv2DInputGrad {
	x, filters, y := s.shapes(t, w)
	return &backend.Conv2DInputGrad{DX: x, DY: y, W: filters, Window: w, Groups: s.groups}
}

func (s layer) filterGrad(t *testing.T, w backend.Window) *backend.Conv2DFilterGrad {
	x, filters, y := s.shapes(t, w)
	return &backend.Conv2DFilterGrad{DW: filters, DB: view(s.o), DY: y, X: x, Window: w, Groups: s.groups}
}

func product(m, k, n int) *backend.MatMul {
	return &backend.MatMul{C: view(m, n), A: view(m, k), B: view(k, n)}
}

// launches lowers an Op and returns its launches, with operands at multiples of 256
// bytes plus skew.
func launches(t *testing.T, op backend.Op, d Device, skew kernels.Pointer) (all []Launch, workspace int) {
	require.NoError(t, op.Check())
	w, err := Lower(op, d)
	require.NoError(t, err)
	for _, n := range w.Emit(&placed{next: 1 << 20, skew: skew}, 1<<40) {
		require.NoError(t, valid(n))
		all = append(all, n.(Launch))
	}
	return all, w.Workspace
}

func kernelNames(all []Launch) (s []string) {
	for _, l := range all {
		s = append(s, l.Call.Kernel.Name)
	}
	return s
}

// TestKernelsByShape: which kernels are launched for which shapes, with aligned
// operands and without. Every kernel of a product is there.
func TestKernelsByShape(t *testing.T) {
	unit, half := square(1, 1, 1), square(2, 1, 1)
	seen := map[string]bool{}
	for _, c := range []struct {
		name           string
		op             backend.Op
		vector, scalar string
		split          bool
	}{
		{"large product", product(2048, 64, 1024), "matMul128x128", "matMul64x64Scalar", false},
		{"medium product", product(512, 64, 512), "matMul64x64", "matMul64x64Scalar", false},
		{"LeNet-5's fully connected layer", product(128, 400, 120), "matMul32x32", "matMul32x32Scalar", true},
		{"product with odd extents", product(1023, 63, 2047), "matMul64x64Scalar", "matMul64x64Scalar", false},
		{"small product with odd extents", product(33, 63, 47), "matMul32x32Scalar", "matMul32x32Scalar", false},
		{"medium product of long sums", product(512, 4096, 512), "matMul64x64", "matMul64x64Scalar", true},

		{"LeNet-5's first layer", layer{128, 28, 1, 6, 5, 1}.forward(t, square(1, 1, 2)), "conv128x8Scalar", "conv128x8Scalar", false},
		{"LeNet-5's second layer", layer{128, 14, 6, 16, 5, 1}.forward(t, square(1, 1, 0)), "conv64x16Scalar", "conv64x16Scalar", false},
		{"8 filters", layer{2, 9, 4, 8, 3, 1}.forward(t, unit), "conv128x8", "conv128x8Scalar", false},
		{"16 filters", layer{2, 9, 4, 16, 3, 1}.forward(t, unit), "conv64x16", "conv64x16Scalar", false},
		{"32 filters", layer{2, 9, 4, 32, 3, 1}.forward(t, unit), "conv128x32", "conv128x32Scalar", false},
		{"64 filters", layer{2, 9, 4, 64, 3, 1}.forward(t, unit), "conv64x64", "conv64x64Scalar", false},
		{"128 filters, many pixels", layer{32, 32, 64, 128, 3, 1}.forward(t, unit), "conv128x128", "conv64x64Scalar", false},
		{"128 filters, few pixels", layer{1, 8, 64, 128, 3, 1}.forward(t, unit), "conv64x64", "conv64x64Scalar", true},
		{"2 groups of 8", layer{2, 9, 8, 16, 3, 2}.forward(t, unit), "conv128x8", "conv128x8Scalar", false},

		{"LeNet-5's second layer, input", layer{128, 14, 6, 16, 5, 1}.inputGrad(t, square(1, 1, 0)), "convInputGrad128x8", "convInputGrad128x8Scalar", false},
		{"16 channels", layer{2, 9, 16, 4, 3, 1}.inputGrad(t, half), "convInputGrad64x16", "convInputGrad64x16Scalar", false},
		{"32 channels", layer{2, 9, 32, 4, 3, 1}.inputGrad(t, half), "convInputGrad128x32", "convInputGrad128x32Scalar", false},
		{"64 channels", layer{2, 9, 64, 4, 3, 1}.inputGrad(t, half), "convInputGrad64x64", "convInputGrad64x64Scalar", false},
		{"128 channels, many pixels", layer{32, 32, 128, 64, 3, 1}.inputGrad(t, half), "convInputGrad128x128", "convInputGrad64x64Scalar", false},
		{"128 channels, few pixels", layer{1, 8, 128, 512, 3, 1}.inputGrad(t, unit), "convInputGrad64x64", "convInputGrad64x64Scalar", true},
		{"channels that are no multiple of 4", layer{2, 9, 70, 64, 3, 1}.inputGrad(t, unit), "convInputGrad64x64Scalar", "convInputGrad64x64Scalar", true},

		{"LeNet-5's first layer, filters", layer{128, 28, 1, 6, 5, 1}.filterGrad(t, square(1, 1, 2)), "convFilterGrad16x32Scalar", "convFilterGrad16x32Scalar", true},
		{"LeNet-5's second layer, filters", layer{128, 14, 6, 16, 5, 1}.filterGrad(t, square(1, 1, 0)), "convFilterGrad16x64Scalar", "convFilterGrad16x64Scalar", true},
		{"16 filters", layer{2, 32, 16, 16, 3, 1}.filterGrad(t, unit), "convFilterGrad16x64", "convFilterGrad16x64Scalar", true},
		{"32 filters", layer{2, 32, 32, 32, 3, 1}.filterGrad(t, unit), "convFilterGrad32x64", "convFilterGrad32x64Scalar", true},
		{"VGG's first layer", layer{2, 32, 3, 64, 3, 1}.filterGrad(t, unit), "convFilterGrad64x32Scalar", "convFilterGrad64x32Scalar", true},
		{"64 filters", layer{2, 32, 64, 64, 3, 1}.filterGrad(t, unit), "convFilterGrad64x64", "convFilterGrad64x64Scalar", true},
		{"128 filters", layer{2, 16, 128, 128, 3, 1}.filterGrad(t, unit), "convFilterGrad128x128", "convFilterGrad64x64Scalar", true},
		{"a short sum", layer{1, 5, 64, 64, 3, 1}.filterGrad(t, unit), "convFilterGrad64x64", "convFilterGrad64x64Scalar", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for skew, want := range map[kernels.Pointer]string{0: c.vector, 4: c.scalar} {
				all, workspace := launches(t, c.op, Device{}, skew)
				expected := []string{want}
				if c.split {
					expected = append(expected, "gemmSum")
				}
				assert.Equal(t, expected, kernelNames(all))
				assert.Equal(t, c.split, workspace > 0)
				assert.Equal(t, c.split, all[0].Grid[1] > 1)
				for _, l := range all {
					seen[l.Call.Kernel.Name] = true
				}
			}
		})
	}
	for _, k := range kernels.Kernels() {
		if slices.Contains([]string{"matmul", "conv", "conv_input_grad", "conv_filter_grad", "gemm_sum"}, k.File) {
			assert.True(t, seen[k.Name], "%s is never launched", k.Name)
		}
	}
}

// TestSlicesCoverTheSum: they do not overlap, none is empty, and there are not more
// than a large device has use for.
func TestSlicesCoverTheSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		depth, least, tiles := 1+r.IntN(1<<r.IntN(30)), 1+r.IntN(300), 1+r.IntN(1000)
		s := sliced(depth, least, tiles, busyTiles)
		at := fmt.Sprintf("sliced(%d, %d, %d) = %+v", depth, least, tiles, s)
		require.GreaterOrEqual(t, s.slices*s.length, depth, at)
		require.Less(t, (s.slices-1)*s.length, depth, at)
		require.Zero(t, s.length%sliceUnit, at)
		if s.slices > 1 {
			require.GreaterOrEqual(t, s.length, least, at)
			require.LessOrEqual(t, s.slices*tiles, busyTiles, at)
		}
	}
}

// TestSumRows: a thread that adds up slices has some to add.
func TestSumRows(t *testing.T) {
	for slices, want := range map[int]int{1: 1, 2: 1, 7: 1, 8: 2, 15: 2, 16: 4, 31: 4, 32: 8, 64: 16, 127: 16, 128: 32, 1024: 32} {
		assert.Equal(t, want, slicing{slices: slices}.sumRows(), "%d slices", slices)
	}
}

// TestSlicesDoNotDependOnAlignment, nor on the device: the order of a sum is the
// same wherever its operands lie.
func TestSlicesDoNotDependOnAlignment(t *testing.T) {
	for _, op := range []backend.Op{
		product(100, 5000, 100), product(512, 4096, 512),
		layer{1, 8, 64, 128, 3, 1}.forward(t, square(1, 1, 1)),
		layer{1, 8, 128, 512, 3, 1}.inputGrad(t, square(2, 1, 1)),
		layer{2, 16, 128, 128, 3, 1}.filterGrad(t, square(1, 1, 1)),
	} {
		first, workspace := launches(t, op, Device{Capability: 75}, 0)
		for _, d := range []Device{{Capability: 75}, {Capability: 90}} {
			for _, skew := range []kernels.Pointer{0, 4, 8} {
				all, w := launches(t, op, d, skew)
				assert.Equal(t, first[0].Grid[1], all[0].Grid[1], "%s", op.Kind())
				assert.Equal(t, workspace, w, "%s", op.Kind())
			}
		}
	}
}

// TestTilesCoverTheResult: there are as many blocks as tiles, of every group and
// phase, and the workspace holds every slice of the result.
func TestTilesCoverTheResult(t *testing.T) {
	for _, c := range []struct {
		name      string
		op        backend.Op
		tiles     int
		workspace int // for each slice, in elements
	}{
		{"129×257 in tiles of 32×32", product(129, 640, 257), 5 * 9, 129 * 257},
		{"2·81 pixels by 3 groups of 20 in tiles of 128×32", layer{2, 9, 60, 60, 3, 3}.forward(t, square(1, 1, 1)), 2 * 1 * 3, 0},
		{"4 phases of at most 2·25 pixels in tiles of 64×64", layer{2, 9, 200, 4, 3, 1}.inputGrad(t, square(2, 1, 1)), 4 * 1 * 4, 0},
		{"1 pixel in each of 81 phases", layer{1, 9, 4, 4, 3, 1}.inputGrad(t, square(12, 1, 2)), 81, 0},
		{"16 filters by 5·5·6 elements in tiles of 16×64", layer{128, 14, 6, 16, 5, 1}.filterGrad(t, square(1, 1, 0)), 3, 16*5*5*6 + 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, workspace := launches(t, c.op, Device{}, 0)
			assert.Equal(t, c.tiles, int(all[0].Grid[0]))
			if c.workspace == 0 {
				assert.Zero(t, workspace)
				return
			}
			assert.Equal(t, int(all[0].Grid[1])*c.workspace*4, workspace)
			assert.Equal(t, int(blocks(c.workspace, int(all[1].Block[0]))), int(all[1].Grid[0]))
		})
	}
}

// TestPhases against counting: which pixels are in which phase, and which taps meet
// them.
func TestPhases(t *testing.T) {
	for image := 1; image <= 9; image++ {
		for kernel := 1; kernel <= 5; kernel++ {
			for stride := 1; stride <= 7; stride++ {
				for dilation := 1; dilation <= 6; dilation++ {
					p := newPhased(image, kernel, stride, dilation)
					at := fmt.Sprintf("%d pixels, %d taps, stride %d, dilation %d: %+v", image, kernel, stride, dilation, p)
					pixels := make([]int, p.phases)
					for h := range image {
						require.Less(t, h%stride, p.phases, at)
						pixels[h%stride]++
					}
					for phase, n := range pixels {
						want := p.shorter
						if phase < p.longer {
							want = p.extent
						}
						require.Equal(t, n, want, at)
						require.LessOrEqual(t, n, p.extent, at)
					}
					taps := map[int]int{}
					for i := range kernel {
						taps[i*dilation%stride]++
					}
					most := 0
					for _, n := range taps {
						most = max(most, n)
					}
					require.Equal(t, most, p.taps, at)
				}
			}
		}
	}
}

// TestExplicit: the im2col matrix is made for a few images at a time.
func TestExplicit(t *testing.T) {
	explicit := Device{Variant: Explicit}
	w := square(1, 1, 1)
	big := layer{n: 100, size: 64, c: 32, o: 16, kernel: 3, groups: 1} // 64·64·9·32 elements an image, 14 images fit
	for _, c := range []struct {
		op     backend.Op
		copies string // to or from the matrix
	}{
		{big.forward(t, w), "im2col"},
		{big.inputGrad(t, w), "col2im"},
		{big.filterGrad(t, w), "im2col"},
	} {
		all, workspace := launches(t, c.op, explicit, 0)
		assert.LessOrEqual(t, workspace, 2*4*columnsLimit, c.op.Kind())
		elements := 0
		for _, l := range all {
			if l.Call.Kernel.Name == c.copies {
				elements += int(l.Grid[0]) * kernels.Im2colThreads
			}
		}
		want := 100 * 64 * 64 * 32 // pixels and channels of all images
		if c.copies == "im2col" {
			want *= 3 * 3
		}
		assert.Equal(t, want, elements, c.op.Kind())
		assert.Greater(t, slices.Index(kernelNames(all[1:]), all[0].Call.Kernel.Name), 0, "%s: one chunk", c.op.Kind())
	}
}

// TestProductsThatAreRefused: indices, and some numbers beyond them, have 32 bits.
func TestProductsThatAreRefused(t *testing.T) {
	deepest := 1<<31 - 1
	wide := backend.Window{StrideH: 1, StrideW: 1 << 24, DilationH: 1, DilationW: 1, PadLeft: 1 << 24}
	for _, c := range []struct {
		name string
		op   backend.Op
		d    Device
		want string
	}{
		{"long sum", product(1, deepest, 1), Device{}, "sums of 2147483647 products"},
		{"wide image", &backend.Conv2D{Y: view(1, 1, 65, 1), X: view(1, 1, 1<<30, 1), W: view(1, 1, 1, 1), Window: wide, Groups: 1}, Device{}, "padded images of 1×1090519040"},
		{"im2col matrix", layer{1, 4096, 8, 1, 5, 1}.forward(t, square(1, 1, 2)), Device{Variant: Explicit}, "im2col matrix of one image has 3355443200 elements"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.op.Check())
			_, err := Lower(c.op, c.d)
			require.ErrorIs(t, err, backend.ErrUnsupported)
			assert.ErrorContains(t, err, "cuda: "+c.op.Kind()+":")
			assert.ErrorContains(t, err, c.want)
		})
	}
}
