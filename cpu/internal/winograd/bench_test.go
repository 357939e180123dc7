package winograd

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkTransforms measures transforms of a tile of 32 and of 64 channels, from and to memory that lies in the second-level cache.
func BenchmarkTransforms(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range Kernels() {
		for _, c := range []int{32, 64} {
			const tiles = 28
			x := &Image{34, 34, c, random(r, 34*34*c)}
			zero, bias := make([]float32, Piece*c), make([]float32, c)
			stride := tiles*c + 16
			m := random(r, Elements*stride)
			for name, f := range map[string]func(tile int){
				"Input":      func(i int) { k.Input(m[i*c:], stride, x, 1+i/7*4, 1+i%7*4, zero) },
				"Gradient":   func(i int) { k.Gradient(m[i*c:], stride, x, 1+i/7*4, 1+i%7*4, 0, c, zero) },
				"Output":     func(i int) { k.Output(x, i/7*4, i%7*4, 0, c, m[i*c:], stride) },
				"OutputBias": func(i int) { k.OutputBias(x, i/7*4, i%7*4, 0, c, m[i*c:], stride, bias, 0) },
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", k.Name(), name, c), func(b *testing.B) {
					i := 0
					for b.Loop() {
						f(i)
						if i++; i == tiles {
							i = 0
						}
					}
				})
			}
		}
	}
}
