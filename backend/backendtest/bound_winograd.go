package backendtest

import (
	"math"

	"fovea/backend"
)

// Winograd is an algorithm F(m×m, 3×3) for convolutions with 3×3 filters, without
// strides and dilation: m×m pixels of the output, a tile, are
//
//	y = Aᵀ·[Σ (G·w·Gᵀ) ⊙ (Bᵀ·d·B)]·A
//
// with the sum over the channels, d being the piece of the image that the tile depends
// on. Tiles follow one another from the first pixel of the output on. The gradient of
// the input is the same of DY with the filters turned by half, and that of the filters
// Gᵀ·[Σ (A·y′·Aᵀ) ⊙ (Bᵀ·d·B)]·G, with the sum over all tiles y′ of DY.
type Winograd struct {
	AT, G, BT [][]float64 // m×(m+2), (m+2)×3, (m+2)×(m+2)
	// Roundings is how many roundings a term undergoes at most in the three transforms
	// it passes, those of constants included.
	Roundings int
}

// convolutionBound is that of sums, or of the algorithm that the backend uses.
func convolutionBound(e *evaluation) (bounds, error) {
	if e.winograd == nil {
		return sums(convTerms)(e)
	}
	return e.winograd.bound(e)
}

// bound derives the bound of Winograd's algorithm for an element. Computed from
// magnitudes, with matrices of magnitudes, the formula gives the sum S of the
// magnitudes of all products of an element of d, one of w and constants that the
// algorithm adds up, as long as a transform evaluates just the terms of its matrix,
// each once; to factor out what they have in common does not change that. With n
// roundings at most on the way of a term to the result, the error is at most
//
//	n·u/(1 − n·u)·S
//
// (Higham 2002, section 3.1: it is that of a sum of products, with other factors). n is
// the number of channels, or of tiles, for the products and their sum, Roundings, and
// three more as in sums. Unlike there, S is no multiple of what the exact result's
// magnitudes add up to: terms that cancel count too.
//
// A rounding to a subnormal number errs by tiny at most, as much as one of a number
// tiny/u larger would; so all magnitudes are taken to be larger by that.
//
// A tile with an input that is not finite has no bound: it spreads.
func (w *Winograd) bound(e *evaluation) (bounds, error) {
	abs := func(name string) []float64 {
		v := append([]float64(nil), e.values(name)...)
		for i := range v {
			v[i] = math.Abs(v[i]) + tiny/u
		}
		return v
	}
	at, g, bt := absoluteMatrix(w.AT), absoluteMatrix(w.G), absoluteMatrix(w.BT)
	switch o := e.op.(type) {
	case *backend.Conv2D:
		x := tiled{abs("X"), o.X.Shape, o.PadTop, o.PadLeft}
		filters := filterBank{abs("W"), o.W.Shape, false}
		tol := w.convolve(at, g, bt, x, filters, o.Y.Shape)
		if bias := e.values("B"); bias != nil {
			for i := range tol {
				tol[i] += 2 * u * math.Abs(bias[i%len(bias)])
			}
		}
		return bounds{"Y": tol}, nil
	case *backend.Conv2DInputGrad:
		dy := tiled{abs("DY"), o.DY.Shape, 2 - o.PadTop, 2 - o.PadLeft}
		filters := filterBank{abs("W"), o.W.Shape, true}
		return bounds{"DX": w.convolve(at, g, bt, dy, filters, o.DX.Shape)}, nil
	case *backend.Conv2DFilterGrad:
		b, err := sums(convTerms)(e) // that of DB
		if err != nil {
			return nil, err
		}
		b["DW"] = w.correlate(at, g, bt, tiled{abs("X"), o.X.Shape, o.PadTop, o.PadLeft}, tiled{abs("DY"), o.DY.Shape, 0, 0}, o.DW.Shape)
		if dw := e.values("DW"); dw != nil { // accumulated into
			for i, v := range dw {
				b["DW"][i] += 2 * u * math.Abs(v)
			}
		}
		return b, nil
	}
	panic("BUG: no convolution: " + e.op.Kind())
}

// tiled are images, [N, H, W, C], whose first piece begins some pixels outside.
type tiled struct {
	v         []float64
	shape     backend.Shape
	top, left int
}

// piece returns size×size pixels of a channel from (row, col) on, zero outside.
func (t tiled) piece(image, row, col, channel, size int) [][]float64 {
	return newMatrix(size, size, func(i, j int) float64 {
		y, x := row-t.top+i, col-t.left+j
		if y < 0 || y >= t.shape[1] || x < 0 || x >= t.shape[2] {
			return 0
		}
		return t.v[((image*t.shape[1]+y)*t.shape[2]+x)*t.shape[3]+channel]
	})
}

// filterBank are filters [O, 3, 3, C], or turned by half, with inputs and outputs
// exchanged.
type filterBank struct {
	v      []float64
	shape  backend.Shape
	turned bool
}

