package winograd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func eachKernel(t *testing.T, f func(t *testing.T, k *Kernel)) {
	for _, k := range Kernels() {
		t.Run(k.Name(), func(t *testing.T) { f(t, k) })
	}
}

// counts are numbers of channels around the widths of vectors.
var counts = []int{1, 2, 7, 8, 9, 15, 16, 17, 33, 49}

func random(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

const guard = float32(12345)

// guarded returns n elements that hold the guard, and have some before and behind them.
func guarded(n int) (inner, whole []float32) {
	whole = make([]float32, n+40)
	for i := range whole {
		whole[i] = guard
	}
	return whole[20 : 20+n : 20+n], whole
}

func requireGuards(t *testing.T, whole []float32) {
	for i := range 20 {
		require.Equal(t, guard, whole[i], "%d elements before", 20-i)
		require.Equal(t, guard, whole[len(whole)-1-i], "%d elements behind", 20-i)
	}
}

// matrix is a matrix of float64.
type matrix [][]float64

func newMatrix(rows, cols int, at func(i, j int) float64) matrix {
	m := make(matrix, rows)
	for i := range m {
		m[i] = make([]float64, cols)
		for j := range m[i] {
			m[i][j] = at(i, j)
		}
	}
	return m
}

func (m matrix) times(o matrix) matrix {
	return newMatrix(len(m), len(o[0]), func(i, j int) (s float64) {
		for p := range o {
			s += m[i][p] * o[p][j]
		}
		return s
	})
}

func (m matrix) transposed() matrix {
	return newMatrix(len(m[0]), len(m), func(i, j int) float64 { return m[j][i] })
}

func (m matrix) absolute() matrix {
	return newMatrix(len(m), len(m[0]), func(i, j int) float64 { return math.Abs(m[i][j]) })
}

var (
	bt = newMatrix(Piece, Piece, func(i, j int) float64 { return BT[i][j] })
	g  = newMatrix(Piece, Filter, func(i, j int) float64 { return G[i][j] })
	at = newMatrix(Tile, Piece, func(i, j int) float64 { return AT[i][j] })
)

// requireTransform compares got with l·d·lᵀ. Its roundings are those of one transform, at most 12 in each of the terms.
func requireTransform(t *testing.T, l, d matrix, got func(i, j int) float32, what string, args ...any) {
	t.Helper()
	want := l.times(d).times(l.transposed())
	bound := l.absolute().times(d.absolute()).times(l.absolute().transposed())
	for i := range want {
		for j := range want[i] {
			if diff := math.Abs(float64(got(i, j)) - want[i][j]); !(diff <= 12*0x1p-24*bound[i][j]) {
				require.Failf(t, "wrong element", what+": element (%d, %d) is %v, expected %v within %.2g", append(args, i, j, got(i, j), want[i][j], 12*0x1p-24*bound[i][j])...)
			}
		}
	}
}

// TestMatrices holds the matrices to what they are for, on one dimension: Aᵀ·[(G·w) ⊙ (Bᵀ·d)] is the correlation of d with w.
func TestMatrices(t *testing.T) {
	for tap := range Filter {
		for pixel := range Piece {
			for out := range Tile {
				sum := 0.0
				for p := range Piece {
					sum += AT[out][p] * G[p][tap] * BT[p][pixel]
				}
				want := 0.0
				if pixel == out+tap {
					want = 1
				}
				assert.InDelta(t, want, sum, 1e-14, "tap %d, pixel %d, output %d", tap, pixel, out)
			}
		}
	}
}

func TestPiecesOfImages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, c := range counts {
			for _, size := range [][2]int{{1, 1}, {2, 9}, {7, 3}} {
				x := &Image{size[0], size[1], c, random(r, size[0]*size[1]*c)}
				zero := make([]float32, Piece*c)
				pixel := func(row, col, channel int) float64 {
					if row < 0 || row >= x.Height || col < 0 || col >= x.Width {
						return 0
					}
					return float64(x.Data[(row*x.Width+col)*c+channel])
				}
				for row := -2; row < x.Height; row += 3 {
					for tiles := 1; tiles <= 3; tiles++ {
						col := 1 - tiles
						run := Run{row, col, tiles}
						stride := tiles*c + 5
						v, whole := guarded((Elements-1)*stride + tiles*c)
						k.Input(v, stride, x, run, Columns(col, Piece, tiles, x.Width), zero)
						for channel := range tiles * c {
							d := newMatrix(Piece, Piece, func(i, j int) float64 { return pixel(row+i, col+channel/c*Tile+j, channel%c) })
							requireTransform(t, bt, d, func(i, j int) float32 { return v[stride*(Piece*i+j)+channel] }, "%d channels, %v pixels, pieces %+v", c, size, run)
						}
						requireGuards(t, whole)
						require.Equal(t, guard, v[tiles*c], "between elements")

						first := c / 3
						n := c - first - c/4
						m, whole := guarded((Elements-1)*stride + tiles*n)
						k.Gradient(m, stride, x, run, Columns(col, Tile, tiles, x.Width), first, n, zero)
						for channel := range tiles * n {
							d := newMatrix(Tile, Tile, func(i, j int) float64 { return pixel(row+i, col+channel/n*Tile+j, first+channel%n) })
							requireTransform(t, at.transposed(), d, func(i, j int) float32 { return m[stride*(Piece*i+j)+channel] }, "gradient, %d channels, %v pixels, tiles %+v", n, size, run)
						}
						requireGuards(t, whole)
					}
				}
			}
		}
	})
}

