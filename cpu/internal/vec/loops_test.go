package vec

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

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)

// eachKernel runs f as a subtest on every implementation of this machine.
func eachKernel(t *testing.T, f func(t *testing.T, k *Kernel)) {
	for _, k := range Kernels() {
		t.Run(k.Name(), func(t *testing.T) { f(t, k) })
	}
}

// lengths cover every remainder of every vector width and of four of them.
func lengths() []int {
	n := []int{1000, 1023, 4099}
	for i := range 135 {
		n = append(n, i)
	}
	return n
}

func random(r *rand.Rand, n int) []float32 {
	s := make([]float32, n+1)[1:] // not aligned to a vector
	for i := range s {
		s[i] = r.Float32()*2 - 1
	}
	return s
}

// guarded copies a slice into the middle of guard words.
func guarded(s []float32) (inner, whole []float32) {
	whole = make([]float32, len(s)+64)
	for i := range whole {
		whole[i] = guard
	}
	inner = whole[33 : 33+len(s)]
	copy(inner, s)
	return inner, whole
}

func requireGuards(t *testing.T, whole []float32) {
	t.Helper()
	for i := range 31 {
		require.Equal(t, guard, whole[i], "guard %d before the slice", i)
		require.Equal(t, guard, whole[len(whole)-1-i], "guard %d after the slice", i)
	}
}

// bits are for comparisons where NaN is equal to itself and −0 differs from 0.
func bits(s []float32) []uint32 {
	b := make([]uint32, len(s))
	for i, v := range s {
		b[i] = math.Float32bits(v)
	}
	return b
}

// near returns an error text unless got is within tolerance of want; NaN and infinities must be the same.
func near(got float32, want, tolerance float64) string {
	g := float64(got)
	if math.IsNaN(want) && math.IsNaN(g) || g == want || math.Abs(g-want) <= tolerance {
		return ""
	}
	return fmt.Sprintf("got %v, want %v ± %v", g, want, tolerance)
}

// elementwise is a loop with what it should compute, in float64, and how far off it may be.
type elementwise struct {
	name    string
	sources int                                  // 1 to 3, of which the first is overwritten if inPlace
	inPlace bool                                 // the first source is the destination
	run     func(k *Kernel, dst, x, y []float32) // y is nil for one source
	want    func(x, y float64) (value, tolerance float64)
}

// rounded allows for n roundings of terms of the given size.
func rounded(value float64, n, size float64) (float64, float64) {
	return value, n*epsilon*math.Abs(size) + 0x1p-149
}

var elementwises = []elementwise{
	{"Add", 2, false, func(k *Kernel, dst, x, y []float32) { k.Add(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded(x+y, 1, x+y) }},
	{"Mul", 2, false, func(k *Kernel, dst, x, y []float32) { k.Mul(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded(x*y, 1, x*y) }},
	{"Sub", 2, false, func(k *Kernel, dst, x, y []float32) { k.Sub(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded(x-y, 1, x-y) }},
	{"Div", 2, false, func(k *Kernel, dst, x, y []float32) { k.Div(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded(x/y, 1, x/y) }},
	{"Larger", 2, false, func(k *Kernel, dst, x, y []float32) { k.Larger(dst, x, y) },
		func(x, y float64) (float64, float64) { return max(x, y), 0 }},
	{"Sqrt", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Sqrt(dst, x) },
		func(x, _ float64) (float64, float64) { return rounded(math.Sqrt(x), 1, math.Sqrt(x)) }},
	{"Shift", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Shift(dst, x, 0.3) },
		func(x, _ float64) (float64, float64) {
			return rounded(float64(float32(0.3))+x, 1, x+0.3)
		}},
	{"Scale", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Scale(dst, x, 0.3) },
		func(x, _ float64) (float64, float64) { return rounded(float64(float32(0.3))*x, 1, x) }},
	{"Axpy", 2, true, func(k *Kernel, dst, _, y []float32) { k.Axpy(dst, y, -0.7) },
		func(x, y float64) (float64, float64) {
			return rounded(x-float64(float32(0.7))*y, 2, math.Abs(x)+math.Abs(y))
		}},
	{"ReLU", 1, false, func(k *Kernel, dst, x, _ []float32) { k.ReLU(dst, x, 0) },
		func(x, _ float64) (float64, float64) { return max(x, 0), 0 }},
	{"LeakyReLU", 1, false, func(k *Kernel, dst, x, _ []float32) { k.ReLU(dst, x, 0.1) },
		func(x, _ float64) (float64, float64) { return rounded(max(x, float64(float32(0.1))*x), 1, x) }},
	{"ReLUGrad", 2, false, func(k *Kernel, dst, x, y []float32) { k.ReLUGrad(dst, x, y, 0) },
		func(x, y float64) (float64, float64) {
			if y > 0 {
				return x, 0
			}
			return 0, 0
		}},
	{"LeakyReLUGrad", 2, false, func(k *Kernel, dst, x, y []float32) { k.ReLUGrad(dst, x, y, 0.1) },
		func(x, y float64) (float64, float64) {
			if y > 0 {
				return x, 0
			}
			return rounded(float64(float32(0.1))*x, 1, x)
		}},
	{"SigmoidGrad", 2, false, func(k *Kernel, dst, x, y []float32) { k.SigmoidGrad(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded(x*(y*(1-y)), 3.01, x*(y*(1-y))) }},
	// 1 − y² loses what y² rounds off, which is less than ε.
	{"TanhGrad", 2, false, func(k *Kernel, dst, x, y []float32) { k.TanhGrad(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded(x*(1-y*y), 3.01, x) }},
	{"ELU", 1, false, func(k *Kernel, dst, x, _ []float32) { k.ELU(dst, x, 0.3) },
		func(x, _ float64) (float64, float64) {
			if x > 0 {
				return x, 0
			}
			return rounded(float64(float32(0.3))*math.Expm1(x), 6, 0.3*math.Expm1(x))
		}},
	{"ELUGrad", 2, false, func(k *Kernel, dst, x, y []float32) { k.ELUGrad(dst, x, y, 0.3) },
		func(x, y float64) (float64, float64) {
			if y > 0 {
				return x, 0
			}
			slope := y + float64(float32(0.3))
			return rounded(x*slope, 2.01, x*slope)
		}},
	{"Log", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Log(dst, x) },
		func(x, _ float64) (float64, float64) { return rounded(math.Log(x), 2, math.Log(x)) }},
	{"Deviations", 2, false, func(k *Kernel, dst, x, y []float32) { k.Deviations(dst, x, y) },
		func(x, y float64) (float64, float64) { return rounded((x+y)*(x+y), 3.01, (x+y)*(x+y)) }},
	{"Exp", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Exp(dst, x) },
		func(x, _ float64) (float64, float64) { return rounded(math.Exp(x), 2, math.Exp(x)) }},
	{"Sigmoid", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Sigmoid(dst, x) },
		func(x, _ float64) (float64, float64) { return rounded(1/(1+math.Exp(-x)), 6, 1/(1+math.Exp(-x))) }},
	{"Tanh", 1, false, func(k *Kernel, dst, x, _ []float32) { k.Tanh(dst, x) },
		func(x, _ float64) (float64, float64) { return rounded(math.Tanh(x), 6, math.Tanh(x)) }},
}

