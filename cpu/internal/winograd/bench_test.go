package winograd

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkTransforms measures transforms of runs of seven tiles of 32 and of 64 channels, from and to memory that lies in the second-level cache.
func BenchmarkTransforms(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range Kernels() {
		for _, c := range []int{32, 64} {
			const tiles = 28
			x := &Image{34, 34, c, random(r, 34*34*c)}
			zero, bias := make([]float32, Piece*c), make([]float32, c)
			stride := tiles*c + 16
			m := random(r, Elements*stride)
			run := Run{1, 1, 7}
			cols := Columns(1, Piece, 7, 34)
			for name, f := range map[string]func(i int){
				"Input":      func(i int) { k.Input(m[i*7*c:], stride, x, run, cols, zero) },
				"Gradient":   func(i int) { k.Gradient(m[i*7*c:], stride, x, run, cols, 0, c, zero) },
				"Output":     func(i int) { k.Output(x, run, 0, c, m[i*7*c:], stride) },
				"OutputBias": func(i int) { k.OutputBias(x, run, 0, c, m[i*7*c:], stride, bias, 0) },
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", k.Name(), name, c), func(b *testing.B) {
					i := 0
					for b.Loop() {
						f(i)
						i = (i + 1) % (tiles / 7)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(7*b.N), "ns/tile")
				})
			}
		}
	}
}
