package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkPeak measures what one core can do at most, for the percentages of BenchmarkGemm.
func BenchmarkPeak(b *testing.B) {
	for _, k := range Kernels() {
		b.Run(k.Name(), func(b *testing.B) {
			flop := 0
			for b.Loop() {
				flop += k.Peak(10000)
			}
			b.ReportMetric(float64(flop)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}

// BenchmarkGemm multiplies on one thread: squares, dense layers, and the forward, input-gradient and filter-gradient products of small convolutions. The
// forms of the operands are those of a training step: "nt" has B transposed.
func BenchmarkGemm(b *testing.B) {
	for _, c := range []struct {
		m, n, k int
		form    string
	}{
		{1024, 1024, 1024, "nn"},
		{256, 256, 256, "nn"},
		{64, 120, 400, "nt"},
		{64, 84, 120, "nt"},
		{64, 10, 84, "nt"},
		{120, 400, 64, "tn"},
		{10, 84, 64, "tn"},
		{10, 150, 16, "nn"},
		{64, 10, 8192, "nt"},
		{64, 2048, 2048, "nt"},
		{1, 120, 400, "nn"},
		{50176, 6, 25, "nt"},
		{6, 50176, 25, "nn"},
		{6, 25, 50176, "tn"},
		{6400, 16, 150, "nt"},
		{6400, 150, 16, "nn"},
		{16, 6400, 150, "nn"},
		{16, 150, 6400, "tn"},
		{65536, 32, 288, "nt"},
		{16384, 64, 576, "nt"},
	} {
		for _, k := range Kernels() {
			b.Run(fmt.Sprintf("%dx%dx%d/%s/%s", c.m, c.n, c.k, c.form, k.Name()), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				transA, transB := c.form[0] == 't', c.form[1] == 't'
				lda, ldb := c.k, c.n
				if transA {
					lda = c.m
				}
				if transB {
					ldb = c.k
				}
				left, right := Left(random(r, c.m*c.k), lda, transA), Right(random(r, c.n*c.k), ldb, transB)
				p := &Product{M: c.m, N: c.n, K: c.k, A: &left, B: &right, C: make([]float32, c.m*c.n), Stride: c.n}
				work := make([]float32, k.Workspace(c.m, c.n, c.k))
				b.ReportAllocs()
				for b.Loop() {
					k.Multiply(p, 0, c.m, 0, c.n, work)
				}
				b.ReportMetric(2*float64(c.m)*float64(c.n)*float64(c.k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