func TestElementwise(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, e := range elementwises {
			t.Run(e.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				for _, n := range lengths() {
					x, y := random(r, n), random(r, n)
					start := make([]float32, n)
					if e.inPlace {
						copy(start, x)
					}
					dst, whole := guarded(start)
					e.run(k, dst, x, y)
					for i := range dst {
						want, tolerance := e.want(float64(x[i]), float64(y[i]))
						if wrong := near(dst[i], want, tolerance); wrong != "" {
							require.Failf(t, "wrong element", "%d of %d, x = %v, y = %v: %s", i, n, x[i], y[i], wrong)
						}
					}
					requireGuards(t, whole)

					// The same bits in place, and cut in two.
					if n == 0 {
						continue
					}
					if !e.inPlace {
						again := append([]float32(nil), x...)
						e.run(k, again, again, y)
						require.Equal(t, bits(dst), bits(again), "in place")
					}
					cut := n * 2 / 3
					parts := append([]float32(nil), start...)
					e.run(k, parts[:cut], x[:cut], y[:cut])
					e.run(k, parts[cut:], x[cut:], y[cut:])
					require.Equal(t, bits(dst), bits(parts), "cut at %d of %d", cut, n)
				}
			})
		}
	})
}

// TestReLUEdges has the cases that a formula of multiplications and maxima gets wrong.
func TestReLUEdges(t *testing.T) {
	zero := float32(0) // as a variable, so that it has a negative
	x := []float32{inf, -inf, nan, zero, -zero, 1, -1, math.MaxFloat32, -math.MaxFloat32}
	eachKernel(t, func(t *testing.T, k *Kernel) {
		dst := make([]float32, len(x))
		k.ReLU(dst, x, 0)
		assert.Equal(t, bits([]float32{inf, 0, nan, 0, 0, 1, 0, math.MaxFloat32, 0}), bits(dst))
		k.ReLU(dst, x, 1)
		assert.Equal(t, bits(x), bits(dst), "slope 1 is the identity")
		k.ReLU(dst, x, 0.5)
		assert.Equal(t, bits([]float32{inf, -inf, nan, 0, -zero, 1, -0.5, math.MaxFloat32, -math.MaxFloat32 / 2}), bits(dst))

		dy := []float32{inf, inf, inf, nan, 1, nan, -1, 2, 3}
		k.ReLUGrad(dst, dy, x, 0)
		assert.Equal(t, bits([]float32{inf, 0, 0, 0, 0, nan, 0, 2, 0}), bits(dst))
		k.ReLUGrad(dst, dy, x, 0.5)
		assert.Equal(t, bits([]float32{inf, inf, inf, nan, 0.5, nan, -0.5, 2, 1.5}), bits(dst))
	})
}

func TestFill(t *testing.T) {
	for _, n := range lengths() {
		s, whole := guarded(make([]float32, n))
		Fill(s, 1.5)
		for i := range s {
			require.Equal(t, float32(1.5), s[i])
		}
		requireGuards(t, whole)
	}
}