func TestFilters(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, c := range counts {
			for _, flipped := range []bool{false, true} {
				w := random(r, 9*c)
				from, sign := 0, 1
				if flipped {
					from, sign = 8*c, -1
				}
				u, whole := guarded(Elements * c)
				k.Filter(u, c, w, from, sign*3*c, sign*c, c)
				for channel := range c {
					d := newMatrix(Filter, Filter, func(i, j int) float64 { return float64(w[from+sign*(3*i+j)*c+channel]) })
					requireTransform(t, g, d, func(i, j int) float32 { return u[c*(Piece*i+j)+channel] }, "%d channels, flipped %t", c, flipped)
				}
				requireGuards(t, whole)
			}
			u := random(r, Elements*c)
			w, whole := guarded(9 * c)
			k.FilterGrad(w, 3*c, c, u, c, c, false)
			for channel := range c {
				d := newMatrix(Piece, Piece, func(i, j int) float64 { return float64(u[c*(Piece*i+j)+channel]) })
				requireTransform(t, g.transposed(), d, func(i, j int) float32 { return w[(3*i+j)*c+channel] }, "gradient, %d channels", c)
			}
			requireGuards(t, whole)
			sum, whole := guarded(9 * c)
			k.FilterGrad(sum, 3*c, c, u, c, c, true)
			for i, v := range w {
				require.Equal(t, guard+v, sum[i], "gradient, %d channels, accumulated: element %d", c, i)
			}
			requireGuards(t, whole)
		}
	})
}

func TestOutputs(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	eachKernel(t, func(t *testing.T, k *Kernel) {
		for _, c := range counts {
			for height := 1; height <= 5; height++ {
				for _, width := range []int{1, 2, 3, 4, 7, 8, 13} {
					for _, slope := range []float32{0, 0.25, 1} {
						first := c / 3
						n := c - first - c/4
						tiles := min((width+Tile-1)/Tile, 2)
						row, col := (height-1)/Tile*Tile, (width-1)/Tile*Tile-(tiles-1)*Tile
						run := Run{row, col, tiles}
						stride := n*tiles + 3
						m, bias, y := random(r, Elements*stride), random(r, n), random(r, height*width*c)
						newImage := func() (*Image, []float32) {
							inner, whole := guarded(height * width * c)
							return &Image{height, width, c, inner}, whole
						}
						plain, whole0 := newImage()
						biased, whole1 := newImage()
						graded, whole2 := newImage()
						k.Output(plain, run, first, n, m, stride)
						k.OutputBias(biased, run, first, n, m, stride, bias, slope)
						k.OutputGrad(graded, run, first, n, m, stride, y, slope)
						what := fmt.Sprintf("%d of %d channels, %d×%d pixels, slope %v", n, c, height, width, slope)
						for channel := range tiles * n {
							d := newMatrix(Piece, Piece, func(i, j int) float64 { return float64(m[stride*(Piece*i+j)+channel]) })
							square := at.times(d).times(at.transposed())
							left := col + channel/n*Tile
							requireTransform(t, at, d, func(i, j int) float32 {
								if row+i >= height || left+j >= width {
									return float32(square[i][j])
								}
								return plain.Data[((row+i)*width+left+j)*c+first+channel%n]
							}, "%s", what)
						}
						for i := range plain.Data {
							channel := i%c - first
							inside := channel >= 0 && channel < n && i/c/width >= row && i/c%width >= col
							if !inside {
								require.Equal(t, []float32{guard, guard, guard}, []float32{plain.Data[i], biased.Data[i], graded.Data[i]}, "%s: element %d", what, i)
								continue
							}
							want := plain.Data[i] + bias[channel]
							if want <= 0 {
								want = damp(want, slope)
							}
							require.Equal(t, math.Float32bits(want), math.Float32bits(biased.Data[i]), "%s: element %d with bias is %v, expected %v", what, i, biased.Data[i], want)
							want = plain.Data[i]
							if !(y[i] > 0) {
								want = damp(want, slope)
							}
							require.Equal(t, math.Float32bits(want), math.Float32bits(graded.Data[i]), "%s: element %d of the gradient is %v, expected %v", what, i, graded.Data[i], want)
						}
						for _, whole := range [][]float32{whole0, whole1, whole2} {
							requireGuards(t, whole)
						}
					}
				}
			}
		}
	})
}

