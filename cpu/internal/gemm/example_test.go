package gemm_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/cpu/internal/gemm"
)

func ExampleKernel_Multiply() {
	a := []float32{
		1, 2, 3,
		4, 5, 6,
	}
	b := []float32{
		1, 0,
		0, 1,
		1, 1,
	}
	c := make([]float32, 4)
	left, right := gemm.Left(a, 3, false), gemm.Right(b, 2, false)
	k := gemm.Default()
	p := &gemm.Product{M: 2, N: 2, K: 3, A: &left, B: &right, C: c, Stride: 2}
	k.Multiply(p, 0, p.M, 0, p.N, make([]float32, k.Workspace(p.M, p.N, p.K)))
	fmt.Println(c)
	// Output: [4 5 10 11]
}

// patches is the left operand of a convolution as a matrix product, without the matrix: row (y, x) is the patch of the image [H, W, C] under a filter of
// KH×KW pixels whose corner lies at (y, x), flattened in the order (ky, kx, c).
type patches struct {
	image  []float32
	h, w   int
	c      int
	kh, kw int
}

func (s *patches) outW() int { return s.w - s.kw + 1 }
func (s *patches) outH() int { return s.h - s.kh + 1 }

// Pack puts the panel together from pieces in which the image is contiguous: neighbouring patches of one row of output, by the pixels of one row of the filter.
func (s *patches) Pack(dst []float32, width, lane, lanes, p, depth int) {
	row := s.kw * s.c // depth indices of one row of the filter
	for l := 0; l < lanes; {
		y, x := (lane+l)/s.outW(), (lane+l)%s.outW()
		run := min(lanes-l, s.outW()-x)
		for q := 0; q < depth; {
			ky, rest := (p+q)/row, (p+q)%row
			piece := min(depth-q, row-rest)
			from := s.image[((y+ky)*s.w+x)*s.c+rest:]
			to := dst[q*width+l:]
			if s.c == 1 {
				gemm.CopyLanes(to, width, from, 1, run, piece)
			} else {
				gemm.Interleave(to, width, from, s.c, run, piece)
			}
			q += piece
		}
		l += run
	}
	if lanes < width {
		gemm.ZeroLanes(dst[lanes:], width, width-lanes, depth)
	}
}

// TestConvolutionPacksFromImage shows a Source that gathers, and compares to the sum that defines the convolution. Whole numbers make both exact.
func TestConvolutionPacksFromImage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	whole := func(n int) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(r.IntN(9) - 4)
		}
		return s
	}
	for _, k := range gemm.Kernels() {
		for _, s := range []patches{
			{h: 5, w: 5, c: 1, kh: 3, kw: 3},
			{h: 28, w: 28, c: 1, kh: 5, kw: 5},
			{h: 14, w: 13, c: 6, kh: 5, kw: 5},
			{h: 9, w: 30, c: 70, kh: 3, kw: 3}, // more than one block of depth
		} {
			const filters = 7
			s.image = whole(s.h * s.w * s.c)
			m, depth := s.outH()*s.outW(), s.kh*s.kw*s.c
			weights := whole(filters * depth) // [filters, KH, KW, C]
			right := gemm.Right(weights, depth, true)
			got := make([]float32, m*filters)
			p := &gemm.Product{M: m, N: filters, K: depth, A: &s, B: &right, C: got, Stride: filters}
			k.Multiply(p, 0, m, 0, filters, make([]float32, k.Workspace(m, filters, depth)))

			want := make([]float32, m*filters)
			for i := range m {
				y, x := i/s.outW(), i%s.outW()
				for o := range filters {
					for d := range depth {
						ky, kx, c := d/(s.kw*s.c), d/s.c%s.kw, d%s.c
						want[i*filters+o] += s.image[((y+ky)*s.w+x+kx)*s.c+c] * weights[o*depth+d]
					}
				}
			}
			assert.Equal(t, want, got, "%s: %d×%d×%d, filter %d×%d", k, s.h, s.w, s.c, s.kh, s.kw)
		}
	}
}

// BenchmarkConvolution packs from images: the convolutions of LeNet-5, and a 3×3 convolution of 32 and of 64 channels.
func BenchmarkConvolution(b *testing.B) {
	for _, s := range []struct {
		patches
		filters int
	}{
		{patches{h: 32, w: 32, c: 1, kh: 5, kw: 5}, 6},
		{patches{h: 14, w: 14, c: 6, kh: 5, kw: 5}, 16},
		{patches{h: 34, w: 34, c: 32, kh: 3, kw: 3}, 32},
		{patches{h: 18, w: 18, c: 64, kh: 3, kw: 3}, 64},
	} {
		for _, k := range gemm.Kernels() {
			b.Run(fmt.Sprintf("%dx%dx%d/%dx%d/%d/%s", s.h, s.w, s.c, s.kh, s.kw, s.filters, k.Name()), func(b *testing.B) {
				source := s.patches
				source.image = make([]float32, s.h*s.w*s.c)
				m, depth := s.outH()*s.outW(), s.kh*s.kw*s.c
				right := gemm.Right(make([]float32, s.filters*depth), depth, true)
				p := &gemm.Product{M: m, N: s.filters, K: depth, A: &source, B: &right, C: make([]float32, m*s.filters), Stride: s.filters}
				work := make([]float32, k.Workspace(m, s.filters, depth))
				for b.Loop() {
					k.Multiply(p, 0, m, 0, s.filters, work)
				}
				b.ReportMetric(2*float64(m)*float64(s.filters)*float64(depth)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