func TestSums(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range append(lengths(), 100003) {
			x, y := random(r, n), random(r, n)
			var sum, dot, sizeSum, sizeDot float64
			for i := range x {
				sum += float64(x[i])
				dot += float64(x[i]) * float64(y[i])
				sizeSum += math.Abs(float64(x[i]))
				sizeDot += math.Abs(float64(x[i]) * float64(y[i]))
			}
			terms := float64(n)/8 + 8 // as documented
			if wrong := near(k.Sum(x), sum, terms*epsilon*sizeSum); wrong != "" {
				require.Failf(t, "Sum", "of %d: %s", n, wrong)
			}
			if wrong := near(k.Dot(x, y), dot, terms*epsilon*sizeDot); wrong != "" {
				require.Failf(t, "Dot", "of %d: %s", n, wrong)
			}
			if n == 0 {
				continue
			}
			// Small whole numbers add up exactly, so that no element may be missing.
			for i := range x {
				x[i], y[i] = float32(i%7), 2
			}
			want := float32(0)
			for _, v := range x {
				want += v
			}
			require.Equal(t, want, k.Sum(x), "of %d", n)
			require.Equal(t, 2*want, k.Dot(x, y), "of %d", n)
			x[n/2] = nan
			require.True(t, math.IsNaN(float64(k.Sum(x))))
			x[n/2] = -inf
			require.Equal(t, -inf, k.Dot(x, y))
		}
	})
}

func TestMax(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for n := 1; n < 70; n++ {
			for at := range n {
				x := make([]float32, n)
				Fill(x, -inf)
				x[at] = -3
				require.Equal(t, float32(-3), k.Max(x))
				x[(at+1)%n] = inf
				require.Equal(t, inf, k.Max(x))
				x[n-1-at] = nan
				require.True(t, math.IsNaN(float64(k.Max(x))))
			}
		}
		assert.Panics(t, func() { k.Max(nil) })
	})
}

// matrices are rows, columns and what the stride exceeds the columns by.
func matrices(f func(rows, cols, stride int)) {
	for _, rows := range []int{0, 1, 2, 3, 4, 5, 7, 8, 33} {
		for cols := range 40 {
			f(rows, cols, cols)
			f(rows, cols, cols+3)
		}
	}
	for cols := 1; cols < 18; cols++ {
		f(5003, cols, cols)
		f(64, cols, cols)
	}
	f(64, 120, 120)
}

func TestColumnSums(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(5, 6))
		matrices(func(rows, cols, stride int) {
			x := random(r, max(0, (rows-1)*stride+cols))
			start := random(r, cols)
			dst, whole := guarded(start)
			k.ColumnSums(dst, x, rows, stride)
			for j := range dst {
				want, size := float64(start[j]), math.Abs(float64(start[j]))
				for i := range rows {
					want += float64(x[i*stride+j])
					size += math.Abs(float64(x[i*stride+j]))
				}
				if wrong := near(dst[j], want, (float64(rows)/4+3)*epsilon*size); wrong != "" {
					require.Failf(t, "ColumnSums", "column %d of %d×%d: %s", j, rows, cols, wrong)
				}
			}
			requireGuards(t, whole)
			if cols > 1 && rows > 0 && (cols >= 32 || stride > cols) {
				parts := append([]float32(nil), start...)
				k.ColumnSums(parts[:cols/2], x, rows, stride)
				k.ColumnSums(parts[cols/2:], x[cols/2:], rows, stride)
				require.Equal(t, bits(dst), bits(parts), "columns cut in two")
			}
		})
	})
}

func TestBiasReLU(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		r := rand.New(rand.NewPCG(7, 8))
		matrices(func(rows, cols, stride int) {
			for _, slope := range []float32{0, 0.1, 1} {
				start, bias := random(r, max(0, (rows-1)*stride+cols)), random(r, cols)
				c, whole := guarded(start)
				k.BiasReLU(c, bias, rows, stride, slope)
				want := append([]float32(nil), start...)
				for i := range rows {
					row := want[i*stride : i*stride+cols]
					k.Add(row, row, bias)
					k.ReLU(row, row, slope)
				}
				require.Equal(t, bits(want), bits(c), "%d×%d, stride %d, slope %v", rows, cols, stride, slope)
				requireGuards(t, whole)
			}
		})
	})
}

func TestBrokenInvariantsPanic(t *testing.T) {
	k := Default()
	s := make([]float32, 8)
	for name, f := range map[string]func(){
		"short source":    func() { k.Add(s, s, s[1:]) },
		"long source":     func() { k.Exp(s[1:], s) },
		"short moments":   func() { k.Adam(s, s, s[1:], s, &Adam{}) },
		"rows too many":   func() { k.ColumnSums(s[:4], s, 3, 4) },
		"negative rows":   func() { k.ColumnSums(s[:4], s, -1, 4) },
		"stride too low":  func() { k.BiasReLU(s, s[:4], 2, 3, 0) },
		"stride too high": func() { k.BiasReLU(s, s[:4], 2, 5, 0) },
	} {
		assert.Panics(t, f, name)
	}
}
