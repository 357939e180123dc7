package gemm

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPanelsCoverEveryLane walks the panels of blocks of every size.
func TestPanelsCoverEveryLane(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, side := range []struct {
			name        string
			panel       func(int) int
			size        func(int, int) int
			least, most int
		}{
			{"A", k.PanelA, k.SizeA, 1, k.MR()},
			{"B", k.PanelB, k.SizeB, k.widths[0], k.NR()},
		} {
			for lanes := 1; lanes <= 5*side.most; lanes++ {
				at := 0
				for at < lanes {
					require.Zero(t, at%side.least, "%s: only the last panel may be padded", side.name)
					w := side.panel(lanes - at)
					require.GreaterOrEqual(t, w, side.least)
					require.LessOrEqual(t, w, side.most)
					at += w
				}
				require.Less(t, at-lanes, side.least, "%s: %d lanes", side.name, lanes)
				require.Equal(t, 3*at, side.size(lanes, 3))
			}
		}
	})
}

func TestDepthCutsEvenly(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for depth := 1; depth <= 5*k.maxDepth; depth++ {
			kc := k.Depth(depth)
			require.LessOrEqual(t, kc, k.maxDepth)
			blocks := (depth + k.maxDepth - 1) / k.maxDepth
			require.GreaterOrEqual(t, kc*blocks, depth)
			require.Less(t, (kc-1)*blocks, depth)
		}
	})
}

// TestStridedPacksByDefinition packs by every path, with every number of lanes.
func TestStridedPacksByDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	data := random(r, 1+60*60)[1:]
	for _, width := range []int{1, 2, 4, 6, 8, 14, 16, 32, 33, 40} {
		for lanes := 1; lanes <= width; lanes++ {
			for _, depth := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 25} {
				for name, s := range map[string]Strided{
					"contiguous lanes": {data, 1, 57},
					"contiguous depth": {data, 57, 1},
					"neither":          {data, 29, 2},
				} {
					dst, whole := guarded(width * depth)
					s.Pack(dst, width, 2, lanes, 1, depth)
					for q := range depth {
						for l := range width {
							want := float32(0)
							if l < lanes {
								want = data[(l+2)*s.LaneStride+(q+1)*s.DepthStride]
							}
							if dst[q*width+l] != want {
								require.Failf(t, "wrong element", "%s: width %d, lanes %d, depth %d: [%d, %d]", name, width, lanes, depth, q, l)
							}
						}
					}
					requireGuards(t, whole)
				}
			}
		}
	}
}

// TestPartsOfPanel sees that the functions a Source is made of write their part and nothing else, and read nothing beyond what they need.
func TestPartsOfPanel(t *testing.T) {
	const width, stride = 37, 41
	r := rand.New(rand.NewPCG(7, 8))
	for lanes := 1; lanes <= width; lanes++ {
		for depth := 1; depth <= 18; depth++ {
			for name, part := range map[string]struct {
				write func(dst, src []float32)
				from  func(l, p int) int // index of the source, negative for zero
			}{
				"CopyLanes":  {func(dst, src []float32) { CopyLanes(dst, width, src, stride, lanes, depth) }, func(l, p int) int { return p*stride + l }},
				"Interleave": {func(dst, src []float32) { Interleave(dst, width, src, stride, lanes, depth) }, func(l, p int) int { return l*stride + p }},
				"ZeroLanes":  {func(dst, _ []float32) { ZeroLanes(dst, width, lanes, depth) }, func(int, int) int { return -1 }},
			} {
				src := random(r, max(0, part.from(lanes-1, depth-1))+1)
				dst, whole := guarded((depth-1)*width + lanes)
				part.write(dst, src)
				for i, got := range dst {
					want := guard
					if l, p := i%width, i/width; l < lanes {
						want = 0
						if at := part.from(l, p); at >= 0 {
							want = src[at]
						}
					}
					if got != want {
						require.Failf(t, "wrong element", "%s: %d lanes, depth %d: [%d, %d]", name, lanes, depth, i/width, i%width)
					}
				}
				requireGuards(t, whole)
			}
		}
	}
	s := make([]float32, 8)
	assert.Panics(t, func() { CopyLanes(s, 2, s, 2, 2, 5) })
	assert.Panics(t, func() { Interleave(s, 2, s[:7], 4, 2, 4) })
	assert.Panics(t, func() { Interleave(s, 2, s, 4, 3, 2) })
	assert.Panics(t, func() { ZeroLanes(s, 2, 1, 5) })
}

// TestBlocksOfPackedOperands does by hand what Multiply does, as a caller that shares packed operands would.
func TestBlocksOfPackedOperands(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		const m, n, depth = 29, 41, 600
		r := rand.New(rand.NewPCG(5, 6))
		left, right := Left(random(r, m*depth), m, true), Right(random(r, n*depth), depth, true)
		p := &Product{M: m, N: n, K: depth, A: &left, B: &right, C: make([]float32, m*n), Stride: n}
		k.Multiply(p, 0, m, 0, n, make([]float32, k.Workspace(m, n, depth)))

		got := make([]float32, m*n)
		kc := k.Depth(depth)
		a, b := make([]float32, k.SizeA(m, kc)), make([]float32, k.SizeB(n, kc))
		for d := 0; d < depth; d += kc {
			k.PackA(a, &left, 0, m, d, min(kc, depth-d))
			k.PackB(b, &right, 0, n, d, min(kc, depth-d))
			k.Block(&Block{Rows: m, Cols: n, Depth: min(kc, depth-d), Runs: 1, CRow: n, Accumulate: d > 0}, a, b, got)
		}
		assert.Equal(t, p.C, got)
	})
}

func TestBrokenInvariantsPanic(t *testing.T) {
	k := Default()
	s := Left(make([]float32, 16), 4, false)
	good := Product{M: 4, N: 4, K: 4, A: &s, B: &s, C: make([]float32, 16), Stride: 4}
	work := make([]float32, k.Workspace(4, 4, 4))
	require.NotPanics(t, func() { k.Multiply(&good, 0, 4, 0, 4, work) })
	require.NotPanics(t, func() { k.Multiply(&good, 4, 0, 0, 4, nil) }, "an empty range needs nothing")

	short := good
	short.C = short.C[:15]
	assert.Panics(t, func() { k.Multiply(&short, 0, 4, 0, 4, work) })
	assert.Panics(t, func() { k.Multiply(&good, 0, 5, 0, 4, work) })
	assert.Panics(t, func() { k.Multiply(&good, 0, 4, -1, 4, work) })
	assert.Panics(t, func() { k.Multiply(&good, 0, 4, 0, 4, work[1:]) })
	slice := good
	slice.From, slice.To = 1, 3
	assert.Panics(t, func() { k.Multiply(&slice, 0, 4, 0, 4, work) }, "not at a block of depth")
	slice.From, slice.To = 0, 5
	assert.Panics(t, func() { k.Multiply(&slice, 0, 4, 0, 4, work) })
	packed := good
	packed.Packed = make([]float32, k.SizeB(4, 4))
	require.NotPanics(t, func() { k.Multiply(&packed, 0, 4, 0, 4, work) })
	assert.Panics(t, func() { k.Multiply(&packed, 0, 4, 0, 3, work) }, "not at a panel")
	packed.Packed = packed.Packed[1:]
	assert.Panics(t, func() { k.Multiply(&packed, 0, 4, 0, 4, work) })
}
