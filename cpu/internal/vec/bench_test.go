package vec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkLoops runs over 4096 elements, which stay in the first-level cache, and reports elements per nanosecond.
func BenchmarkLoops(b *testing.B) {
	const n = 4096
	r := rand.New(rand.NewPCG(1, 2))
	w, m, v, g := random(r, n), random(r, n), random(r, n), random(r, n)
	for i := range v {
		v[i] *= v[i]
	}
	places := make([]int32, n)
	narrow := Windows{Rows: 12, Cols: 14, Channels: 6, Width: 28, StrideH: 2, StrideW: 2} // 4032 elements
	wide := Windows{Rows: 4, Cols: 8, Channels: 32, Width: 16, StrideH: 2, StrideW: 2}
	momentum := &Momentum{Rate: 1e-9, Momentum: 0.9, Velocity: 1}
	adam := &Adam{Keep: 1, Beta1: 0.9, Rest1: 0.1, Beta2: 0.999, Rest2: 0.001, Rate: 1e-9, Correction: 1, Epsilon: 1e-8}
	for _, c := range []struct {
		name string
		run  func(k *Kernel)
	}{
		{"Add", func(k *Kernel) { k.Add(w, m, g) }},
		{"Axpy", func(k *Kernel) { k.Axpy(w, g, 1e-9) }},
		{"Sum", func(k *Kernel) { k.Sum(g) }},
		{"Dot", func(k *Kernel) { k.Dot(m, g) }},
		{"Max", func(k *Kernel) { k.Max(g) }},
		{"ReLU", func(k *Kernel) { k.ReLU(w, g, 0) }},
		{"ReLUGrad", func(k *Kernel) { k.ReLUGrad(w, g, m, 0) }},
		{"BiasReLU6", func(k *Kernel) { k.BiasReLU(w, g[:6], n/6, 6, 0) }},
		{"BiasReLU128", func(k *Kernel) { k.BiasReLU(w, g[:128], n/128, 128, 0) }},
		{"ColumnSums6", func(k *Kernel) { k.ColumnSums(w[:6], g, n/6, 6) }},
		{"ColumnSums16", func(k *Kernel) { k.ColumnSums(w[:16], g, n/16, 16) }},
		{"ColumnSums128", func(k *Kernel) { k.ColumnSums(w[:128], g, n/128, 128) }},
		{"Interleave6", func(k *Kernel) { k.Interleave(w, m, g[:6], n/6, 6, n/6, 0) }},
		{"Interleave16", func(k *Kernel) { k.Interleave(w, m, g[:16], n/16, 16, n/16, 0) }},
		{"Deinterleave6", func(k *Kernel) { k.Deinterleave(w, m, n/6, 6, n/6) }},
		{"AddRows30by6", func(k *Kernel) { k.AddRows(w, m, n/30, 30, 6, 30) }},
		{"AddRows30by6x10", func(k *Kernel) {
			for i := range n / 300 {
				k.AddRows(w, m[i*300:], 10, 30, 6, 30)
			}
		}},
		{"MaxPool6", func(k *Kernel) { k.MaxPool2x2(w[:1008], places[:1008], g[:4032], narrow) }},
		{"MaxPool6NoPlaces", func(k *Kernel) { k.MaxPool2x2(w[:1008], nil, g[:4032], narrow) }},
		{"MaxPool32", func(k *Kernel) { k.MaxPool2x2(w[:n/4], places[:n/4], g, wide) }},
		{"MaxPoolGrad6", func(k *Kernel) { k.MaxPool2x2Grad(w[:4032], m[:1008], places[:1008], g[:4032], narrow) }},
		{"MaxPoolGrad32", func(k *Kernel) { k.MaxPool2x2Grad(w, m[:n/4], places[:n/4], g, wide) }},
		{"MaxWindow64", func(k *Kernel) { k.MaxWindow(w[:64], places[:64], g, Taps{Rows: 8, Cols: 8, StepX: 64, StepY: 512}) }},
		{"Dropout", func(k *Kernel) { k.Dropout(w, g, 0, Dropout{Rate: 0.5}) }},
		{"ExpRows10", func(k *Kernel) { k.ExpRows(w[:4090], m[:409], v[:409], g[:4090], 10) }},
		{"Log", func(k *Kernel) { k.Log(w, g) }},
		{"Exp", func(k *Kernel) { k.Exp(w, g) }},
		{"Sigmoid", func(k *Kernel) { k.Sigmoid(w, g) }},
		{"Tanh", func(k *Kernel) { k.Tanh(w, g) }},
		{"TanhGrad", func(k *Kernel) { k.TanhGrad(w, g, m) }},
		{"Momentum", func(k *Kernel) { k.Momentum(w, m, g, momentum) }},
		{"Adam", func(k *Kernel) { k.Adam(w, m, v, g, adam) }},
	} {
		for _, k := range Kernels() {
			b.Run(fmt.Sprintf("%s/%s", c.name, k.Name()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.run(k)
				}
				b.ReportMetric(n*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "elements/ns")
			})
		}
	}
}