// TestNumbersThatAreNone sees that NaN passes, as in package vec, and that zeros of either sign become +0.
func TestNumbersThatAreNone(t *testing.T) {
	nan, negative := float32(math.NaN()), float32(math.Copysign(0, -1))
	eachKernel(t, func(t *testing.T, k *Kernel) {
		x := &Image{1, 1, 3, make([]float32, 3)}
		m := make([]float32, Elements*3)
		m[0], m[1], m[2] = nan, 1, 1
		k.OutputBias(x, Run{0, 0, 1}, 0, 3, m, 3, []float32{0, 0, -1}, 0)
		assert.True(t, math.IsNaN(float64(x.Data[0])))
		assert.Equal(t, float32(1), x.Data[1])
		assert.Zero(t, math.Float32bits(x.Data[2]))
		k.OutputGrad(x, Run{0, 0, 1}, 0, 3, m, 3, []float32{1, nan, negative}, 0)
		assert.True(t, math.IsNaN(float64(x.Data[0])))
		assert.Zero(t, math.Float32bits(x.Data[1]))
		assert.Zero(t, math.Float32bits(x.Data[2]))
	})
}

func TestBrokenInvariantsPanic(t *testing.T) {
	k := Default()
	x := &Image{4, 4, 2, make([]float32, 32)}
	v, zero, one := make([]float32, Elements*2), make([]float32, Piece*2), Run{0, 0, 1}
	all := Columns(0, Piece, 1, 4)
	require.NotPanics(t, func() { k.Input(v, 2, x, Run{-1, -1, 1}, Columns(-1, Piece, 1, 4), zero) })
	assert.Panics(t, func() { k.Input(v[1:], 2, x, one, all, zero) })
	assert.Panics(t, func() { k.Input(v, 1, x, one, all, zero) })
	assert.Panics(t, func() { k.Input(v, 2, x, one, all, zero[1:]) })
	assert.Panics(t, func() { k.Input(v, 2, x, one, nil, zero) })
	assert.Panics(t, func() { k.Input(v, 2, x, Run{0, 0, 2}, Columns(0, Piece, 2, 4), zero) })
	assert.Panics(t, func() { k.Input(v, 2, &Image{4, 4, 2, x.Data[1:]}, one, all, zero) })
	assert.Panics(t, func() { k.Gradient(v, 2, x, one, all, 1, 2, zero) })
	assert.Panics(t, func() { k.Output(x, Run{4, 0, 1}, 0, 2, v, 2) })
	assert.Panics(t, func() { k.Output(x, Run{0, -1, 1}, 0, 2, v, 2) })
	assert.Panics(t, func() { k.Output(x, Run{0, 0, 2}, 0, 1, v, 2) })
	assert.Panics(t, func() { k.OutputBias(x, one, 0, 2, v, 2, zero[:1], 0) })
	assert.Panics(t, func() { k.OutputGrad(x, one, 0, 2, v, 2, zero, 0) })
	assert.Panics(t, func() { k.Filter(v, 2, zero, 0, 6, 2, 2) })
	assert.Panics(t, func() { k.Filter(v, 2, make([]float32, 18), 0, -6, 2, 2) })
	assert.Panics(t, func() { k.FilterGrad(make([]float32, 17), 6, 2, v, 2, 2, false) })
}

func TestColumns(t *testing.T) {
	assert.Equal(t, []uint8{0b111110, 0b111111, 0b000111}, Columns(-1, Piece, 3, 10))
	assert.Equal(t, []uint8{0b1111, 0b1111, 0b0011}, Columns(0, Tile, 3, 10))
	assert.Equal(t, []uint8{0b000100}, Columns(-2, Piece, 1, 1))
}