func (f filterBank) taps(output, input int) [][]float64 {
	return newMatrix(3, 3, func(i, j int) float64 {
		if f.turned {
			return f.v[((input*3+2-i)*3+2-j)*f.shape[3]+output]
		}
		return f.v[((output*3+i)*3+j)*f.shape[3]+input]
	})
}

// convolve returns the bound of a convolution.
func (w *Winograd) convolve(at, g, bt [][]float64, x tiled, filters filterBank, y backend.Shape) []float64 {
	m, size := len(at), len(bt)
	inputs, outputs := x.shape[3], y[3]
	transformed := make([][][]float64, inputs*outputs)
	for o := range outputs {
		for c := range inputs {
			transformed[c*outputs+o] = conjugate(g, filters.taps(o, c))
		}
	}
	n := gamma(float64(inputs + w.Roundings + 3))
	tol := make([]float64, y.Elements())
	w.eachTile(y, func(image, row, col int) {
		sums := make([][][]float64, outputs)
		for o := range sums {
			sums[o] = newMatrix(size, size, func(int, int) float64 { return 0 })
		}
		for c := range inputs {
			d := conjugate(bt, x.piece(image, row, col, c, size))
			for o := range outputs {
				addProducts(sums[o], d, transformed[c*outputs+o])
			}
		}
		for o := range outputs {
			s := conjugate(at, sums[o])
			for i := range min(m, y[1]-row) {
				for j := range min(m, y[2]-col) {
					tol[((image*y[1]+row+i)*y[2]+col+j)*outputs+o] = orAnything(n*s[i][j]) + float64(w.Roundings)*tiny
				}
			}
		}
	})
	return tol
}

// correlate returns the bound of the gradient of filters of a shape.
func (w *Winograd) correlate(at, g, bt [][]float64, x, dy tiled, shape backend.Shape) []float64 {
	m, size := len(at), len(bt)
	inputs, outputs := shape[3], shape[0]
	a, gt := transpose(at), transpose(g)
	sums := make([][][]float64, outputs*inputs)
	for i := range sums {
		sums[i] = newMatrix(size, size, func(int, int) float64 { return 0 })
	}
	tiles := 0
	w.eachTile(dy.shape, func(image, row, col int) {
		tiles++
		d := make([][][]float64, inputs)
		for c := range d {
			d[c] = conjugate(bt, x.piece(image, row, col, c, size))
		}
		for o := range outputs {
			gradient := conjugate(a, dy.piece(image, row, col, o, m))
			for c := range d {
				addProducts(sums[o*inputs+c], d[c], gradient)
			}
		}
	})
	n := gamma(float64(tiles + w.Roundings + 3))
	tol := make([]float64, shape.Elements())
	for o := range outputs {
		for c := range inputs {
			s := conjugate(gt, sums[o*inputs+c])
			for i := range 3 {
				for j := range 3 {
					tol[((o*3+i)*3+j)*inputs+c] = orAnything(n*s[i][j]) + float64(w.Roundings)*tiny
				}
			}
		}
	}
	return tol
}

// eachTile calls f for the first pixel of each tile of an output.
func (w *Winograd) eachTile(y backend.Shape, f func(image, row, col int)) {
	m := len(w.AT)
	for image := range y[0] {
		for row := 0; row < y[1]; row += m {
			for col := 0; col < y[2]; col += m {
				f(image, row, col)
			}
		}
	}
}

// orAnything is +∞, which allows everything, for a bound that is no number.
func orAnything(v float64) float64 {
	if math.IsNaN(v) {
		return math.Inf(1)
	}
	return v
}

func newMatrix(rows, cols int, at func(i, j int) float64) [][]float64 {
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, cols)
		for j := range m[i] {
			m[i][j] = at(i, j)
		}
	}
	return m
}

func absoluteMatrix(m [][]float64) [][]float64 {
	return newMatrix(len(m), len(m[0]), func(i, j int) float64 { return math.Abs(m[i][j]) })
}

func transpose(m [][]float64) [][]float64 {
	return newMatrix(len(m[0]), len(m), func(i, j int) float64 { return m[j][i] })
}

// conjugate returns l·d·lᵀ.
func conjugate(l, d [][]float64) [][]float64 {
	half := newMatrix(len(l), len(d), func(i, j int) (s float64) {
		for p := range d {
			s += l[i][p] * d[p][j]
		}
		return s
	})
	return newMatrix(len(l), len(l), func(i, j int) (s float64) {
		for p := range d {
			s += half[i][p] * l[j][p]
		}
		return s
	})
}

// addProducts adds the products of the elements of x and y to sum.
func addProducts(sum, x, y [][]float64) {
	for i := range sum {
		for j := range sum[i] {
			sum[i][j] += x[i][j] * y[i][j]
		}
	}
}
