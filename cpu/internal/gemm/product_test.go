package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	epsilon = 1.0 / (1 << 24) // unit roundoff of float32
	guard   = float32(-12345.5)
)

// eachKernel runs f as a subtest on every implementation of this machine.
func eachKernel(t *testing.T, f func(t *testing.T, k *Kernel)) {
	for _, k := range Kernels() {
		t.Run(k.Name(), func(t *testing.T) { f(t, k) })
	}
}

func random(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = r.Float32()*2 - 1
	}
	return s
}

// guarded returns a slice of n guard words that starts at an address no vector is aligned to, amid more guard words.
func guarded(n int) (inner, whole []float32) {
	whole = make([]float32, n+129)
	for i := range whole {
		whole[i] = guard
	}
	return whole[65 : 65+n : 65+n], whole
}

// testCase is a product with all its settings. Strides are given as what they exceed the least by.
type testCase struct {
	m, n, k                    int
	transA, transB, accumulate bool
	padA, padB, padC           int
}

func (c testCase) String() string {
	return fmt.Sprintf("%dx%dx%d/ta=%t,tb=%t,acc=%t,pad=%d,%d,%d", c.m, c.n, c.k, c.transA, c.transB, c.accumulate, c.padA, c.padB, c.padC)
}

// check multiplies by k and compares every element to the sum in float64.
func (c testCase) check(t *testing.T, k *Kernel) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(c.m), uint64(c.n*1000+c.k)))
	lda, ldb, ldc := c.k+c.padA, c.n+c.padB, c.n+c.padC
	rowsA, rowsB := c.m, c.k
	if c.transA {
		lda, rowsA = c.m+c.padA, c.k
	}
	if c.transB {
		ldb, rowsB = c.k+c.padB, c.n
	}
	a, b := random(r, rowsA*lda+1)[1:], random(r, rowsB*ldb+1)[1:]
	left, right := Left(a, lda, c.transA), Right(b, ldb, c.transB)

	out, whole := guarded((c.m-1)*ldc + c.n)
	start := make([]float32, len(out))
	for i := range c.m {
		for j := range c.n {
			if c.accumulate {
				start[i*ldc+j] = r.Float32()
				out[i*ldc+j] = start[i*ldc+j]
			} else {
				out[i*ldc+j] = float32(math.NaN())
			}
		}
	}
	work, wholeWork := guarded(k.Workspace(c.m, c.n, c.k))
	p := &Product{M: c.m, N: c.n, K: c.k, A: &left, B: &right, C: out, Stride: ldc, Accumulate: c.accumulate}
	k.Multiply(p, 0, c.m, 0, c.n, work)

	kc := float64(k.Depth(c.k))
	for i := range c.m {
		for j := range c.n {
			want, size := float64(start[i*ldc+j]), math.Abs(float64(start[i*ldc+j]))
			for q := range c.k {
				x := float64(a[i*left.LaneStride+q*left.DepthStride]) * float64(b[j*right.LaneStride+q*right.DepthStride])
				want += x
				size += math.Abs(x)
			}
			// Every product passes one rounding (none if fused), at most kc-1 additions in its block, and one addition for each block; 1 % covers second-order terms.
			bound := 1.01 * epsilon * (kc + float64(c.k)/kc + 1) * size
			if got := float64(out[i*ldc+j]); !(math.Abs(got-want) <= bound) {
				require.Failf(t, "wrong element", "%v: C[%d,%d] = %v, want %v ± %v", c, i, j, got, want, bound)
			}
		}
	}
	for i := range c.m - 1 {
		for j := c.n; j < ldc; j++ {
			require.Equal(t, guard, out[i*ldc+j], "%v: C[%d,%d] lies beyond the row", c, i, j)
		}
	}
	requireGuards(t, whole)
	requireGuards(t, wholeWork)
}

func requireGuards(t *testing.T, whole []float32) {
	t.Helper()
	for i := range 64 {
		require.Equal(t, guard, whole[i], "guard %d before the slice", i)
		require.Equal(t, guard, whole[len(whole)-1-i], "guard %d after the slice", i)
	}
}

func TestMultiply(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		// Every size around every panel: all heights by all widths.
		for m := 1; m <= 2*k.MR()+1; m++ {
			for n := 1; n <= k.NR()+9; n++ {
				testCase{m: m, n: n, k: 1 + (m*7+n)%19, accumulate: (m+n)%2 == 0, padC: n % 3}.check(t, k)
			}
		}
		// Every form of operand.
		for form := range 16 {
			for _, s := range [][3]int{{1, 1, 1}, {3, 5, 2}, {17, 33, 40}, {31, 70, 9}} {
				testCase{
					m: s[0], n: s[1], k: s[2], transA: form&1 != 0, transB: form&2 != 0, accumulate: form&4 != 0,
					padA: form >> 3 * 3, padB: form >> 3 * 5, padC: form >> 3 * 7,
				}.check(t, k)
			}
		}
		// Around the blocks of K, M and N.
		for _, d := range []int{-1, 0, 1} {
			testCase{m: 5, n: 7, k: k.maxDepth + d}.check(t, k)
			testCase{m: 3, n: 3, k: 2*k.maxDepth + d, accumulate: true}.check(t, k)
			testCase{m: k.maxRows + d, n: 3, k: 4, transA: true}.check(t, k)
			testCase{m: 2*k.maxRows + d, n: 10, k: 5, padC: 2}.check(t, k)
			testCase{m: 2, n: k.maxCols + d, k: 6}.check(t, k)
			testCase{m: 4, n: 2*k.maxCols + d, k: 3, transB: true}.check(t, k)
		}
	})
}

// TestBitsDependOnDepthAlone computes a product whole and in pieces cut in various ways.
func TestBitsDependOnDepthAlone(t *testing.T) {
	const m, n, depth = 61, 77, 700
	r := rand.New(rand.NewPCG(1, 2))
	left, right := Left(random(r, m*depth), depth, false), Right(random(r, n*depth), n, false)
	eachKernel(t, func(t *testing.T, k *Kernel) {
		work := make([]float32, k.Workspace(m, n, depth))
		whole := &Product{M: m, N: n, K: depth, A: &left, B: &right, C: make([]float32, m*n), Stride: n}
		k.Multiply(whole, 0, m, 0, n, work)
		for _, step := range [][2]int{{1, n}, {m, 1}, {13, 19}, {14, 32}, {7, 33}, {60, 76}} {
			pieces := *whole
			pieces.C = make([]float32, m*n)
			for i := 0; i < m; i += step[0] {
				for j := 0; j < n; j += step[1] {
					k.Multiply(&pieces, i, min(step[0], m-i), j, min(step[1], n-j), work)
				}
			}
			assert.Equal(t, whole.C, pieces.C, "pieces of %v", step)
		}
		smaller := *k
		smaller.maxRows, smaller.maxCols = k.MR(), k.NR()
		again := *whole
		again.C = make([]float32, m*n)
		smaller.Multiply(&again, 0, m, 0, n, work)
		assert.Equal(t, whole.C, again.C, "smaller blocks of M and N")
	})
}

// TestSlicesOfDepth adds up a product slice by slice, cut where the blocks of K are cut: then even the bits are those of the whole.
func TestSlicesOfDepth(t *testing.T) {
	const m, n = 9, 11
	r := rand.New(rand.NewPCG(9, 10))
	eachKernel(t, func(t *testing.T, k *Kernel) {
		depth := 3*k.maxDepth - 1
		left, right := Left(random(r, m*depth), depth, false), Right(random(r, n*depth), n, false)
		work := make([]float32, k.Workspace(m, n, depth))
		whole := &Product{M: m, N: n, K: depth, A: &left, B: &right, C: make([]float32, m*n), Stride: n}
		k.Multiply(whole, 0, m, 0, n, work)
		slice := *whole
		slice.C = make([]float32, m*n)
		for slice.To < depth {
			slice.From, slice.To = slice.To, min(slice.To+2*k.Depth(depth), depth)
			k.Multiply(&slice, 0, m, 0, n, work)
			slice.Accumulate = true
		}
		assert.Equal(t, whole.C, slice.C)
	})
}

// hidden is a matrix of which Multiply does not know that it could read it where it lies.
type hidden struct{ Strided }

// FuzzProduct compares products of all shapes and forms to the sums in float64, and sees that neither packing, by Multiply or beforehand, nor computing range by range
// changes a bit.
func FuzzProduct(f *testing.F) {
	f.Add(uint16(1), uint16(1), uint16(1), uint8(0), uint8(0), uint8(0))
	f.Add(uint16(64), uint16(120), uint16(400), uint8(2), uint8(0), uint8(40))
	f.Add(uint16(15), uint16(70), uint16(1100), uint8(5), uint8(3), uint8(7))
	f.Add(uint16(200), uint16(33), uint16(25), uint8(7), uint8(0), uint8(100))
	f.Add(uint16(30), uint16(1024), uint16(70), uint8(1), uint8(0), uint8(3))
	f.Fuzz(func(t *testing.T, m, n, depth uint16, form, pad, cut uint8) {
		c := testCase{m: 1 + int(m)%300, n: 1 + int(n)%1100, k: 1 + int(depth)%1200, transA: form&1 != 0, transB: form&2 != 0, accumulate: form&4 != 0,
			padA: int(pad) % 5, padB: int(pad) % 7, padC: int(pad) % 3}
		if c.m*c.n*c.k > 1<<21 {
			t.Skip("takes too long")
		}
		for _, k := range Kernels() {
			c.check(t, k)
			c.checkWays(t, k, int(cut))
		}
	})
}

// checkWays compares the bits of all ways to multiply. Ranges are cut at about cut of 256 parts.
func (c testCase) checkWays(t *testing.T, k *Kernel, cut int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	lda, ldb := c.k, c.n
	if c.transA {
		lda = c.m
	}
	if c.transB {
		ldb = c.k
	}
	left, right := Left(random(r, c.m*c.k), lda, c.transA), Right(random(r, c.n*c.k), ldb, c.transB)
	work := make([]float32, k.Workspace(c.m, c.n, c.k))
	multiply := func(a, b Source, packed []float32, row, col int) []float32 {
		p := &Product{M: c.m, N: c.n, K: c.k, A: a, B: b, Packed: packed, C: make([]float32, c.m*c.n), Stride: c.n}
		for _, rows := range [][2]int{{0, row}, {row, c.m}} {
			for _, cols := range [][2]int{{0, col}, {col, c.n}} {
				k.Multiply(p, rows[0], rows[1]-rows[0], cols[0], cols[1]-cols[0], work)
			}
		}
		return p.C
	}
	want := multiply(&left, &right, nil, 0, 0)
	row, col := c.m*cut/256, c.n*cut/256
	require.Equal(t, want, multiply(&left, &right, nil, row, col), "%v in ranges", c)
	require.Equal(t, want, multiply(&hidden{left}, &hidden{right}, nil, row, col), "%v, packed", c)
	packed := make([]float32, k.SizeB(c.n, c.k))
	col = col / k.NR() * k.NR()
	k.PackWhole(packed, &right, c.n, 0, col, c.k)
	if col < c.n {
		k.PackWhole(packed, &right, c.n, col, c.n-col, c.k)
	}
	require.Equal(t, want, multiply(&left, nil, packed, row, col), "%v, packed as a whole", c)
}

// TestNonFinite sees to it that padding and masks neither hide nor spread what is not finite.
func TestNonFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachKernel(t, func(t *testing.T, k *Kernel) {
		const m, n, depth = 15, 17, 3
		for _, bad := range []float32{inf, -inf, nan} {
			a, b := make([]float32, m*depth), make([]float32, depth*n)
			for i := range a {
				a[i] = 1
			}
			for i := range b {
				b[i] = 1
			}
			a[7*depth+1] = bad
			left, right := Left(a, depth, false), Right(b, n, false)
			p := &Product{M: m, N: n, K: depth, A: &left, B: &right, C: make([]float32, m*n), Stride: n}
			k.Multiply(p, 0, m, 0, n, make([]float32, k.Workspace(m, n, depth)))
			for i := range m {
				for j := range n {
					got := p.C[i*n+j]
					if i != 7 {
						require.Equal(t, float32(depth), got)
					} else if bad != bad {
						require.True(t, got != got)
					} else {
						require.Equal(t, bad, got)
					}
				}
			}
		}
	})
}

// blocksSeen is an Epilogue that counts how often every element of C is finished, and sees that its sum is complete.
type blocksSeen struct {
	count  []int
	stride int
	c      []float32
	want   float32
	wrong  int
}

func (b *blocksSeen) Finish(row, rows, col, cols int) {
	for i := row; i < row+rows; i++ {
		for j := col; j < col+cols; j++ {
			b.count[i*b.stride+j]++
			if b.c[i*b.stride+j] != b.want {
				b.wrong++
			}
		}
	}
}

func TestEpilogueSeesEveryElementOnce(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		m, n, depth := k.maxRows+3, k.maxCols+5, k.maxDepth+1
		a, b := make([]float32, m*depth), make([]float32, n*depth)
		for i := range m {
			a[i*depth], a[i*depth+depth-1] = 1, 1
		}
		for j := range n {
			b[j*depth], b[j*depth+depth-1] = 1, 1
		}
		left, right := Left(a, depth, false), Right(b, depth, true)
		c := make([]float32, m*n)
		seen := &blocksSeen{count: make([]int, m*n), stride: n, c: c, want: 2}
		p := &Product{M: m, N: n, K: depth, A: &left, B: &right, C: c, Stride: n, Epilogue: seen}
		k.Multiply(p, 0, m, 0, n, make([]float32, k.Workspace(m, n, depth)))
		assert.Zero(t, seen.wrong, "elements finished before their sum was complete")
		for i, got := range seen.count {
			require.Equal(t, 1, got, "element %d", i)
		}
	})
}

func TestMultiplyAllocatesNothing(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		left, right := Left(make([]float32, 400), 20, false), Right(make([]float32, 400), 20, true)
		p := &Product{M: 20, N: 20, K: 20, A: &left, B: &right, C: make([]float32, 400), Stride: 20}
		work := make([]float32, k.Workspace(20, 20, 20))
		assert.Zero(t, testing.AllocsPerRun(10, func() { k.Multiply(p, 0, 20, 0, 20, work) }))
	})
}
